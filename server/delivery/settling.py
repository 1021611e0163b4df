"""What became of a message: the pump's third beat, the carrier's reports, and people's decisions.

Everything that ends or moves a message goes through here, is announced in the same transaction, and moves it
forward only. Whoever comes later with an older word, or with another attempt's, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from sqlalchemy import BigInteger, Integer, Text, bindparam, column, func, select, update, values
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.audit import record
from server.accounts.rules import Agent
from server.channels import twilio_errors
from server.channels.base import Accepted, Listed, NotSent, Rejected, Report, Sent, Unclear, Verdict
from server.consent import actions as consent
from server.consent.rules import Suppressed
from server.delivery import queries, rules
from server.delivery.actions import wake
from server.delivery.queries import Outbound
from server.delivery.rules import OutboundSettled, State
from server.delivery.settings import SMS, price
from server.errors import Conflict, NotFound
from server.kernel import jobs, metrics
from server.kernel.columns import Instant
from server.kernel.sql import Conn, Row, Statement, Tx
from server.schema import carrier_reports, credits, outbound, senders

log = structlog.get_logger()

RECONCILE = "delivery.reconcile"

_MOVE = Statement(
    update(outbound)
    .where(outbound.c.id == bindparam("outbound"), outbound.c.state == bindparam("before"))
    .values(
        state=bindparam("after"),
        sid=func.coalesce(outbound.c.sid, bindparam("new_sid", type_=outbound.c.sid.type)),
        reason=bindparam("why"),
        detail=bindparam("words"),
        settled_at=bindparam("now", type_=Instant),
        claimed_until=None,
    )
)
# The common case in one statement for all of a batch: they were `sending`, and the carrier took them.
_taken = (
    values(column("outbound", BigInteger), column("attempt", Integer), column("sid", Text), name="taken")
    .data([(bindparam("outbound", type_=BigInteger), bindparam("attempt"), bindparam("new_sid"))])
    .cte()
)
_ACCEPT = Statement(
    update(outbound)
    .where(
        outbound.c.id == _taken.c.outbound,
        outbound.c.attempts == _taken.c.attempt,
        outbound.c.state == State.SENDING.value,
    )
    .values(
        state=State.ACCEPTED.value,
        sid=_taken.c.sid,
        reason="",
        detail="",
        settled_at=bindparam("now", type_=Instant),
    )
    .returning(
        outbound.c.id,
        outbound.c.attempts,
        outbound.c.thread_id,
        outbound.c.seq,
        outbound.c.contact_id,
        outbound.c.kind,
        outbound.c.recipient,
        outbound.c.segments,
        outbound.c.media,
    )
)
_AGAIN = Statement(
    update(outbound)
    .where(
        outbound.c.id == bindparam("outbound"),
        outbound.c.attempts == bindparam("attempt"),
        outbound.c.state.in_((State.SENDING.value, State.UNKNOWN.value)),
    )
    .values(
        state=State.QUEUED.value,
        due_at=bindparam("at", type_=Instant),
        reason=bindparam("why"),
        detail=bindparam("words"),
        settled_at=None,
    )
)
_CHARGE = Statement(
    insert(credits)
    .values({name: bindparam(name) for name in "outbound_id at kind country mms segments each total".split()})
    .on_conflict_do_nothing(index_elements=[credits.c.outbound_id])
)
_PARKED = Statement(
    select(carrier_reports.c.sid, carrier_reports.c.status, carrier_reports.c.error)
    .where(carrier_reports.c.sid.in_(bindparam("sids", expanding=True)), carrier_reports.c.outbound_id.is_(None))
    .order_by(carrier_reports.c.id)
)
_MATCH = Statement(
    update(carrier_reports)
    .where(carrier_reports.c.sid == bindparam("of_sid"), carrier_reports.c.outbound_id.is_(None))
    .values(outbound_id=bindparam("outbound"))
)
_KEEP = Statement(
    insert(carrier_reports).values({name: bindparam(name) for name in "sid outbound_id status error params at".split()})
)
_STOP_ONE = Statement(
    update(senders)
    .where(senders.c.address == bindparam("by"), senders.c.stopped.is_(None))
    .values(stopped=bindparam("why"))
)
_STOP_ALL = Statement(update(senders).where(senders.c.stopped.is_(None)).values(stopped=bindparam("why")))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one network call led to. `luck`: 0 to 1, spreads repetitions."""

    id: int
    turn: int
    attempt: int
    sent: Sent
    luck: float = 0.5
    thread: int | None = None  # where other replies may wait for this one


# --- moving -----------------------------------------------------------------------------------------


def _announce(tx: Tx, row: Outbound | Row, state: State, reason: str, detail: str) -> None:
    thread, contact = (row.thread, row.contact) if isinstance(row, Outbound) else (row.thread_id, row.contact_id)
    metrics.SMS_SENT.labels(state.value).inc()
    tx.announce(OutboundSettled(row.id, thread, row.seq, contact, row.kind, state, reason, detail))


