"""What the simulated carrier remembers: messages, opt-outs, switches; in memory, and in a folder of the data folder."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Literal

import orjson
import structlog
from pydantic import BaseModel, ConfigDict

log = structlog.get_logger()

KEPT = 1_000  # messages; older ones are forgotten, pictures too


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a phone. `says`: what the page offers to text."""

    id: str
    name: str
    number: str
    country: str
    language: str
    says: tuple[str, ...]


PEOPLE: tuple[Person, ...] = (
    Person(
        "maya", "Maya Brooks", "+12025550143", "US", "en",
        ("Hi! Is the Moss teapot back in stock?", "Where is my order #10482?", "STOP", "START", "HELP"),
    ),
    Person(
        "arthur", "Arthur Hale", "+447400987654", "GB", "en",
        ("Does the night kettle work on induction?", "Please stop texting me", "Is there a bus stop near the shop?", "STOP", "START"),
    ),
    Person(
        "zofia", "Zofia Wrona", "+48512345678", "PL", "pl",
        ("Dzień dobry! Czy wysyłacie do Łodzi?", "Kiedy dotrze moja paczka?", "POMOC", "STOP", "START"),
    ),
)  # fmt: skip
BY_NUMBER: Mapping[str, Person] = {person.number: person for person in PEOPLE}


@dataclass(slots=True)
class Number:
    """One of the shop's senders. `sms_url`: where texts to it are reported, with the override behind `#`."""

    sid: str
    address: str
    kind: Literal["toll_free", "long_code", "alphanumeric"]
    country: str
    mms: bool
    inbound: bool
    sms_url: str = ""
    sms_method: str = "POST"
    status_callback: str = ""


@dataclass(slots=True)
class Picture:
    """A file of an MMS; its bytes are beside the state."""

    sid: str
    type: str
    size: int


@dataclass(slots=True)
class Message:
    """One text, as the carrier keeps it. Times are ISO 8601."""

    sid: str
    direction: Literal["inbound", "outbound-api", "outbound-reply"]
    sender: str
    to: str
    body: str
    status: str
    created_at: str
    segments: int = 1
    pictures: list[Picture] = field(default_factory=list)
    media_urls: list[str] = field(default_factory=list)  # to be fetched before it leaves
    service: str = ""
    callback: str = ""
    validity_s: int = 36_000
    send_at: str = ""
    error: int | None = None
    error_message: str = ""
    updated_at: str = ""
    sent_at: str = ""
    arrived_at: str = ""  # on the phone
    place: int = 0  # the order in which phones show them

    def updated(self, status: str, at: datetime) -> None:
        self.status, self.updated_at = status, at.isoformat()


def rfc2822(at: str) -> str | None:
    return format_datetime(datetime.fromisoformat(at)) if at else None


class Switches(BaseModel):
    """How the carrier misbehaves, as the Phone page sets it."""

    model_config = ConfigDict(extra="forbid")

    pace: Literal["normal", "slow"] = "normal"
    outcome: Literal["delivered", "sent", "undelivered", "filtered"] = "delivered"
    answer: Literal["normal", "too_many", "timeout", "broken", "lost"] = "normal"
    callbacks_twice: bool = False
    callbacks_shuffled: bool = False
    webhooks_twice: bool = False


@dataclass
class State:
    """All of it. `version` rises with every change, so that pages know to look."""

    numbers: dict[str, Number] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)  # by sid, oldest first
    opted_out: set[tuple[str, str]] = field(default_factory=set)  # (our number, theirs)
    given_up: dict[str, str] = field(default_factory=dict)  # number → the day (UTC) its list names it
    switches: Switches = field(default_factory=Switches)
    places: int = 0
    version: int = 0


class Kept:
    """The state on disk: one JSON file, replaced whole, and a file for each picture."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "carrier.json"

    def load(self) -> State:
        """What was kept; a file that cannot be read is set aside, for it is only a demo's."""
        state = State()
        try:
            said = orjson.loads(self._file.read_bytes())
            state.numbers = {one["address"]: Number(**one) for one in said["numbers"]}
            for one in said["messages"]:
                one["pictures"] = [Picture(**picture) for picture in one["pictures"]]
                state.messages[one["sid"]] = Message(**one)
            state.opted_out = {(ours, theirs) for ours, theirs in said["opted_out"]}
            state.given_up = dict(said.get("given_up", {}))
            state.switches = Switches.model_validate(said["switches"])
            state.places = said["places"]
        except FileNotFoundError:
            return state
        except (ValueError, TypeError, KeyError) as error:
            log.warning("simulator_state_unreadable", error=str(error))
            self._file.rename(self._file.with_suffix(".unreadable"))
            return State()
        return state

    def encode(self, state: State) -> bytes:
        said: dict[str, Any] = {
            "numbers": [asdict(one) for one in state.numbers.values()],
            "messages": [asdict(one) for one in state.messages.values()],
            "opted_out": sorted(state.opted_out),
            "given_up": state.given_up,
            "switches": state.switches.model_dump(),
            "places": state.places,
        }
        return orjson.dumps(said)

    def write(self, data: bytes) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self._file.with_suffix(".part")
        partial.write_bytes(data)
        partial.chmod(0o600)
        partial.replace(self._file)

    async def save(self, state: State) -> None:
        await asyncio.to_thread(self.write, self.encode(state))

    # Pictures are named by their sid, which is hexadecimal whatever a request says.

    def picture(self, sid: str) -> bytes | None:
        path = self.folder / sid
        return path.read_bytes() if sid.isalnum() and path.is_file() else None

    def keep_picture(self, sid: str, data: bytes) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / sid).write_bytes(data)

    def forget_picture(self, sid: str) -> None:
        (self.folder / sid).unlink(missing_ok=True)
