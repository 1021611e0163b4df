"""Merges contacts, with their SMS threads and tickets, and undoes it.

Threads never move. The survivor's SMS thread goes on; its ticket takes over what was open, and the other ticket closes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, update

from server.accounts.rules import Agent, ApiKey
from server.consent.queries import contacts_with_number
from server.contacts import merging, queries
from server.inbox import rules
from server.kernel.columns import from_micros, to_micros
from server.kernel.sql import Statement, Tx
from server.schema import threads
from server.sms import eligibility
from server.sms import threads as sms_threads
from server.sms.threads import SmsThread
from server.threads import tickets
from server.threads.changes import change_ticket, open_ticket
from server.threads.tickets import Ticket, status_entry
from server.threads.timeline import Author, append

_CONTINUE = Statement(update(threads).where(threads.c.id == bindparam("thread")).values(continued_in=bindparam("live")))
_SET_NUMBERS = Statement(
    update(threads)
    .where(threads.c.id == bindparam("thread"))
    .values(peer=bindparam("new_peer"), sender=bindparam("new_sender"))
)


def merge(tx: Tx, actor: Agent | ApiKey, contact: int, other: int, address: str) -> int:
    """Merges `other` into `contact`. Returns the contact that remains. Raises what `merging.merge` raises."""
    live = sms_threads.live_thread(tx, contact)
    other_live = sms_threads.live_thread(tx, other)
    merged = merging.merge(tx, actor, contact, other, address)
    if merged is None:
        return merging.root(tx, contact)
    before: dict[str, Any] = {"numbers": {}}
    for thread in sms_threads.of_set(tx, merged.survivor):
        before["numbers"][str(thread.id)] = [thread.peer, thread.sender]
    author = Author(actor.by.type.value, actor.by.id, actor.by.name)
    if live is not None and other_live is not None:
        before |= _take_over(tx, live, other_live, author)
    merging.remember(tx, merged.id, before)
    _append_line(tx, merged.survivor, author, {"merged": _name(tx, merged.contact)})
    _update_tickets(tx, merged.survivor)
    return merged.survivor


def undo(tx: Tx, actor: Agent | ApiKey, merge_id: int, address: str) -> int:
    """Undoes a merge. What arrived since then stays where it is. Returns the contact that remained. Raises what
    `merging.undo` raises."""
    undone = merging.undo(tx, actor, merge_id, address)
    if undone.repeated:
        return undone.survivor
    author = Author(actor.by.type.value, actor.by.id, actor.by.name)
    for side in (undone.survivor, undone.contact):
        _settle_threads(tx, side, undone.before)
    for before, after, thread in _changed_tickets(undone.before):
        _restore(tx, thread, before, after, author)
    for side, gone in ((undone.survivor, undone.contact), (undone.contact, undone.survivor)):
        _append_line(tx, side, author, {"separated": _name(tx, gone)})
        _update_tickets(tx, side)
    return undone.survivor


def _take_over(tx: Tx, remaining: SmsThread, other: SmsThread, author: Author) -> dict[str, Any]:
    """Continues the conversation of `other` in `remaining`. Returns the data that undo needs."""
    tx.run(_CONTINUE, thread=other.id, live=remaining.id)
    locked = {thread: tickets.lock_by_thread(tx, thread) for thread in sorted((remaining.id, other.id))}
    ticket, other_ticket = locked[remaining.id], locked[other.id]
    if other_ticket is None:
        return {}
    changes: dict[str, Any] = {}
    if ticket is None and other_ticket.status != "closed":
        open_ticket(tx, remaining.id, remaining.contact, "sms")
        ticket = tickets.lock_by_thread(tx, remaining.id)
    if ticket is not None:
        new = rules.taken_over(_state(ticket), _state(other_ticket))
        if new != _state(ticket):
            appended = None
            if new["status"] != ticket.status:
                appended = status_entry(tx, ticket, author, str(new["status"]), None)
            changed = change_ticket(tx, ticket, appended, **_columns(new))
            changes["live"] = [remaining.id, _stored(_state(ticket)), _stored(_state(changed))]
    if other_ticket.status != "closed":
        appended = status_entry(tx, other_ticket, author, "closed", None)
        changed = change_ticket(tx, other_ticket, appended, **_columns(rules.closed(_state(other_ticket), tx.now)))
        changes["other"] = [other.id, _stored(_state(other_ticket)), _stored(_state(changed))]
    return changes


def _changed_tickets(before: Mapping[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any], int]]:
    """What the merge changed: the ticket before, after, and its thread; in the order of the threads."""
    changed = [before[side] for side in ("live", "other") if side in before]
    return [(_loaded(old), _loaded(new), thread) for thread, old, new in sorted(changed, key=lambda item: item[0])]


def _restore(tx: Tx, thread: int, before: dict[str, Any], after: dict[str, Any], author: Author) -> None:
    ticket = tickets.lock_by_thread(tx, thread)
    if ticket is None:
        return
    new = rules.restored(before, after, _state(ticket))
    if new == _state(ticket):
        return
    appended = None
    if new["status"] != ticket.status:
        appended = status_entry(tx, ticket, author, str(new["status"]), None)
    change_ticket(tx, ticket, appended, **_columns(new))


def _settle_threads(tx: Tx, contact: int, before: Mapping[str, Any]) -> None:
    """After an undo: one thread of the set goes on, and threads get back the number of their own contact."""
    own_threads = sms_threads.of_set(tx, contact)
    own = {thread.id for thread in own_threads}
    going_on = [thread for thread in own_threads if thread.continued_in not in own]
    # The thread of the remaining contact, otherwise the oldest one.
    going_on.sort(key=lambda thread: (thread.contact != contact, thread.id))
    for place, thread in enumerate(going_on):
        target = None if place == 0 else going_on[0].id
        if thread.continued_in != target:
            tx.run(_CONTINUE, thread=thread.id, live=target)
    people = set(merging.members(tx, contact))
    for thread in own_threads:
        peer, sender = before["numbers"].get(str(thread.id), (thread.peer, thread.sender))
        strangers = thread.peer is not None and not people & set(contacts_with_number(tx, thread.peer))
        if peer is not None and peer != thread.peer and strangers:
            tx.run(_SET_NUMBERS, thread=thread.id, new_peer=peer, new_sender=sender)


def _state(ticket: Ticket) -> dict[str, Any]:
    return {name: getattr(ticket, name) for name in rules.TAKEN_OVER}


def _columns(state: Mapping[str, Any]) -> dict[str, Any]:
    return {("assignee_id" if name == "assignee" else name): value for name, value in state.items()}


_TIMES = frozenset(("last_message_at", "waiting_since", "snoozed_until", "closed_at"))


def _stored(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: to_micros(value) if name in _TIMES and value else value for name, value in state.items()}


def _loaded(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: from_micros(value) if name in _TIMES and value else value for name, value in state.items()}


def _name(tx: Tx, contact: int) -> str:
    person = queries.brief(tx, contact)
    assert person is not None
    return person.name or person.email or person.phone or ""


def _append_line(tx: Tx, contact: int, author: Author, data: dict[str, Any]) -> None:
    """Appends a line to the set's newest conversations. Visitors do not see it."""
    for ticket in sorted(tickets.tickets_of_contact(tx, contact), key=lambda ticket: ticket.thread):
        append(tx, ticket.thread, "contact", author, data=data, public=False)
        tickets.publish_summary(tx, ticket.thread)


def _update_tickets(tx: Tx, contact: int) -> None:
    """Updates why agents cannot reply, because the words of all contacts of the set count."""
    for thread in sms_threads.of_set(tx, contact):
        eligibility.update_ticket(tx, thread)
