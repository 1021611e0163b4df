"""The mail thread of a contact: the mails sent to them, with the state of delivery (HIS-2). It has no ticket.

`history` reads it together with another thread of the contact, so that the console can show both by time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.kernel.sql import Conn, Row, Statement, Tx
from server.schema import threads, timeline
from server.threads import entries
from server.threads.entries import Entry
from server.threads.timeline import SYSTEM, append

CHANNEL = "email"
KIND = "mail"  # of an entry

_IS_MAIL_THREAD = threads.c.channel == CHANNEL
_FIND = Statement(
    select(threads.c.id).where(threads.c.contact_id == bindparam("contact"), _IS_MAIL_THREAD),
    uses=("uq_threads_email",),
)
_CREATE = Statement(
    insert(threads)
    .values(
        token=bindparam("token"),
        channel=CHANNEL,
        contact_id=bindparam("contact"),
        changed_at=bindparam("now"),
        created_at=bindparam("now"),
    )
    .on_conflict_do_nothing(index_elements=[threads.c.contact_id], index_where=_IS_MAIL_THREAD)
)


def mail_thread(tx: Tx, contact: int) -> int:
    """The contact's one mail thread, created for the first mail."""
    thread = tx.value(_FIND, contact=contact)
    if thread is None:
        tx.run(_CREATE, token=tx.token(18), contact=contact, now=tx.now)
        thread = tx.value(_FIND, contact=contact)
    return int(thread)


def append_mail(tx: Tx, contact: int, outbound: int, kind: str, subject: str) -> tuple[int, int]:
    """Adds a mail whose sending begins. Returns its thread and sequence. Changes no ticket."""
    thread = mail_thread(tx, contact)
    data = {"mail": kind, "outbound": outbound}
    entry, _ = append(tx, thread, KIND, SYSTEM, body=subject, data=data, public=False)
    return thread, entry.seq


# --- reads ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SentMail:
    """`kind`: of the message, such as "campaign". `state`: of its delivery; "" while it is being sent."""

    seq: int
    kind: str
    subject: str
    at: datetime
    state: str
    words: str


@dataclass(frozen=True, slots=True)
class History:
    """A stretch of time of a thread and of the contact's mail: `entries` and `mails` leave nothing out between its ends.

    `first` and `first_mail` are the cursors for the stretch before it.
    """

    entries: list[Entry]
    mails: list[SentMail]
    first: int
    first_mail: int
    more: bool


_CONTACT = Statement(select(threads.c.contact_id).where(threads.c.id == bindparam("thread")))
_MAILS = Statement(
    select(timeline.c.seq, timeline.c.body, timeline.c.data, timeline.c.at)
    .where(timeline.c.thread_id == bindparam("thread"), timeline.c.seq < bindparam("before"), timeline.c.kind == KIND)
    .order_by(timeline.c.seq.desc())
    .limit(bindparam("n"))
)
_DELIVERIES = Statement(
    # Sorted by the caller: for ORDER BY seq SQLite would read the whole thread.
    select(timeline.c.seq, timeline.c.ref_seq, timeline.c.data).where(
        timeline.c.thread_id == bindparam("thread"),
        timeline.c.ref_seq >= bindparam("low"),
        timeline.c.ref_seq <= bindparam("high"),
        timeline.c.kind == "delivery",
    )
)
_NO_CURSOR = 2**53


def history(conn: Conn, thread: int, limit: int, before: int | None = None, mail_before: int | None = None) -> History:
    """The newest stretch of both, or the one before the cursors of another: at most `limit` messages and `limit` mails."""
    page = entries.page(conn, thread, limit, before=before)
    contact = conn.value(_CONTACT, thread=thread)
    mail_thread_id = conn.value(_FIND, contact=contact)
    end = mail_before or _NO_CURSOR
    if mail_thread_id is None:
        return History(page.entries, [], page.first, end, page.more)
    rows = conn.all(_MAILS, thread=mail_thread_id, before=end, n=limit + 1)
    entries_in_stretch = [entry for entry in page.entries if page.first <= entry.seq <= page.last]
    first = page.first
    # The stretch begins where the shorter of the two pages begins.
    if page.more and entries_in_stretch:
        rows = [row for row in rows if row.at >= entries_in_stretch[0].at]
    more_mails = len(rows) > limit
    rows = rows[:limit]
    if more_mails:
        entries_in_stretch = [entry for entry in entries_in_stretch if entry.at >= rows[-1].at]
        first = entries_in_stretch[0].seq if entries_in_stretch else page.last + 1
    own_seqs = {entry.seq for entry in entries_in_stretch}
    shown = [
        entry
        for entry in page.entries
        if entry.seq in own_seqs or (entry.seq > page.last and entry.ref_seq in own_seqs)
    ]
    mails = _with_states(conn, mail_thread_id, rows)
    first_mail = mails[0].seq if mails else end
    more = first > 1 or more_mails or bool(conn.all(_MAILS, thread=mail_thread_id, before=first_mail, n=1))
    return History(shown, mails, first, first_mail, more)


def _with_states(conn: Conn, thread: int, rows: list[Row]) -> list[SentMail]:
    """The mails in order of time, each with its last delivery state."""
    deliveries: dict[int, dict[str, str]] = defaultdict(dict)
    delivery_rows = conn.all(_DELIVERIES, thread=thread, low=rows[-1].seq, high=rows[0].seq) if rows else []
    for delivery in sorted(delivery_rows, key=lambda row: int(row.seq)):
        deliveries[delivery.ref_seq] = delivery.data
    return [
        SentMail(
            row.seq,
            row.data.get("mail", ""),
            row.body,
            row.at,
            deliveries[row.seq].get("state", ""),
            deliveries[row.seq].get("words", ""),
        )
        for row in reversed(rows)
    ]
