"""Loads the facts of `bulk_rules.verdict`, starts Smart Sending timers, and holds, releases or ends many texts at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, case, func, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.consent.rules import Allowed, Verdict
from server.delivery import bulk_rules, rules
from server.delivery.actions import wake_pump
from server.delivery.bulk_rules import BulkFacts, Smart
from server.delivery.bulk_settings import CAMPAIGNS
from server.delivery.queries import credits_used
from server.delivery.rules import State
from server.delivery.settings import SmsSettings, price
from server.kernel.columns import Instant
from server.kernel.sql import CACHED_LIST_LENGTH, Conn, Row, Statement, Tx, chunks
from server.schema import outbound, smart_timers

HELD_UNTIL = datetime(2200, 1, 1, tzinfo=UTC)  # `due_at` of a text whose campaign is paused
_CREDITS_LOCK = "credits"

_TIMERS = Statement(
    select(smart_timers.c.address, smart_timers.c.kind, smart_timers.c.until, smart_timers.c.outbound_id).where(
        smart_timers.c.channel == "sms", smart_timers.c.address.in_(bindparam("addresses", expanding=True))
    ),
    uses=("pk_smart_timers",),
)
_start = insert(smart_timers).values(
    channel="sms",
    address=bindparam("address"),
    kind=bindparam("kind"),
    until=bindparam("until", type_=Instant),
    outbound_id=bindparam("outbound"),
)
_START_TIMERS = Statement(
    _start.on_conflict_do_update(
        index_elements=["channel", "address", "kind"],
        set_={"until": _start.excluded.until, "outbound_id": _start.excluded.outbound_id},
    )
)


def _begun(state: State) -> Any:
    return select(outbound.c.recipient, outbound.c.segments, outbound.c.media).where(
        outbound.c.state == state.value, outbound.c.kind == "campaign"
    )


# Texts that will be charged if the carrier accepted them.
_SENDING = Statement(_begun(State.SENDING), uses=("ix_outbound_sending",))
_UNKNOWN = Statement(_begun(State.UNKNOWN), uses=("ix_outbound_unknown",))


# --- facts ------------------------------------------------------------------------------------------


def timers_of(conn: Conn, addresses: Sequence[str]) -> dict[str, dict[str, tuple[datetime, int]]]:
    """The Smart Sending timers of these numbers: kind → (until, message that started it)."""
    found: dict[str, dict[str, tuple[datetime, int]]] = {}
    for some in chunks(sorted(set(addresses)), CACHED_LIST_LENGTH):
        for row in conn.all(_TIMERS, addresses=list(some)):
            found.setdefault(row.address, {})[row.kind] = row.until, row.outbound_id
    return found


def cost(document: SmsSettings, country: str, segments: int, mms: bool) -> int:
    """Credits of one campaign text (CAM-41)."""
    each = price(document, country)
    return rules.credits("campaign", segments, mms, (each.mms or 0) if mms else each.sms)


def credits_left(conn: Conn, document: SmsSettings, now: datetime) -> int | None:
    """Credits of this month that are neither charged nor reserved by a campaign text that is being sent. None: no limit."""
    if document.monthly_credits is None:
        return None
    left = document.monthly_credits - sum(used.credits for used in credits_used(conn, rules.month_start(now)))
    for row in (*conn.all(_SENDING), *conn.all(_UNKNOWN)):
        left -= cost(document, rules.country_of(row.recipient), row.segments, bool(row.media))
    return left


# --- the start of a send ----------------------------------------------------------------------------


class Beginning:
    """The verdicts of the campaign and flow texts that one transaction begins. Its locks make them exact: two processes
    cannot both spend the last credits, or both text a number within its Smart Sending window."""

    def __init__(self, tx: Tx, rows: Sequence[Row], document: SmsSettings) -> None:
        """`rows`: of all kinds."""
        self._tx, self._document = tx, document
        bulk = [row for row in rows if row.kind in bulk_rules.BULK_KINDS]
        self._started: dict[tuple[str, str], dict[str, Any]] = {}
        self._timers: dict[str, dict[str, tuple[datetime, int]]] = {}
        self._left: int | None = None
        if not bulk:
            return
        limited = document.monthly_credits is not None and any(row.kind == "campaign" for row in bulk)
        tx.lock_names(*(f"smart:sms:{row.recipient}" for row in bulk), *([_CREDITS_LOCK] if limited else []))
        self._timers = timers_of(tx, [row.recipient for row in bulk])
        self._left = credits_left(tx, document, tx.now) if limited else None

    def verdict(self, row: Row, consents: Any) -> Verdict:
        """Whether this text may leave. If so, its Smart Sending timer starts (SMA-5, SMA-7)."""
        country = rules.country_of(row.recipient)
        facts = BulkFacts(
            row.recipient,
            country,
            consents,
            Smart(row.smart or "off"),
            {kind: at for kind, (at, by) in self._timers.get(row.recipient, {}).items() if by != row.id},
            row.kind,
            row.purpose,
            row.expires_at,
            self._document.paused_countries,
            cost(self._document, country, row.segments, bool(row.media)),
            self._left,
        )
        decided = bulk_rules.verdict(facts, self._tx.now)
        if isinstance(decided, Allowed):
            if self._left is not None and row.kind == "campaign":
                self._left -= facts.cost
            until = self._tx.now + timedelta(hours=CAMPAIGNS.load(self._tx).smart_hours(row.kind))
            self._timers.setdefault(row.recipient, {})[row.kind] = until, row.id
            timer = {"address": row.recipient, "kind": row.kind, "until": until, "outbound": row.id}
            self._started[row.recipient, row.kind] = timer
        return decided

    def store_timers(self) -> None:
        self._tx.run_many(_START_TIMERS, [self._started[key] for key in sorted(self._started)])


# --- many texts at once -----------------------------------------------------------------------------

_unsent = outbound.c.state.in_((State.QUEUED.value, State.CLAIMED.value))
_HOLD = Statement(
    update(outbound)
    .where(outbound.c.id.in_(bindparam("ids", expanding=True)), _unsent)
    .values(state=State.QUEUED.value, due_at=HELD_UNTIL, claimed_until=None)
)
_RELEASE = Statement(
    update(outbound)
    .where(
        outbound.c.id.in_(bindparam("ids", expanding=True)),
        outbound.c.state == State.QUEUED.value,
        outbound.c.due_at == HELD_UNTIL,
    )
    .values(due_at=bindparam("now", type_=Instant))
)
_END = Statement(
    update(outbound)
    .where(outbound.c.id.in_(bindparam("ids", expanding=True)), _unsent)
    .values(
        state=bindparam("after"),
        reason=bindparam("why"),
        detail=bindparam("words"),
        settled_at=bindparam("now", type_=Instant),
        claimed_until=None,
    )
    .returning(outbound.c.id)
)
_held = outbound.c.due_at == HELD_UNTIL
_QUEUED_SEGMENTS = Statement(
    select(
        outbound.c.sender,
        func.sum(outbound.c.segments).label("segments"),
        func.sum(case((_held, 1), else_=0)).label("held"),
    )
    .where(outbound.c.id.in_(bindparam("ids", expanding=True)), _unsent)
    .group_by(outbound.c.sender)
)


def hold(tx: Tx, ids: Sequence[int]) -> int:
    """Keeps texts from leaving whose dispatch has not begun. A pump that has claimed them cannot begin them any more."""
    return sum(tx.run(_HOLD, ids=list(some)) for some in chunks(ids, CACHED_LIST_LENGTH))


def release(tx: Tx, ids: Sequence[int]) -> int:
    """Makes held texts due."""
    released = sum(tx.run(_RELEASE, ids=list(some), now=tx.now) for some in chunks(ids, CACHED_LIST_LENGTH))
    if released:
        wake_pump(tx, tx.now)
    return released


def end(tx: Tx, ids: Sequence[int], state: State, reason: str, detail: str) -> list[int]:
    """Ends texts whose dispatch has not begun, as `cancelled` or `skipped`, and returns their ids. No outcome is announced:
    the caller updates the receipts of all of them at once."""
    ended: list[int] = []
    for some in chunks(ids, CACHED_LIST_LENGTH):
        rows = tx.all(_END, ids=list(some), after=state.value, why=reason, words=detail, now=tx.now)
        ended += [row.id for row in rows]
    return ended


@dataclass(frozen=True, slots=True)
class Backlog:
    """Texts that wait to be sent. `segments`: by number. `held`: how many are held."""

    segments: Mapping[str | None, int]
    held: int


def backlog(conn: Conn, ids: Sequence[int]) -> Backlog:
    """Those of these texts that wait to be sent."""
    sums: dict[str | None, int] = {}
    held = 0
    for some in chunks(ids, CACHED_LIST_LENGTH):
        for row in conn.all(_QUEUED_SEGMENTS, ids=list(some)):
            sums[row.sender] = sums.get(row.sender, 0) + int(row.segments)
            held += int(row.held)
    return Backlog(sums, held)
