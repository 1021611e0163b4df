"""The pump's first two beats, as steps: claim what each number may send now; ask the gate and mark the dispatch.

A claim is safe to repeat; after `begin` a message may have left, and only the carrier or a person says what became
of it. `turn` counts claims: who slept past its lease holds an old one and changes nothing (F38).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import bindparam, exists, or_, select, update

from server.channels.base import Text
from server.consent import queries as consent
from server.consent import rules as consent_rules
from server.consent.rules import SendPurpose
from server.delivery import media, queries, rules, settling
from server.delivery.actions import PUMP, wake
from server.delivery.rules import Sender, State
from server.delivery.settings import SMS, SmsSettings
from server.kernel import jobs
from server.kernel.columns import Instant
from server.kernel.sql import Row, Statement, Tx
from server.schema import outbound, senders

WATCH = "delivery.watch"
NEXT = f"{PUMP}:next"  # key of the alarm for what has to wait for its number's pace
BATCH = 500

_waiting = or_(
    outbound.c.state == State.QUEUED.value,
    (outbound.c.state == State.CLAIMED.value) & (outbound.c.claimed_until <= bindparam("now", type_=Instant)),
)
# What is said to one person leaves in its order: the next begins when the one before has an outcome, also while that one
# waits to be tried again. Rows of a thread are made under its lock, so the lower id was said first. An answer to a keyword
# waits for answers to keywords only: it has five minutes. Whoever ends one looks for the next (settling, pump).
_before = outbound.alias("before")
_its_turn = or_(
    outbound.c.priority > 0,
    ~exists().where(
        _before.c.thread_id == outbound.c.thread_id,
        _before.c.id < outbound.c.id,
        _before.c.priority == 0,
        _before.c.state.in_(sorted(rules.HERE)),
        or_(
            outbound.c.purpose != SendPurpose.COMPLIANCE.value,
            _before.c.purpose == SendPurpose.COMPLIANCE.value,
        ),
    ),
)
_DUE = Statement(
    select(outbound.c.id, outbound.c.segments, outbound.c.priority)
    .where(
        outbound.c.state.in_((State.QUEUED.value, State.CLAIMED.value)),
        outbound.c.sender == bindparam("by"),
        outbound.c.due_at <= bindparam("now", type_=Instant),
        _waiting,
        _its_turn,
    )
    .order_by(outbound.c.priority, outbound.c.due_at, outbound.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
# Nobody sends them yet: no number was found when they were queued, or theirs is gone, switched off or stopped.
_ORPHANS = Statement(
    select(outbound.c.id, outbound.c.recipient, outbound.c.media, outbound.c.priority, outbound.c.sender)
    .where(
        outbound.c.state.in_((State.QUEUED.value, State.CLAIMED.value)),
        or_(
            outbound.c.sender.is_(None),
            outbound.c.sender.in_(select(senders.c.address).where(~senders.c.enabled | senders.c.stopped.is_not(None))),
            outbound.c.sender.not_in(select(senders.c.address)),
        ),
        outbound.c.due_at <= bindparam("now", type_=Instant),
        _waiting,
    )
    .order_by(outbound.c.priority, outbound.c.due_at, outbound.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_ADOPT = Statement(update(outbound).where(outbound.c.id == bindparam("outbound")).values(sender=bindparam("by")))
_BUCKETS = Statement(
    select(senders.c.id, senders.c.tokens, senders.c.filled_at).order_by(senders.c.id).with_for_update()
)
_PAY = Statement(
    update(senders)
    .where(senders.c.id == bindparam("sender_id"))
    .values(tokens=bindparam("left"), filled_at=bindparam("now", type_=Instant))
)
_CLAIM = Statement(
    update(outbound)
    .where(outbound.c.id.in_(bindparam("ids", expanding=True)))
    .values(state=State.CLAIMED.value, claimed_until=bindparam("until", type_=Instant), turn=outbound.c.turn + 1)
    .returning(outbound.c.id, outbound.c.turn, outbound.c.priority)
)


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    priority: int
    id: int
    turn: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """`again_at`: when some number's pace lets its next waiting message go."""

    claims: list[Claim]
    again_at: datetime | None = None


