"""Opens return links: whoever has one gets a visitor's token for that one conversation (FUP-7).

The token belongs to a guest: a separate visitor who reads and writes this thread and no other. It proves no identity.
"""

from __future__ import annotations

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.errors import NotFound, RateLimited
from server.kernel.columns import Instant
from server.kernel.sql import Statement, Tx
from server.schema import follow_ups, threads, visitors
from server.webchat.visitors import visitor_view

MAX_GUESTS = 50  # devices that may open the links of one conversation

_FIND_THREAD = Statement(
    select(threads.c.id, threads.c.contact_id)
    .select_from(follow_ups.join(threads, follow_ups.c.thread_id == threads.c.id))
    .where(
        follow_ups.c.link_hash == bindparam("hash"),
        follow_ups.c.link_expires_at > bindparam("now", type_=Instant),
    )
)
_COUNT_GUESTS = Statement(select(func.count().label("n")).where(visitors.c.guest_of == bindparam("thread")))
_INSERT_GUEST = Statement(
    insert(visitors).values(
        key=bindparam("key"),
        contact_id=bindparam("contact"),
        thread_id=bindparam("thread"),
        guest_of=bindparam("thread"),
        created_at=bindparam("now"),
    )
)


def open_link(tx: Tx, link_hash: str, own_key: str | None, new_key: str) -> bool:
    """Stores a guest with the key `new_key` and returns True. Returns False if this is the conversation of the visitor `own_key`.
    Raises `NotFound` for a link that is unknown or expired."""
    thread = tx.first(_FIND_THREAD, hash=link_hash, now=tx.now)
    if thread is None:
        raise NotFound("This link has expired.")
    own = None if own_key is None else visitor_view(tx, own_key)
    if own is not None and own.thread == thread.id:
        return False
    if tx.value(_COUNT_GUESTS, thread=thread.id) >= MAX_GUESTS:
        raise RateLimited("This link was opened on too many devices.", 3600)
    tx.run(_INSERT_GUEST, key=new_key, contact=thread.contact_id, thread=thread.id, now=tx.now)
    return True
