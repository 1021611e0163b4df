"""A visitor signs in while chatting: the chat they have open becomes the customer's (AMB-37).

The anonymous token proves whose chat it is, the signed one who they are; both come in one `hello`. Only that
one chat changes hands. The anonymous contact, its earlier chats and what it typed elsewhere stay as they were.
"""

from __future__ import annotations

from sqlalchemy import Integer, alias, bindparam, func, or_, select, update

from server.inbox import queries, rules
from server.inbox.timeline import Author, append, facts_of, settled, visitor_topic
from server.inbox.visitor_actions import CURRENT_THREAD, VisitorInfo, new_visitor, visitor_dedupe
from server.kernel.sql import Clash, Conn, Statement, Tx
from server.schema import attachments, threads, tickets, timeline, visitors

_LEAVE = Statement(
    update(visitors)
    .where(visitors.c.id == bindparam("visitor"), visitors.c.thread_id == bindparam("thread"))
    .values(thread_id=None)
)
_THREAD = Statement(
    update(threads)
    .where(threads.c.id == bindparam("thread"))
    .values(visitor_id=bindparam("visitor"), contact_id=bindparam("contact"))
)
_TICKET = Statement(update(tickets).where(tickets.c.id == bindparam("ticket")).values(contact_id=bindparam("contact")))
# What was typed in this chat, where the customer has not typed anything else.
_TYPED = Statement(
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
_other = alias(timeline)
_renamed = bindparam("new", type_=timeline.c.dedupe.type).concat(
    func.substr(timeline.c.dedupe, bindparam("length", type_=Integer()) + 1)
)
# A message that was stored and not acknowledged will be repeated by the customer: it must be known as theirs.
_KEYS = Statement(
    update(timeline)
    .where(
        timeline.c.thread_id == bindparam("thread"),
        func.substr(timeline.c.dedupe, 1, bindparam("length", type_=Integer()))
        == bindparam("old", type_=timeline.c.dedupe.type),
        ~select(_other.c.id).where(_other.c.dedupe == _renamed).exists(),
    )
    .values(dedupe=_renamed)
)
_FILES = Statement(
    update(attachments)
    .where(
        attachments.c.owner == bindparam("old"),
        or_(attachments.c.thread_id.is_(None), attachments.c.thread_id == bindparam("thread")),
    )
    .values(owner=bindparam("new"))
)


def has_open_chat(conn: Conn, key: str) -> bool:
    view = queries.visitor_view(conn, key)
    return view is not None and view.thread is not None and view.status != "closed"


def carry_over(tx: Tx, anonymous: str, signed: str, info: VisitorInfo) -> bool:
    """Gives the open chat of one visitor to another. False: there is none, or the other has one open (INB-23)."""
    theirs, mine = queries.visitor_view(tx, anonymous), queries.visitor_view(tx, signed)
    if theirs is None or theirs.thread is None:
        return False
    ticket = queries.locked_ticket_of(tx, theirs.thread)
    if ticket is None or not rules.may_carry_over(facts_of(ticket), mine.status if mine else None):
        return False
    visitor, contact = (mine.visitor, mine.contact) if mine is not None else new_visitor(tx, signed, info)
    before = mine.thread if mine is not None and mine.thread is not None else 0
    if not tx.run(_LEAVE, visitor=theirs.visitor, thread=ticket.thread):
        raise Clash("this visitor's next chat was begun elsewhere")
    if not tx.run(CURRENT_THREAD, visitor=visitor, thread=ticket.thread, before=before):
        raise Clash("this customer's next chat was begun elsewhere")
    tx.run(_THREAD, thread=ticket.thread, visitor=visitor, contact=contact)
    tx.run(_TICKET, ticket=ticket.id, contact=contact)
    tx.run(_TYPED, visitor=visitor, before=theirs.visitor)
    old, new = visitor_dedupe(anonymous, ""), visitor_dedupe(signed, "")
    tx.run(_KEYS, thread=ticket.thread, old=old, new=new, length=len(old))
    tx.run(_FILES, thread=ticket.thread, old=f"web:{anonymous}", new=f"web:{signed}")
    # The visitor knows; the team sees since when it is them.
    told = {k: v for k, v in (("email", info.email), ("name", info.name)) if v}
    append(tx, ticket.thread, "contact", Author("contact"), data={"signed_in": True, **told}, public=False)
    tx.ring(visitor_topic(anonymous))
    tx.ring(visitor_topic(signed))
    settled(tx, ticket.id)
    return True
