"""Writes receipts: the outcome of each message, clicks, and replies that are credited to a message (KEY-14)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Integer, Text, bindparam, case, column, func, select, update, values

from server.delivery.bulk_rules import BULK_KINDS
from server.delivery.bulk_settings import CAMPAIGNS
from server.delivery.rules import LEFT_US, OutboundSettled
from server.kernel.columns import Instant
from server.kernel.sql import CACHED_LIST_LENGTH, Statement, Tx, chunks
from server.links.rules import LinksClicked
from server.receipts import rules
from server.receipts.rules import Reason, State
from server.schema import receipts, short_links

_SETTLE = Statement(
    update(receipts)
    .where(receipts.c.outbound_id == bindparam("outbound"))
    .values(
        state=bindparam("after"),
        reason=bindparam("why"),
        detail=bindparam("words"),
        at=bindparam("now", type_=Instant),
        sent_at=func.coalesce(receipts.c.sent_at, bindparam("left_at", type_=Instant)),
    )
    .returning(receipts.c.id, receipts.c.cause, receipts.c.contact_id, receipts.c.address),
    uses=("uq_receipts_outbound_id",),
)


@dataclass(frozen=True, slots=True)
class Settled:
    """The receipt of a message whose outcome was stored."""

    id: int
    cause: str
    contact: int
    address: str


def settle(tx: Tx, event: OutboundSettled) -> Settled | None:
    """Stores the outcome of a campaign or flow message in its receipt; None if the message has none."""
    if event.kind not in BULK_KINDS:
        return None
    after = rules.outcome(event.state, event.reason, event.detail)
    if after is None:
        return None
    state, reason, detail = after
    row = tx.first(
        _SETTLE,
        outbound=event.outbound,
        after=state.value,
        why=str(reason),
        words=detail,
        now=tx.now,
        left_at=tx.now if event.state in LEFT_US else None,
    )
    return None if row is None else Settled(*row)


# --- many receipts at once --------------------------------------------------------------------------

_skips = (
    values(column("id", BigInteger), column("why", Text), column("words", Text), name="skips")
    .data([(bindparam("receipt", type_=BigInteger), bindparam("why"), bindparam("words"))])
    .cte()
)
_SKIP_WAITING = Statement(
    update(receipts)
    .where(receipts.c.id == _skips.c.id, receipts.c.state == State.WAITING.value)
    .values(
        state=State.SKIPPED.value,
        reason=_skips.c.why,
        detail=_skips.c.words,
        at=bindparam("now", type_=Instant),
    )
)
_queued = (
    values(column("id", BigInteger), column("outbound", BigInteger), name="queued")
    .data([(bindparam("receipt", type_=BigInteger), bindparam("outbound", type_=BigInteger))])
    .cte()
)
_SET_QUEUED = Statement(
    update(receipts)
    .where(receipts.c.id == _queued.c.id, receipts.c.state == State.WAITING.value)
    .values(state=State.QUEUED.value, outbound_id=_queued.c.outbound, at=bindparam("now", type_=Instant))
)
_LOCK_WAITING = Statement(
    select(receipts.c.id)
    .where(receipts.c.id.in_(bindparam("ids", expanding=True)), receipts.c.state == State.WAITING.value)
    .order_by(receipts.c.id)
    .with_for_update()
)
_END_QUEUED = Statement(
    update(receipts)
    .where(receipts.c.outbound_id.in_(bindparam("outbounds", expanding=True)))
    .values(
        state=State.SKIPPED.value,
        reason=bindparam("why"),
        detail=bindparam("words"),
        at=bindparam("now", type_=Instant),
    ),
    uses=("uq_receipts_outbound_id",),
)


def lock_waiting(tx: Tx, ids: Sequence[int]) -> set[int]:
    """Locks these receipts and returns those that are still waiting."""
    return {row.id for some in chunks(ids, CACHED_LIST_LENGTH) for row in tx.all(_LOCK_WAITING, ids=list(some))}


def skip_waiting(tx: Tx, skips: Sequence[tuple[int, str, str]]) -> int:
    """Ends waiting receipts: (receipt, reason, detail) of each. Returns how many were still waiting."""
    rows = [{"receipt": receipt, "why": str(reason), "words": detail} for receipt, reason, detail in skips]
    return tx.run_many(_SKIP_WAITING, rows, now=tx.now)


_SKIP_ALL = Statement(
    update(receipts)
    .where(receipts.c.id.in_(bindparam("ids", expanding=True)), receipts.c.state == State.WAITING.value)
    .values(state=State.SKIPPED.value, reason=bindparam("why"), detail="", at=bindparam("now", type_=Instant))
)


def skip_all_waiting(tx: Tx, ids: Sequence[int], reason: Reason) -> None:
    """Ends those of these receipts that are waiting, for one reason."""
    for some in chunks(ids, CACHED_LIST_LENGTH):
        tx.run(_SKIP_ALL, ids=list(some), why=reason.value, now=tx.now)


def set_queued(tx: Tx, pairs: Mapping[int, int]) -> None:
    """Stores the message of each receipt: receipt → message."""
    tx.run_many(_SET_QUEUED, [{"receipt": one, "outbound": other} for one, other in pairs.items()], now=tx.now)


def end_queued(tx: Tx, outbounds: Sequence[int], reason: Reason, detail: str = "") -> None:
    """Ends the receipts of messages that were ended before they were sent (`delivery.bulk.end`)."""
    for some in chunks(outbounds, CACHED_LIST_LENGTH):
        tx.run(_END_QUEUED, outbounds=list(some), why=reason.value, words=detail, now=tx.now)


# --- clicks -----------------------------------------------------------------------------------------

_ADD_CLICK = Statement(
    update(receipts)
    .where(
        receipts.c.outbound_id
        == select(short_links.c.outbound_id).where(short_links.c.id == bindparam("link")).scalar_subquery()
    )
    .values(
        clicks=receipts.c.clicks + bindparam("n", type_=Integer),
        clicked_at=case(
            (receipts.c.clicked_at.is_(None), bindparam("first_at", type_=Instant)), else_=receipts.c.clicked_at
        ),
    )
)


def note_clicks(tx: Tx, event: LinksClicked) -> None:
    """Counts people's clicks on the links of a message in its receipt. Run by `server/reactions.py`."""
    times: dict[int, list[datetime]] = {}
    for click in event.clicks:
        times.setdefault(click.link, []).append(click.at)
    for link in sorted(times):
        tx.run(_ADD_CLICK, link=link, n=len(times[link]), first_at=min(times[link]))


