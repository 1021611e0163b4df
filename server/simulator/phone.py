"""The Phone page: three people who text the shop, and switches that make the carrier misbehave."""

from __future__ import annotations

import asyncio
import binascii
from base64 import b64decode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from server.errors import Forbidden, NotFound, Refused, TooLarge, UnsupportedType
from server.kernel.context import App
from server.simulator.carrier import MAX_PICTURE, PICTURES, Carrier
from server.simulator.page_handlers import serve_file, with_refusals
from server.simulator.state import PEOPLE, Message, Person, Switches
from server.web.http import read_body, validate

FILES = Path(__file__).parent
WAIT_S = 20.0  # how long a request may wait for a change
MAX_MESSAGES = 200  # messages of one conversation in a response, the newest
MAX_REQUEST = 12_000_000  # bytes; enough for one picture in base64, and a text

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-cache",
}


class PictureBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: str = Field(max_length=40)
    data: str  # base64


class TextBody(BaseModel):
    """A text by one of the people. `to`: one of the shop's numbers."""

    model_config = ConfigDict(extra="forbid")

    person: str
    to: str
    body: str = Field("", max_length=1_600)
    pictures: list[PictureBody] = Field(default_factory=list, max_length=3)


class DeactivateBody(BaseModel):
    """Deactivates a person's number, or reactivates it."""

    model_config = ConfigDict(extra="forbid")

    person: str
    given_up: bool


