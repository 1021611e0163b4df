"""Twilio's REST API: sends, lists, media and account. The only module that imports Twilio's SDK.

The SDK builds requests and parses responses; `http_client.py` sends them, because it tells whether a failed request may
have been executed. aiohttp streams files.
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from server.channels import twilio_errors, twilio_lists
from server.channels.base import (
    Accepted,
    BadList,
    Checked,
    DeactivatedNumbers,
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
from server.channels.http_client import HttpClient, Limits, NoResponse, NotConnected
from server.errors import ChannelError
from server.kernel import failpoints

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

CONNECT_S = 5.0
TOTAL_S = 15.0  # Twilio answers within one or two seconds; after this time the outcome is unclear
CONNECTIONS = 128  # concurrent requests; more would wait at Twilio and get 429
FILES = 16  # concurrent downloads
# If the other side closes an idle connection just as we use it, the outcome of a send is unclear: close it earlier.
IDLE_S = 10.0
MAX_ANSWER = 4_000_000  # bytes of a response
PAGE = 200  # messages on one page of a list
SENT = "outbound_request_sent"  # a failpoint
HOME = "https://api.twilio.com"
MEDIA_HOSTS = (".twilio.com", ".twiliocdn.com", ".amazonaws.com")  # hosts to which a file's URL may redirect
_MEDIA_PATH = re.compile(r"/2010-04-01/Accounts/AC[0-9a-fA-F]{32}/Messages/\w{34}/Media/\w{34}(?:\.\w{1,5})?")
_LONG_DIGITS = re.compile(r"\+?\d[\d() -]{5,}\d")


class _ErrorAnswer(Exception):
    """An error response. Raised before the SDK raises its own exception, which drops the headers."""

    def __init__(self, status: int, retry_after: str | None, body: str) -> None:
        super().__init__(status)
        self.status, self.retry_after, self.body = status, retry_after, body

    def code_and_message(self) -> tuple[int | None, str]:
        """Twilio's code and message; (None, "") if the response is not Twilio's (a proxy's page)."""
        try:
            error = json.loads(self.body)
            code = error.get("code")
            return (code if isinstance(code, int) else None), str(error.get("message") or error.get("detail") or "")
        except (ValueError, AttributeError):
            return None, ""


def connect(sid: str, user: str, password: str, service: str, url: str) -> TwilioSms:
    """The channel of one account. Call inside a running loop; sends nothing before its first use."""
    return TwilioSms(sid, user, password, service, url)


class TwilioSms:
    """`base.SmsChannel` for one account."""

    def __init__(self, sid: str, user: str, password: str, service: str, url: str) -> None:
        self._sid, self._user, self._password, self._service = sid, user, password, service
        self._base = url.rstrip("/")
        self._messages = f"/2010-04-01/Accounts/{sid}/Messages.json"
        self._basic_auth = b64encode(f"{user}:{password}".encode()).decode()
        # Waiting for a free connection counts as connecting: without one nothing was sent, so the outcome is clear.
        limits = Limits(CONNECTIONS, CONNECT_S, TOTAL_S, IDLE_S, MAX_ANSWER)
        self._http = HttpClient(limits, sent=_reach_failpoint_later if failpoints.active(SENT) else None)
        self._session: aiohttp.ClientSession | None = None
        self._client: Any = None

    # --- the SDK, over our own HTTP client

    def _sdk(self) -> Any:
        if self._client is None:
            # imported late: it costs half a second and 20 MB, which only a process that sends must pay
            from twilio.rest import Client

            transport = _SdkTransport(self._http, self._base, self._basic_auth)
            self._client = Client(self._user, self._password, self._sid, http_client=transport, environment={"": ""})
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
            # The request of `messages.create_async`, without its slow handling of parameters and dates.
            answer = await self._sdk().request_async("POST", f"{HOME}{self._messages}", data=form)
            message = json.loads(answer.text)
            sid, status = message.get("sid"), message.get("status")
        except _ErrorAnswer as refusal:
            return judge(refusal)
        except NotConnected as error:
            return NotSent(f"Twilio could not be reached ({error}).")
        except NoResponse as error:
            return Unclear(f"Twilio did not answer ({error}).")
        except Exception as error:  # the response to a 2xx cannot be parsed: the text may well have been sent
            return Unclear(f"Twilio's answer could not be read ({type(error).__name__}).")
        if not isinstance(sid, str) or not sid:
            return Unclear("Twilio's answer named no message.")
        return Accepted(sid, str(status or "queued"))

    # --- reading

    async def list_messages(
        self,
        *,
        to: str | None = None,
        from_: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 200,
    ) -> list[Listed]:
        filters: dict[str, Any] = {"limit": limit, "page_size": min(limit, PAGE)}
        for name, value in (("to", to), ("from_", from_), ("date_sent_after", since), ("date_sent_before", until)):
            if value is not None:
                filters[name] = value.date() if isinstance(value, datetime) else value
        client = self._sdk()
        messages = await self._read(client.messages.list_async(**filters))
        return [_listed(message) for message in messages]

    async def pages(self, *, to: str, since: datetime) -> AsyncIterator[list[Listed]]:
        client = self._sdk()
        page = await self._read(client.messages.page_async(to=to, date_sent_after=since.date(), page_size=PAGE))
        while page is not None:
            yield [_listed(message) for message in page]
            page = await self._read(page.next_page_async())

    async def media_of(self, sid: str) -> list[Media]:
        client = self._sdk()
        files = await self._read(client.messages(sid).media.list_async(limit=10))
        return [
            Media(f"{HOME}/2010-04-01/Accounts/{self._sid}/Messages/{sid}/Media/{file.sid}", file.content_type or "")
            for file in files
        ]

    async def fetch_media(self, url: str, max_bytes: int) -> tuple[bytes, str]:
        import aiohttp

        session, address = self._files(), self._media_address(url)
        headers = {"Authorization": f"Basic {self._basic_auth}"}
        try:
            for _ in range(4):
                async with session.get(address, headers=headers, allow_redirects=False) as answer:
                    if answer.status in (301, 302, 303, 307, 308):
                        address, headers = self._follow_redirect(address, answer.headers.get("Location", "")), {}
                        continue
                    if answer.status != 200:
                        permanent = answer.status in (401, 403, 404, 410)
                        raise ChannelError(f"The file could not be fetched ({answer.status}).", permanent=permanent)
                    content = bytearray()
                    async for chunk in answer.content.iter_chunked(65_536):
                        content += chunk
                        if len(content) > max_bytes:
                            raise ChannelError("The file is too large to keep.", permanent=True)
                    return bytes(content), answer.content_type
        except (TimeoutError, OSError, aiohttp.ClientError) as error:
            raise ChannelError(f"The file could not be fetched ({type(error).__name__}).") from None
        raise ChannelError("The file's address redirects in a loop.", permanent=True)

    async def deactivated_numbers(self, day: date) -> DeactivatedNumbers | NoList | BadList:
        client = self._sdk()

        async def fetch_redirect() -> str | None:
            try:
                resource = await client.messaging.v1.deactivations().fetch_async(date=day)
            except _ErrorAnswer as refusal:
                if refusal.status in (400, 404):
                    return None
                raise
            return str(resource.redirect_to or "")

        address = await self._read(fetch_redirect())
        if address is None:
            return NoList()
        return await twilio_lists.read(self._files(), address, self._base, self._follow_redirect)

    def _media_address(self, url: str) -> str:
        """The URL of a message's file at the provider. Raises `ChannelError` for any other URL."""
        for start in (HOME, self._base):
            path = url.removeprefix(start)
            if path != url and _MEDIA_PATH.fullmatch(path):
                return self._base + path
        raise ChannelError("This is not the address of a file at Twilio.", permanent=True)

    def _follow_redirect(self, url: str, location: str) -> str:
        parts = urlsplit(location)
        host = parts.hostname or ""
        own_host = f"{parts.scheme}://{parts.netloc}" == "{0.scheme}://{0.netloc}".format(urlsplit(self._base))
        if own_host or (parts.scheme == "https" and host.endswith(MEDIA_HOSTS) and parts.port in (None, 443)):
            return location
        raise ChannelError("The file's address redirects away from Twilio.", permanent=True)

    async def check(self) -> Checked:
        client = self._sdk()
        try:
            account = await self._read(client.api.v2010.accounts(self._sid).fetch_async())
            numbers = await self._read(client.incoming_phone_numbers.list_async(limit=200))
        except ChannelError as error:
            return Checked(str(error))
        return Checked(
            "",
            str(account.status),
            str(account.friendly_name or ""),
            tuple(
                Number(
                    address=number.phone_number or "",
                    sms_url=number.sms_url or "",
                    sms=bool((number.capabilities or {}).get("sms")),
                    mms=bool((number.capabilities or {}).get("mms")),
                    sms_method=str(number.sms_method or "POST"),
                )
                for number in numbers
            ),
        )

    async def _read(self, call: Any) -> Any:
        """The result of a read; raises `ChannelError` for every failure."""
        try:
            return await call
        except _ErrorAnswer as refusal:
            code, message = refusal.code_and_message()
            text = (
                twilio_errors.meaning(code, refusal.status).words if refusal.status < 500 else "Twilio has a problem."
            )
            permanent = refusal.status in (400, 401, 403, 404)
            raise ChannelError(
                f"{text} ({code or refusal.status}) {masked(message)}".strip(), permanent=permanent
            ) from None
        except (NotConnected, NoResponse) as error:
            raise ChannelError(f"Twilio could not be reached ({error}).") from None
        except asyncio.CancelledError:
            raise
        except Exception as error:
            raise ChannelError(f"Twilio's answer could not be read ({type(error).__name__}).") from None


class _SdkTransport:
    """Sends the SDK's requests over our connections. The SDK's own client opens a session without timeouts for each
    request, and drops the headers of a 429."""

    is_async = True  # an attribute that the SDK reads

    def __init__(self, http: HttpClient, base: str, pair: str) -> None:
        self._http, self._base, self._authorization = http, base, f"Basic {pair}"

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
        from twilio.http.response import Response

        address = at_base(url, self._base)
        if params:
            address += f"{'&' if '?' in address else '?'}{urlencode(params, doseq=True)}"
        answer = await self._http.send_request(
            method,
            address,
            {**(headers or {}), "Authorization": self._authorization},
            urlencode(data, doseq=True).encode() if data else b"",
        )
        text = answer.body.decode("utf-8", "replace")
        if answer.status == 307 and twilio_lists.is_deactivations(url):
            return Response(200, twilio_lists.sdk_answer(text, answer.header("Location")))
        if not 200 <= answer.status < 300:
            raise _ErrorAnswer(answer.status, answer.header("Retry-After"), text)
        return Response(answer.status, text)


def _listed(message: Any) -> Listed:
    return Listed(
        sid=message.sid,
        status=str(message.status),
        error=message.error_code if isinstance(message.error_code, int) else None,
        body=message.body or "",
        sender=message.from_ or "",
        recipient=message.to or "",
        direction="inbound" if str(message.direction) == "inbound" else "outbound",
        created_at=message.date_created or datetime.fromtimestamp(0, UTC),
        media=int(message.num_media or 0),
    )


def _reach_failpoint_later() -> None:
    """For fault tests: reaches the failpoint after a request was written and before its response."""
    asyncio.get_running_loop().call_later(0.005, failpoints.reach, SENT)


@lru_cache(64)
def at_base(url: str, base: str) -> str:
    """The SDK's URL with its host replaced by `base`. If `base` is Twilio itself, other Twilio hosts stay."""
    parts = urlsplit(url)
    is_twilio = (urlsplit(base).hostname or "").endswith(".twilio.com")
    if is_twilio and not url.startswith(f"{HOME}/"):
        return url
    return f"{base}{parts.path}{'?' + parts.query if parts.query else ''}"


def masked(message: str) -> str:
    """An error message of Twilio for the log, without phone numbers."""
    return _LONG_DIGITS.sub("…", message)


def judge(refusal: _ErrorAnswer) -> Sent:
    """The outcome of a send with an error response: a 5xx may have been executed, any other was not."""
    if refusal.status >= 500:
        return Unclear(f"Twilio answered {refusal.status}.")
    code, _ = refusal.code_and_message()
    meaning = twilio_errors.meaning(code, refusal.status)
    if 300 <= refusal.status < 400:
        return Rejected(None, "Twilio's API redirects to another address.", Verdict.RETRY)
    return Rejected(code, meaning.words, meaning.verdict, retry_after_s(refusal.retry_after) or meaning.retry_after)


def retry_after_s(header: str | None) -> float | None:
    """Seconds of a Retry-After header, at most one hour; None for a date or an invalid value."""
    try:
        return min(max(float(header or ""), 0.0), 3_600.0) or None
    except ValueError:
        return None
