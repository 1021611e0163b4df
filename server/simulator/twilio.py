"""The simulated carrier's REST interface: Twilio's dialect, version 2010-04-01, as far as messages need it."""

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
SILENCE_S = 60.0  # of the switch "time-out": longer than any client should wait
PAGE, MOST = 50, 1_000
LISTS_KEPT = 30  # days, of numbers given up
LIST_LIVES_S = 120

Form = list[tuple[str, str]]
Handler = Callable[[Request, Form], Awaitable[Response]]


class Dialect:
    """Handlers of one carrier."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self.account = carrier.account
        self.base = f"/{VERSION}/Accounts/{self.account.sid}"

    def routes(self) -> list[BaseRoute]:
        at = f"{ROOT}/{VERSION}/Accounts/{{account}}"
        table: list[tuple[str, str, Handler]] = [
            ("GET", f"{ROOT}/{VERSION}/Accounts/{{account}}.json", self.show_account),
            ("POST", f"{at}/Messages.json", self.create),
            ("GET", f"{at}/Messages.json", self.list_messages),
            ("GET", f"{at}/Messages/{{sid}}.json", self.fetch),
            ("POST", f"{at}/Messages/{{sid}}.json", self.update),
            ("DELETE", f"{at}/Messages/{{sid}}.json", self.delete),
            ("GET", f"{at}/Messages/{{sid}}/Media.json", self.list_media),
            ("GET", f"{at}/Messages/{{sid}}/Media/{{media}}.json", self.show_media),
            ("DELETE", f"{at}/Messages/{{sid}}/Media/{{media}}.json", self.delete_media),
            ("GET", f"{at}/Messages/{{sid}}/Media/{{media}}", self.open_media),
            ("GET", f"{at}/IncomingPhoneNumbers.json", self.list_numbers),
            ("GET", f"{at}/IncomingPhoneNumbers/{{sid}}.json", self.show_number),
            ("POST", f"{at}/IncomingPhoneNumbers/{{sid}}.json", self.update_number),
        ]
        found: list[BaseRoute] = [
            Route(path, self._guarded(handler), methods=[method]) for method, path, handler in table
        ]
        found.append(Route(f"{ROOT}/cdn/{{sid}}/{{media}}", self.cdn, methods=["GET"]))
        found.append(Route(f"{ROOT}/v1/Deactivations", self.list_deactivations, methods=["GET"]))
        found.append(Route(f"{ROOT}/deactivations/{{day}}.txt", self.open_deactivations, methods=["GET"]))
        # What this carrier does not know, it refuses as Twilio does, not as the product would.
        found.append(Route(f"{ROOT}/{{rest:path}}", self._unknown, methods=["GET", "POST", "PUT", "DELETE"]))
        return found

    def _guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            if not self._trusted(request) or request.path_params["account"] != self.account.sid:
                return problem(rules.UNAUTHORISED)
            try:
                form = await _form(request)
            except (ValueError, Refused):
                return problem(rules.Problem(20001, "The body cannot be read"))
            return await handler(request, form)

        return answer

    def _trusted(self, request: Request) -> bool:
        scheme, _, said = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = b64decode(said, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        return self.carrier.trusts(user, password)

    async def _unknown(self, request: Request) -> Response:
        if not self._trusted(request):
            return problem(rules.UNAUTHORISED)
        return problem(rules.not_found(request.url.path.removeprefix(ROOT)))

    # --- messages

    async def create(self, request: Request, form: Form) -> Response:
        carrier = self.carrier
        switch = carrier.state.switches.answer
        if switch == "too_many":
            carrier.note("Message refused", "429, as the switch says", ok=False)
            return problem(rules.TOO_MANY, {"retry-after": "1", "twilio-concurrent-requests": "100"})
        wanted = _wanted(form)
        wrong = carrier.judge(wanted)
        if wrong is not None:
            carrier.note("Message refused", f"{wrong.code}: {wrong.message}", ok=False)
            return problem(wrong)
        if switch == "lost":
            # To who asked it looks like "broken": only somebody who asks the customer can tell the two apart.
            carrier.note("Message lost", f"to {wanted.to}, with a 500", ok=False)
            return problem(rules.BROKEN)
        message = carrier.take(wanted)
        carrier.note("Message taken", f"{message.sid[:8]}… to {message.to}, {message.segments} segment(s)")
        if carrier.state.switches.callbacks_shuffled:
            await carrier.tell_early(message)
        if switch == "timeout":
            # Taken, and never said so: the worst a carrier can do.
            await asyncio.sleep(SILENCE_S)
        if switch == "broken":
            return problem(rules.BROKEN)
        return JSONResponse(self.message(message, created=True), 201)

    def _one(self, request: Request) -> Message | None:
        return self.carrier.state.messages.get(request.path_params["sid"])

    def _none(self, request: Request) -> Response:
        return problem(rules.not_found(request.url.path.removeprefix(ROOT)))

    async def fetch(self, request: Request, form: Form) -> Response:
        message = self._one(request)
        return self._none(request) if message is None else JSONResponse(self.message(message))

    async def update(self, request: Request, form: Form) -> Response:
        """Twilio allows two changes: cancelling what has not left, and emptying the body."""
        message = self._one(request)
        if message is None:
            return self._none(request)
        said = dict(form)
        if said.get("Status") == "canceled":
            if not self.carrier.cancel(message):
                return problem(rules.Problem(30409, "Message cannot be canceled", 409))
        elif said.get("Body") == "" and message.status in rules.FINAL:
            message.body = ""
            self.carrier.changed()
        else:
            return problem(rules.Problem(20001, "Only Status=canceled and an empty Body can be set"))
        return JSONResponse(self.message(message))

    async def delete(self, request: Request, form: Form) -> Response:
        message = self._one(request)
        if message is None:
            return self._none(request)
        self.carrier.forget(message)
        return Response(status_code=204)

    async def list_messages(self, request: Request, form: Form) -> Response:
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        try:
            found = list(_matching(self.carrier.state.messages.values(), query))
        except ValueError:
            return problem(rules.Problem(20001, "DateSent is not a date"))
        return self._page("Messages", "messages", found, query, lambda one: self.message(one))

    def _page(
        self, path: str, name: str, found: Sequence[Any], query: dict[str, str], show: Callable[[Any], dict[str, Any]]
    ) -> Response:
        size = min(max(_number(query.get("PageSize"), PAGE), 1), MOST)
        page = _number(query.get("Page"), 0)
        shown = found[page * size : (page + 1) * size]

        def uri(number: int) -> str:
            kept = {key: value for key, value in query.items() if key not in ("Page", "PageSize", "PageToken")}
            return f"{self.base}/{path}.json?{urlencode(kept | {'PageSize': size, 'Page': number}, quote_via=quote)}"

        more = len(found) > (page + 1) * size
        body = {
            name: [show(one) for one in shown],
            "first_page_uri": uri(0), "next_page_uri": uri(page + 1) if more else None,
            "previous_page_uri": uri(page - 1) if page else None, "uri": uri(page),
            "page": page, "page_size": size, "start": page * size, "end": page * size + max(len(shown) - 1, 0),
        }  # fmt: skip
        return JSONResponse(body)

    def message(self, one: Message, created: bool = False) -> dict[str, Any]:
        uri = f"{self.base}/Messages/{one.sid}"
        # Of a service's message the number of segments and the sender come only later (INTEGRATIONS 0).
        early = created and bool(one.service)
        return {
            "account_sid": self.account.sid, "api_version": VERSION, "body": one.body,
            "date_created": rfc2822(one.created_at), "date_sent": rfc2822(one.sent_at),
            "date_updated": rfc2822(one.updated_at), "direction": one.direction, "error_code": one.error,
            "error_message": one.error_message or None, "from": None if early else one.sender,
            "messaging_service_sid": one.service or None,
            "num_media": str(len(one.pictures) or len(one.media_urls)),
            "num_segments": "0" if early else str(one.segments), "price": None, "price_unit": "USD", "sid": one.sid,
            "status": one.status, "subresource_uris": {"media": f"{uri}/Media.json"}, "to": one.to, "uri": f"{uri}.json",
        }  # fmt: skip

    # --- pictures

    async def list_media(self, request: Request, form: Form) -> Response:
        message = self._one(request)
        if message is None:
            return self._none(request)
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        return self._page(
            f"Messages/{message.sid}/Media",
            "media_list",
            message.pictures,
            query,
            lambda one: self.media(message, one.sid),
        )

    def media(self, message: Message, sid: str) -> dict[str, Any]:
        picture = next(one for one in message.pictures if one.sid == sid)
        return {
            "account_sid": self.account.sid, "content_type": picture.type, "date_created": rfc2822(message.created_at),
            "date_updated": rfc2822(message.updated_at), "parent_sid": message.sid, "sid": sid,
            "uri": f"{self.base}/Messages/{message.sid}/Media/{sid}.json",
        }  # fmt: skip

    def _media(self, request: Request) -> tuple[Message, str] | None:
        message = self._one(request)
        sid = request.path_params["media"]
        if message is None or all(one.sid != sid for one in message.pictures):
            return None
        return message, sid

    async def show_media(self, request: Request, form: Form) -> Response:
        found = self._media(request)
        return self._none(request) if found is None else JSONResponse(self.media(*found))

    async def delete_media(self, request: Request, form: Form) -> Response:
        found = self._media(request)
        if found is None:
            return self._none(request)
        self.carrier.forget_picture(*found)
        return Response(status_code=204)

    async def open_media(self, request: Request, form: Form) -> Response:
        """The address of a webhook's MediaUrl: sends on to a file that asks for no password, as Twilio's does."""
        found = self._media(request)
        if found is None:
            return self._none(request)
        base = self.carrier.app.settings.public_url
        return RedirectResponse(f"{base}{ROOT}/cdn/{found[0].sid}/{found[1]}", 307)

    async def cdn(self, request: Request) -> Response:
        found = self._media(request)
        data = None if found is None else await asyncio.to_thread(self.carrier.picture, found[1])
        if found is None or data is None:
            return self._none(request)
        kind = next(one.type for one in found[0].pictures if one.sid == found[1])
        return Response(data, media_type=kind, headers={"x-content-type-options": "nosniff"})

    # --- numbers that were given up

    async def list_deactivations(self, request: Request) -> Response:
        """Leads to the day's file, at an address that lives for two minutes and asks for no password."""
        if not self._trusted(request):
            return problem(rules.UNAUTHORISED)
        carrier = self.carrier
        try:
            day = date.fromisoformat(request.query_params.get("Date", ""))
        except ValueError:
            return problem(rules.Problem(20001, "Date must be given as YYYY-MM-DD"))
        today = carrier.now().date()
        if not today - timedelta(days=LISTS_KEPT) <= day <= today:
            return problem(rules.not_found("/v1/Deactivations"))
        until = int(carrier.now().timestamp()) + LIST_LIVES_S
        base = carrier.app.settings.public_url
        address = f"{base}{ROOT}/deactivations/{day}.txt?until={until}&signature={self._mark(day.isoformat(), until)}"
        if carrier.deactivations(
            day.isoformat()
        ):  # the shop reads a month of them at its start; empty ones say nothing
            carrier.note("List of numbers given up", f"of {day}")
        return JSONResponse({"redirect_to": address}, 307, {"location": address})

    def _mark(self, day: str, until: int) -> str:
        key = self.carrier.app.key("simulator lists")
        return hmac.new(key, f"{day}.{until}".encode(), "sha256").hexdigest()

    async def open_deactivations(self, request: Request) -> Response:
        day, until = request.path_params["day"], _number(request.query_params.get("until"), 0, digits=12)
        said = request.query_params.get("signature", "").encode()
        right = hmac.compare_digest(self._mark(day, until).encode(), said)
        if not right or self.carrier.now().timestamp() > until:
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
        """Names are no phone numbers; they stand in a service's list of senders, which nobody here asks for."""
        return [one for one in self.carrier.state.numbers.values() if one.inbound]

    async def list_numbers(self, request: Request, form: Form) -> Response:
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        wanted = query.get("PhoneNumber", "").replace("*", "")
        found = [one for one in self._numbers() if wanted in one.address]
        return self._page("IncomingPhoneNumbers", "incoming_phone_numbers", found, query, self.number)

    def _number(self, request: Request) -> Number | None:
        return next((one for one in self._numbers() if one.sid == request.path_params["sid"]), None)

    async def show_number(self, request: Request, form: Form) -> Response:
        number = self._number(request)
        return self._none(request) if number is None else JSONResponse(self.number(number))

    async def update_number(self, request: Request, form: Form) -> Response:
        number = self._number(request)
        if number is None:
            return self._none(request)
        for name, value in form:
            if name == "SmsUrl":
                number.sms_url = value
            elif name == "SmsMethod" and value.upper() in ("GET", "POST"):
                number.sms_method = value.upper()
            elif name == "StatusCallback":
                number.status_callback = value
        self.carrier.changed()
        return JSONResponse(self.number(number))

    def number(self, one: Number) -> dict[str, Any]:
        since = "Thu, 01 Jan 2026 00:00:00 +0000"
        return {
            "account_sid": self.account.sid, "address_requirements": "none", "address_sid": None,
            "api_version": VERSION, "beta": False, "bundle_sid": None,
            "capabilities": {"fax": False, "mms": one.mms, "sms": True, "voice": False}, "date_created": since,
            "date_updated": since, "emergency_address_sid": None, "emergency_address_status": "unregistered",
            "emergency_status": "Inactive", "friendly_name": one.address, "identity_sid": None, "origin": "twilio",
            "phone_number": one.address, "sid": one.sid, "sms_application_sid": "", "sms_fallback_method": "POST",
            "sms_fallback_url": "", "sms_method": one.sms_method, "sms_url": one.sms_url,
            "status": "in-use", "status_callback": one.status_callback, "status_callback_method": "POST",
            "subresource_uris": {}, "trunk_sid": None, "type": one.kind, "uri": f"{self.base}/IncomingPhoneNumbers/{one.sid}.json",
            "voice_application_sid": None, "voice_caller_id_lookup": False, "voice_fallback_method": "POST",
            "voice_fallback_url": None, "voice_method": "POST", "voice_receive_mode": "voice", "voice_url": None,
        }  # fmt: skip


