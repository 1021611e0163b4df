"""Twilio's Deactivations resource: a request is answered with the address of a text file, one number a line, that lives
for two minutes. The file is read whole and within bounds before any of it counts."""

from __future__ import annotations

import asyncio
import json
import re
from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from server.channels.base import BadList, GivenUp
from server.errors import ChannelError

if TYPE_CHECKING:
    import aiohttp

PATH = "/v1/Deactivations"
MOST_BYTES = 32_000_000  # of one day; the busiest have some 200,000 lines of 13
MOST_LINES = 2_000_000
LINE = 64  # bytes; a longer one is no number
TOTAL_S = 25.0  # for all hops together: a job has a minute, and the numbers are still to be looked up
HOPS = 3
# US numbers, which is what the list is of, however written; others with their plus.
_NUMBER = re.compile(rb"\+([1-9][0-9]{6,14})|1?([2-9][0-9]{2}[2-9][0-9]{6})")


def asked_for(url: str) -> bool:
    return urlsplit(url).path.endswith(PATH)


def led_to(body: str, location: str | None) -> str:
    """The answer as the SDK reads it: the address stands in the body, and in the header where there is no such body."""
    try:
        said = json.loads(body)
        if isinstance(said, dict) and said.get("redirect_to"):
            return body
    except ValueError:
        pass
    return json.dumps({"redirect_to": location})


async def read(
    session: aiohttp.ClientSession, address: str, base: str, led_on: Callable[[str, str], str]
) -> GivenUp | BadList:
    """`led_on(here, there)` says whether an address may be followed. Raises `ChannelError` where the network failed."""
    import aiohttp

    here = base + PATH
    try:
        async with asyncio.timeout(TOTAL_S):
            for _ in range(HOPS):
                try:
                    here = led_on(here, urljoin(here, address))
                except ChannelError:
                    return BadList("The list of numbers given up leads away from Twilio.")
                # No password: the address itself is the permission, and the file's store is not Twilio's.
                limits = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=15)
                async with session.get(here, allow_redirects=False, timeout=limits) as answer:
                    if answer.status in (301, 302, 303, 307, 308):
                        address = answer.headers.get("Location", "")
                        continue
                    if 400 <= answer.status < 500:
                        # This day's file alone: the other days are read, and it is asked for again tomorrow.
                        return BadList(f"The list of numbers given up is not there ({answer.status}).")
                    if answer.status != 200:
                        raise ChannelError(f"The list of numbers given up could not be fetched ({answer.status}).")
                    lines = Lines()
                    async for piece in answer.content.iter_chunked(65_536):
                        if not lines.take(piece):
                            return BadList("The list of numbers given up is longer than any we know.")
                    return lines.end()
    except (TimeoutError, OSError, aiohttp.ClientError) as error:
        raise ChannelError(f"The list of numbers given up could not be fetched ({type(error).__name__}).") from None
    return BadList("The list of numbers given up leads in circles.")


class Lines:
    """Numbers out of pieces of a file. Keeps eight bytes a number, whatever the lines hold."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._rest = b""
        self._bytes = self._lines = self._unread = 0
        self._skipping = False  # inside a line that is too long

    def take(self, piece: bytes) -> bool:
        """False: it is too long."""
        self._bytes += len(piece)
        if self._bytes > MOST_BYTES:
            return False
        *lines, self._rest = (self._rest + piece).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > LINE:
            if not self._skipping:
                self._unread += 1
            self._rest, self._skipping = b"", True
        return self._lines <= MOST_LINES

    def _line(self, line: bytes) -> None:
        if self._skipping:
            self._skipping = False
            return
        line = line.removeprefix(b"\xef\xbb\xbf").strip(b' \t",;')
        if not line:
            return
        self._lines += 1
        found = _NUMBER.fullmatch(line)
        if found is None:
            self._unread += 1
        else:
            self._numbers.append(int(found[1] or b"1" + found[2]))

    def end(self) -> GivenUp | BadList:
        """A page in HTML, or anything else that is mostly no numbers, is no list: nothing in it counts."""
        self._line(self._rest)
        if self._unread > len(self._numbers):
            return BadList("What came as the list of numbers given up is none.")
        return GivenUp(self._numbers, self._unread)
