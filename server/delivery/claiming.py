"""The pump's first two stages, as steps: claim due messages within each number's rate; ask the gate and begin the send.

A claim is safe to repeat. After `begin` a message may have been sent, so only the carrier or an agent can settle it.
`turn` counts claims and fences a pump whose lease expired (F38).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Integer, bindparam, column, func, or_, select, true, update, values

from server.channels.base import Text
from server.consent import queries as consent
from server.consent import rules as consent_rules
from server.consent.rules import SendPurpose
from server.delivery import media, moving, queries, rules, settling
from server.delivery.actions import PUMP, wake_pump
from server.delivery.bulk import Beginning
from server.delivery.bulk_rules import BULK_KINDS
from server.delivery.rules import Lane, Sender, State
from server.delivery.settings import SMS, SmsSettings
from server.kernel import jobs
from server.kernel.columns import Instant
from server.kernel.sql import CACHED_LIST_LENGTH, Row, Statement, Tx, chunks
from server.schema import outbound, senders
from server.schema.delivery import in_turn

WATCH = "delivery.watch"
NEXT_KEY = f"{PUMP}:next"  # key of the pump's job for messages that wait for their number's rate limit
BATCH = 500
UNASSIGNED_AT_ONCE = 16  # per claim: ending a message writes an entry in its thread

_now = bindparam("now", type_=Instant)
# The oldest due message of each lane of each number that may send: a claim asks only these.
_lanes = values(column("lane", Integer), name="lanes").data([(int(lane),) for lane in Lane]).cte("lanes")
_oldest = (
    select(func.min(outbound.c.due_at))
    .where(
        outbound.c.state == State.QUEUED.value,
        outbound.c.channel == "sms",
        outbound.c.sender == senders.c.address,
        outbound.c.lane == _lanes.c.lane,
    )
    .scalar_subquery()
    .correlate(senders, _lanes)
)
_DUE_LANES = Statement(
    select(_lanes.c.lane, senders.c.id)
    .select_from(senders.join(_lanes, true()))
    .where(senders.c.enabled, senders.c.stopped.is_(None), _oldest <= _now)
    .order_by(_lanes.c.lane, senders.c.id),
    uses=("ix_outbound_due",),
)
_due = (
    select(outbound.c.id, outbound.c.segments, outbound.c.lane)
    .where(
        outbound.c.state == State.QUEUED.value,
        outbound.c.channel == bindparam("of_channel"),
        outbound.c.sender == bindparam("by"),
        outbound.c.lane == bindparam("in_lane"),
        outbound.c.due_at <= _now,
    )
    .order_by(outbound.c.due_at, outbound.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
# Replies of one thread leave in order of id: each waits until the reply before it has an outcome, also during retries. A
# reply to a keyword waits only for other replies to keywords, because it expires after five minutes. Settling a reply
# wakes the pump for the next reply.
_earlier = outbound.alias("before")
_before = (
    select(_earlier.c.id)
    .where(
        _earlier.c.thread_id == outbound.c.thread_id,
        _earlier.c.id < outbound.c.id,
        in_turn(_earlier),
        or_(
            outbound.c.purpose != SendPurpose.COMPLIANCE.value,
            _earlier.c.purpose == SendPurpose.COMPLIANCE.value,
        ),
    )
    .limit(1)  # instead of NOT EXISTS, which PostgreSQL would plan as a join with the whole queue
    .scalar_subquery()
)
_LOCK_DUE = Statement(_due, uses=("ix_outbound_due",))
_LOCK_DUE_IN_TURN = Statement(_due.where(_before.is_(None)), uses=("ix_outbound_due", "ix_outbound_in_turn"))
# Messages that were queued while no number could send them.
_LOCK_UNASSIGNED = Statement(
    select(outbound.c.id, outbound.c.recipient, outbound.c.media, outbound.c.lane)
    .where(
        outbound.c.state == State.QUEUED.value,
        outbound.c.channel == "sms",
        outbound.c.sender.is_(None),
        outbound.c.due_at <= _now,
    )
    .limit(UNASSIGNED_AT_ONCE)
    .with_for_update(skip_locked=True),
    uses=("ix_outbound_due",),
)
_LOCK_BUCKETS = Statement(
    select(senders.c.id, senders.c.tokens, senders.c.filled_at)
    .where(senders.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(senders.c.id)
    .with_for_update()
)
_TAKE_TOKENS = Statement(
    update(senders)
    .where(senders.c.id == bindparam("sender_id"))
    .values(tokens=bindparam("left"), filled_at=bindparam("now", type_=Instant))
)
_expired = (
    select(outbound.c.id)
    .where(outbound.c.state == State.CLAIMED.value, outbound.c.claimed_until <= _now)
    .order_by(outbound.c.claimed_until)
    .limit(BATCH)
    .with_for_update(skip_locked=True)
)
_LOCK_EXPIRED = Statement(_expired, uses=("ix_outbound_claimed",))
_RELEASE = Statement(
    update(outbound)
    .where(outbound.c.id.in_(bindparam("ids", expanding=True)))
    .values(state=State.QUEUED.value, claimed_until=None)
)
_CLAIM = Statement(
    update(outbound)
    .where(outbound.c.id.in_(bindparam("ids", expanding=True)))
    .values(state=State.CLAIMED.value, claimed_until=bindparam("until", type_=Instant), turn=outbound.c.turn + 1)
    .returning(outbound.c.id, outbound.c.turn, outbound.c.lane)
)


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    lane: int
    id: int
    turn: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """`again_at`: when the next message that waits for its number's rate limit may leave; None if none waits."""

    claims: list[Claim]
    again_at: datetime | None = None


