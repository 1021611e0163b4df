"""Moves an anonymous visitor's open chat to the customer they sign in as (AMB-37).

One `hello` carries the anonymous token, which proves whose chat it is, and the signed identity. Only the open chat
moves. The anonymous contact, its earlier chats and its typed name and e-mail stay as they were.
"""

from __future__ import annotations

from sqlalchemy import Integer, alias, bindparam, func, or_, select, update

from server.kernel.sql import Conn, LostRace, Statement, Tx
from server.schema import attachments, threads, timeline, visitors
from server.threads import tickets as ticket_queries
from server.threads.changes import change_ticket
from server.threads.tickets import facts_of, publish_tickets_of_contact
from server.threads.timeline import Author, append
from server.webchat import rules
from server.webchat import visitors as visitor_queries
from server.webchat.actions import VisitorInfo, visitor_dedupe
from server.webchat.receiving import SET_CURRENT_THREAD, new_visitor
from server.webchat.visitors import visitor_topic

_DETACH_CHAT = Statement(
    update(visitors)
    .where(visitors.c.id == bindparam("visitor"), visitors.c.thread_id == bindparam("thread"))
    .values(thread_id=None)
)
_MOVE_THREAD = Statement(
    update(threads)
    .where(threads.c.id == bindparam("thread"))
    .values(visitor_id=bindparam("visitor"), contact_id=bindparam("contact"))
)
# Copies the name and e-mail typed in this chat, unless the customer has already typed them.
_COPY_TYPED = Statement(
    update(visitors)
    .where(visitors.c.id == bindparam("visitor"))
    .values(
        {
            name: func.coalesce(
                visitors.c[name],
                select(visitors.c[name].label("typed")).where(visitors.c.id == bindparam("before")).scalar_subquery(),
            )
            for name in ("email", "name")
        }
    )
)
_stored_entry = alias(timeline)
_new_key = bindparam("new", type_=timeline.c.dedupe.type).concat(
    func.substr(timeline.c.dedupe, bindparam("length", type_=Integer()) + 1)
)
# The client may repeat a message that was stored but not acknowledged, now as the customer. The key must then be the
# customer's, or the message would be stored twice.
_RENAME_KEYS = Statement(
    update(timeline)
    .where(
        timeline.c.thread_id == bindparam("thread"),
        func.substr(timeline.c.dedupe, 1, bindparam("length", type_=Integer()))
        == bindparam("old", type_=timeline.c.dedupe.type),
        ~select(_stored_entry.c.id).where(_stored_entry.c.dedupe == _new_key).exists(),
    )
    .values(dedupe=_new_key)
)
_MOVE_FILES = Statement(
    update(attachments)
    .where(
        attachments.c.owner == bindparam("old"),
        or_(attachments.c.thread_id.is_(None), attachments.c.thread_id == bindparam("thread")),
    )
    .values(owner=bindparam("new"))
)


def has_open_chat(conn: Conn, key: str) -> bool:
    view = visitor_queries.visitor_view(conn, key)
    return view is not None and view.thread is not None and view.status != "closed" and not view.guest


def carry_over(tx: Tx, anonymous: str, signed: str, info: VisitorInfo) -> bool:
    """Moves the anonymous visitor's open chat to the signed-in customer. Returns False if there is no open chat or the
    customer has one (INB-23)."""
    source, target = visitor_queries.visitor_view(tx, anonymous), visitor_queries.visitor_view(tx, signed)
    if source is None or source.thread is None or source.guest:
        return False
    ticket = ticket_queries.lock_by_thread(tx, source.thread)
    if ticket is None or not rules.may_carry_over(facts_of(ticket), target.status if target else None):
        return False
    visitor, contact = (target.visitor, target.contact) if target is not None else new_visitor(tx, signed, info)
    previous_thread = target.thread if target is not None and target.thread is not None else 0
    if not tx.run(_DETACH_CHAT, visitor=source.visitor, thread=ticket.thread):
        raise LostRace("this visitor's next chat was begun elsewhere")
    if not tx.run(SET_CURRENT_THREAD, visitor=visitor, thread=ticket.thread, before=previous_thread):
        raise LostRace("this customer's next chat was begun elsewhere")
    tx.run(_MOVE_THREAD, thread=ticket.thread, visitor=visitor, contact=contact)
    tx.run(_COPY_TYPED, visitor=visitor, before=source.visitor)
    publish_tickets_of_contact(tx, contact, except_thread=ticket.thread)
    old_dedupe, new_dedupe = visitor_dedupe(anonymous, ""), visitor_dedupe(signed, "")
    tx.run(_RENAME_KEYS, thread=ticket.thread, old=old_dedupe, new=new_dedupe, length=len(old_dedupe))
    tx.run(_MOVE_FILES, thread=ticket.thread, old=f"web:{anonymous}", new=f"web:{signed}")
    # Only the team sees this entry. It shows when the visitor signed in.
    data = {k: v for k, v in (("email", info.email), ("name", info.name)) if v}
    appended = append(tx, ticket.thread, "contact", Author("contact"), data={"signed_in": True, **data}, public=False)
    change_ticket(tx, ticket, appended, contact_id=contact)
    tx.publish(visitor_topic(anonymous))
    tx.publish(visitor_topic(signed))
    return True