def _move(tx: Tx, row: Outbound, state: State, reason: str, detail: str, sid: str | None = None) -> bool:
    """From the state that was read to another one; False when somebody was faster."""
    won = tx.run(
        _MOVE,
        outbound=row.id,
        before=row.state.value,
        after=state.value,
        new_sid=sid,
        why=reason,
        words=detail,
        now=tx.now,
    )
    if won:
        _announce(tx, row, state, reason, detail)
        reply_ends = row.priority == 0 and row.state in rules.HERE
        if reply_ends and row.thread is not None and queries.waits_behind(tx, [row.thread]):
            wake(tx, tx.now)
    return won > 0


def skip(tx: Tx, outbound_id: int, reason: str, detail: str) -> None:
    """A rule said no before anything left; the row keeps which and the words."""
    row = queries.one(tx, outbound_id, lock=True)
    if row is not None and row.state in (State.QUEUED, State.CLAIMED):
        _move(tx, row, State.SKIPPED, reason, detail)


def fail(tx: Tx, outbound_id: int, reason: str, detail: str) -> None:
    row = queries.one(tx, outbound_id, lock=True)
    if row is not None and row.state not in rules.TERMINAL and row.state not in rules.LEFT_US:
        _move(tx, row, State.FAILED, reason, detail)


def unclear(tx: Tx, outbound_id: int, turn: int, attempt: int, words: str) -> None:
    """It may have been sent. No machine sends it again: a callback, a listing or a person settles it."""
    row = queries.one(tx, outbound_id, lock=True)
    if row is None or row.state is not State.SENDING or (row.turn, row.attempts) != (turn, attempt):
        return
    # Not charged: who settles it as sent charges it, and what never left costs nothing (CAM-44).
    if _move(tx, row, State.UNKNOWN, "unclear", words):
        look(tx, row.id, 0)


def look(tx: Tx, outbound_id: int, looks: int) -> None:
    pause = rules.look_again(looks)
    if pause is not None:
        payload = {"outbound": outbound_id, "looks": looks}
        jobs.enqueue(tx, RECONCILE, payload, run_at=tx.now + pause, key=f"{RECONCILE}:{outbound_id}", priority=10)


def _charge(tx: Tx, rows: Iterable[Outbound | Row]) -> None:
    """One line of the ledger when it is known that the carrier took it, delivered or not (CAM-44); free kinds have none."""
    charged = [row for row in rows if rules.charged(row.kind)]
    if not charged:
        return
    document, lines = SMS.load(tx), []
    for row in charged:
        country, mms = rules.country_of(row.recipient), bool(row.media)
        cost = price(document, country)
        each = (cost.mms if cost.mms is not None else cost.sms) if mms else cost.sms
        lines.append(
            {
                "outbound_id": row.id,
                "at": tx.now,
                "kind": row.kind,
                "country": country,
                "mms": mms,
                "segments": row.segments,
                "each": each,
                "total": rules.credits(row.kind, row.segments, mms, each),
            }
        )
    tx.run_many(_CHARGE, lines)


# --- the pump's third beat --------------------------------------------------------------------------


def outcomes(tx: Tx, found: list[Outcome]) -> None:
    """Writes what network calls led to, in the order of ids: two pumps never wait for each other in a circle."""
    found = sorted(found, key=lambda each: each.id)
    sids = [one.sent.sid for one in found if isinstance(one.sent, Accepted)]
    # A report may be looking for the same sid right now: of the two, the second must see the first (G10).
    tx.hold(*map(_by, sids))
    parked: dict[str, list[Row]] = {}
    for row in tx.all(_PARKED, sids=sids) if sids else ():
        parked.setdefault(row.sid, []).append(row)
    taken: dict[tuple[int, int], str] = {}
    for one in found:
        if isinstance(one.sent, Accepted):
            # A second answer to an attempt goes the slow way, where it is seen for what it is.
            taken.setdefault((one.id, one.attempt), one.sent.sid)
    rows = [{"outbound": id, "attempt": attempt, "new_sid": sid} for (id, attempt), sid in taken.items()]
    accepted = {(row.id, row.attempts): row for row in tx.all_many(_ACCEPT, rows, now=tx.now)}
    _charge(tx, accepted.values())
    for one in found:
        match one.sent:
            case Accepted(sid, status):
                _accepted(tx, one, sid, status, parked.get(sid, []), accepted.pop((one.id, one.attempt), None))
            case Rejected():
                _rejected(tx, one, one.sent)
            case Unclear(message):
                unclear(tx, one.id, one.turn, one.attempt, message)
            case NotSent(message):
                _again(tx, one, "unreached", message, None)