def claim(tx: Tx, room: int, lanes: Sequence[Lane] = tuple(Lane)) -> Claimed:
    """Leases at most `room` due texts of these lanes: the most urgent first, as far as each number's token bucket allows."""
    document = SMS.load(tx)
    if not document.on:
        return Claimed([])
    _release_expired(tx)
    senders = queries.all_senders(tx)
    _assign_senders(tx, senders)
    due = [(row.lane, row.id) for row in tx.all(_DUE_LANES, now=tx.now) if row.lane in lanes]
    if not due:
        return Claimed([])
    by_id = {sender.id: sender for sender in senders}
    selected: list[Row] = []
    wake_times: list[datetime] = []
    tokens = {
        row.id: rules.tokens_at(row.tokens, row.filled_at, by_id[row.id].rate, tx.now)
        for row in tx.all(_LOCK_BUCKETS, ids=sorted({sender for _, sender in due}))
        if row.id in by_id
    }
    full = dict(tokens)
    for lane, sender in due:
        if sender not in tokens or len(selected) >= room:
            continue
        tokens_left = tokens[sender]
        most = min(room - len(selected), max(tokens_left, 0) // rules.SCALE + 1)
        lock = _LOCK_DUE_IN_TURN if Lane(lane).urgent else _LOCK_DUE
        # One more than can be taken, to learn whether any waits for the number's rate.
        rows = tx.all(lock, of_channel="sms", by=by_id[sender].address, in_lane=lane, now=tx.now, most=most + 1)
        claimed = 0
        for row in rows:
            if tokens_left <= 0 or len(selected) >= room:
                break
            tokens_left -= row.segments * rules.SCALE
            selected.append(row)
            claimed += 1
        tokens[sender] = tokens_left
        if claimed < len(rows):
            wake_times.append(rules.allowed_at(tokens_left, by_id[sender].rate, tx.now))
    for sender, tokens_left in tokens.items():
        if tokens_left != full[sender]:
            tx.run(_TAKE_TOKENS, sender_id=sender, left=tokens_left, now=tx.now)
    again_at = min(wake_times, default=None)
    if again_at is not None:
        # A separate key, so that this job and the one of a newly queued message do not reschedule each other.
        jobs.enqueue(tx, PUMP, {}, run_at=max(again_at, tx.now), key=NEXT_KEY, priority=0)
    if not selected:
        return Claimed([], again_at)
    return Claimed(_lease(tx, selected, rules.LOST_AFTER), again_at)


def claim_of(tx: Tx, channel: str, sender: str, room: int, lanes: Sequence[Lane]) -> Claimed:
    """Leases due messages of a channel that has one sender and no rate limit."""
    _release_expired(tx)
    rows: list[Row] = []
    for lane in lanes:
        room_left = room - len(rows)
        if room_left > 0:
            rows += tx.all(_LOCK_DUE, of_channel=channel, by=sender, in_lane=int(lane), now=tx.now, most=room_left)
    return Claimed(_lease(tx, rows, rules.MAIL_LOST_AFTER) if rows else [])


def _lease(tx: Tx, rows: Sequence[Row], lost_after: timedelta) -> list[Claim]:
    schedule_watch(tx, lost_after)
    leased: list[Claim] = []
    for part in chunks([row.id for row in rows], CACHED_LIST_LENGTH):  # a longer list would be compiled each time
        claimed = tx.all(_CLAIM, ids=part, until=tx.now + rules.LEASE)
        leased += [Claim(row.lane, row.id, row.turn) for row in claimed]
    return sorted(leased)


def _release_expired(tx: Tx) -> None:
    """Queues messages again whose lease expired. A pump that lost its lease cannot begin them: they are no longer claimed,
    and the next claim raises `turn`."""
    expired = [row.id for row in tx.all(_LOCK_EXPIRED, now=tx.now)]
    if expired:
        tx.run(_RELEASE, ids=expired)


def _assign_senders(tx: Tx, senders: list[Sender]) -> None:
    """Assigns a number to messages without one (CAM-50). If only a stopped number serves the country, messages wait for
    that number, except urgent ones, which fail at once. If no number serves the country, messages are skipped."""
    rows = tx.all(_LOCK_UNASSIGNED, now=tx.now)
    if rows:
        moving.assign_numbers(tx, rows, None, senders)
    if len(rows) == UNASSIGNED_AT_ONCE:
        wake_pump(tx, tx.now)


# --- beginning the send -----------------------------------------------------------------------------

_MARK_SENDING = Statement(
    update(outbound)
    .where(outbound.c.id.in_(bindparam("ids", expanding=True)))
    .values(
        state=State.SENDING.value,
        attempts=outbound.c.attempts + 1,
        dispatched_at=bindparam("now", type_=Instant),
        claimed_until=None,
    )
)
_LOCK_CLAIMED = Statement(
    select(
        outbound.c.id,
        outbound.c.turn,
        outbound.c.token,
        outbound.c.contact_id,
        outbound.c.thread_id,
        outbound.c.lane,
        outbound.c.purpose,
        outbound.c.recipient,
        outbound.c.sender,
        outbound.c.body,
        outbound.c.media,
        outbound.c.attempts,
        outbound.c.kind,
        outbound.c.segments,
        outbound.c.smart,
        outbound.c.expires_at,
    )
    .where(outbound.c.id.in_(bindparam("ids", expanding=True)), outbound.c.state == State.CLAIMED.value)
    .with_for_update()
)
_REQUEUE = Statement(
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
    """A message marked `sending`: send it now or never. `thread`: later replies there may wait for this message; None: no
    reply can."""

    id: int
    turn: int
    attempt: int
    text: Text
    thread: int | None


def begin(tx: Tx, claims: list[Claim], public_url: str) -> list[Ready]:
    """Asks the gate for each claim and marks the allowed messages `sending`. Ignores claims that another pump took over."""
    document = SMS.load(tx)
    claimed = {row.id: row for row in tx.all(_LOCK_CLAIMED, ids=[leased.id for leased in claims])}
    rows = [row for leased in claims if (row := claimed.get(leased.id)) is not None and row.turn == leased.turn]
    if not rows:
        return []
    if not document.on:
        for row in rows:
            requeue(tx, row, tx.now)
        return []
    rows = _without_stopped(tx, rows)
    allowed = []
    recipients = [(row.contact_id, row.recipient) for row in rows]
    consents = consent.facts_of(tx, recipients, lock=True)
    beginning = Beginning(tx, rows, document)
    for row, facts in zip(rows, consents, strict=True):
        match _verdict(tx, row, facts, document, beginning):
            case consent_rules.Blocked(reason, message):
                settling.skip(tx, row.id, reason, message)
            case consent_rules.Held(until):
                requeue(tx, row, until, "sms")
            case _:
                allowed.append(row)
    if allowed:
        mark_sending(tx, [row.id for row in allowed])
        beginning.store_timers()
    return [_ready(tx, row, public_url) for row in allowed]


def mark_sending(tx: Tx, ids: list[int]) -> None:
    """The caller has locked these rows and checked their turns."""
    tx.run(_MARK_SENDING, ids=ids, now=tx.now)


def requeue(tx: Tx, row: Row, at: datetime, wake: str | None = None) -> None:
    """Queues a claimed message again. `wake`: the channel whose pump to wake at `at`; None: another event wakes it."""
    tx.run(_REQUEUE, outbound=row.id, of_turn=row.turn, at=at)
    if wake is not None:
        wake_pump(tx, at, wake)


def _without_stopped(tx: Tx, rows: list[Row]) -> list[Row]:
    """Queues messages again whose number was stopped after the claim, so that they are not refused too (F33)."""
    senders = queries.all_senders(tx)
    usable = {sender.address for sender in senders if sender.usable}
    for row in rows:
        if row.sender not in usable:
            requeue(tx, row, tx.now)
            moving.assign_numbers(tx, [row], row.sender, senders)
    return [row for row in rows if row.sender in usable]


def _verdict(
    tx: Tx, row: Row, facts: consent_rules.ConsentFacts, document: SmsSettings, beginning: Beginning
) -> consent_rules.Verdict:
    if row.kind in BULK_KINDS:
        return beginning.verdict(row, facts)
    if document.paused_countries:
        country = rules.country_of(row.recipient)
        if country in document.paused_countries:
            return consent_rules.Blocked("country_paused", document.paused_countries[country])
    return consent_rules.may_send(row.purpose, "sms", facts, tx.now)


def _ready(tx: Tx, row: Row, public_url: str) -> Ready:
    attempt = row.attempts + 1
    addresses = media.signed_urls(tx, public_url, row.token, tuple(row.media)) if row.media else ()
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
        row.thread_id if Lane(row.lane).urgent else None,
    )


# --- stuck messages ---------------------------------------------------------------------------------

_RELEASE_CLAIMS = Statement(
    update(outbound)
    .where(outbound.c.state == State.CLAIMED.value)
    .values(state=State.QUEUED.value, claimed_until=None, turn=outbound.c.turn + 1),
    uses=("ix_outbound_claimed",),
)
_LOCK_LOST = Statement(
    select(outbound.c.id, outbound.c.turn, outbound.c.attempts)
    .where(
        outbound.c.state == State.SENDING.value,
        outbound.c.dispatched_at <= bindparam("before", type_=Instant),
        or_(outbound.c.channel == "sms", outbound.c.dispatched_at <= bindparam("before_mail", type_=Instant)),
    )
    .order_by(outbound.c.dispatched_at)
    .limit(BATCH)
    .with_for_update(skip_locked=True),
    uses=("ix_outbound_sending",),
)


def schedule_watch(tx: Tx, lost_after: timedelta) -> None:
    """Schedules `recover_stuck` for the claims made now: one job per ten seconds of work, none while nothing is sent."""
    tens = int((tx.now + lost_after).timestamp()) // 10 + 1
    run_at = datetime.fromtimestamp(tens * 10, UTC)
    jobs.enqueue_deferred(tx, WATCH, {}, run_at=run_at, key=f"{WATCH}:{tens}", priority=10)


def recover_stuck(tx: Tx) -> None:
    mark_lost(tx)
    for channel in ("sms", "email"):
        wake_pump(tx, tx.now, channel)  # messages whose lease expired are due again


def release_all(tx: Tx) -> int:
    """Releases all claims and settles all sends. Called at start on SQLite, where no other process has the file open, so
    all of them are stale."""
    freed = tx.run(_RELEASE_CLAIMS)
    return freed + mark_lost(tx, timedelta())


def mark_lost(tx: Tx, after: timedelta | None = None) -> int:
    """Marks messages `unknown` that have been `sending` for longer than a request can take: their process died."""
    text_after, mail_after = (rules.LOST_AFTER, rules.MAIL_LOST_AFTER) if after is None else (after, after)
    rows = tx.all(_LOCK_LOST, before=tx.now - text_after, before_mail=tx.now - mail_after)
    for row in rows:
        settling.mark_unknown(tx, row.id, row.turn, row.attempts, "The server stopped while this was being sent.")
    return len(rows)
