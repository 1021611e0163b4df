"""Reads of campaigns and their receipts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select

from server.campaigns import rules
from server.campaigns.audience import Groups
from server.campaigns.content import Content
from server.campaigns.rules import State, cause_of
from server.delivery.bulk_rules import Smart
from server.errors import NotFound
from server.kernel.sql import Conn, Row, Statement
from server.receipts.rules import State as Receipt
from server.schema import campaigns, contacts, receipts


@dataclass(frozen=True, slots=True)
class Campaign:
    id: int
    name: str
    state: State
    reason: str
    include: Groups
    exclude: Groups
    content: Content
    smart: Smart
    audience_at: str
    edits: int
    time_zone: str
    scheduled_at: datetime | None
    approved_by: int | None
    prepared_to: int | None
    started_at: datetime | None
    ends_at: datetime | None
    finished_at: datetime | None
    forgiven: rules.Outcomes
    review: dict[str, Any] | None
    review_of: int | None
    created_by: int | None
    created_at: datetime
    changed_at: datetime

    @property
    def cause(self) -> str:
        return cause_of(self.id)

    @property
    def form(self) -> dict[str, Any]:
        """What the editor saves, as JSON."""
        return {
            "name": self.name,
            "include": self.include.json(),
            "exclude": self.exclude.json(),
            "content": self.content.model_dump(mode="json"),
            "smart": self.smart.value,
            "audience_at": self.audience_at,
        }


_COLUMNS = [column for column in campaigns.c]
_BY_ID = Statement(select(*_COLUMNS).where(campaigns.c.id == bindparam("campaign")))
_LOCK = Statement(select(*_COLUMNS).where(campaigns.c.id == bindparam("campaign")).with_for_update())
_PAGE = Statement(
    select(*_COLUMNS).where(campaigns.c.id < bindparam("before")).order_by(campaigns.c.id.desc()).limit(bindparam("n"))
)
_PAGE_UP = Statement(
    select(*_COLUMNS).where(campaigns.c.id > bindparam("after")).order_by(campaigns.c.id).limit(bindparam("n"))
)
_NAMES = Statement(select(campaigns.c.id, campaigns.c.name).where(campaigns.c.id.in_(bindparam("ids", expanding=True))))


def _campaign(row: Row) -> Campaign:
    cells = row._asdict()
    forgiven = cells["forgiven"] or {}
    cells |= {
        "state": State(row.state),
        "include": Groups.of(row.include),
        "exclude": Groups.of(row.exclude),
        "content": Content.model_construct(**{**Content().model_dump(), **row.content}),
        "smart": Smart(row.smart),
        "forgiven": rules.Outcomes(forgiven.get("settled", 0), forgiven.get("failed", 0)),
    }
    return Campaign(**cells)


def by_id(conn: Conn, campaign: int, *, lock: bool = False) -> Campaign:
    """Raises `NotFound`."""
    row = conn.first(_LOCK if lock else _BY_ID, campaign=campaign)
    if row is None:
        raise NotFound("This campaign does not exist.")
    return _campaign(row)


def page(conn: Conn, limit: int, after: int | None = None, before: int | None = None) -> list[Campaign]:
    """The newest first. `after`: rows below the one with this id. `before`: rows above it, from there upwards."""
    if before is not None:
        return [_campaign(row) for row in conn.all(_PAGE_UP, after=before, n=limit)]
    return [_campaign(row) for row in conn.all(_PAGE, before=2**62 if after is None else after, n=limit)]


def names(conn: Conn, ids: list[int]) -> dict[int, str]:
    return {row.id: row.name for row in conn.all(_NAMES, ids=ids)} if ids else {}


# --- receipts -----------------------------------------------------------------------------------------


class Count(NamedTuple):
    state: str
    reason: str
    n: int


_COUNTS = Statement(
    select(receipts.c.state, receipts.c.reason, func.count().label("n"))
    .where(receipts.c.cause == bindparam("cause"))
    .group_by(receipts.c.state, receipts.c.reason)
    .order_by(receipts.c.state, receipts.c.reason)
)
_ENGAGED = Statement(
    select(
        func.count(receipts.c.clicked_at).label("clicked"),
        func.count(receipts.c.replied_at).label("replied"),
    ).where(receipts.c.cause == bindparam("cause"))
)
_ANY = {
    state: Statement(
        select(receipts.c.id)
        .where(receipts.c.cause == bindparam("cause"), receipts.c.state == state.value)
        .order_by(receipts.c.reason, receipts.c.id)  # PostgreSQL would read the whole table if it expects many
        .limit(1),
        uses=("ix_receipts_state",),
    )
    for state in (Receipt.WAITING, Receipt.QUEUED)
}


def counts(conn: Conn, cause: str) -> list[Count]:
    """How many receipts each state and reason has. Counts all of them: read slowly."""
    return [Count(*row) for row in conn.all(_COUNTS, cause=cause)]


def engaged(conn: Conn, cause: str) -> Mapping[str, int]:
    """How many people clicked and replied. Reads all receipts: read slowly."""
    row = conn.one(_ENGAGED, cause=cause)
    return {"clicked": row.clicked, "replied": row.replied}


def unfinished(conn: Conn, cause: str) -> bool:
    """Whether somebody's receipt waits for a decision or its message for an outcome."""
    return any(conn.first(statement, cause=cause) is not None for statement in _ANY.values())


class ReceiptRow(NamedTuple):
    id: int
    contact_id: int
    name: str
    address: str
    country: str
    state: str
    reason: str
    detail: str
    outbound_id: int | None
    at: datetime
    sent_at: datetime | None
    clicks: int
    replied_at: datetime | None
    reply_thread: int | None
    reply_seq: int | None


_rows = (
    select(
        receipts.c.id,
        receipts.c.contact_id,
        contacts.c.name,
        receipts.c.address,
        receipts.c.country,
        receipts.c.state,
        receipts.c.reason,
        receipts.c.detail,
        receipts.c.outbound_id,
        receipts.c.at,
        receipts.c.sent_at,
        receipts.c.clicks,
        receipts.c.replied_at,
        receipts.c.reply_thread,
        receipts.c.reply_seq,
    )
    .select_from(receipts.join(contacts, contacts.c.id == receipts.c.contact_id))
    .where(receipts.c.cause == bindparam("cause"))
)


def _receipt_page(state: bool, reason: bool, up: bool) -> Statement:
    chosen = _rows
    if state:
        chosen = chosen.where(receipts.c.state == bindparam("of_state"))
    if reason:
        chosen = chosen.where(receipts.c.reason == bindparam("of_reason"))
    place = receipts.c.id < bindparam("place") if up else receipts.c.id > bindparam("place")
    order = receipts.c.id.desc() if up else receipts.c.id
    return Statement(chosen.where(place).order_by(order).limit(bindparam("n")), into=ReceiptRow)


_RECEIPTS = {
    (state, reason, up): _receipt_page(state, reason, up)
    for state in (False, True)
    for reason in (False, True)
    for up in (False, True)
}


def receipts_page(
    conn: Conn,
    cause: str,
    limit: int,
    state: str | None = None,
    reason: str | None = None,
    after: int | None = None,
    before: int | None = None,
) -> list[ReceiptRow]:
    """Receipts by id, of one state and reason. `before`: the rows above this one, from there upwards."""
    place = (after or 0) if before is None else before
    params = {"cause": cause, "n": limit, "place": place}
    if state is not None:
        params["of_state"] = state
    if reason is not None:
        params["of_reason"] = reason
    return conn.all(_RECEIPTS[state is not None, reason is not None, before is not None], **params)