def _by(sid: str) -> str:
    return f"sid:{sid}"


def _accepted(tx: Tx, one: Outcome, sid: str, status: str, parked: list[Row], row: Row | None) -> None:
    if row is not None:
        _announce(tx, row, State.ACCEPTED, "", "")
    elif not _accepted_late(tx, one, sid):
        return
    if parked:
        tx.run(_MATCH, of_sid=sid, outbound=one.id)
    told = rules.TOLD.get(status)
    for state, error in [*((rules.TOLD.get(each.status), each.error) for each in parked), (told, "")]:
        if state is not None and state is not State.ACCEPTED:
            _told(tx, one.id, state, error)


def _accepted_late(tx: Tx, one: Outcome, sid: str) -> bool:
    """A callback was faster, or the row was given up as unknown in between. False: the answer fits nothing here."""
    row = queries.one(tx, one.id, lock=True)
    if row is None or row.attempts != one.attempt:
        log.error("outbound_answer_fits_nothing", outbound=one.id, attempt=one.attempt)
        return False
    if row.sid is not None and row.sid != sid:
        _twice(row, sid)
        return False
    if row.state in rules.OPEN or row.sid is None:
        after = rules.settle(row.state, State.ACCEPTED)
        _move(tx, row, after, "", "", sid)
        _charge(tx, [row])
    return True


def _twice(row: Outbound, sid: str) -> None:
    """The carrier names two messages for one of ours. It must not happen; when it does, somebody hears of it."""
    metrics.SMS_TWICE.inc()
    log.error("outbound_sent_twice", outbound=row.id, first=row.sid, second=sid)


def _again(tx: Tx, one: Outcome, reason: str, detail: str, asked: float | None) -> None:
    """Nothing was sent: later, or never when it was tried often enough."""
    if one.attempt >= rules.MAX_TRIES:
        row = queries.one(tx, one.id, lock=True)
        if row is not None and row.attempts == one.attempt and row.state in (State.SENDING, State.UNKNOWN):
            _move(tx, row, State.FAILED, reason, detail)
        return
    at = tx.now + rules.pause(one.attempt, asked, one.luck)
    if tx.run(_AGAIN, outbound=one.id, attempt=one.attempt, at=at, why=reason, words=detail):
        metrics.SMS_SENT.labels("again").inc()
        wake(tx, at)


def _rejected(tx: Tx, one: Outcome, why: Rejected) -> None:
    reason = str(why.code or why.verdict.value)
    if why.verdict is Verdict.RETRY:
        _again(tx, one, reason, why.message, why.retry_after)
        return
    row = queries.one(tx, one.id, lock=True)
    if row is None or row.attempts != one.attempt or row.state not in (State.SENDING, State.UNKNOWN):
        return
    if why.verdict is Verdict.STOP_ALL and row.priority > 0:
        # The account's fault, not the message's: it waits until somebody has mended it, and none is burnt (F33).
        tx.run(_AGAIN, outbound=row.id, attempt=one.attempt, at=tx.now, why=reason, words=why.message)
    else:
        _move(tx, row, State.FAILED, reason, why.message)
    _consequences(tx, row, why.code, why.verdict, why.message)


def _consequences(tx: Tx, row: Outbound, code: int | None, verdict: Verdict, words: str) -> None:
    """What a refusal means beyond its message."""
    match verdict:
        case Verdict.SUPPRESS:
            source = f"sms:{row.sid}" if row.sid else f"outbound:{row.id}"
            consent.gateway_stop(tx, row.recipient, [row.contact], source=source, wording=words)
        case Verdict.INVALID:
            landline = code in (21614, 30006)
            kind = Suppressed.LANDLINE if landline else Suppressed.INVALID
            consent.suppress(tx, "sms", row.recipient, kind, words)
        case Verdict.STOP_SENDER:
            if row.sender and tx.run(_STOP_ONE, by=row.sender, why=f"{code}: {words}"):
                log.error("sms_sender_stopped", sender=rules.masked(row.sender), code=code, words=words)
        case Verdict.STOP_ALL:
            if stopped := tx.run(_STOP_ALL, why=f"{code}: {words}"):
                log.error("sms_stopped", senders=stopped, code=code, words=words)
        case Verdict.STOP_COUNTRY:
            country = rules.country_of(row.recipient)
            document = SMS.load(tx)
            if country and country not in document.paused_countries:
                paused = {**document.paused_countries, country: words}
                SMS.save(tx, document.model_copy(update={"paused_countries": paused}))
                log.error("sms_country_paused", country=country, code=code)
        case _:
            pass


# --- the carrier's reports --------------------------------------------------------------------------


