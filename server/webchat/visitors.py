"""Reads visitors and their current chats."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, case, exists, func, select

from server.kernel.sql import Conn, Statement
from server.schema import contacts, threads, tickets, timeline, visitors
from server.threads import entries
from server.threads.tickets import REMAINING, TICKET_COLUMNS, Ticket

_reader = visitors.alias("reader")  # of a guest's chat the owner is another visitor
_owner = visitors.alias("owner")
_any_key_used = exists().where(timeline.c.dedupe.in_(bindparam("dedupe_keys", expanding=True)))
_LOCK_CURRENT_CHATS = Statement(
    select(*TICKET_COLUMNS, _reader.c.key.label("reader"), _any_key_used.label("any_key_used"))
    .select_from(
        _reader.join(threads, _reader.c.thread_id == threads.c.id)
        .join(tickets, tickets.c.thread_id == threads.c.id)
        .join(contacts, tickets.c.contact_id == contacts.c.id)
        .outerjoin(REMAINING, contacts.c.merged_into == REMAINING.c.id)
        .outerjoin(visitors, threads.c.visitor_id == visitors.c.id)
    )
    .where(_reader.c.key.in_(bindparam("visitors", expanding=True)))
    .order_by(threads.c.id)
    .with_for_update(of=[threads, tickets])
)
_SELECT_USED_KEYS = Statement(
    select(timeline.c.dedupe).where(timeline.c.dedupe.in_(bindparam("dedupe_keys", expanding=True)))
)


def lock_current_chats(tx: Conn, visitor_keys: list[str], dedupes: list[str]) -> tuple[dict[str, Ticket], set[str]]:
    """Returns the tickets of the visitors' current chats by visitor, locked in the order of their threads, and those of
    `dedupes` that are already used.

    A key that another transaction is writing is not among them; the insert of the entry detects it.
    """
    rows = tx.all(_LOCK_CURRENT_CHATS, visitors=visitor_keys, dedupe_keys=dedupes)
    chats = {row.reader: Ticket._make(row[:-2]) for row in rows}
    if len(chats) == len(visitor_keys) and not rows[0].any_key_used:
        return chats, set()
    return chats, {row.dedupe for row in tx.all(_SELECT_USED_KEYS, dedupe_keys=dedupes)}


@dataclass(frozen=True, slots=True)
class VisitorView:
    """A visitor and their current chat, if any."""

    visitor: int
    contact: int
    name: str | None
    email: str | None
    thread: int | None
    token: str | None
    status: str | None
    last_public_seq: int
    guest: bool  # came by a return link: reads and writes only this chat
    owner_key: str | None  # the visitor whose chat it is
    team_seen_public: int


_VISITOR = Statement(
    select(
        visitors.c.id,
        visitors.c.contact_id,
        func.coalesce(func.nullif(contacts.c.name, ""), visitors.c.name).label("name"),
        func.coalesce(contacts.c.email, visitors.c.email).label("email"),
        visitors.c.thread_id,
        threads.c.token,
        # A chat that they began while blocked was closed at once, which they must not notice.
        case((tickets.c.closed_at < tickets.c.opened_at, "open"), else_=tickets.c.status).label("status"),
        func.coalesce(threads.c.last_public_seq, 0).label("last_public_seq"),
        visitors.c.guest_of.is_not(None).label("guest"),
        _owner.c.key.label("owner_key"),
        func.coalesce(threads.c.team_seen, 0).label("team_seen"),
    )
    .select_from(
        visitors.join(contacts, visitors.c.contact_id == contacts.c.id)
        .outerjoin(threads, visitors.c.thread_id == threads.c.id)
        .outerjoin(tickets, tickets.c.thread_id == threads.c.id)
        .outerjoin(_owner, threads.c.visitor_id == _owner.c.id)
    )
    .where(visitors.c.key == bindparam("key"))
)
_GUEST_OF = Statement(select(visitors.c.guest_of).where(visitors.c.key == bindparam("key")))


def visitor_view(conn: Conn, key: str) -> VisitorView | None:
    row = conn.first(_VISITOR, key=key)
    if row is None:
        return None
    seen_ref = 0
    if row.thread_id is not None and row.team_seen:
        seen_ref = entries.public_at(conn, row.thread_id, row.team_seen)
    return VisitorView(*(*row[:-1], seen_ref))


def guest_of(conn: Conn, key: str) -> int | None:
    """The one thread of a visitor who came by a return link; None for any other visitor."""
    thread: int | None = conn.value(_GUEST_OF, key=key)
    return thread


def visitor_topic(key: str) -> str:
    """The topic of a visitor's change of chat."""
    return f"visitor:{key}"
