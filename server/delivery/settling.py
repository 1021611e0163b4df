"""Settles messages: outcomes of sends, the carrier's reports, and agents' decisions.

Every change of state after `sending` is made here, announced in the same transaction, and moves forward only. A late
outcome of an older attempt changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog
from sqlalchemy import BigInteger, Integer, Text, bindparam, column, func, select, update, values
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.rules import Agent
from server.audit.actions import record
from server.channels import twilio_errors
from server.channels.base import Accepted, Listed, NotSent, Rejected, Report, Sent, Unclear, Verdict
from server.consent import actions as consent
from server.consent import suppressing
from server.consent.rules import Suppressed
from server.delivery import queries, rules
from server.delivery.actions import move_messages, wake_pump
from server.delivery.mail_settings import MAIL, MAIL_LOCK, server_in
from server.delivery.queries import Outbound
from server.delivery.rules import Lane, OutboundSettled, State
from server.delivery.settings import ACCOUNT_LOCK, SMS, account_in, price
from server.errors import Conflict, NotFound
from server.kernel import jobs, metrics
from server.kernel.columns import Instant
from server.kernel.sql import Conn, Row, Statement, Tx
from server.schema import carrier_reports, credit_days, credits, outbound, senders

log = structlog.get_logger()

RECONCILE = "delivery.reconcile"
UNREACHED = "unreached"  # our provider or mail server could not be reached

_SET_STATE = Statement(
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
# The common case, in one statement per batch: the provider accepted messages that are `sending`.
_accepted_rows = (
    values(column("outbound", BigInteger), column("attempt", Integer), column("sid", Text), name="taken")
    .data([(bindparam("outbound", type_=BigInteger), bindparam("attempt"), bindparam("new_sid"))])
    .cte()
)
_MARK_ACCEPTED = Statement(
    update(outbound)
    .where(
        outbound.c.id == _accepted_rows.c.outbound,
        outbound.c.attempts == _accepted_rows.c.attempt,
        outbound.c.state == State.SENDING.value,
    )
    .values(
        state=State.ACCEPTED.value,
        sid=_accepted_rows.c.sid,
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
        outbound.c.channel,
        outbound.c.lane,
    )
)
_REQUEUE = Statement(
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
_INSERT_CREDITS = Statement(
    insert(credits)
    .values({name: bindparam(name) for name in "outbound_id at kind country mms segments each total".split()})
    .on_conflict_do_nothing(index_elements=[credits.c.outbound_id])
    .returning(credits.c.kind, credits.c.country, credits.c.total)
)
_add_to_day = insert(credit_days).values(
    day=bindparam("day"),
    kind=bindparam("kind"),
    country=bindparam("country"),
    messages=bindparam("messages"),
    credits=bindparam("credits"),
)
_ADD_TO_DAY = Statement(
    _add_to_day.on_conflict_do_update(
        index_elements=["day", "kind", "country"],
        set_={
            "messages": credit_days.c.messages + _add_to_day.excluded.messages,
            "credits": credit_days.c.credits + _add_to_day.excluded.credits,
        },
    )
)
_UNMATCHED_REPORTS = Statement(
    select(carrier_reports.c.sid, carrier_reports.c.status, carrier_reports.c.error, carrier_reports.c.id).where(
        carrier_reports.c.sid.in_(bindparam("sids", expanding=True)), carrier_reports.c.outbound_id.is_(None)
    ),
    uses=("ix_carrier_reports_parked",),
)
_MATCH_REPORTS = Statement(
    update(carrier_reports)
    .where(carrier_reports.c.sid == bindparam("of_sid"), carrier_reports.c.outbound_id.is_(None))
    .values(outbound_id=bindparam("outbound")),
    uses=("ix_carrier_reports_parked",),
)
_INSERT_REPORT = Statement(
    insert(carrier_reports).values({name: bindparam(name) for name in "sid outbound_id status error params at".split()})
)
_STOP_SENDER = Statement(
    update(senders)
    .where(senders.c.address == bindparam("by"), senders.c.stopped.is_(None))
    .values(stopped=bindparam("why"))
    .returning(senders.c.address)
)
_STOP_ALL_SENDERS = Statement(
    update(senders).where(senders.c.stopped.is_(None)).values(stopped=bindparam("why")).returning(senders.c.address)
)


# Refusals that depend on the account's credentials.
ACCOUNT_VERDICTS = frozenset({Verdict.STOP_ALL, Verdict.STOP_SENDER, Verdict.STOP_COUNTRY})


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one request. `jitter`: 0 to 1, spreads retries."""

    id: int
    turn: int
    attempt: int
    sent: Sent
    jitter: float = 0.5
    thread: int | None = None  # later replies of this thread may wait for this message
    login: tuple[str, str, str] | None = field(default=None, repr=False)  # credentials of the request
    channel: str = "sms"


