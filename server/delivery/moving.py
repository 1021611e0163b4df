"""Moves waiting messages when a number stops, is removed, or starts again.

A message waits with its number, so a claim never looks at messages of stopped numbers. When a number stops, a job moves
its messages to other numbers, or leaves them if only that number serves their country. When the number starts again,
its moved messages come back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, null, select, text, tuple_, update

from server.delivery import queries, rules, settling
from server.delivery.actions import move_messages, wake_pump
from server.delivery.rules import AssignedNumber, Lane, Sender, State
from server.kernel import jobs
from server.kernel.columns import EPOCH, Instant, from_micros, to_micros
from server.kernel.context import App
from server.kernel.jobs import Job
from server.kernel.slices import Slices
from server.kernel.sql import Conn, Row, Statement, Tx
from server.schema import outbound
from server.schema.delivery import MOVED

PAGE = 1_000  # messages per read
RUN_S = 40.0  # a job's lease is a minute
AGAIN_AFTER = timedelta(seconds=15)  # a message may have been queued while its number stopped

_place = (outbound.c.due_at, outbound.c.id)
_PAGE = Statement(
    select(outbound.c.id, outbound.c.lane, outbound.c.due_at, outbound.c.recipient, outbound.c.media)
    .where(
        outbound.c.state == State.QUEUED.value,
        outbound.c.channel == "sms",
        outbound.c.sender == bindparam("by"),
        outbound.c.lane == bindparam("in_lane"),
        tuple_(*_place) > tuple_(bindparam("after_due", type_=Instant), bindparam("after_id")),
    )
    .order_by(*_place)
    .limit(PAGE),
    uses=("ix_outbound_due",),
)
_MOVED_PAGE = Statement(
    select(outbound.c.id)
    .where(text(MOVED), outbound.c.moved_from == bindparam("home"))
    .order_by(outbound.c.id)
    .limit(PAGE),
    uses=("ix_outbound_moved",),
)
_MOVE = Statement(
    update(outbound)
    .where(
        outbound.c.id.in_(bindparam("ids", expanding=True)),
        outbound.c.state == State.QUEUED.value,
        outbound.c.sender == bindparam("by"),
    )
    .values(
        sender=bindparam("other"),
        moved_from=func.coalesce(outbound.c.moved_from, bindparam("home", type_=outbound.c.moved_from.type)),
    )
)
_ASSIGN = Statement(
    update(outbound)
    .where(
        outbound.c.id.in_(bindparam("ids", expanding=True)),
        outbound.c.state == State.QUEUED.value,
        outbound.c.sender.is_(None),
    )
    .values(sender=bindparam("other"))
)
_MOVE_BACK = Statement(
    update(outbound)
    .where(
        outbound.c.id.in_(bindparam("ids", expanding=True)),
        outbound.c.state == State.QUEUED.value,
        outbound.c.moved_from == bindparam("home"),
    )
    .values(sender=bindparam("home"), moved_from=null())
)


async def run(app: App, job: Job) -> None:
    """Moves a stopped number's messages away, or a usable number's messages back, for at most `RUN_S`."""
    address, until = str(job.payload["sender"]), app.clock.monotonic() + RUN_S
    slices = Slices(app)
    if await app.read(_is_usable, address):
        while rows := await app.read(_moved_page, address):
            await slices.write(_move_back, [row.id for row in rows], address)
            if app.clock.monotonic() >= until:
                await app.write(move_messages, [address])
                return
        return
    first, after = _place_in(job)
    for lane in Lane:
        while lane >= first and (rows := await app.read(_page, address, lane, *after)):
            await slices.write(_move_away, rows, address)
            after = rows[-1].due_at, rows[-1].id
            if app.clock.monotonic() >= until:
                place = {"lane": int(lane), "due_at": to_micros(after[0]), "id": after[1]}
                await app.write(_reschedule, job, {**job.payload, **place}, timedelta())
                return
        if lane >= first:
            after = START
    if not job.payload.get("last"):
        await app.write(_reschedule, job, {"sender": address, "last": True}, AGAIN_AFTER)


START = (EPOCH, 0)


def _place_in(job: Job) -> tuple[int, tuple[datetime, int]]:
    """The place at which the last run ended."""
    if "lane" not in job.payload:
        return 0, START
    return job.payload["lane"], (from_micros(job.payload["due_at"]), job.payload["id"])


def _reschedule(tx: Tx, job: Job, payload: dict[str, object], pause: timedelta) -> None:
    jobs.reschedule(tx, job, payload, run_at=tx.now + pause)


def _is_usable(conn: Conn, address: str) -> bool:
    return any(sender.address == address and sender.usable for sender in queries.all_senders(conn))


def _page(conn: Conn, address: str, lane: Lane, after_due: datetime, after_id: int) -> list[Row]:
    return conn.all(_PAGE, by=address, in_lane=int(lane), after_due=after_due, after_id=after_id)


def _moved_page(conn: Conn, address: str) -> list[Row]:
    return conn.all(_MOVED_PAGE, home=address)


def _move_back(tx: Tx, ids: Sequence[int], address: str) -> None:
    if _is_usable(tx, address) and tx.run(_MOVE_BACK, ids=list(ids), home=address):
        wake_pump(tx, tx.now)


def _move_away(tx: Tx, rows: Sequence[Row], address: str) -> None:
    senders = queries.all_senders(tx)
    if not any(sender.address == address and sender.usable for sender in senders):
        assign_numbers(tx, rows, address, senders)


def assign_numbers(tx: Tx, rows: Sequence[Row], address: str | None, senders: Sequence[Sender]) -> None:
    """Moves queued messages of an unusable number to other numbers and ends messages that no number can send; the others
    wait. `address` None: the messages have no number yet."""
    targets: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        match rules.assign_number(senders, row.recipient, Lane(row.lane), mms=bool(row.media)):
            case AssignedNumber(sender):
                targets[sender].append(row.id)
            case rules.NoNumber(reason, message, failed):
                (settling.fail if failed else settling.skip)(tx, row.id, reason, message)
    # Messages do not return to a removed number, because it never starts again.
    home = address if any(sender.address == address for sender in senders) else None
    for sender, ids in targets.items():
        if address is None:
            tx.run(_ASSIGN, ids=ids, other=sender)
        elif sender != address:
            tx.run(_MOVE, ids=ids, by=address, other=sender, home=home)
    if address is not None and any(sender.usable and sender.address in targets for sender in senders):
        wake_pump(tx, tx.now)