def report(tx: Tx, told: Report, token: str | None = None, attempt: int | None = None) -> bool:
    """Keeps a status callback, whole, and applies it; one whose message is not known yet is parked (G10).

    `token`, `attempt`: from the callback's own address, which is signed; they find the message even before the answer
    of its create call was stored, and after a crash. False: parked.
    """
    tx.hold(_by(told.sid))
    row = queries.by_token(tx, token) if token else None
    if row is None:
        row = queries.by_sid(tx, told.sid)
    tx.run(
        _KEEP,
        sid=told.sid,
        outbound_id=None if row is None else row.id,
        status=told.status,
        error="" if told.error is None else str(told.error),
        params=dict(told.params),
        at=tx.now,
    )
    metrics.SMS_REPORTS.labels("parked" if row is None else "known").inc()
    if row is None:
        return False
    if row.sid is not None and row.sid != told.sid:
        _twice(row, told.sid)
        return True
    state = rules.TOLD.get(told.status)
    if state is None:
        log.warning("sms_status_unknown", status=told.status[:40], outbound=row.id)
        return True
    if row.sid is None:
        _first_word(tx, row, told.sid)
    if state is not State.ACCEPTED:
        _told(tx, row.id, state, "" if told.error is None else str(told.error))
    return True


def _first_word(tx: Tx, row: Outbound, sid: str) -> None:
    """The carrier speaks of a message before its create call was answered here: so it was sent."""
    _move(tx, row, rules.settle(row.state, State.ACCEPTED), "", "", sid)
    _charge(tx, [row])
    tx.run(_MATCH, of_sid=sid, outbound=row.id)


def _told(tx: Tx, outbound_id: int, state: State, error: str) -> None:
    row = queries.one(tx, outbound_id, lock=True)
    assert row is not None
    if rules.settle(row.state, state) is row.state:
        return
    code = int(error) if error.isdecimal() else None
    meaning = twilio_errors.meaning(code)
    failed = state in (State.FAILED, State.UNDELIVERED)
    reason, detail = (error, meaning.words) if failed else ("", "")
    if _move(tx, row, state, reason, detail) and failed and code is not None:
        _consequences(tx, row, code, meaning.verdict, meaning.words)


_TAKEN = Statement(select(outbound.c.sid).where(outbound.c.sid.in_(bindparam("sids", expanding=True))))
_SIBLINGS = Statement(
    select(func.count().label("n")).where(
        outbound.c.recipient == bindparam("recipient"),
        outbound.c.body == bindparam("body"),
        outbound.c.id != bindparam("outbound"),
        outbound.c.state == State.SENDING.value,
    )
)


def decide(tx: Tx, agent: Agent, outbound_id: int, outcome: str, address: str = "") -> Outbound:
    """A person says what became of an unclear send. The carrier's later word still counts. Raises `Conflict` `not_unknown`."""
    row = queries.one(tx, outbound_id, lock=True)
    if row is None:
        raise NotFound()
    sent = outcome == "sent"
    words = "" if sent else "It did not arrive, as a colleague says. It was not charged."
    if row.state is not State.UNKNOWN or not _move(tx, row, State.SENT if sent else State.FAILED, "decided", words):
        raise Conflict("not_unknown", "What became of this message is known by now.")
    if sent:
        _charge(tx, [row])
    record(tx, agent.id, "outbound_decided", str(row.id), address, outcome=outcome)
    after = queries.one(tx, outbound_id)
    assert after is not None
    return after


def seek(tx: Tx, outbound_id: int, listing: list[Listed] | None, looks: int) -> None:
    """Looks for an unclear send in what the provider lists to its recipient; None: it could not be asked. Not found:
    later again, until only a person can say."""
    row = queries.one(tx, outbound_id)  # not locked: `report` locks in its own order, and moves it forward only
    if row is None or row.state is not State.UNKNOWN:
        return
    hit = None
    if listing is not None and row.dispatched_at is not None and not twin_in_flight(tx, row):
        ours = {each.sid: each for each in listing if each.direction == "outbound"}
        candidates = [rules.Candidate(each.sid, each.body, each.sender, each.created_at) for each in ours.values()]
        sid = rules.found_in(candidates, row.body, row.sender or "", row.dispatched_at, taken(tx, ours))
        hit = None if sid is None else ours[sid]
    if hit is None:
        look(tx, row.id, looks + 1)
    else:
        params = {"listed": "true", "sid": hit.sid, "status": hit.status}
        report(tx, Report(hit.sid, hit.status, hit.error, params), row.token)


def taken(conn: Conn, sids: Iterable[str]) -> frozenset[str]:
    """Which of these are other messages of ours."""
    listed = list(sids)
    return frozenset(row.sid for row in conn.all(_TAKEN, sids=listed)) if listed else frozenset()


def twin_in_flight(conn: Conn, row: Outbound) -> bool:
    """The same words to the same person are on their way right now: a listing could show the one or the other."""
    return int(conn.value(_SIBLINGS, recipient=row.recipient, body=row.body, outbound=row.id)) > 0
