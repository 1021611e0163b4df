"""Reads of delivery: senders, messages, what the month cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, select, union_all

from server.delivery import rules
from server.delivery.rules import Sender, SenderKind, State
from server.kernel.sql import Conn, Row, Statement
from server.schema import carrier_inbound, credits, outbound, senders


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
    """The number that would send to this country now; None: nobody there can be answered (`no_sender`)."""
    return rules.choose(all_senders(conn), country, mms=mms, preferred=preferred)


@dataclass(frozen=True, slots=True)
class Outbound:
    """One message, as its row has it."""

    id: int
    token: str
    key: str | None
    kind: str
    purpose: str
    contact: int
    thread: int | None
    seq: int | None
    recipient: str
    sender: str | None
    body: str
    media: tuple[str, ...]
    segments: int
    priority: int
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
    outbound.c.priority,
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
_ONE = Statement(select(*_COLUMNS).where(outbound.c.id == bindparam("outbound")))
_ONE_LOCKED = Statement(select(*_COLUMNS).where(outbound.c.id == bindparam("outbound")).with_for_update())
_BY_TOKEN = Statement(select(*_COLUMNS).where(outbound.c.token == bindparam("token")).with_for_update())
_BY_SID = Statement(select(*_COLUMNS).where(outbound.c.sid == bindparam("sid")).with_for_update())
_BY_KEY = Statement(select(outbound.c.id, outbound.c.token).where(outbound.c.key == bindparam("key")))


def _outbound(row: Row) -> Outbound:
    cells = list(row)
    cells[11], cells[14] = tuple(row.media), State(row.state)
    return Outbound(*cells)


def one(conn: Conn, outbound_id: int, *, lock: bool = False) -> Outbound | None:
    row = conn.first(_ONE_LOCKED if lock else _ONE, outbound=outbound_id)
    return None if row is None else _outbound(row)


def by_token(conn: Conn, token: str) -> Outbound | None:
    """Locked: its caller is about to settle it."""
    row = conn.first(_BY_TOKEN, token=token)
    return None if row is None else _outbound(row)


def by_sid(conn: Conn, sid: str) -> Outbound | None:
    """Locked: its caller is about to settle it."""
    row = conn.first(_BY_SID, sid=sid)
    return None if row is None else _outbound(row)


def by_key(conn: Conn, key: str) -> Row | None:
    return conn.first(_BY_KEY, key=key)


_BY_STATE = Statement(
    select(*_COLUMNS)
    .where(outbound.c.state == bindparam("state"))
    .order_by(outbound.c.id.desc())
    .limit(bindparam("most"))
)


def in_state(conn: Conn, state: State, most: int = 200) -> list[Outbound]:
    """Newest first."""
    return [_outbound(row) for row in conn.all(_BY_STATE, state=state, most=most)]


@dataclass(frozen=True, slots=True)
class Spent:
    kind: str
    country: str
    messages: int
    credits: int


_SPENT = Statement(
    select(credits.c.kind, credits.c.country, func.count().label("messages"), func.sum(credits.c.total).label("total"))
    .where(credits.c.at >= bindparam("since"))
    .group_by(credits.c.kind, credits.c.country)
    .order_by(credits.c.kind, credits.c.country)
)


def spent(conn: Conn, since: datetime) -> list[Spent]:
    """What was charged since then, by kind and country (CAM-41..45)."""
    return [Spent(row.kind, row.country, int(row.messages), int(row.total)) for row in conn.all(_SPENT, since=since)]


_RECEIVED = Statement(select(carrier_inbound.c.sid).where(carrier_inbound.c.sid.in_(bindparam("sids", expanding=True))))


def not_received(conn: Conn, sids: list[str]) -> list[str]:
    """Those of them that no webhook has brought."""
    known = {row.sid for row in conn.all(_RECEIVED, sids=sids)} if sids else set()
    return [sid for sid in sids if sid not in known]


_BEHIND = Statement(
    select(outbound.c.id)
    .where(
        outbound.c.thread_id.in_(bindparam("threads", expanding=True)),
        outbound.c.priority == 0,
        outbound.c.state == State.QUEUED.value,
    )
    .limit(1)
)


def waits_behind(conn: Conn, threads: Iterable[int]) -> bool:
    """Does a reply in one of these threads wait for its turn?"""
    return conn.first(_BEHIND, threads=list(threads)) is not None


def _counted(*states: State) -> Select[Any]:
    """By state; each of the two halves has a partial index that holds these states and no others."""
    among = outbound.c.state.in_([state.value for state in states])
    return select(outbound.c.state, func.count().label("n")).where(among).group_by(outbound.c.state)


_WAITING = Statement(union_all(_counted(State.QUEUED, State.CLAIMED), _counted(State.SENDING, State.UNKNOWN)))


def waiting(conn: Conn) -> dict[str, int]:
    """How many are `queued`, `claimed` by a process, `sending` (begun, no outcome yet) and `unknown`."""
    states = (State.QUEUED, State.CLAIMED, State.SENDING, State.UNKNOWN)
    return {state.value: 0 for state in states} | {row.state: row.n for row in conn.all(_WAITING)}