def problem(found: rules.Problem, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(found.body(), found.status, headers)


async def _form(request: Request) -> Form:
    body = await read_body(request, MAX_FORM)
    return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)


def _wanted(form: Form) -> rules.Wanted:
    said = dict(form)
    return rules.Wanted(
        said.get("To"), said.get("From"), said.get("MessagingServiceSid"), said.get("Body"),
        tuple(value for name, value in form if name == "MediaUrl"), said.get("StatusCallback"),
        said.get("ValidityPeriod"), said.get("SendAt"), said.get("ScheduleType"),
    )  # fmt: skip


def _number(text: str | None, default: int, digits: int = 6) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= digits else default


def _matching(messages: Iterable[Message], query: dict[str, str]) -> Iterable[Message]:
    """Newest first. Raises `ValueError` for a time that is none."""
    bounds = [(_bound(query[name]), name) for name in ("DateSent", "DateSent<", "DateSent>") if query.get(name)]
    for one in sorted(messages, key=lambda one: -one.place):
        if query.get("To", one.to) != one.to or query.get("From", one.sender) != one.sender:
            continue
        # What was not sent yet has no date; Twilio then goes by when it was made.
        at = datetime.fromisoformat(one.sent_at or one.created_at)
        if all(_fits(at, bound, name) for bound, name in bounds):
            yield one


def _bound(text: str) -> tuple[datetime, timedelta]:
    """The time, and how long it lasts: a date is a whole day."""
    if len(text) == 10:
        return datetime.fromisoformat(text).replace(tzinfo=UTC), timedelta(days=1)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC), timedelta(seconds=1)


def _fits(at: datetime, bound: tuple[datetime, timedelta], name: str) -> bool:
    start, lasts = bound
    match name:
        case "DateSent<":
            return at < start + lasts
        case "DateSent>":
            return at >= start
        case _:
            # The SDK writes a day as its midnight.
            day = start.time() == time() or lasts > timedelta(seconds=1)
            return start <= at < start + (timedelta(days=1) if day else lasts)
