"""The simulated carrier's state: messages, opt-outs and switches, in memory and in a folder of the data folder."""

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

MAX_MESSAGES = 1_000  # older messages are deleted with their pictures


@dataclass(frozen=True, slots=True)
class Person:
    """A person with a phone. `phrases`: texts that the Phone page suggests."""

    id: str
    name: str
    number: str
    country: str
    language: str
    phrases: tuple[str, ...]


PEOPLE: tuple[Person, ...] = (
    Person(
        "maya", "Maya Brooks", "+12025550143", "US", "en",
        ("Hi! Is the Moss teapot back in stock?", "Where is my order #10482?", "JOIN", "YES", "STOP", "START", "HELP"),
    ),
    Person(
        "arthur", "Arthur Hale", "+447400987654", "GB", "en",
        ("Does the night kettle work on induction?", "Please stop texting me", "Is there a bus stop near the shop?", "JOIN", "YES", "STOP", "START"),
    ),
    Person(
        "zofia", "Zofia Wrona", "+48512345678", "PL", "pl",
        ("Dzień dobry! Czy wysyłacie do Łodzi?", "Kiedy dotrze moja paczka?", "JOIN", "TAK", "POMOC", "STOP", "START"),
    ),
)  # fmt: skip
BY_NUMBER: Mapping[str, Person] = {person.number: person for person in PEOPLE}


@dataclass(slots=True)
class Number:
    """One of the shop's senders. `sms_url`: the webhook for texts to it, with the connection overrides after `#`."""

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
    """A file of an MMS; its bytes are in the state's folder."""

    sid: str
    type: str
    size: int


@dataclass(slots=True)
class Message:
    """One text. Times are ISO 8601."""

    sid: str
    direction: Literal["inbound", "outbound-api", "outbound-reply"]
    sender: str
    to: str
    body: str
    status: str
    created_at: str
    segments: int = 1
    pictures: list[Picture] = field(default_factory=list)
    media_urls: list[str] = field(default_factory=list)  # fetched before the message is sent
    service: str = ""
    callback: str = ""
    validity_s: int = 36_000
    send_at: str = ""
    error: int | None = None
    error_message: str = ""
    updated_at: str = ""
    sent_at: str = ""
    arrived_at: str = ""  # on the phone
    position: int = 0  # in the order of arrival

    def set_status(self, status: str, at: datetime) -> None:
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
    """The whole state. `version` rises with every change; pages wait for it."""

    numbers: dict[str, Number] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)  # by sid, oldest first
    opted_out: set[tuple[str, str]] = field(default_factory=set)  # (our number, theirs)
    given_up: dict[str, str] = field(default_factory=dict)  # number → the day (UTC) its list names it
    switches: Switches = field(default_factory=Switches)
    arrivals: int = 0  # how many messages have arrived; numbers the next one
    version: int = 0


class Store:
    """Stores the state on disk: one JSON file, replaced as a whole, and one file per picture."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "carrier.json"

    def load(self) -> State:
        """The stored state. A file that cannot be read is renamed, and the state starts empty."""
        state = State()
        try:
            stored = orjson.loads(self._file.read_bytes())
            state.numbers = {fields["address"]: Number(**fields) for fields in stored["numbers"]}
            for fields in stored["messages"]:
                fields["pictures"] = [Picture(**picture) for picture in fields["pictures"]]
                state.messages[fields["sid"]] = Message(**fields)
            state.opted_out = {(our_number, their_number) for our_number, their_number in stored["opted_out"]}
            state.given_up = dict(stored.get("given_up", {}))
            state.switches = Switches.model_validate(stored["switches"])
            state.arrivals = stored["places"]
        except FileNotFoundError:
            return state
        except (ValueError, TypeError, KeyError) as error:
            log.warning("simulator_state_unreadable", error=str(error))
            self._file.rename(self._file.with_suffix(".unreadable"))
            return State()
        return state

    def encode(self, state: State) -> bytes:
        fields: dict[str, Any] = {
            "numbers": [asdict(item) for item in state.numbers.values()],
            "messages": [asdict(item) for item in state.messages.values()],
            "opted_out": sorted(state.opted_out),
            "given_up": state.given_up,
            "switches": state.switches.model_dump(),
            "places": state.arrivals,
        }
        return orjson.dumps(fields)

    def write(self, data: bytes) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self._file.with_suffix(".part")
        partial.write_bytes(data)
        partial.chmod(0o600)
        partial.replace(self._file)

    async def save(self, state: State) -> None:
        await asyncio.to_thread(self.write, self.encode(state))

    # `isalnum`: a sid comes from a request and must not be a path.

    def picture(self, sid: str) -> bytes | None:
        path = self.folder / sid
        return path.read_bytes() if sid.isalnum() and path.is_file() else None

    def keep_picture(self, sid: str, data: bytes) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / sid).write_bytes(data)

    def forget_picture(self, sid: str) -> None:
        (self.folder / sid).unlink(missing_ok=True)