# --- changes of state -------------------------------------------------------------------------------


def _announce(tx: Tx, row: Outbound | Row, state: State, reason: str, detail: str) -> None:
    thread, contact = (row.thread, row.contact) if isinstance(row, Outbound) else (row.thread_id, row.contact_id)
    if row.channel == "sms":
        metrics.SMS_SENT.labels(state.value).inc()
    metrics.OUTBOUND.labels(row.channel, Lane(row.lane).label, state.value).inc()
    tx.announce(OutboundSettled(row.id, thread, row.seq, contact, row.kind, state, reason, detail, row.channel))


def _set_state(tx: Tx, row: Outbound, state: State, reason: str, detail: str, sid: str | None = None) -> bool:
    """Changes the state if it is still the one that was read; returns False otherwise."""
    won = tx.run(
        _SET_STATE,
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
        ends = row.channel == "sms" and row.lane.urgent and row.state in rules.UNFINISHED
        if ends and row.thread is not None and queries.waits_its_turn(tx, [row.thread]):
            wake_pump(tx, tx.now)
    return won > 0


def skip(tx: Tx, outbound_id: int, reason: str, detail: str) -> None:
    """Ends a message that a rule blocks before it is sent."""
    row = queries.by_id(tx, outbound_id, lock=True)
    if row is not None and row.state in rules.WAITING:
        _set_state(tx, row, State.SKIPPED, reason, detail)


def fail(tx: Tx, outbound_id: int, reason: str, detail: str) -> None:
    row = queries.by_id(tx, outbound_id, lock=True)
    if row is not None and row.state not in rules.TERMINAL and row.state not in rules.LEFT_US:
        _set_state(tx, row, State.FAILED, reason, detail)


def mark_unknown(tx: Tx, outbound_id: int, turn: int, attempt: int, sentence: str) -> None:
    """Marks a message that may have been sent. It is never resent automatically: a report, the provider's list or an
    agent settles it."""
    row = queries.by_id(tx, outbound_id, lock=True)
    if row is None or row.state is not State.SENDING or (row.turn, row.attempts) != (turn, attempt):
        return
    # Not charged yet: it is charged when it is settled as sent (CAM-44).
    if _set_state(tx, row, State.UNKNOWN, "unclear", sentence) and row.channel == "sms":  # no list shows mail
        schedule_reconcile(tx, row.id, 0)


def schedule_reconcile(tx: Tx, outbound_id: int, looks: int) -> None:
    pause = rules.reconcile_delay(looks)
    if pause is not None:
        payload = {"outbound": outbound_id, "looks": looks}
        jobs.enqueue(tx, RECONCILE, payload, run_at=tx.now + pause, key=f"{RECONCILE}:{outbound_id}", priority=10)


def _charge(tx: Tx, rows: Iterable[Outbound | Row]) -> None:
    """Charges messages that the carrier accepted, delivered or not (CAM-44). Free kinds are not charged."""
    charged = [row for row in rows if row.channel == "sms" and rules.charged(row.kind)]
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
    inserted = tx.all_many(_INSERT_CREDITS, lines)
    sums = rules.totals((row.kind, row.country, 1, row.total) for row in inserted)
    for (kind, country), (messages, total) in sorted(sums.items()):
        # Last in the transaction: all of a day's messages lock this row, so the lock must be short.
        day = rules.day_start(tx.now)
        tx.defer(_ADD_TO_DAY, day=day, kind=kind, country=country, messages=messages, credits=total)


# --- outcomes of sends ------------------------------------------------------------------------------


def settle_outcomes(tx: Tx, outcomes: list[Outcome]) -> None:
    """Settles the outcomes of requests, in order of id, so that two pumps cannot deadlock."""
    outcomes = sorted(outcomes, key=lambda each: each.id)
    sids = [outcome.sent.sid for outcome in outcomes if isinstance(outcome.sent, Accepted)]
    # Serializes with reports of the same sid, so that the second transaction sees the first (G10).
    locks = [_sid_lock(sid) for sid in sids]
    if any(isinstance(outcome.sent, Rejected) and outcome.sent.verdict in ACCOUNT_VERDICTS for outcome in outcomes):
        # The account must not change between the comparison of credentials and the handling of the refusal.
        locks.append(MAIL_LOCK if outcomes[0].channel == "email" else ACCOUNT_LOCK)
    tx.lock_names(*locks)
    parked: dict[str, list[Row]] = {}
    for row in sorted(tx.all(_UNMATCHED_REPORTS, sids=sids), key=lambda row: row.id) if sids else ():
        parked.setdefault(row.sid, []).append(row)
    accepted_sids: dict[tuple[int, int], str] = {}
    for outcome in outcomes:
        if isinstance(outcome.sent, Accepted):
            # `_accepted_late` handles a second response to the same attempt.
            accepted_sids.setdefault((outcome.id, outcome.attempt), outcome.sent.sid)
    rows = [{"outbound": id, "attempt": attempt, "new_sid": sid} for (id, attempt), sid in accepted_sids.items()]
    accepted = {(row.id, row.attempts): row for row in tx.all_many(_MARK_ACCEPTED, rows, now=tx.now)}
    _charge(tx, accepted.values())
    suppressing.note_accepted(tx, [row.recipient for row in accepted.values() if row.channel == "email"])
    for outcome in outcomes:
        match outcome.sent:
            case Accepted(sid, status):
                _accepted(
                    tx, outcome, sid, status, parked.get(sid, []), accepted.pop((outcome.id, outcome.attempt), None)
                )
            case Rejected():
                _rejected(tx, outcome, outcome.sent)
            case Unclear(message):
                mark_unknown(tx, outcome.id, outcome.turn, outcome.attempt, message)
            case NotSent(message):
                _retry_later(tx, outcome, UNREACHED, message, None)


def _sid_lock(sid: str) -> str:
    return f"sid:{sid}"


def _accepted(tx: Tx, outcome: Outcome, sid: str, status: str, parked: list[Row], row: Row | None) -> None:
    if row is not None:
        _announce(tx, row, State.ACCEPTED, "", "")
    elif not _accepted_late(tx, outcome, sid):
        return
    if parked:
        tx.run(_MATCH_REPORTS, of_sid=sid, outbound=outcome.id)
    reported = rules.CARRIER_STATES.get(status)
    for state, error in [*((rules.CARRIER_STATES.get(each.status), each.error) for each in parked), (reported, "")]:
        if state is not None and state is not State.ACCEPTED:
            _apply_status(tx, outcome.id, state, error)


def _accepted_late(tx: Tx, outcome: Outcome, sid: str) -> bool:
    """Handles an acceptance after a report or after the message became `unknown`. Returns False if it does not match."""
    row = queries.by_id(tx, outcome.id, lock=True)
    if row is None or row.attempts != outcome.attempt:
        log.error("outbound_answer_fits_nothing", outbound=outcome.id, attempt=outcome.attempt)
        return False
    if row.sid is not None and row.sid != sid:
        _note_duplicate(row, sid)
        return False
    if row.state in rules.OPEN or row.sid is None:
        after = rules.settle(row.state, State.ACCEPTED)
        _set_state(tx, row, after, "", "", sid)
        _charge(tx, [row])
    return True


def _note_duplicate(row: Outbound, sid: str) -> None:
    """Logs and counts a message that the carrier sent twice, which must not happen."""
    metrics.SMS_TWICE.inc()
    log.error("outbound_sent_twice", outbound=row.id, first=row.sid, second=sid)


def _retry_later(tx: Tx, outcome: Outcome, reason: str, detail: str, asked_s: float | None) -> None:
    """Retries a message that was not sent; fails it after `MAX_ATTEMPTS`."""
    mail = outcome.channel == "email"
    if outcome.attempt >= (rules.MAX_MAIL_ATTEMPTS if mail else rules.MAX_ATTEMPTS):
        row = queries.by_id(tx, outcome.id, lock=True)
        if row is not None and row.attempts == outcome.attempt and row.state in (State.SENDING, State.UNKNOWN):
            _set_state(tx, row, State.FAILED, reason, detail)
            if mail and reason != UNREACHED:  # the recipient's server refused it each time, for a passing reason
                suppressing.note_soft_bounce(tx, row.recipient.lower(), detail, was_accepted=False)
        return
    pause = (
        rules.mail_retry_delay(outcome.attempt, outcome.jitter)
        if mail
        else rules.retry_delay(outcome.attempt, asked_s, outcome.jitter)
    )
    if tx.run(_REQUEUE, outbound=outcome.id, attempt=outcome.attempt, at=tx.now + pause, why=reason, words=detail):
        if not mail:
            metrics.SMS_SENT.labels("again").inc()
        wake_pump(tx, tx.now + pause, outcome.channel)


def _rejected(tx: Tx, outcome: Outcome, refusal: Rejected) -> None:
    reason = str(refusal.code or refusal.verdict.value)
    if refusal.verdict is Verdict.RETRY:
        _retry_later(tx, outcome, reason, refusal.message, refusal.retry_after)
        return
    if refusal.verdict in ACCOUNT_VERDICTS and outcome.login not in (None, _login_in(tx, outcome.channel)):
        # The credentials were changed since the request, so the refusal does not apply to the new ones: retry.
        _retry_later(tx, outcome, reason, refusal.message, None)
        return
    row = queries.by_id(tx, outcome.id, lock=True)
    if row is None or row.attempts != outcome.attempt or row.state not in (State.SENDING, State.UNKNOWN):
        return
    if refusal.verdict is Verdict.STOP_ALL and (row.channel == "email" or not row.lane.urgent):
        # The account is refused, not the message: it waits until the account is repaired (F33).
        tx.run(_REQUEUE, outbound=row.id, attempt=outcome.attempt, at=tx.now, why=reason, words=refusal.message)
    else:
        _set_state(tx, row, State.FAILED, reason, refusal.message)
    _apply_verdict(tx, row, refusal.code, refusal.verdict, refusal.message)


def _login_in(tx: Tx, channel: str) -> tuple[str, str, str]:
    return server_in(tx).login if channel == "email" else account_in(tx).login


def _apply_mail_verdict(tx: Tx, row: Outbound, code: int | None, verdict: Verdict, sentence: str) -> None:
    """Applies what a mail server's refusal changes besides the mail: suppresses the address or stops all mail."""
    if verdict is Verdict.INVALID:
        suppressing.suppress(tx, "email", row.recipient.lower(), Suppressed.DEAD, sentence)
    elif verdict is Verdict.STOP_ALL:
        document = MAIL.load(tx)
        if not document.stopped:
            MAIL.save(tx, document.model_copy(update={"stopped": sentence}))
            log.error("mail_stopped", code=code, words=sentence)


def _apply_verdict(tx: Tx, row: Outbound, code: int | None, verdict: Verdict, sentence: str) -> None:
    """Applies what a refusal changes besides its message: suppressions, stopped senders, paused countries."""
    if row.channel == "email":
        _apply_mail_verdict(tx, row, code, verdict, sentence)
        return
    match verdict:
        case Verdict.SUPPRESS:
            source = f"sms:{row.sid}" if row.sid else f"outbound:{row.id}"
            contacts = [] if row.contact is None else [row.contact]
            consent.gateway_stop(tx, row.recipient, contacts, source=source, wording=sentence)
        case Verdict.INVALID:
            landline = code in (21614, 30006)
            kind = Suppressed.LANDLINE if landline else Suppressed.INVALID
            suppressing.suppress(tx, "sms", row.recipient, kind, sentence)
        case Verdict.STOP_SENDER:
            if row.sender and (stopped := tx.all(_STOP_SENDER, by=row.sender, why=f"{code}: {sentence}")):
                move_messages(tx, [sender.address for sender in stopped])
                log.error("sms_sender_stopped", sender=rules.masked(row.sender), code=code, words=sentence)
        case Verdict.STOP_ALL:
            if stopped := tx.all(_STOP_ALL_SENDERS, why=f"{code}: {sentence}"):
                move_messages(tx, sorted(sender.address for sender in stopped))
                log.error("sms_stopped", senders=len(stopped), code=code, words=sentence)
        case Verdict.STOP_COUNTRY:
            country = rules.country_of(row.recipient)
            document = SMS.load(tx)
            if country and country not in document.paused_countries:
                paused = {**document.paused_countries, country: sentence}
                SMS.save(tx, document.model_copy(update={"paused_countries": paused}))
                log.error("sms_country_paused", country=country, code=code)
        case _:
            pass


# --- the carrier's reports --------------------------------------------------------------------------


def apply_report(tx: Tx, report: Report, token: str | None = None, attempt: int | None = None) -> bool:
    """Stores a status report with all parameters and applies it. Returns False if its message is not known yet; the
    report is then applied when the message's sid is stored (G10).

    `token`: from the callback's signed URL; finds the message even if the response to its create call was lost.
    """
    tx.lock_names(_sid_lock(report.sid))
    row = queries.by_token(tx, token) if token else None
    if row is None:
        row = queries.by_sid(tx, report.sid)
    tx.run(
        _INSERT_REPORT,
        sid=report.sid,
        outbound_id=None if row is None else row.id,
        status=report.status,
        error="" if report.error is None else str(report.error),
        params=dict(report.params),
        at=tx.now,
    )
    metrics.SMS_REPORTS.labels("parked" if row is None else "known").inc()
    if row is None:
        return False
    if row.sid is not None and row.sid != report.sid:
        _note_duplicate(row, report.sid)
        return True
    state = rules.CARRIER_STATES.get(report.status)
    if state is None:
        log.warning("sms_status_unknown", status=report.status[:40], outbound=row.id)
        return True
    if row.sid is None:
        _accept_by_report(tx, row, report.sid)
    if state is not State.ACCEPTED:
        _apply_status(tx, row.id, state, "" if report.error is None else str(report.error))
    return True


def settle_by_report(tx: Tx, row: Outbound, state: State, reason: str, detail: str) -> bool:
    """Moves a mail forward to the state that a mail server reported. Returns False if a later state is known."""
    after = rules.settle(row.state, state)
    return after is not row.state and _set_state(tx, row, after, reason, detail)


def _accept_by_report(tx: Tx, row: Outbound, sid: str) -> None:
    """Accepts a message whose report came before the response to its create call."""
    _set_state(tx, row, rules.settle(row.state, State.ACCEPTED), "", "", sid)
    _charge(tx, [row])
    tx.run(_MATCH_REPORTS, of_sid=sid, outbound=row.id)


def _apply_status(tx: Tx, outbound_id: int, state: State, error: str) -> None:
    row = queries.by_id(tx, outbound_id, lock=True)
    assert row is not None
    if rules.settle(row.state, state) is row.state:
        return
    code = int(error) if error.isdecimal() else None
    meaning = twilio_errors.meaning(code)
    failed = state in (State.FAILED, State.UNDELIVERED)
    reason, detail = (error, meaning.words) if failed else ("", "")
    if _set_state(tx, row, state, reason, detail) and failed and code is not None:
        _apply_verdict(tx, row, code, meaning.verdict, meaning.words)


_KNOWN_SIDS = Statement(
    select(outbound.c.sid).where(outbound.c.sid.in_(bindparam("sids", expanding=True))), uses=("uq_outbound_sid",)
)
_COUNT_TWINS = Statement(
    select(func.count().label("n")).where(
        outbound.c.recipient == bindparam("recipient"),
        outbound.c.body == bindparam("body"),
        outbound.c.id != bindparam("outbound"),
        outbound.c.state == State.SENDING.value,
    ),
    uses=("ix_outbound_sending",),  # the whole partial index: it has only the messages being sent
)


def decide_unknown(tx: Tx, agent: Agent, outbound_id: int, outcome: str, address: str = "") -> Outbound:
    """Settles an unclear send as an agent decides; a later report still counts. Raises `NotFound`, `Conflict`
    `not_unknown`."""
    row = queries.by_id(tx, outbound_id, lock=True)
    if row is None:
        raise NotFound()
    sent = outcome == "sent"
    detail = "" if sent else "A colleague says it did not arrive. It was not charged."
    if row.state is not State.UNKNOWN or not _set_state(
        tx, row, State.SENT if sent else State.FAILED, "decided", detail
    ):
        raise Conflict("not_unknown", "The outcome of this message is already known.")
    if sent:
        _charge(tx, [row])
    record(tx, agent.id, "outbound_decided", str(row.id), address, outcome=outcome)
    after = queries.by_id(tx, outbound_id)
    assert after is not None
    return after


def reconcile(tx: Tx, outbound_id: int, listing: list[Listed] | None, looks: int) -> None:
    """Settles an unclear send by the provider's list for its recipient; `listing` None: the list could not be read. If
    the message is not found, schedules the next search."""
    row = queries.by_id(tx, outbound_id)  # not locked: `apply_report` takes its locks in another order
    if row is None or row.state is not State.UNKNOWN:
        return
    match = None
    if listing is not None and row.dispatched_at is not None and not twin_in_flight(tx, row):
        outbound_messages = {each.sid: each for each in listing if each.direction == "outbound"}
        candidates = [
            rules.Candidate(each.sid, each.body, each.sender, each.created_at) for each in outbound_messages.values()
        ]
        sid = rules.match_listed(
            candidates, row.body, row.sender or "", row.dispatched_at, known_sids(tx, outbound_messages)
        )
        match = None if sid is None else outbound_messages[sid]
    if match is None:
        schedule_reconcile(tx, row.id, looks + 1)
    else:
        params = {"listed": "true", "sid": match.sid, "status": match.status}
        apply_report(tx, Report(match.sid, match.status, match.error, params), row.token)


def known_sids(conn: Conn, sids: Iterable[str]) -> frozenset[str]:
    """Which of these ids belong to our messages."""
    listed = list(sids)
    return frozenset(row.sid for row in conn.all(_KNOWN_SIDS, sids=listed)) if listed else frozenset()


def twin_in_flight(conn: Conn, row: Outbound) -> bool:
    """Whether another message with the same text and recipient is being sent now: the provider's list could show either."""
    return int(conn.value(_COUNT_TWINS, recipient=row.recipient, body=row.body, outbound=row.id)) > 0
