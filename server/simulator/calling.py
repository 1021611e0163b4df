"""The simulated carrier's own calls: signed webhooks over real HTTP, repeated as the address asks for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from xml.etree import ElementTree

from server.channels.twilio_webhooks import IDEMPOTENCY, SIGNATURE, sign
from server.kernel.context import App
from server.simulator import rules

if TYPE_CHECKING:
    import aiohttp

MAX_ANSWER = 64 * 1024  # bytes of TwiML; more is Twilio's error 11750
PAUSE_S = 0.5  # before the first repeat; each later one waits twice as long


@dataclass(frozen=True, slots=True)
class Answered:
    """How one webhook ended. `status` 0: nobody answered in time, or at all."""

    status: int
    type: str = ""
    text: str = ""
    tries: int = 1
    error: str = ""


class Caller:
    """One HTTP client for all webhooks and pictures; closed with the carrier."""

    def __init__(self, app: App, token: str) -> None:
        self._app, self._token = app, token
        self._http: aiohttp.ClientSession | None = None

    def _client(self) -> aiohttp.ClientSession:
        import aiohttp  # the SDK brings it; only a simulator that is used needs it

        if self._http is None:
            connector = aiohttp.TCPConnector(limit=50)
            self._http = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers={"user-agent": "TwilioProxy/1.1"}
            )
        return self._http

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    async def post(self, url: str, params: dict[str, str], *, method: str = "POST", key: str = "") -> Answered:
        """One webhook, with its repeats; all of them carry the same idempotency token."""
        asked = rules.override(url)
        address = url.partition("#")[0]
        if method == "GET":
            address += ("&" if "?" in address else "?") + urlencode(params)
            params = {}
        headers = {
            SIGNATURE: sign(self._token, address, params.items()),
            IDEMPOTENCY: key or self._app.ids.token(16),
            "accept": "*/*",
        }
        end = self._app.clock.monotonic() + asked.total_s
        tries = 0
        while True:
            tries += 1
            left = max(0.1, end - self._app.clock.monotonic())
            found, failed = await self._once(method, address, params, headers, asked, left)
            if failed is None or failed not in asked.again or tries > asked.times:
                return Answered(found.status, found.type, found.text, tries, found.error)
            pause = PAUSE_S * 2 ** (tries - 1)
            if self._app.clock.monotonic() + pause >= end:
                return Answered(found.status, found.type, found.text, tries, found.error)
            await asyncio.sleep(pause)

    async def _once(
        self,
        method: str,
        address: str,
        params: dict[str, str],
        headers: dict[str, str],
        asked: rules.Override,
        left: float,
    ) -> tuple[Answered, str | None]:
        import aiohttp
        from yarl import URL

        timeout = aiohttp.ClientTimeout(
            total=left, sock_connect=min(asked.connect_s, left), sock_read=min(asked.read_s, left)
        )
        data = urlencode(params) if method == "POST" else None
        if data is not None:
            headers = headers | {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        try:
            # Byte for byte as it was signed: the client must not write it in its own way.
            where = URL(address, encoded=True)
            async with self._client().request(
                method, where, data=data, headers=headers, timeout=timeout, allow_redirects=False
            ) as got:
                text = (await _read(got.content, MAX_ANSWER)).decode("utf-8", "replace")
                kind = got.headers.get("content-type", "").partition(";")[0].strip().lower()
                return Answered(got.status, kind, text), rules.failure(got.status)
        except (aiohttp.ServerTimeoutError, TimeoutError):
            return Answered(0, error="no answer in time"), "rt"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answered(0, error=type(error).__name__), "ct"

    async def fetch(self, url: str, most: int) -> tuple[bytes, str] | int:
        """A picture for an MMS: bytes and type, or the error it means."""
        import aiohttp

        try:
            async with self._client().get(url, timeout=aiohttp.ClientTimeout(total=10), allow_redirects=False) as got:
                if got.status != 200:
                    return 63019
                data = await _read(got.content, most)
                return 11751 if len(data) > most else (data, got.content_type)
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError):
            return 63019


async def _read(stream: aiohttp.StreamReader, most: int) -> bytes:
    """The whole body, or a little more than `most` bytes of it."""
    data = b""
    while len(data) <= most and (more := await stream.read(most + 1)):
        data += more
    return data


def replies(found: Answered) -> list[str]:
    """What an answer to a webhook makes the carrier text back (INTEGRATIONS 1.1)."""
    if found.type == "text/plain":
        return [found.text] if found.text.strip() else []
    if found.type not in ("text/xml", "application/xml") or not found.text.strip():
        return []
    try:
        root = ElementTree.fromstring(found.text)  # noqa: S314 - our own server's answer
    except ElementTree.ParseError:
        return []
    if root.tag != "Response":
        return []
    return ["".join(one.findtext("Body") or one.text or "").strip() for one in root.findall("Message")][:10]
