"""The simulated carrier's REST API: the part of Twilio's version 2010-04-01 that messages need."""

from __future__ import annotations

import asyncio
import binascii
import hmac
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from server.errors import Refused
from server.simulator import rules
from server.simulator.account import ROOT, VERSION
from server.simulator.carrier import Carrier
from server.simulator.state import Message, Number, rfc2822
from server.web.http import read_body

MAX_FORM = 256 * 1024
TIMEOUT_S = 60.0  # of the switch "timeout": longer than any client waits
PAGE, MOST = 50, 1_000
LIST_DAYS = 30  # lists of deactivated numbers are available for so many days
LIST_URL_S = 120

Form = list[tuple[str, str]]
Handler = Callable[[Request, Form], Awaitable[Response]]


class RestApi:
    """The API's handlers for one carrier."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self.account = carrier.account
        self.base = f"/{VERSION}/Accounts/{self.account.sid}"

    def routes(self) -> list[BaseRoute]:
        account_path = f"{ROOT}/{VERSION}/Accounts/{{account}}"
        table: list[tuple[str, str, Handler]] = [
            ("GET", f"{ROOT}/{VERSION}/Accounts/{{account}}.json", self.show_account),
            ("POST", f"{account_path}/Messages.json", self.create),
            ("GET", f"{account_path}/Messages.json", self.list_messages),
            ("GET", f"{account_path}/Messages/{{sid}}.json", self.fetch),
            ("POST", f"{account_path}/Messages/{{sid}}.json", self.update),
            ("DELETE", f"{account_path}/Messages/{{sid}}.json", self.delete),
            ("GET", f"{account_path}/Messages/{{sid}}/Media.json", self.list_media),
            ("GET", f"{account_path}/Messages/{{sid}}/Media/{{media}}.json", self.show_media),
            ("DELETE", f"{account_path}/Messages/{{sid}}/Media/{{media}}.json", self.delete_media),
            ("GET", f"{account_path}/Messages/{{sid}}/Media/{{media}}", self.open_media),
            ("GET", f"{account_path}/IncomingPhoneNumbers.json", self.list_numbers),
            ("GET", f"{account_path}/IncomingPhoneNumbers/{{sid}}.json", self.show_number),
            ("POST", f"{account_path}/IncomingPhoneNumbers/{{sid}}.json", self.update_number),
        ]
        all_routes: list[BaseRoute] = [
            Route(path, self._with_credentials(handler), methods=[method]) for method, path, handler in table
        ]
        all_routes.append(Route(f"{ROOT}/cdn/{{sid}}/{{media}}", self.cdn, methods=["GET"]))
        all_routes.append(Route(f"{ROOT}/v1/Deactivations", self.list_deactivations, methods=["GET"]))
        all_routes.append(Route(f"{ROOT}/deactivations/{{day}}.txt", self.open_deactivations, methods=["GET"]))
        # Unknown paths are refused in Twilio's format.
        all_routes.append(Route(f"{ROOT}/{{rest:path}}", self._unknown, methods=["GET", "POST", "PUT", "DELETE"]))
        return all_routes

    def _with_credentials(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            if not self._has_credentials(request) or request.path_params["account"] != self.account.sid:
                return problem(rules.UNAUTHORISED)
            try:
                form = await _form(request)
            except (ValueError, Refused):
                return problem(rules.Problem(20001, "The body cannot be read"))
            return await handler(request, form)

        return answer

    def _has_credentials(self, request: Request) -> bool:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        return self.carrier.credentials_match(user, password)

    async def _unknown(self, request: Request) -> Response:
        if not self._has_credentials(request):
            return problem(rules.UNAUTHORISED)
        return problem(rules.not_found(request.url.path.removeprefix(ROOT)))

    # --- messages

    async def create(self, request: Request, form: Form) -> Response:
        carrier = self.carrier
        switch = carrier.state.switches.answer
        if switch == "too_many":
            carrier.log_event("Message refused", "429, because of the switch", ok=False)
            return problem(rules.TOO_MANY, {"retry-after": "1", "twilio-concurrent-requests": "100"})
        send_request = _send_request(form)
        refusal = carrier.check_request(send_request)
        if refusal is not None:
            carrier.log_event("Message refused", f"{refusal.code}: {refusal.message}", ok=False)
            return problem(refusal)
        if switch == "lost":
            # The response is the same as for "broken", where the message is sent.
            carrier.log_event("Message lost", f"to {send_request.to}, with a 500", ok=False)
            return problem(rules.BROKEN)
        message = carrier.accept(send_request)
        carrier.log_event("Message accepted", f"{message.sid[:8]}… to {message.to}, {message.segments} segment(s)")
        if carrier.state.switches.callbacks_shuffled:
            await carrier.report_early(message)
        if switch == "timeout":
            # The message is accepted, but no response confirms it.
            await asyncio.sleep(TIMEOUT_S)
        if switch == "broken":
            return problem(rules.BROKEN)
        return JSONResponse(self.message_json(message, created=True), 201)

    def _find_message(self, request: Request) -> Message | None:
        return self.carrier.state.messages.get(request.path_params["sid"])

    def _not_found(self, request: Request) -> Response:
        return problem(rules.not_found(request.url.path.removeprefix(ROOT)))

    async def fetch(self, request: Request, form: Form) -> Response:
        message = self._find_message(request)
        return self._not_found(request) if message is None else JSONResponse(self.message_json(message))

    async def update(self, request: Request, form: Form) -> Response:
        """Twilio allows two changes: cancelling a message that was not sent, and emptying the body."""
        message = self._find_message(request)
        if message is None:
            return self._not_found(request)
        fields = dict(form)
        if fields.get("Status") == "canceled":
            if not self.carrier.cancel(message):
                return problem(rules.Problem(30409, "Message cannot be canceled", 409))
        elif fields.get("Body") == "" and message.status in rules.FINAL:
            message.body = ""
            self.carrier.changed()
        else:
            return problem(rules.Problem(20001, "Only Status=canceled and an empty Body can be set"))
        return JSONResponse(self.message_json(message))

    async def delete(self, request: Request, form: Form) -> Response:
        message = self._find_message(request)
        if message is None:
            return self._not_found(request)
        self.carrier.forget(message)
        return Response(status_code=204)

    async def list_messages(self, request: Request, form: Form) -> Response:
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        try:
            messages = list(_matching(self.carrier.state.messages.values(), query))
        except ValueError:
            return problem(rules.Problem(20001, "DateSent is not a date"))
        return self._page("Messages", "messages", messages, query, lambda message: self.message_json(message))

    def _page(
        self, path: str, name: str, items: Sequence[Any], query: dict[str, str], show: Callable[[Any], dict[str, Any]]
    ) -> Response:
        size = min(max(_whole_number_or(query.get("PageSize"), PAGE), 1), MOST)
        page = _whole_number_or(query.get("Page"), 0)
        shown = items[page * size : (page + 1) * size]

        def uri(number: int) -> str:
            other_parameters = {
                key: value for key, value in query.items() if key not in ("Page", "PageSize", "PageToken")
            }
            return f"{self.base}/{path}.json?{urlencode(other_parameters | {'PageSize': size, 'Page': number}, quote_via=quote)}"

        has_more = len(items) > (page + 1) * size
        body = {
            name: [show(item) for item in shown],
            "first_page_uri": uri(0), "next_page_uri": uri(page + 1) if has_more else None,
            "previous_page_uri": uri(page - 1) if page else None, "uri": uri(page),
            "page": page, "page_size": size, "start": page * size, "end": page * size + max(len(shown) - 1, 0),
        }  # fmt: skip
        return JSONResponse(body)

    def message_json(self, message: Message, created: bool = False) -> dict[str, Any]:
        uri = f"{self.base}/Messages/{message.sid}"
        # For a messaging service, sender and segments are not known when the message is created.
        sender_unknown = created and bool(message.service)
        return {
            "account_sid": self.account.sid, "api_version": VERSION, "body": message.body,
            "date_created": rfc2822(message.created_at), "date_sent": rfc2822(message.sent_at),
            "date_updated": rfc2822(message.updated_at), "direction": message.direction, "error_code": message.error,
            "error_message": message.error_message or None, "from": None if sender_unknown else message.sender,
            "messaging_service_sid": message.service or None,
            "num_media": str(len(message.pictures) or len(message.media_urls)),
            "num_segments": "0" if sender_unknown else str(message.segments), "price": None, "price_unit": "USD", "sid": message.sid,
            "status": message.status, "subresource_uris": {"media": f"{uri}/Media.json"}, "to": message.to, "uri": f"{uri}.json",
        }  # fmt: skip

    # --- pictures

    async def list_media(self, request: Request, form: Form) -> Response:
        message = self._find_message(request)
        if message is None:
            return self._not_found(request)
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        return self._page(
            f"Messages/{message.sid}/Media",
            "media_list",
            message.pictures,
            query,
            lambda picture: self.media_json(message, picture.sid),
        )

    def media_json(self, message: Message, sid: str) -> dict[str, Any]:
        picture = next(candidate for candidate in message.pictures if candidate.sid == sid)
        return {
            "account_sid": self.account.sid, "content_type": picture.type, "date_created": rfc2822(message.created_at),
            "date_updated": rfc2822(message.updated_at), "parent_sid": message.sid, "sid": sid,
            "uri": f"{self.base}/Messages/{message.sid}/Media/{sid}.json",
        }  # fmt: skip

    def _find_media(self, request: Request) -> tuple[Message, str] | None:
        message = self._find_message(request)
        sid = request.path_params["media"]
        if message is None or all(picture.sid != sid for picture in message.pictures):
            return None
        return message, sid

    async def show_media(self, request: Request, form: Form) -> Response:
        message_and_sid = self._find_media(request)
        return self._not_found(request) if message_and_sid is None else JSONResponse(self.media_json(*message_and_sid))

    async def delete_media(self, request: Request, form: Form) -> Response:
        message_and_sid = self._find_media(request)
        if message_and_sid is None:
            return self._not_found(request)
        self.carrier.forget_picture(*message_and_sid)
        return Response(status_code=204)

    async def open_media(self, request: Request, form: Form) -> Response:
        """The address in a webhook's MediaUrl. Redirects to a file without a password, as Twilio does."""
        message_and_sid = self._find_media(request)
        if message_and_sid is None:
            return self._not_found(request)
        base = self.carrier.app.settings.public_url
        return RedirectResponse(f"{base}{ROOT}/cdn/{message_and_sid[0].sid}/{message_and_sid[1]}", 307)

    async def cdn(self, request: Request) -> Response:
        message_and_sid = self._find_media(request)
        data = None if message_and_sid is None else await asyncio.to_thread(self.carrier.picture, message_and_sid[1])
        if message_and_sid is None or data is None:
            return self._not_found(request)
        kind = next(picture.type for picture in message_and_sid[0].pictures if picture.sid == message_and_sid[1])
        return Response(data, media_type=kind, headers={"x-content-type-options": "nosniff"})

    # --- deactivated numbers

    async def list_deactivations(self, request: Request) -> Response:
        """Redirects to the day's file, at an address that is valid for two minutes without a password."""
        if not self._has_credentials(request):
            return problem(rules.UNAUTHORISED)
        carrier = self.carrier
        try:
            day = date.fromisoformat(request.query_params.get("Date", ""))
        except ValueError:
            return problem(rules.Problem(20001, "Date must be given as YYYY-MM-DD"))
        today = carrier.now().date()
        if not today - timedelta(days=LIST_DAYS) <= day <= today:
            return problem(rules.not_found("/v1/Deactivations"))
        until = int(carrier.now().timestamp()) + LIST_URL_S
        base = carrier.app.settings.public_url
        address = (
            f"{base}{ROOT}/deactivations/{day}.txt?until={until}&signature={self._signature(day.isoformat(), until)}"
        )
        # When the shop starts, it reads the lists of a month. Empty lists are not logged.
        if carrier.deactivations(day.isoformat()):
            carrier.log_event("List of deactivated numbers", f"of {day}")
        return JSONResponse({"redirect_to": address}, 307, {"location": address})

    def _signature(self, day: str, until: int) -> str:
        key = self.carrier.app.key("simulator lists")
        return hmac.new(key, f"{day}.{until}".encode(), "sha256").hexdigest()

    async def open_deactivations(self, request: Request) -> Response:
        day, until = request.path_params["day"], _whole_number_or(request.query_params.get("until"), 0, digits=12)
        signature = request.query_params.get("signature", "").encode()
        valid = hmac.compare_digest(self._signature(day, until).encode(), signature)
        if not valid or self.carrier.now().timestamp() > until:
            return Response("<Error><Code>AccessDenied</Code></Error>", 403, media_type="application/xml")
        return Response(self.carrier.deactivations(day), media_type="text/plain")

    # --- the account and its numbers

    async def show_account(self, request: Request, form: Form) -> Response:
        since = "Thu, 01 Jan 2026 00:00:00 +0000"
        names = ("incoming_phone_numbers", "messages")
        return JSONResponse(
            {
                "sid": self.account.sid, "owner_account_sid": self.account.sid, "friendly_name": "Threadline demo",
                "status": "active", "type": "Full", "auth_token": self.account.token, "date_created": since,
                "date_updated": since, "uri": f"{self.base}.json",
                "subresource_uris": {n: f"{self.base}/{n.title().replace('_', '')}.json" for n in names},
            }
        )  # fmt: skip

    def _numbers(self) -> list[Number]:
        """The account's phone numbers. A sender name is no phone number; at Twilio it is listed elsewhere."""
        return [number for number in self.carrier.state.numbers.values() if number.inbound]

    async def list_numbers(self, request: Request, form: Form) -> Response:
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        digits = query.get("PhoneNumber", "").replace("*", "")
        numbers = [number for number in self._numbers() if digits in number.address]
        return self._page("IncomingPhoneNumbers", "incoming_phone_numbers", numbers, query, self.number_json)

    def _find_number(self, request: Request) -> Number | None:
        return next((number for number in self._numbers() if number.sid == request.path_params["sid"]), None)

    async def show_number(self, request: Request, form: Form) -> Response:
        number = self._find_number(request)
        return self._not_found(request) if number is None else JSONResponse(self.number_json(number))

    async def update_number(self, request: Request, form: Form) -> Response:
        number = self._find_number(request)
        if number is None:
            return self._not_found(request)
        for name, value in form:
            if name == "SmsUrl":
                number.sms_url = value
            elif name == "SmsMethod" and value.upper() in ("GET", "POST"):
                number.sms_method = value.upper()
            elif name == "StatusCallback":
                number.status_callback = value
        self.carrier.changed()
        return JSONResponse(self.number_json(number))

    def number_json(self, number: Number) -> dict[str, Any]:
        since = "Thu, 01 Jan 2026 00:00:00 +0000"
        return {
            "account_sid": self.account.sid, "address_requirements": "none", "address_sid": None,
            "api_version": VERSION, "beta": False, "bundle_sid": None,
            "capabilities": {"fax": False, "mms": number.mms, "sms": True, "voice": False}, "date_created": since,
            "date_updated": since, "emergency_address_sid": None, "emergency_address_status": "unregistered",
            "emergency_status": "Inactive", "friendly_name": number.address, "identity_sid": None, "origin": "twilio",
            "phone_number": number.address, "sid": number.sid, "sms_application_sid": "", "sms_fallback_method": "POST",
            "sms_fallback_url": "", "sms_method": number.sms_method, "sms_url": number.sms_url,
            "status": "in-use", "status_callback": number.status_callback, "status_callback_method": "POST",
            "subresource_uris": {}, "trunk_sid": None, "type": number.kind, "uri": f"{self.base}/IncomingPhoneNumbers/{number.sid}.json",
            "voice_application_sid": None, "voice_caller_id_lookup": False, "voice_fallback_method": "POST",
            "voice_fallback_url": None, "voice_method": "POST", "voice_receive_mode": "voice", "voice_url": None,
        }  # fmt: skip


