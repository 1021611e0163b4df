"""Follow-up mail: mails the replies that a visitor missed, once for each time they were away (FUP-4, FUP-7).

A reply creates or postpones the thread's row in `follow_ups`. A job checks the rows that are due. The mail is composed in
the transaction that begins its send, which checks once more whether the visitor came back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.chat_mail import rules
from server.delivery.mail import Mailing, queue_mail
from server.delivery.mail_settings import MAIL
from server.kernel import jobs
from server.kernel.columns import Instant
from server.kernel.context import App
from server.kernel.jobs import Handler, Job
from server.kernel.sql import Conn, Row, Statement, Tx
from server.schema import follow_ups, outbound, threads, timeline, visitors
from server.sms.settings import INBOX
from server.threads import tickets
from server.threads.tickets import Ticket

JOB = "chat_mail.follow_ups"
TEMPLATE = "chat.follow_up"
BATCH = 100

_insert = insert(follow_ups).values(
    thread_id=bindparam("thread"),
    first_seq=bindparam("first"),
    state="waiting",
    due_at=bindparam("due"),
    check_at=bindparam("check"),
    created_at=bindparam("now"),
)
_NOTE_REPLY = Statement(
    _insert.on_conflict_do_update(
        index_elements=["thread_id"],
        index_where=follow_ups.c.returned_at.is_(None),
        set_={"due_at": _insert.excluded.due_at, "check_at": _insert.excluded.check_at},
        where=follow_ups.c.state == "waiting",
    )
)
_END_ABSENCE = Statement(
    update(follow_ups)
    .where(
        follow_ups.c.thread_id == bindparam("thread"),
        follow_ups.c.returned_at.is_(None),
        follow_ups.c.state == "queued",
        follow_ups.c.first_seq < bindparam("before"),
    )
    .values(returned_at=bindparam("now", type_=Instant))
)
_LOCK_DUE = Statement(
    select(follow_ups)
    .where(follow_ups.c.state == "waiting", follow_ups.c.check_at <= bindparam("now", type_=Instant))
    .order_by(follow_ups.c.check_at, follow_ups.c.id)
    .limit(bindparam("n"))
    .with_for_update(skip_locked=True)
)
_LOCK = Statement(select(follow_ups).where(follow_ups.c.id == bindparam("follow_up")).with_for_update())
_POSTPONE = Statement(
    update(follow_ups)
    .where(follow_ups.c.id == bindparam("follow_up"))
    .values(check_at=bindparam("check", type_=Instant), absent_since=bindparam("absent", type_=Instant))
)
_DELETE = Statement(
    delete(follow_ups).where(follow_ups.c.id == bindparam("follow_up"), follow_ups.c.state == "waiting")
)
_SET_QUEUED = Statement(
    update(follow_ups)
    .where(follow_ups.c.id == bindparam("follow_up"))
    .values(state="queued", outbound_id=bindparam("outbound"))
)
_SET_MAILED = Statement(
    update(follow_ups)
    .where(follow_ups.c.id == bindparam("follow_up"))
    .values(
        mailed_seq=bindparam("seq"),
        link_hash=bindparam("hash"),
        link_expires_at=bindparam("expires", type_=Instant),
    )
)
_is_reply = (timeline.c.kind == "message", timeline.c.author_type == "agent", timeline.c.public_seq.is_not(None))
_redaction = timeline.alias("redaction")
_FIND_MISSED = Statement(
    select(timeline.c.seq, timeline.c.author_name, timeline.c.body, timeline.c.data, timeline.c.at)
    .where(
        timeline.c.thread_id == bindparam("thread"),
        timeline.c.seq > bindparam("after"),
        *_is_reply,
        ~exists().where(
            _redaction.c.thread_id == timeline.c.thread_id,
            _redaction.c.ref_seq == timeline.c.seq,
            _redaction.c.kind == "redacted",
        ),
    )
    .order_by(timeline.c.seq)
    .limit(bindparam("n"))
)
_FIND_LAST_MAILED_SEQ = Statement(
    select(func.max(follow_ups.c.mailed_seq).label("seq")).where(
        follow_ups.c.thread_id == bindparam("thread"), follow_ups.c.id != bindparam("other")
    )
)
_FIND_LOCALE = Statement(
    select(visitors.c.locale)
    .select_from(threads.join(visitors, threads.c.visitor_id == visitors.c.id))
    .where(threads.c.id == bindparam("thread"))
)
_FIND_CURRENT = Statement(
    select(follow_ups, outbound.c.state.label("mail_state"), outbound.c.dispatched_at, outbound.c.detail)
    .select_from(follow_ups.outerjoin(outbound, follow_ups.c.outbound_id == outbound.c.id))
    .where(follow_ups.c.thread_id == bindparam("thread"), follow_ups.c.returned_at.is_(None)),
    uses=("uq_follow_ups_current",),
)


def _wake(tx: Tx, at: datetime) -> None:
    """Schedules the job that checks follow-ups. Follow-ups that are due in the same second share one job."""
    at = at if at.microsecond == 0 else at.replace(microsecond=0) + timedelta(seconds=1)
    jobs.enqueue(tx, JOB, {}, run_at=max(at, tx.now), key=f"{JOB}:{int(at.timestamp())}", priority=0)


def note_reply(tx: Tx, ticket: Ticket, seq: int, delay: timedelta) -> None:
    """Schedules a follow-up for an agent's reply in a chat; a later reply postpones it (AMB-10)."""
    # A visitor who wrote since the last mail has been back, so a new absence begins (FUP-7).
    tx.run(_END_ABSENCE, thread=ticket.thread, before=ticket.last_inbound_seq, now=tx.now)
    due, check = rules.first_look(tx.now, delay)
    tx.run(_NOTE_REPLY, thread=ticket.thread, first=seq, due=due, check=check, now=tx.now)
    _wake(tx, check)


