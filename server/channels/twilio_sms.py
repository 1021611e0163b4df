"""Twilio's REST side, by its own SDK: send, list, media, account. The only module that imports the SDK.

The SDK builds requests and reads answers; how they travel is ours (`http_client.py`): one shared connection pool with explicit
time-outs, the address a setting, and every way a network can fail told apart by one question: may it have been done?
Files come by aiohttp, piece by piece.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
from base64 import b64encode
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from server.channels import twilio_errors, twilio_lists
from server.channels.base import (
    Accepted,
    BadList,
    Checked,
    GivenUp,
    Listed,
    Media,
    NoList,
    NotSent,
    Number,
    Rejected,
    Sent,
    Text,
    Unclear,
    Verdict,
)
from server.channels.http_client import HttpClient, Limits, NotAnswered, NotConnected
from server.errors import ChannelError
from server.kernel import failpoints

if TYPE_CHECKING:
    import aiohttp

CONNECT_S = 5.0
TOTAL_S = 15.0  # Twilio answers within one or two; after this the outcome is unclear
CONNECTIONS = 128  # at a time; more waits here, not at Twilio (429)
FILES = 16  # fetched at a time
# An idle connection that the other side closes at the moment we use it makes a send unclear: let go of it sooner.
IDLE_S = 10.0
MAX_ANSWER = 4_000_000  # bytes
SENT = "outbound_request_sent"  # a failpoint
HOME = "https://api.twilio.com"
MEDIA_HOSTS = (".twilio.com", ".twiliocdn.com", ".amazonaws.com")  # where a file's address may lead on
_MEDIA_PATH = re.compile(r"/2010-04-01/Accounts/AC[0-9a-fA-F]{32}/Messages/\w{34}/Media/\w{34}(?:\.\w{1,5})?")
_LONG_DIGITS = re.compile(r"\+?\d[\d() -]{5,}\d")


class _Refused(Exception):
    """An answer that is no success; raised before the SDK makes one of its own of it, which drops the headers."""

    def __init__(self, status: int, retry_after: str | None, body: str) -> None:
        super().__init__(status)
        self.status, self.retry_after, self.body = status, retry_after, body

    def told(self) -> tuple[int | None, str]:
        """Twilio's code and sentence; (None, "") where somebody else answered (a proxy's page)."""
        try:
            found = json.loads(self.body)
            code = found.get("code")
            return (code if isinstance(code, int) else None), str(found.get("message") or found.get("detail") or "")
        except (ValueError, AttributeError):
            return None, ""


def connect(sid: str, user: str, password: str, service: str, url: str) -> TwilioSms:
    """One account. Call inside a running loop; nothing is sent before the first use."""
    return TwilioSms(sid, user, password, service, url)


class TwilioSms:
    """`base.SmsChannel` for one account."""

    def __init__(self, sid: str, user: str, password: str, service: str, url: str) -> None:
        self._sid, self._user, self._password, self._service = sid, user, password, service
        self._base = url.rstrip("/")
        self._messages = f"/2010-04-01/Accounts/{sid}/Messages.json"
        self._pair = b64encode(f"{user}:{password}".encode()).decode()
        # The wait for a free connection belongs to connecting: who never got one sent nothing, and is not unclear.
        limits = Limits(CONNECTIONS, CONNECT_S, TOTAL_S, IDLE_S, MAX_ANSWER)
        self._http = HttpClient(limits, sent=_stop_after if failpoints.active(SENT) else None)
        self._session: aiohttp.ClientSession | None = None
        self._client: Any = None

    # --- the SDK, over our own connections

    def _opened(self) -> Any:
        if self._client is None:
            # Half a second and 20 MB: only who sends pays for it.
            from twilio.http.async_http_client import AsyncTwilioHttpClient
            from twilio.http.response import Response
            from twilio.rest import Client

            _never_garbage()
            http, authorization, base = self._http, f"Basic {self._pair}", self._base

            class Http(AsyncTwilioHttpClient):  # type: ignore[misc] # the SDK has no types
                """The SDK's own client makes a session without time-outs and loses what a 429 says in its headers."""

                def __init__(self) -> None:
                    super().__init__(pool_connections=False)

                async def request(
                    self,
                    method: str,
                    url: str,
                    params: dict[str, Any] | None = None,
                    data: dict[str, Any] | None = None,
                    headers: dict[str, str] | None = None,
                    auth: Any = None,
                    timeout: float | None = None,  # noqa: ASYNC109 - the SDK's signature
                    allow_redirects: bool = False,
                ) -> Any:
                    address = moved(url, base)
                    if params:
                        address += f"{'&' if '?' in address else '?'}{urlencode(params, doseq=True)}"
                    answer = await http.ask(
                        method,
                        address,
                        {**(headers or {}), "Authorization": authorization},
                        urlencode(data, doseq=True).encode() if data else b"",
                    )
                    text = answer.body.decode("utf-8", "replace")
                    if answer.status == 307 and twilio_lists.asked_for(url):
                        return Response(200, twilio_lists.led_to(text, answer.header("Location")))
                    if not 200 <= answer.status < 300:
                        raise _Refused(answer.status, answer.header("Retry-After"), text)
                    return Response(answer.status, text)

            self._client = Client(self._user, self._password, self._sid, http_client=Http(), environment={"": ""})
        return self._client

    def _files(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=FILES, keepalive_timeout=IDLE_S),
                timeout=aiohttp.ClientTimeout(total=TOTAL_S, connect=CONNECT_S, sock_connect=CONNECT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def close(self) -> None:
        session, self._session, self._client = self._session, None, None
        await self._http.close()
        if session is not None:
            await session.close()

    # --- sending

    async def send(self, text: Text) -> Sent:
        form: dict[str, Any] = {"To": text.recipient, "Body": text.body}
        if text.sender:
            form["From"] = text.sender
        if self._service:
            form["MessagingServiceSid"] = self._service
        if text.media:
            form["MediaUrl"] = list(text.media)
        if text.callback:
            form["StatusCallback"] = text.callback
        if text.validity_s is not None:
            form["ValidityPeriod"] = text.validity_s
        try:
            # What `messages.create_async` asks for, one floor lower: it hands twenty-six parameters through four functions
            # and reads every date of the answer, a quarter of what a send cost.
            answer = await self._opened().request_async("POST", f"{HOME}{self._messages}", data=form)
            made = json.loads(answer.text)
            sid, status = made.get("sid"), made.get("status")
        except _Refused as refusal:
            return judge(refusal)
        except NotConnected as error:
            return NotSent(f"Twilio could not be reached ({error}).")
        except NotAnswered as error:
            return Unclear(f"Twilio did not answer ({error}).")
        except Exception as error:  # an answer that cannot be read, after a 2xx: it may well have been sent
            return Unclear(f"Twilio's answer could not be read ({type(error).__name__}).")
        if not isinstance(sid, str) or not sid:
            return Unclear("Twilio's answer named no message.")
        return Accepted(sid, str(status or "queued"))

    # --- looking

    async def list_messages(
        self,
        *,
        to: str | None = None,
        from_: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 200,
    ) -> list[Listed]:
        wanted: dict[str, Any] = {"limit": limit, "page_size": min(limit, 200)}
        for name, value in (("to", to), ("from_", from_), ("date_sent_after", since), ("date_sent_before", until)):
            if value is not None:
                wanted[name] = value.date() if isinstance(value, datetime) else value
        client = self._opened()
        found = await self._asked(client.messages.list_async(**wanted))
        return [
            Listed(
                sid=one.sid,
                status=str(one.status),
                error=one.error_code if isinstance(one.error_code, int) else None,
                body=one.body or "",
                sender=one.from_ or "",
                recipient=one.to or "",
                direction="inbound" if str(one.direction) == "inbound" else "outbound",
                created_at=one.date_created or datetime.fromtimestamp(0, UTC),
                media=int(one.num_media or 0),
            )
            for one in found
        ]

    async def media_of(self, sid: str) -> list[Media]:
        client = self._opened()
        found = await self._asked(client.messages(sid).media.list_async(limit=10))
        return [
            Media(f"{HOME}/2010-04-01/Accounts/{self._sid}/Messages/{sid}/Media/{one.sid}", one.content_type or "")
            for one in found
        ]

    async def fetch_media(self, url: str, most: int) -> tuple[bytes, str]:
        import aiohttp

        session, address = self._files(), self._media_address(url)
        headers = {"Authorization": f"Basic {self._pair}"}
        try:
            for _ in range(4):
                async with session.get(address, headers=headers, allow_redirects=False) as answer:
                    if answer.status in (301, 302, 303, 307, 308):
                        address, headers = self._led_on(address, answer.headers.get("Location", "")), {}
                        continue
                    if answer.status != 200:
                        gone = answer.status in (401, 403, 404, 410)
                        raise ChannelError(f"The file could not be fetched ({answer.status}).", permanent=gone)
                    found = bytearray()
                    async for piece in answer.content.iter_chunked(65_536):
                        found += piece
                        if len(found) > most:
                            raise ChannelError("The file is larger than we keep.", permanent=True)
                    return bytes(found), answer.content_type
        except (TimeoutError, OSError, aiohttp.ClientError) as error:
            raise ChannelError(f"The file could not be fetched ({type(error).__name__}).") from None
        raise ChannelError("The file's address leads in circles.", permanent=True)

    async def given_up(self, day: date) -> GivenUp | NoList | BadList:
        client = self._opened()

        async def ask() -> str | None:
            try:
                found = await client.messaging.v1.deactivations().fetch_async(date=day)
            except _Refused as refusal:
                if refusal.status in (400, 404):
                    return None
                raise
            return str(found.redirect_to or "")

        address = await self._asked(ask())
        if address is None:
            return NoList()
        return await twilio_lists.read(self._files(), address, self._base, self._led_on)

    def _media_address(self, url: str) -> str:
        """Only the provider's own addresses of messages' files: whatever else a request names is not fetched."""
        for start in (HOME, self._base):
            path = url.removeprefix(start)
            if path != url and _MEDIA_PATH.fullmatch(path):
                return self._base + path
        raise ChannelError("This is no address of a file at Twilio.", permanent=True)

    def _led_on(self, here: str, location: str) -> str:
        parts = urlsplit(location)
        host = parts.hostname or ""
        own = f"{parts.scheme}://{parts.netloc}" == "{0.scheme}://{0.netloc}".format(urlsplit(self._base))
        if own or (parts.scheme == "https" and host.endswith(MEDIA_HOSTS) and parts.port in (None, 443)):
            return location
        raise ChannelError("The file's address leads away from Twilio.", permanent=True)

    async def check(self) -> Checked:
        client = self._opened()
        try:
            account = await self._asked(client.api.v2010.accounts(self._sid).fetch_async())
            numbers = await self._asked(client.incoming_phone_numbers.list_async(limit=200))
        except ChannelError as error:
            return Checked(str(error))
        return Checked(
            "",
            str(account.status),
            str(account.friendly_name or ""),
            tuple(
                Number(
                    address=one.phone_number or "",
                    sms_url=one.sms_url or "",
                    sms=bool((one.capabilities or {}).get("sms")),
                    mms=bool((one.capabilities or {}).get("mms")),
                    sms_method=str(one.sms_method or "POST"),
                )
                for one in numbers
            ),
        )

    async def _asked(self, call: Any) -> Any:
        """A read's answer; every failure is a `ChannelError` in words."""
        try:
            return await call
        except _Refused as refusal:
            code, said = refusal.told()
            words = (
                twilio_errors.meaning(code, refusal.status).words if refusal.status < 500 else "Twilio has a problem."
            )
            permanent = refusal.status in (400, 401, 403, 404)
            raise ChannelError(
                f"{words} ({code or refusal.status}) {masked(said)}".strip(), permanent=permanent
            ) from None
        except (NotConnected, NotAnswered) as error:
            raise ChannelError(f"Twilio could not be reached ({error}).") from None
        except asyncio.CancelledError:
            raise
        except Exception as error:
            raise ChannelError(f"Twilio's answer could not be read ({type(error).__name__}).") from None


@cache
def _never_garbage() -> None:
    """What the SDK has loaded stays: looking through it again at every full collection cost more than a whole send."""
    gc.freeze()


def _stop_after() -> None:
    """For fault tests: stops a moment after a request was handed to the network, before its answer."""
    asyncio.get_running_loop().call_later(0.005, failpoints.reach, SENT)


@lru_cache(64)
def moved(url: str, base: str) -> str:
    """The SDK's address, at `base` instead of its own host. At Twilio itself other hosts than the first keep theirs."""
    parts = urlsplit(url)
    own = (urlsplit(base).hostname or "").endswith(".twilio.com")
    if own and not url.startswith(f"{HOME}/"):
        return url
    return f"{base}{parts.path}{'?' + parts.query if parts.query else ''}"


def masked(said: str) -> str:
    """Twilio's sentences name phone numbers; ours go into logs."""
    return _LONG_DIGITS.sub("…", said)


def judge(refusal: _Refused) -> Sent:
    """An answer that is no success: 5xx may have been done, everything else was not."""
    if refusal.status >= 500:
        return Unclear(f"Twilio answered {refusal.status}.")
    code, _ = refusal.told()
    found = twilio_errors.meaning(code, refusal.status)
    if 300 <= refusal.status < 400:
        return Rejected(None, "The address of Twilio's interface leads elsewhere.", Verdict.RETRY)
    return Rejected(code, found.words, found.verdict, waiting(refusal.retry_after) or found.retry_after)


def waiting(header: str | None) -> float | None:
    """Seconds of a Retry-After; a date or nonsense counts as none, and nobody makes us wait for more than an hour."""
    try:
        return min(max(float(header or ""), 0.0), 3_600.0) or None
    except ValueError:
        return None
