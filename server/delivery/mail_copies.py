"""Copies of mails to contacts, for agents. The links in a mail that sign somebody in are not in its copy (G18)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.kernel.sql import Conn, Statement, Tx
from server.schema import mail_copies, outbound, timeline

REMOVED = "…"  # in place of a secret

_insert = insert(mail_copies).values(outbound_id=bindparam("outbound"), text=bindparam("plain"), html=bindparam("rich"))
_STORE = Statement(
    _insert.on_conflict_do_update(
        index_elements=["outbound_id"], set_={"text": _insert.excluded.text, "html": _insert.excluded.html}
    )
)
_FIND = Statement(
    select(outbound.c.recipient, timeline.c.body, mail_copies.c.text, mail_copies.c.html)
    .select_from(
        mail_copies.join(outbound, outbound.c.id == mail_copies.c.outbound_id).join(
            timeline, (timeline.c.thread_id == outbound.c.thread_id) & (timeline.c.seq == outbound.c.seq)
        )
    )
    .where(mail_copies.c.outbound_id == bindparam("outbound"))
)


@dataclass(frozen=True, slots=True)
class MailCopy:
    """A mail to a contact as agents read it. `html` is "" for a mail of text alone."""

    recipient: str
    subject: str
    text: str
    html: str


def without(secrets: Sequence[str], text: str) -> str:
    """`text` without these secrets, plain or escaped as in HTML."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(escape(secret), REMOVED).replace(secret, REMOVED)
    return text


def store(tx: Tx, outbound_id: int, text: str, html: str) -> None:
    """Stores the copy of a mail whose sending begins; a later attempt replaces it."""
    tx.run(_STORE, outbound=outbound_id, plain=text, rich=html)


def find(conn: Conn, outbound_id: int) -> MailCopy | None:
    """The copy of a mail to a contact."""
    row = conn.first(_FIND, outbound=outbound_id)
    return None if row is None else MailCopy(*row)