def end_absence(tx: Tx, thread: int) -> None:
    """Ends the visitor's absence, so that a queued mail is not sent (FUP-6). A follow-up that is not due yet is left: its
    check looks at the visitor's presence."""
    tx.run(_END_ABSENCE, thread=thread, before=2**53, now=tx.now)


def missed_replies(conn: Conn, ticket: Ticket, follow_up: int, limit: int) -> list[Row]:
    """The oldest replies that the visitor has not seen and that no earlier mail contains."""
    mailed = conn.value(_FIND_LAST_MAILED_SEQ, thread=ticket.thread, other=follow_up) or 0
    rows: list[Row] = conn.all(_FIND_MISSED, thread=ticket.thread, after=max(ticket.visitor_seen, mailed), n=limit)
    return rows


def can_send_mail(conn: Conn) -> bool:
    """Whether a support address and a mail server are set up. While mail is paused, queued mail waits."""
    mail = MAIL.load(conn)
    return bool(INBOX.load(conn).support_from and mail.mail_on and mail.host)


def check_due(tx: Tx) -> int:
    """Checks the follow-ups that are due. Returns their number, at most `BATCH`."""
    due = tx.all(_LOCK_DUE, now=tx.now, n=BATCH)
    for row in due:
        _check(tx, row)
    return len(due)


def _check(tx: Tx, row: Row) -> None:
    ticket = tickets.by_thread(tx, row.thread_id)
    assert ticket is not None
    absence = rules.Absence(
        unseen=bool(missed_replies(tx, ticket, row.id, 1)),
        wrote_since=ticket.last_inbound_seq > row.first_seq,
        seen_at=ticket.visitor_seen_at,
        absent_since=row.absent_since,
        due_at=row.due_at,
    )
    match rules.decide(absence, tx.now):
        case rules.LookAgain(at, absent_since):
            tx.run(_POSTPONE, follow_up=row.id, check=at, absent=absent_since)
            _wake(tx, at)
        case rules.Send() if ticket.contact_email and can_send_mail(tx):
            mailing = Mailing(
                key=f"follow_up:{row.id}",
                kind="follow_up",
                recipient=ticket.contact_email,
                template=TEMPLATE,
                data={"follow_up": row.id},
                contact=ticket.contact,
            )
            tx.run(_SET_QUEUED, follow_up=row.id, outbound=queue_mail(tx, mailing).id)
        case _:
            tx.run(_DELETE, follow_up=row.id)


def lock_follow_up(tx: Tx, follow_up: int) -> Row | None:
    return tx.first(_LOCK, follow_up=follow_up)


def note_mailed(tx: Tx, follow_up: int, seq: int, link_hash: str) -> None:
    """Records what the mail contains and the hash of its link, which replaces the link of an earlier attempt."""
    tx.run(_SET_MAILED, follow_up=follow_up, seq=seq, hash=link_hash, expires=tx.now + rules.LINK_LIFE)


def locale_of(conn: Conn, thread: int) -> str:
    return conn.value(_FIND_LOCALE, thread=thread) or ""


def current_follow_up(conn: Conn, thread: int) -> Row | None:
    """The follow-up of the visitor's present absence, with the state of its mail."""
    return conn.first(_FIND_CURRENT, thread=thread)


async def run(app: App, job: Job) -> None:
    while await app.write(check_due) == BATCH:
        pass


HANDLERS: dict[str, Handler] = {JOB: run}


def banner(conn: Conn, ticket: Ticket) -> dict[str, Any] | None:
    """What the console's banner says about the follow-up of a chat; None for a ticket without one. See
    `inbox.responses.FollowUp`."""
    if ticket.channel != "webchat":
        return None
    settings = INBOX.load(conn)
    answer: dict[str, Any] = {"to": "", "minutes": settings.follow_up_minutes, "at": None, "words": ""}
    if not can_send_mail(conn):
        return answer | {"state": "no_address"}
    if not ticket.contact_email:
        return answer | {"state": "no_email"}
    answer["to"] = rules.mask_address(ticket.contact_email)
    row = current_follow_up(conn, ticket.thread)
    if row is None:
        return answer | {"state": "ready"}
    if row.state == "waiting":
        return answer | {"state": "waiting", "at": row.due_at}
    if row.mail_state in ("failed", "undelivered", "skipped", "cancelled"):
        return answer | {"state": "failed", "words": row.detail}
    if row.mail_state in ("queued", "claimed", "sending"):
        return answer | {"state": "sending"}
    if row.mail_state == "unknown":
        return answer | {"state": "unknown", "at": row.dispatched_at}
    return answer | {"state": "sent", "at": row.dispatched_at}