def claim(tx: Tx, room: int) -> Claimed:
    """Leases at most `room` due messages: the most urgent of each number, as many as its bucket pays for now."""
    document = SMS.load(tx)
    if not document.on:
        return Claimed([])
    known = queries.all_senders(tx)
    _adopt(tx, known, document)
    by_id = {one.id: one for one in known}
    due: list[Row] = []
    again: list[datetime] = []
    for bucket in tx.all(_BUCKETS):
        sender = by_id.get(bucket.id)
        if sender is None or not sender.usable:
            continue
        tokens = rules.filled(bucket.tokens, bucket.filled_at, sender.rate, tx.now)
        most = min(room - len(due), max(tokens, 0) // rules.SCALE + 1)
        rows = tx.all(_DUE, by=sender.address, now=tx.now, most=max(most, 0) + 1)
        if not rows:
            continue
        taken = 0
        for row in rows:
            if tokens <= 0 or len(due) >= room:
                break
            tokens -= row.segments * rules.SCALE
            due.append(row)
            taken += 1
        if taken:
            tx.run(_PAY, sender_id=sender.id, left=tokens, now=tx.now)
        if taken < len(rows):
            again.append(rules.allowed_at(tokens, sender.rate, tx.now))
    again_at = min(again, default=None)
    if again_at is not None:
        # A key of its own: the next message that is queued must not move it, nor it that one's.
        jobs.enqueue(tx, PUMP, {}, run_at=max(again_at, tx.now), key=NEXT, priority=0)
    if not due:
        return Claimed([], again_at)
    watch(tx)
    rows = tx.all(_CLAIM, ids=[row.id for row in due], until=tx.now + rules.LEASE)
    return Claimed(sorted(Claim(row.priority, row.id, row.turn) for row in rows), again_at)


def _adopt(tx: Tx, known: list[Sender], document: SmsSettings) -> None:
    """Gives orphans a number (CAM-50). Without one they are skipped; if a stopped number could serve them they wait, but
    an agent's answer fails at once: somebody is looking at it."""
    for row in tx.all(_ORPHANS, now=tx.now, most=BATCH):
        country = rules.country_of(row.recipient)
        found = rules.choose(known, country, mms=bool(row.media))
        if found is not None:
            tx.run(_ADOPT, outbound=row.id, by=found.address)
        elif not rules.reachable(known, country):
            settling.skip(tx, row.id, *rules.no_sender(known, country, bool(row.media)))
        elif row.priority == 0:
            settling.fail(tx, row.id, "sender_stopped", rules.SENDER_STOPPED)


# --- the second beat --------------------------------------------------------------------------------

_BEGIN = Statement(
    update(outbound)
    .where(outbound.c.id.in_(bindparam("ids", expanding=True)))
    .values(
        state=State.SENDING.value,
        attempts=outbound.c.attempts + 1,
        dispatched_at=bindparam("now", type_=Instant),
        claimed_until=None,
    )
)
_CLAIMED = Statement(
    select(
        outbound.c.id,
        outbound.c.turn,
        outbound.c.token,
        outbound.c.contact_id,
        outbound.c.thread_id,
        outbound.c.priority,
        outbound.c.purpose,
        outbound.c.recipient,
        outbound.c.sender,
        outbound.c.body,
        outbound.c.media,
        outbound.c.attempts,
    )
    .where(outbound.c.id.in_(bindparam("ids", expanding=True)), outbound.c.state == State.CLAIMED.value)
    .with_for_update()
)
_PUT_BACK = Statement(
    update(outbound)
    .where(
        outbound.c.id == bindparam("outbound"),
        outbound.c.turn == bindparam("of_turn"),
        outbound.c.state == State.CLAIMED.value,
    )
    .values(state=State.QUEUED.value, due_at=bindparam("at", type_=Instant), claimed_until=None)
)


@dataclass(frozen=True, slots=True)
class Ready:
    """Marked `sending` and committed: its request must leave now or never. `thread`: where others may wait for it."""

    id: int
    turn: int
    attempt: int
    text: Text
    thread: int | None


def begin(tx: Tx, claims: list[Claim], public_url: str) -> list[Ready]:
    """Asks the gate for each, and marks those that may go. What another took over in between is left alone."""
    document = SMS.load(tx)
    claimed = {row.id: row for row in tx.all(_CLAIMED, ids=[one.id for one in claims])}
    rows = [row for one in claims if (row := claimed.get(one.id)) is not None and row.turn == one.turn]
    if not rows:
        return []
    if not document.on:
        for row in rows:
            tx.run(_PUT_BACK, outbound=row.id, of_turn=row.turn, at=tx.now)
        return []
    allowed = []
    whom = [(row.contact_id, row.recipient) for row in rows]
    for row, facts in zip(rows, consent.facts_of(tx, whom, lock=True), strict=True):
        match _verdict(tx, row, facts, document):
            case consent_rules.Blocked(reason, message):
                settling.skip(tx, row.id, reason, message)
            case consent_rules.Held(until):
                tx.run(_PUT_BACK, outbound=row.id, of_turn=row.turn, at=until)
                jobs.enqueue(tx, PUMP, {}, run_at=until, key=f"{PUMP}:{int(until.timestamp())}", priority=0)
            case _:
                allowed.append(row)
    if allowed:
        tx.run(_BEGIN, ids=[row.id for row in allowed], now=tx.now)  # read and locked above, with their turn
    return [_ready(tx, row, public_url) for row in allowed]


def _verdict(tx: Tx, row: Row, facts: consent_rules.Facts, document: SmsSettings) -> consent_rules.Verdict:
    if document.paused_countries:
        country = rules.country_of(row.recipient)
        if country in document.paused_countries:
            return consent_rules.Blocked("country_paused", document.paused_countries[country])
    return consent_rules.may_send(row.purpose, "sms", facts, tx.now)


def _ready(tx: Tx, row: Row, public_url: str) -> Ready:
    attempt = row.attempts + 1
    addresses = media.addresses(tx, public_url, row.token, tuple(row.media)) if row.media else ()
    return Ready(
        row.id,
        row.turn,
        attempt,
        Text(
            row.recipient,
            row.sender or "",
            row.body,
            addresses,
            f"{public_url}{rules.STATUS_PATH}?m={row.token}.{attempt}",
        ),
        row.thread_id if row.priority == 0 else None,
    )


# --- what is stuck ----------------------------------------------------------------------------------

_FREE_CLAIMS = Statement(
    update(outbound)
    .where(outbound.c.state == State.CLAIMED.value)
    .values(state=State.QUEUED.value, claimed_until=None, turn=outbound.c.turn + 1)
)
_LOST = Statement(
    select(outbound.c.id, outbound.c.turn, outbound.c.attempts)
    .where(outbound.c.state == State.SENDING.value, outbound.c.dispatched_at <= bindparam("before", type_=Instant))
    .order_by(outbound.c.id)
    .limit(BATCH)
    .with_for_update(skip_locked=True)
)


def watch(tx: Tx) -> None:
    """Looks after what is claimed and dispatched now once it cannot be on its way any more. One alarm for ten seconds of
    work, and none while nothing is sent."""
    tens = int(tx.now.timestamp()) // 10 + 1
    at = datetime.fromtimestamp(tens * 10, UTC) + rules.LOST_AFTER
    jobs.enqueue_last(tx, WATCH, {}, run_at=at, key=f"{WATCH}:{tens}", priority=10)


def look_after(tx: Tx) -> None:
    lost(tx)
    wake(tx, tx.now)  # a claim whose pump has died is due again


def free_all(tx: Tx) -> int:
    """SQLite at start: this process holds the file alone, so every claim and every dispatch is a dead one's."""
    freed = tx.run(_FREE_CLAIMS)
    return freed + lost(tx, timedelta())


def lost(tx: Tx, after: timedelta | None = None) -> int:
    """Who has been `sending` for longer than a request may take died with it: what became of it is `unknown`."""
    rows = tx.all(_LOST, before=tx.now - (rules.LOST_AFTER if after is None else after))
    for row in rows:
        settling.unclear(tx, row.id, row.turn, row.attempts, "The server stopped while this was being sent.")
    return len(rows)
