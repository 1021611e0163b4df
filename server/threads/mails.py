"""The mail thread of a contact: the mails sent to them, with the state of delivery (HIS-2). It has no ticket.

Agents read and follow it like any thread. The console merges it by time with the contact's other threads.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.events.rules import Metric
from server.kernel.sql import Conn, Statement, Tx
from server.schema import merged_set, threads, tickets
from server.threads.timeline import SYSTEM, append, thread_topic

CHANNEL = "email"
KIND = "mail"  # of an entry
# The hint to followers of a contact's other threads that the contact has a new mail thread.
MAIL_THREAD_BEGAN = "mail_thread"
MAX_FIRST_LINE = 140  # characters

_IS_MAIL_THREAD = threads.c.channel == CHANNEL
_FIND = Statement(
    select(threads.c.id).where(threads.c.contact_id == bindparam("contact"), _IS_MAIL_THREAD),
    uses=("uq_threads_email",),
)
_CONVERSATIONS = Statement(
    select(tickets.c.thread_id).where(tickets.c.contact_id.in_(merged_set(bindparam("contact"))))
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
        for other in tx.all(_CONVERSATIONS, contact=contact):
            tx.publish(thread_topic(other.thread_id), MAIL_THREAD_BEGAN)
    return int(thread)


def append_mail(
    tx: Tx, contact: int, outbound: int, kind: str, subject: str, recipient: str = "", text: str = ""
) -> tuple[int, int]:
    """Adds an entry for a mail that is about to be sent. Returns its thread and sequence. Changes no ticket."""
    thread = mail_thread(tx, contact)
    data = {"mail": kind, "outbound": outbound, "to": recipient, "line": first_line(subject, text)}
    entry, _ = append(tx, thread, KIND, SYSTEM, body=subject, data=data, public=False, metric=Metric.MESSAGE_SENT)
    return thread, entry.seq


def first_line(subject: str, text: str) -> str:
    """The first line of a mail's text that does not repeat its subject."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return next((line[:MAX_FIRST_LINE] for line in lines if line and line != subject), "")


# --- reads ------------------------------------------------------------------------------------------

_IS_MAIL = Statement(select(threads.c.last_seq).where(threads.c.id == bindparam("thread"), _IS_MAIL_THREAD))
_FIND_ALL_MERGED = Statement(
    select(threads.c.id)
    .where(threads.c.contact_id.in_(merged_set(bindparam("contact"))), _IS_MAIL_THREAD)
    .order_by(threads.c.id)
)


def last_seq(conn: Conn, thread: int) -> int | None:
    """The newest sequence of a mail thread; None if this is no mail thread."""
    seq: int | None = conn.value(_IS_MAIL, thread=thread)
    return seq


def mail_threads(conn: Conn, contact: int) -> list[int]:
    """The mail threads of a contact and of all contacts that are merged with it."""
    return [row.id for row in conn.all(_FIND_ALL_MERGED, contact=contact)]
