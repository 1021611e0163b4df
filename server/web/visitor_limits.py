"""Rate limits for visitors: one table, counted per visitor and per address, in memory and per process.

Many visitors may share an address (an office, a carrier's NAT), so the limits per address are high and follow a setting. A
refusal says when to retry; the widget retries automatically.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from server.errors import RateLimited
from server.kernel.clock import Clock
from server.kernel.context import App
from server.kernel.documents import Document
from server.kernel.sql import Tx
from server.settings import Settings
from server.web.limits import Rate

MAX_SUBJECTS = 20_000  # visitors and addresses counted per row
MIN_WAIT_S = 1.0  # the shortest wait in a refusal


@dataclass(frozen=True, slots=True)
class Limit:
    """Events per minute, as a share of the messages that one visitor, or one address, may send in a minute.

    None: not counted here; `unlimited_because` names the limit that applies instead.
    """

    visitor: float | None = None
    address: float | None = None
    unlimited_because: str = ""


_SIGNED_IN = Limit(unlimited_because="sent by somebody who is signed in; the frames of a socket are counted together")

VISITOR_FRAMES: dict[str, Limit] = {
    "hello": Limit(unlimited_because="once on a connection, and connections are counted by address"),
    "say": Limit(1, 1),
    "introduce": Limit(1 / 4, 1 / 4),
    "end": Limit(1 / 4, 1 / 4),
    "seen": Limit(3, 3),
    "page": Limit(3, 3),
    "typing": Limit(unlimited_because="passed on once in three seconds, never stored"),
    "ping": Limit(unlimited_because="answered from memory; the frames of a socket are counted together"),
}
AGENT_FRAMES: dict[str, Limit] = dict.fromkeys(("hello", "open", "leave", "typing", "seen", "ping"), _SIGNED_IN)
REQUESTS: dict[str, Limit] = {
    "POST /widget/poll": Limit(unlimited_because="a connection like a socket, counted by address"),
    "POST /widget/send": Limit(6, 6),  # in addition to the limit of the frame in it
    "POST /widget/older": Limit(3, 3),
    "POST /widget/return": Limit(1 / 4, 1 / 2),
    "POST /widget/files": Limit(1 / 2, 1 / 2),  # in addition to the limits in megabytes (`files.uploads`)
}
NEW_CHAT = "a new chat"  # in addition to the `say` that starts it
TABLE: dict[str, Limit] = {**VISITOR_FRAMES, **REQUESTS, NEW_CHAT: Limit(1 / 8, 1 / 10)}


class VisitorLimits:
    """Counts events by `TABLE`."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        def rate(share: float | None, a_minute: int) -> Rate | None:
            return None if share is None else Rate(clock, max(1, round(share * a_minute)), 60, subjects=MAX_SUBJECTS)

        self._rates = {
            event: (
                rate(limit.visitor, settings.visitor_messages_per_minute),
                rate(limit.address, settings.address_messages_per_minute),
            )
            for event, limit in TABLE.items()
        }

    def _rates_and_subjects(self, event: str, visitor: str, address: str) -> list[tuple[Rate, str]]:
        by_visitor, by_address = self._rates[event]
        counts = [] if by_visitor is None else [(by_visitor, visitor)]
        return counts if by_address is None else [*counts, (by_address, address)]

    def count_or_wait(self, event: str, visitor: str, address: str) -> float:
        """Counts the event and returns 0 if it is allowed; else the seconds to wait."""
        counts = self._rates_and_subjects(event, visitor, address)
        longest = max((rate.wait(subject) for rate, subject in counts), default=0.0)
        if longest:
            return max(MIN_WAIT_S, longest)
        for rate, subject in counts:
            rate.take(subject)
        return 0.0

    def count_or_refuse(self, event: str, visitor: str, address: str) -> None:
        """Counts the event, or raises `RateLimited`."""
        if wait := self.count_or_wait(event, visitor, address):
            raise too_many(wait)

    def uncount(self, event: str, visitor: str, address: str) -> None:
        """Undoes the count of an event that did not happen."""
        for rate, subject in self._rates_and_subjects(event, visitor, address):
            rate.give(subject)


def visitor_limits(app: App) -> VisitorLimits:
    """This process's counts."""
    return app.part(VisitorLimits, lambda app: VisitorLimits(app.clock, app.settings))


def too_many(wait: float) -> RateLimited:
    return RateLimited("Too many messages at once. Nothing is lost. Wait a moment.", wait)


# --- addresses of visitors ------------------------------------------------------------------------


class AddressShare(BaseModel):
    """The most common address of visitors, its count, and the number of visitors."""

    model_config = ConfigDict(extra="ignore")

    address: str = ""
    from_it: int = 0
    visitors: int = 0

    @property
    def one_address(self) -> bool:
        """Whether nearly all visitors have this address. Then it is a proxy's, and address limits count all visitors
        together."""
        return self.visitors >= MIN_VISITORS and self.from_it >= SAME_ADDRESS_SHARE * self.visitors


DOCTOR_USER_AGENT = "threadline-doctor"  # the user agent of the doctor's own requests
ADDRESS_SHARE = Document("crowding", AddressShare)  # stored for a doctor in another process
MIN_VISITORS = 20  # fewer visitors prove nothing
SAME_ADDRESS_SHARE = 0.9


class VisitorAddresses:
    """The addresses of the newest visitors."""

    NEWEST = 1_000

    def __init__(self) -> None:
        self._address_of: OrderedDict[str, str] = OrderedDict()
        self._stored: AddressShare | None = None

    def record(self, visitor: str, address: str) -> None:
        self._address_of.pop(visitor, None)
        self._address_of[visitor] = address
        if len(self._address_of) > self.NEWEST:
            self._address_of.popitem(last=False)

    def address_share(self) -> AddressShare:
        most_common = Counter(self._address_of.values()).most_common(1)
        return (
            AddressShare(address=most_common[0][0], from_it=most_common[0][1], visitors=len(self._address_of))
            if most_common
            else AddressShare()
        )

    async def store(self, app: App) -> None:
        """Stores the share if its address changed. No address is stored except that of a proxy."""
        current = self.address_share()
        if current.visitors < MIN_VISITORS:
            return
        share = current if current.one_address else AddressShare()
        if self._stored is None or share.address != self._stored.address:
            await app.write(_store, share)
            self._stored = share


def _store(tx: Tx, share: AddressShare) -> None:
    ADDRESS_SHARE.save(tx, share)
