"""Reads Twilio's Deactivations resource: it returns the URL, valid for two minutes, of a text file with one number per line.

The whole file is read, within limits, before any number counts.
"""

from __future__ import annotations

import asyncio
import json
import re
from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from server.channels.base import BadList, DeactivatedNumbers
from server.errors import ChannelError

if TYPE_CHECKING:
    import aiohttp

PATH = "/v1/Deactivations"
MAX_BYTES = 32_000_000  # of one day; the longest lists have some 200,000 lines of 13 bytes
MAX_LINES = 2_000_000
MAX_LINE = 64  # bytes; a longer one is no number
TOTAL_S = 25.0  # for all redirects together; the job needs the rest of its minute to process the numbers
MAX_HOPS = 3
# US numbers in any spelling, because the list is about them; other numbers need their plus.
_NUMBER = re.compile(rb"\+([1-9][0-9]{6,14})|1?([2-9][0-9]{2}[2-9][0-9]{6})")


def is_deactivations(url: str) -> bool:
    return urlsplit(url).path.endswith(PATH)


def sdk_answer(body: str, location: str | None) -> str:
    """The response body for the SDK, which expects the URL there. If the body has no URL, it is taken from `location`."""
    try:
        parsed = json.loads(body)
        if isinstance(parsed, dict) and parsed.get("redirect_to"):
            return body
    except ValueError:
        pass
    return json.dumps({"redirect_to": location})


async def read(
    session: aiohttp.ClientSession, address: str, base: str, follow_redirect: Callable[[str, str], str]
) -> DeactivatedNumbers | BadList:
    """Downloads a list. `follow_redirect(here, there)` returns an allowed URL or raises. Raises `ChannelError` for a network
    error."""
    import aiohttp

    url = base + PATH
    try:
        async with asyncio.timeout(TOTAL_S):
            for _ in range(MAX_HOPS):
                try:
                    url = follow_redirect(url, urljoin(url, address))
                except ChannelError:
                    return BadList("The list of deactivated numbers redirects away from Twilio.")
                # No password: the URL itself is the permission, and the file's host is not Twilio's.
                limits = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=15)
                async with session.get(url, allow_redirects=False, timeout=limits) as answer:
                    if answer.status in (301, 302, 303, 307, 308):
                        address = answer.headers.get("Location", "")
                        continue
                    if 400 <= answer.status < 500:
                        # Only this day's file is missing: the other days are read, and this one is requested again
                        # tomorrow.
                        return BadList(f"The list of deactivated numbers was not found ({answer.status}).")
                    if answer.status != 200:
                        raise ChannelError(f"The list of deactivated numbers could not be fetched ({answer.status}).")
                    lines = Lines()
                    async for chunk in answer.content.iter_chunked(65_536):
                        if not lines.parse_chunk(chunk):
                            return BadList("The list of deactivated numbers is longer than expected.")
                    return lines.finish()
    except (TimeoutError, OSError, aiohttp.ClientError) as error:
        raise ChannelError(f"The list of deactivated numbers could not be fetched ({type(error).__name__}).") from None
    return BadList("The list of deactivated numbers redirects in a loop.")


class Lines:
    """Parses numbers from chunks of a file; stores eight bytes per number."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._rest = b""
        self._bytes = self._lines = self._invalid_lines = 0
        self._skipping = False  # inside a line that is too long

    def parse_chunk(self, chunk: bytes) -> bool:
        """Parses one chunk; returns False if the file is too long."""
        self._bytes += len(chunk)
        if self._bytes > MAX_BYTES:
            return False
        *lines, self._rest = (self._rest + chunk).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > MAX_LINE:
            if not self._skipping:
                self._invalid_lines += 1
            self._rest, self._skipping = b"", True
        return self._lines <= MAX_LINES

    def _line(self, line: bytes) -> None:
        if self._skipping:
            self._skipping = False
            return
        line = line.removeprefix(b"\xef\xbb\xbf").strip(b' \t",;')
        if not line:
            return
        self._lines += 1
        match = _NUMBER.fullmatch(line)
        if match is None:
            self._invalid_lines += 1
        else:
            self._numbers.append(int(match[1] or b"1" + match[2]))

    def finish(self) -> DeactivatedNumbers | BadList:
        """The numbers; `BadList` if most lines are not numbers (an HTML page, for example)."""
        self._line(self._rest)
        if self._invalid_lines > len(self._numbers):
            return BadList("The downloaded file is not a list of deactivated numbers.")
        return DeactivatedNumbers(self._numbers, self._invalid_lines)
