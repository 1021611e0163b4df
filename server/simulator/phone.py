"""The Phone page: three people with telephones who text the shop, and the switches of the carrier between them."""

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
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from server.errors import Forbidden, NotFound, Refused, TooLarge, UnsupportedType
from server.kernel.context import App
from server.simulator.carrier import MAX_PICTURE, PICTURES, Carrier
from server.simulator.state import PEOPLE, Message, Person, Switches
from server.web.http import read_body, refusal_response, validate

FILES = Path(__file__).parent
WAIT_S = 20.0  # a request for news stays open so long
SHOWN = 200  # messages of one conversation
MAX_REQUEST = 12_000_000  # bytes: one picture, in base64, and a text

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
    """What one of the people texts. `to`: one of the shop's numbers."""

    model_config = ConfigDict(extra="forbid")

    person: str
    to: str
    body: str = Field("", max_length=1_600)
    pictures: list[PictureBody] = Field(default_factory=list, max_length=3)


class GivenUpBody(BaseModel):
    """Whose number is given up, or given out again."""

    model_config = ConfigDict(extra="forbid")

    person: str
    given_up: bool


class Phones:
    """Handlers of the page. `ask_for_lists`: makes the shop read the list of numbers given up now, not once a day."""

    def __init__(self, app: App, carrier: Carrier, ask_for_lists: Callable[[], Awaitable[None]]) -> None:
        self.app, self.carrier, self._ask_for_lists = app, carrier, ask_for_lists

    def routes(self) -> list[BaseRoute]:
        found: list[BaseRoute] = [
            Route("/phone", self._file("phone.html", "text/html"), methods=["GET"]),
            Route("/phone/phone.js", self._file("phone.js", "text/javascript"), methods=["GET"]),
            Route("/phone/phone.css", self._file("phone.css", "text/css"), methods=["GET"]),
            Route("/phone/state", self._answering(self.state), methods=["GET"]),
            Route("/phone/pictures/{sid}", self._answering(self.picture), methods=["GET"]),
            Route("/phone/text", self._answering(self.text), methods=["POST"]),
            Route("/phone/given-up", self._answering(self.given_up), methods=["PUT"]),
            Route("/phone/switches", self._answering(self.switches), methods=["PUT"]),
        ]
        return found

    def _file(self, name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return FileResponse(FILES / name, media_type=kind, headers=HEADERS)

        return answer

    def _answering(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except Refused as refusal:
                return refusal_response(refusal, self.app.ids.token(9))

        return answer

    # --- what is shown

    async def state(self, request: Request) -> Response:
        """Everything the page shows, at once or when it changes after the version that `after` names."""
        after = request.query_params.get("after", "")
        if after.isascii() and after.isdecimal() and len(after) < 16:
            await self.carrier.news(int(after), WAIT_S)
        state = self.carrier.state
        body = {
            "version": state.version,
            "console": self.app.settings.public_url,
            "people": [self._person(person) for person in PEOPLE],
            "numbers": [
                {
                    "address": one.address,
                    "kind": one.kind,
                    "country": one.country,
                    "mms": one.mms,
                    "inbound": one.inbound,
                }
                for one in state.numbers.values()
            ],
            "switches": state.switches.model_dump(),
            "calls": [
                {"at": one.at, "what": one.what, "detail": one.detail, "ok": one.ok}
                for one in reversed(self.carrier.calls[-30:])
            ],
        }
        return JSONResponse(body, headers={"cache-control": "no-store"})

    def _person(self, person: Person) -> dict[str, Any]:
        talks: dict[str, list[dict[str, Any]]] = {}
        for message in self.carrier.state.messages.values():
            if message.sender == person.number and message.direction == "inbound":
                talks.setdefault(message.to, []).append(_shown(message, mine=True))
            elif message.to == person.number and message.arrived_at:
                talks.setdefault(message.sender, []).append(_shown(message, mine=False))
        return {
            "id": person.id, "name": person.name, "number": person.number, "country": person.country,
            "language": person.language, "says": person.says, "given_up": person.number in self.carrier.state.given_up,
            "blocked": sorted(ours for ours, theirs in self.carrier.state.opted_out if theirs == person.number),
            "talks": [
                {"with": other, "messages": sorted(said, key=lambda one: one["at"])[-SHOWN:]} for other, said in talks.items()
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

    # --- what is done

    async def _body(self, request: Request) -> Any:
        """JSON from our own page: a page of another site can neither name this type nor this origin."""
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
        said: TextBody = validate(TextBody, await self._body(request))
        person = next((one for one in PEOPLE if one.id == said.person), None)
        number = self.carrier.state.numbers.get(said.to)
        if person is None or number is None:
            raise NotFound()
        if not number.inbound:
            raise Refused("one_way", f"{number.address} sends only: nobody can text a name.", field="to")
        pictures = [_picture(one) for one in said.pictures]
        if pictures and not (number.mms and person.country in ("US", "CA")):
            raise Refused("no_mms", "Pictures travel between US and Canadian numbers only.", field="pictures")
        if not said.body.strip() and not pictures:
            raise Refused("empty_message", "Write something first.", field="body")
        message = self.carrier.text(person, said.to, said.body, pictures)
        return JSONResponse({"sid": message.sid}, 201)

    async def given_up(self, request: Request) -> Response:
        said: GivenUpBody = validate(GivenUpBody, await self._body(request))
        person = next((one for one in PEOPLE if one.id == said.person), None)
        if person is None:
            raise NotFound()
        self.carrier.give_up(person, said.given_up)
        if said.given_up:
            await self._ask_for_lists()
        return JSONResponse({"given_up": said.given_up})

    async def switches(self, request: Request) -> Response:
        self.carrier.state.switches = validate(Switches, await self._body(request))
        self.carrier.changed()
        return JSONResponse(self.carrier.state.switches.model_dump())


def _shown(message: Message, *, mine: bool) -> dict[str, Any]:
    return {
        "sid": message.sid, "mine": mine, "body": message.body, "at": message.arrived_at,
        "pictures": [one.sid for one in message.pictures], "segments": message.segments,
    }  # fmt: skip


def _picture(said: PictureBody) -> tuple[bytes, str]:
    if said.type not in PICTURES:
        raise Refused("unsupported_picture", "Pictures are JPEG, PNG or GIF.", field="pictures")
    try:
        data = b64decode(said.data, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("bad_picture", "The picture cannot be read.", field="pictures") from None
    if len(data) > MAX_PICTURE:
        raise TooLarge("too_large", "A picture is 5 MB at most.", field="pictures")
    return data, said.type
