"""Reads of delivery: senders, messages, credits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, select, union_all

from server.delivery import rules
from server.delivery.rules import Lane, Sender, SenderKind, State
from server.kernel.sql import Conn, Row, Statement
from server.schema import carrier_inbound, credit_days, outbound, senders
from server.schema.delivery import in_turn


def _sender(row: Row) -> Sender:
    return Sender(
        row.id,
        row.address,
        SenderKind(row.kind),
        row.country,
        tuple(row.countries),
        row.mms,
        row.inbound,
        row.rate,
        row.enabled,
        row.stopped,
    )


_SENDERS = Statement(select(senders).order_by(senders.c.id))


def all_senders(conn: Conn) -> list[Sender]:
    """Every number and name we send from, by id."""
    return [_sender(row) for row in conn.all(_SENDERS)]


def sender_for(conn: Conn, country: str, *, mms: bool = False, preferred: str | None = None) -> Sender | None:
    """The number that would send to this country now; None: there is none (`no_sender`)."""
    return rules.choose_sender(all_senders(conn), country, mms=mms, preferred=preferred)


@dataclass(frozen=True, slots=True)
class Outbound:
    """One row of `outbound`."""

    id: int
    token: str
    key: str | None
    channel: str
    kind: str
    purpose: str
    contact: int | None
    thread: int | None
    seq: int | None
    recipient: str
    sender: str | None
    body: str
    media: tuple[str, ...]
    segments: int
    lane: Lane
    state: State
    turn: int
    attempts: int
    sid: str | None
    reason: str
    detail: str
    created_at: datetime
    dispatched_at: datetime | None
    settled_at: datetime | None


_COLUMNS = (
    outbound.c.id,
    outbound.c.token,
    outbound.c.key,
    outbound.c.channel,
    outbound.c.kind,
    outbound.c.purpose,
    outbound.c.contact_id,
    outbound.c.thread_id,
    outbound.c.seq,
    outbound.c.recipient,
    outbound.c.sender,
    outbound.c.body,
    outbound.c.media,
    outbound.c.segments,
    outbound.c.lane,
    outbound.c.state,
    outbound.c.turn,
    outbound.c.attempts,
    outbound.c.sid,
    outbound.c.reason,
    outbound.c.detail,
    outbound.c.created_at,
    outbound.c.dispatched_at,
    outbound.c.settled_at,
)
_FIELDS = [field.name for field in fields(Outbound)]
_BY_ID = Statement(select(*_COLUMNS).where(outbound.c.id == bindparam("outbound")), uses=("pk_outbound",))
_LOCK_BY_ID = Statement(
    select(*_COLUMNS).where(outbound.c.id == bindparam("outbound")).with_for_update(), uses=("pk_outbound",)
)
_LOCK_BY_TOKEN = Statement(
    select(*_COLUMNS).where(outbound.c.token == bindparam("token")).with_for_update(), uses=("uq_outbound_token",)
)
_LOCK_BY_SID = Statement(
    select(*_COLUMNS).where(outbound.c.sid == bindparam("sid")).with_for_update(), uses=("uq_outbound_sid",)
)
_BY_KEYS = Statement(
    select(outbound.c.id, outbound.c.token, outbound.c.key).where(
        outbound.c.key.in_(bindparam("keys", expanding=True))
    ),
    uses=("uq_outbound_key",),
)


def _outbound(row: Row) -> Outbound:
    cells = dict(zip(_FIELDS, row, strict=True))
    cells |= {"media": tuple(row.media), "lane": Lane(row.lane), "state": State(row.state)}
    return Outbound(**cells)


def by_id(conn: Conn, outbound_id: int, *, lock: bool = False) -> Outbound | None:
    row = conn.first(_LOCK_BY_ID if lock else _BY_ID, outbound=outbound_id)
    return None if row is None else _outbound(row)


def by_token(conn: Conn, token: str) -> Outbound | None:
    """Locks the row, because the caller settles it."""
    row = conn.first(_LOCK_BY_TOKEN, token=token)
    return None if row is None else _outbound(row)


def by_sid(conn: Conn, sid: str) -> Outbound | None:
    """Locks the row, because the caller settles it."""
    row = conn.first(_LOCK_BY_SID, sid=sid)
    return None if row is None else _outbound(row)


def by_keys(conn: Conn, keys: list[str]) -> list[Row]:
    """Id, token and key of the messages with these keys."""
    return conn.all(_BY_KEYS, keys=keys) if keys else []


# One statement for each state: a partial index is used only where the state is part of the statement's text.
_BY_STATE = {
    state: Statement(
        select(*_COLUMNS)
        .where(outbound.c.state == state.value)
        .order_by(outbound.c.id.desc())
        .limit(bindparam("most")),
        uses=("ix_outbound_unknown",) if state is State.UNKNOWN else (),
    )
    for state in State
}


def in_state(conn: Conn, state: State, limit: int = 200) -> list[Outbound]:
    """Newest first. Only `unknown` has an index for this order; read the others slowly."""
    return [_outbound(row) for row in conn.all(_BY_STATE[state], most=limit)]


@dataclass(frozen=True, slots=True)
class CreditsUsed:
    kind: str
    country: str
    messages: int
    credits: int


_CREDITS_USED = Statement(
    select(
        credit_days.c.kind,
        credit_days.c.country,
        func.sum(credit_days.c.messages).label("messages"),
        func.sum(credit_days.c.credits).label("total"),
    )
    .where(credit_days.c.day >= bindparam("since"))
    .group_by(credit_days.c.kind, credit_days.c.country)
    .order_by(credit_days.c.kind, credit_days.c.country)
)


def credits_used(conn: Conn, since: datetime) -> list[CreditsUsed]:
    """Credits charged since the start of that day (UTC), by kind and country (CAM-41..45)."""
    return [
        CreditsUsed(row.kind, row.country, int(row.messages), int(row.total))
        for row in conn.all(_CREDITS_USED, since=since)
    ]


_RECEIVED = Statement(select(carrier_inbound.c.sid).where(carrier_inbound.c.sid.in_(bindparam("sids", expanding=True))))


def not_received(conn: Conn, sids: list[str]) -> list[str]:
    """The ids of texts that are not stored yet."""
    received = {row.sid for row in conn.all(_RECEIVED, sids=sids)} if sids else set()
    return [sid for sid in sids if sid not in received]


_WAITS_ITS_TURN = Statement(
    select(outbound.c.id)
    .where(
        outbound.c.thread_id.in_(bindparam("threads", expanding=True)),
        in_turn(outbound),
        outbound.c.state == State.QUEUED.value,
    )
    .limit(1),
    uses=("ix_outbound_in_turn",),
)


def waits_its_turn(conn: Conn, threads: Iterable[int]) -> bool:
    """Whether these threads have a queued message that may wait for an earlier one."""
    return conn.first(_WAITS_ITS_TURN, threads=list(threads)) is not None


def _count(state: State) -> Select[Any]:
    """Messages in this state, from the partial index of the state."""
    return select(outbound.c.state, func.count().label("n")).where(outbound.c.state == state.value).group_by("state")


UNSETTLED = (State.QUEUED, State.CLAIMED, State.SENDING, State.UNKNOWN)
_COUNT_UNSETTLED = Statement(union_all(*(_count(state) for state in UNSETTLED)))
_COUNT_UNKNOWN = Statement(_count(State.UNKNOWN))
_COUNT_WAITING = Statement(
    select(
        outbound.c.channel,
        outbound.c.lane,
        func.count().label("n"),
        func.min(outbound.c.due_at, type_=outbound.c.due_at.type).label("due_at"),
    )
    .where(outbound.c.state == State.QUEUED.value)
    .group_by(outbound.c.channel, outbound.c.lane),
)


def count_unsettled(conn: Conn) -> dict[str, int]:
    """The number of messages that are `queued`, `claimed`, `sending` and `unknown`. Counts the whole queue: read slowly."""
    return {state.value: 0 for state in UNSETTLED} | {row.state: row.n for row in conn.all(_COUNT_UNSETTLED)}


def count_unknown(conn: Conn) -> int:
    """The number of messages whose outcome a person may have to decide."""
    return sum(row.n for row in conn.all(_COUNT_UNKNOWN))


@dataclass(frozen=True, slots=True)
class Waiting:
    """`due_at`: when the first message is due."""

    channel: str
    lane: Lane
    count: int
    due_at: datetime


def count_waiting(conn: Conn) -> list[Waiting]:
    """Queued messages by channel and lane. Counts the whole queue: read slowly."""
    return [Waiting(row.channel, Lane(row.lane), row.n, row.due_at) for row in conn.all(_COUNT_WAITING)]
