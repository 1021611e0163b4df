"""Drafts: texts that agents have typed and not sent.

A write names the revision it is based on. If that revision is not the newest, the write is not stored and the newer draft is
returned: the write may have been delayed, or come from another device.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.rules import Agent
from server.errors import NotFound
from server.kernel.columns import Instant
from server.kernel.sql import Conn, LostRace, Statement, Tx
from server.schema import drafts
from server.threads import tickets

EMPTY_KEPT = timedelta(days=30)  # longer than any write can be delayed


@dataclass(frozen=True, slots=True)
class Draft:
    """`rev` 0: the agent never had a draft for the ticket. An empty `body`: sent or deleted."""

    ticket: int
    body: str
    mode: str
    rev: int
    at: datetime


@dataclass(frozen=True, slots=True)
class DraftWrite:
    """The draft after a write. `stored` is False if the write was based on an older revision."""

    stored: bool
    draft: Draft


_columns = (drafts.c.ticket_id, drafts.c.body, drafts.c.mode, drafts.c.rev, drafts.c.at)
_draft_key = (drafts.c.user_id == bindparam("user"), drafts.c.ticket_id == bindparam("ticket"))
_DRAFTS = Statement(
    select(*_columns).where(drafts.c.user_id == bindparam("user"), drafts.c.body != "").order_by(drafts.c.ticket_id)
)
_LOCK_DRAFT = Statement(select(*_columns).where(*_draft_key).with_for_update())
_INSERT_DRAFT = Statement(
    insert(drafts)
    .values(
        user_id=bindparam("user"),
        ticket_id=bindparam("ticket"),
        mode=bindparam("mode"),
        body=bindparam("body"),
        rev=bindparam("rev"),
        at=bindparam("now"),
    )
    .on_conflict_do_nothing()
)
_UPDATE_DRAFT = Statement(
    update(drafts)
    .where(*_draft_key)
    .values(mode=bindparam("mode"), body=bindparam("body"), rev=bindparam("rev"), at=bindparam("now", type_=Instant))
)
_CLEAR_SENT = Statement(
    update(drafts)
    .where(*_draft_key, drafts.c.rev <= bindparam("up_to", type_=drafts.c.rev.type), drafts.c.body != "")
    .values(body="", rev=drafts.c.rev + 1, at=bindparam("now", type_=Instant))
)
_DELETE_EMPTY = Statement(
    delete(drafts).where(
        drafts.c.user_id == bindparam("user"), drafts.c.body == "", drafts.c.at < bindparam("before", type_=Instant)
    )
)


def drafts_of(conn: Conn, user: int) -> list[Draft]:
    """The agent's drafts that have a text."""
    return [Draft(*row) for row in conn.all(_DRAFTS, user=user)]


def save_draft(tx: Tx, agent: Agent, ticket_id: int, mode: str, body: str, rev: int) -> DraftWrite:
    """Stores the agent's draft for a ticket, if it is based on the newest revision; an empty text deletes it."""
    if tickets.by_id(tx, ticket_id) is None:
        raise NotFound("This ticket does not exist.")
    body = body if body.strip() else ""
    row = tx.first(_LOCK_DRAFT, user=agent.id, ticket=ticket_id)
    if row is not None and row.rev != rev:
        return DraftWrite(False, Draft(*row))
    if row is None and not body:
        return DraftWrite(True, Draft(ticket_id, "", mode, 0, tx.now))
    draft = Draft(ticket_id, body, mode, rev + 1, tx.now)
    changed = {"user": agent.id, "ticket": ticket_id, "mode": mode, "body": body, "rev": draft.rev, "now": tx.now}
    if not tx.run(_INSERT_DRAFT if row is None else _UPDATE_DRAFT, **changed):
        raise LostRace("another request began this draft")
    if not body:
        tx.run(_DELETE_EMPTY, user=agent.id, before=tx.now - EMPTY_KEPT)
    return DraftWrite(True, draft)


def clear_sent(tx: Tx, agent: Agent, ticket_id: int, up_to: int | None) -> None:
    """Deletes the draft of a sent message. `up_to`: the draft's revision when it was sent; a newer draft stays."""
    tx.run(_CLEAR_SENT, user=agent.id, ticket=ticket_id, up_to=2**62 if up_to is None else up_to, now=tx.now)