# --- replies ----------------------------------------------------------------------------------------

_LAST_SENT = Statement(
    select(receipts.c.id, receipts.c.cause, receipts.c.address, receipts.c.sent_at, receipts.c.replied_at)
    .where(
        receipts.c.address.in_(bindparam("addresses", expanding=True)),
        receipts.c.sent_at >= bindparam("since", type_=Instant),
        receipts.c.sent_at.is_not(None),
    )
    .order_by(receipts.c.sent_at, receipts.c.id),
    uses=("ix_receipts_sent",),
)
_CREDIT = Statement(
    update(receipts)
    .where(receipts.c.id == bindparam("receipt"), receipts.c.replied_at.is_(None))
    .values(replied_at=bindparam("now", type_=Instant), reply_thread=bindparam("thread"), reply_seq=bindparam("at_seq"))
)


@dataclass(frozen=True, slots=True)
class Answered:
    """The message that a text answers."""

    receipt: int
    cause: str


def answered(tx: Tx, phones: Sequence[str]) -> dict[str, Answered]:
    """By number: the message that a text from it answers now: the last campaign or flow message within the attribution
    window, unless an earlier text is credited to it already (KEY-14)."""
    if not phones:
        return {}
    since = tx.now - timedelta(hours=CAMPAIGNS.load(tx).attribution_hours)
    last = {
        row.address: row
        for some in chunks(sorted(set(phones)), CACHED_LIST_LENGTH)
        for row in tx.all(_LAST_SENT, addresses=list(some), since=since)
    }
    return {phone: Answered(row.id, row.cause) for phone, row in last.items() if row.replied_at is None}


def credit(tx: Tx, receipt: int, thread: int, seq: int) -> None:
    """Credits a reply to a message. The first one counts."""
    tx.run(_CREDIT, receipt=receipt, now=tx.now, thread=thread, at_seq=seq)