def problem(refusal: rules.Problem, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(refusal.body(), refusal.status, headers)


async def _form(request: Request) -> Form:
    body = await read_body(request, MAX_FORM)
    return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)


def _send_request(form: Form) -> rules.SendRequest:
    fields = dict(form)
    return rules.SendRequest(
        fields.get("To"), fields.get("From"), fields.get("MessagingServiceSid"), fields.get("Body"),
        tuple(value for name, value in form if name == "MediaUrl"), fields.get("StatusCallback"),
        fields.get("ValidityPeriod"), fields.get("SendAt"), fields.get("ScheduleType"),
    )  # fmt: skip


def _whole_number_or(text: str | None, default: int, digits: int = 6) -> int:
    """The number, or `default` if `text` is none or has too many digits, as Twilio does."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= digits else default


def _matching(messages: Iterable[Message], query: dict[str, str]) -> Iterable[Message]:
    """The messages that match the query, newest first. Raises `ValueError` for an invalid time."""
    bounds = [(_bound(query[name]), name) for name in ("DateSent", "DateSent<", "DateSent>") if query.get(name)]
    for message in sorted(messages, key=lambda message: -message.position):
        if query.get("To", message.to) != message.to or query.get("From", message.sender) != message.sender:
            continue
        # A message that was not sent yet is matched by the time of its creation.
        sent_at = datetime.fromisoformat(message.sent_at or message.created_at)
        if all(_is_within(sent_at, bound, name) for bound, name in bounds):
            yield message


def _bound(text: str) -> tuple[datetime, timedelta]:
    """The start and duration of a filter's value: a date lasts a day, a time a second."""
    if len(text) == 10:
        return datetime.fromisoformat(text).replace(tzinfo=UTC), timedelta(days=1)
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC), timedelta(seconds=1)


def _is_within(sent_at: datetime, bound: tuple[datetime, timedelta], name: str) -> bool:
    start, duration = bound
    match name:
        case "DateSent<":
            return sent_at < start + duration
        case "DateSent>":
            return sent_at >= start
        case _:
            # The SDK sends a date as the time 00:00.
            day = start.time() == time() or duration > timedelta(seconds=1)
            return start <= sent_at < start + (timedelta(days=1) if day else duration)