class Phones:
    """Handlers of the page. `ask_for_lists`: makes the shop read the list of deactivated numbers now, not once a day."""

    def __init__(self, app: App, carrier: Carrier, ask_for_lists: Callable[[], Awaitable[None]]) -> None:
        self.app, self.carrier, self._ask_for_lists = app, carrier, ask_for_lists

    def routes(self) -> list[BaseRoute]:
        all_routes: list[BaseRoute] = [
            Route("/phone", serve_file(FILES / "phone.html", "text/html", HEADERS), methods=["GET"]),
            Route("/phone/phone.js", serve_file(FILES / "phone.js", "text/javascript", HEADERS), methods=["GET"]),
            Route("/phone/phone.css", serve_file(FILES / "phone.css", "text/css", HEADERS), methods=["GET"]),
            Route("/phone/state", with_refusals(self.app, self.state), methods=["GET"]),
            Route("/phone/pictures/{sid}", with_refusals(self.app, self.picture), methods=["GET"]),
            Route("/phone/text", with_refusals(self.app, self.text), methods=["POST"]),
            Route("/phone/given-up", with_refusals(self.app, self.given_up), methods=["PUT"]),
            Route("/phone/switches", with_refusals(self.app, self.switches), methods=["PUT"]),
        ]
        return all_routes

    # --- reads

    async def state(self, request: Request) -> Response:
        """Everything the page shows. With `after`, waits until the state's version is newer."""
        after = request.query_params.get("after", "")
        if after.isascii() and after.isdecimal() and len(after) < 16:
            await self.carrier.wait_for_change(int(after), WAIT_S)
        state = self.carrier.state
        body = {
            "version": state.version,
            "console": self.app.settings.public_url,
            "people": [self._person(person) for person in PEOPLE],
            "numbers": [
                {
                    "address": number.address,
                    "kind": number.kind,
                    "country": number.country,
                    "mms": number.mms,
                    "inbound": number.inbound,
                }
                for number in state.numbers.values()
            ],
            "switches": state.switches.model_dump(),
            "calls": [
                {"at": call.at, "what": call.title, "detail": call.detail, "ok": call.ok}
                for call in reversed(self.carrier.calls[-30:])
            ],
        }
        return JSONResponse(body, headers={"cache-control": "no-store"})

    def _person(self, person: Person) -> dict[str, Any]:
        talks: dict[str, list[dict[str, Any]]] = {}
        for message in self.carrier.state.messages.values():
            if message.sender == person.number and message.direction == "inbound":
                talks.setdefault(message.to, []).append(_message_json(message, by_person=True))
            elif message.to == person.number and message.arrived_at:
                talks.setdefault(message.sender, []).append(_message_json(message, by_person=False))
        return {
            "id": person.id, "name": person.name, "number": person.number, "country": person.country,
            "language": person.language, "says": person.phrases, "given_up": person.number in self.carrier.state.given_up,
            "blocked": sorted(our_number for our_number, their_number in self.carrier.state.opted_out if their_number == person.number),
            "talks": [
                {"with": shop_number, "messages": sorted(messages, key=lambda message: message["at"])[-MAX_MESSAGES:]} for shop_number, messages in talks.items()
            ],
        }  # fmt: skip

    async def picture(self, request: Request) -> Response:
        sid = request.path_params["sid"]
        kind = next(
            (
                picture.type
                for message in self.carrier.state.messages.values()
                for picture in message.pictures
                if picture.sid == sid
            ),
            None,
        )
        data = None if kind is None else await asyncio.to_thread(self.carrier.picture, sid)
        if data is None:
            raise NotFound()
        headers = {"x-content-type-options": "nosniff", "cache-control": "private, max-age=86400"}
        return Response(data, media_type=kind, headers=headers)

    # --- writes

    async def _body(self, request: Request) -> Any:
        """The JSON body. Also checks content type and origin, so that pages of other sites cannot send requests."""
        settings = self.app.settings
        if request.headers.get("origin") not in (settings.public_url, settings.demo_url):
            raise Forbidden("This request came from another site.", "cross_site")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise UnsupportedType("unsupported_type", "Send the body as application/json.")
        try:
            return orjson.loads(await read_body(request, MAX_REQUEST))
        except orjson.JSONDecodeError:
            raise Refused("bad_json", "The body cannot be read.") from None

    async def text(self, request: Request) -> Response:
        body: TextBody = validate(TextBody, await self._body(request))
        person = next((candidate for candidate in PEOPLE if candidate.id == body.person), None)
        number = self.carrier.state.numbers.get(body.to)
        if person is None or number is None:
            raise NotFound()
        if not number.inbound:
            raise Refused("one_way", f"{number.address} can only send. Nobody can text a sender name.", field="to")
        pictures = [_picture(candidate) for candidate in body.pictures]
        if pictures and not (number.mms and person.country in ("US", "CA")):
            raise Refused("no_mms", "Pictures work only between US and Canadian numbers.", field="pictures")
        if not body.body.strip() and not pictures:
            raise Refused("empty_message", "Write something first.", field="body")
        message = self.carrier.text(person, body.to, body.body, pictures)
        return JSONResponse({"sid": message.sid}, 201)

    async def given_up(self, request: Request) -> Response:
        body: DeactivateBody = validate(DeactivateBody, await self._body(request))
        person = next((candidate for candidate in PEOPLE if candidate.id == body.person), None)
        if person is None:
            raise NotFound()
        self.carrier.set_deactivated(person, body.given_up)
        if body.given_up:
            await self._ask_for_lists()
        return JSONResponse({"given_up": body.given_up})

    async def switches(self, request: Request) -> Response:
        self.carrier.state.switches = validate(Switches, await self._body(request))
        self.carrier.changed()
        return JSONResponse(self.carrier.state.switches.model_dump())


def _message_json(message: Message, *, by_person: bool) -> dict[str, Any]:
    return {
        "sid": message.sid, "mine": by_person, "body": message.body, "at": message.arrived_at,
        "pictures": [picture.sid for picture in message.pictures], "segments": message.segments,
    }  # fmt: skip


def _picture(body: PictureBody) -> tuple[bytes, str]:
    if body.type not in PICTURES:
        raise Refused("unsupported_picture", "Pictures must be JPEG, PNG or GIF.", field="pictures")
    try:
        data = b64decode(body.data, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("bad_picture", "The picture cannot be read.", field="pictures") from None
    if len(data) > MAX_PICTURE:
        raise TooLarge("too_large", "A picture can have at most 5 MB.", field="pictures")
    return data, body.type
