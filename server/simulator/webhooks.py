"""The simulated carrier's HTTP client: sends signed webhooks and retries them as the fragment of the webhook URL asks."""

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
RETRY_PAUSE_S = 0.5  # before the first repeat; each later pause is twice as long


@dataclass(frozen=True, slots=True)
class WebhookResult:
    """The result of one webhook. `status` 0: no response."""

    status: int
    type: str = ""
    text: str = ""
    tries: int = 1
    error: str = ""


class WebhookClient:
    """One HTTP client for all webhooks and pictures; closed with the carrier."""

    def __init__(self, app: App, token: str) -> None:
        self._app, self._token = app, token
        self._http: aiohttp.ClientSession | None = None

    def _client(self) -> aiohttp.ClientSession:
        import aiohttp  # a dependency of the SDK, imported only if the simulator is used

        if self._http is None:
            connector = aiohttp.TCPConnector(limit=50)
            self._http = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers={"user-agent": "TwilioProxy/1.1"}
            )
        return self._http

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    async def post(self, url: str, params: dict[str, str], *, method: str = "POST", key: str = "") -> WebhookResult:
        """Sends one webhook and repeats it if it fails; all tries carry the same idempotency token."""
        options = rules.override(url)
        address = url.partition("#")[0]
        if method == "GET":
            address += ("&" if "?" in address else "?") + urlencode(params)
            params = {}
        headers = {
            SIGNATURE: sign(self._token, address, params.items()),
            IDEMPOTENCY: key or self._app.ids.token(16),
            "accept": "*/*",
        }
        end = self._app.clock.monotonic() + options.total_s
        tries = 0
        while True:
            tries += 1
            remaining_s = max(0.1, end - self._app.clock.monotonic())
            result, failed = await self._send_once(method, address, params, headers, options, remaining_s)
            if failed is None or failed not in options.retry_on or tries > options.times:
                return WebhookResult(result.status, result.type, result.text, tries, result.error)
            pause = RETRY_PAUSE_S * 2 ** (tries - 1)
            if self._app.clock.monotonic() + pause >= end:
                return WebhookResult(result.status, result.type, result.text, tries, result.error)
            await asyncio.sleep(pause)

    async def _send_once(
        self,
        method: str,
        address: str,
        params: dict[str, str],
        headers: dict[str, str],
        options: rules.Override,
        remaining_s: float,
    ) -> tuple[WebhookResult, str | None]:
        import aiohttp
        from yarl import URL

        timeout = aiohttp.ClientTimeout(
            total=remaining_s,
            sock_connect=min(options.connect_s, remaining_s),
            sock_read=min(options.read_s, remaining_s),
        )
        data = urlencode(params) if method == "POST" else None
        if data is not None:
            headers = headers | {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        try:
            # `encoded`: the client must not change the address, which is signed.
            encoded_url = URL(address, encoded=True)
            async with self._client().request(
                method, encoded_url, data=data, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                text = (await _read(response.content, MAX_ANSWER)).decode("utf-8", "replace")
                kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
                return WebhookResult(response.status, kind, text), rules.failure(response.status)
        except (aiohttp.ServerTimeoutError, TimeoutError):
            return WebhookResult(0, error="no answer in time"), "rt"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return WebhookResult(0, error=type(error).__name__), "ct"

    async def fetch(self, url: str, max_bytes: int) -> tuple[bytes, str] | int:
        """Downloads a picture of an MMS. Returns bytes and type, or Twilio's error code."""
        import aiohttp

        try:
            async with self._client().get(
                url, timeout=aiohttp.ClientTimeout(total=10), allow_redirects=False
            ) as response:
                if response.status != 200:
                    return 63019
                data = await _read(response.content, max_bytes)
                return 11751 if len(data) > max_bytes else (data, response.content_type)
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError):
            return 63019


async def _read(stream: aiohttp.StreamReader, max_bytes: int) -> bytes:
    """The whole body, or a little more than `max_bytes` bytes of it."""
    data = b""
    while len(data) <= max_bytes and (chunk := await stream.read(max_bytes + 1)):
        data += chunk
    return data


def replies(result: WebhookResult) -> list[str]:
    """The texts that the carrier sends for a webhook's response: plain text, or the messages of TwiML."""
    if result.type == "text/plain":
        return [result.text] if result.text.strip() else []
    if result.type not in ("text/xml", "application/xml") or not result.text.strip():
        return []
    try:
        root = ElementTree.fromstring(result.text)  # noqa: S314 - our own server's answer
    except ElementTree.ParseError:
        return []
    if root.tag != "Response":
        return []
    return ["".join(element.findtext("Body") or element.text or "").strip() for element in root.findall("Message")][:10]
