"""Merges two contacts into one set, and undoes it.

A merge moves nothing: reads of a contact cover its set (`schema.merged_set`). It widens only what agents read. What a
visitor's token, a signed identity or a return link reaches hangs on `visitors`, which no merge touches (G15).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, or_, select, update

from server.accounts.rules import Agent, ApiKey
from server.audit.actions import record
from server.consent import actions as consent
from server.contacts.rules import ContactsRegrouped
from server.errors import Conflict, NotFound
from server.kernel.sql import Conn, Statement, Tx
from server.schema import contacts, merged_set, merges

_LOCK = "contacts:merge"  # one merge at a time: two could otherwise merge the same root into two contacts

_LOCK_CONTACT = Statement(
    select(contacts.c.id, contacts.c.merged_into, contacts.c.blocked_at)
    .where(contacts.c.id == bindparam("contact"))
    .with_for_update()
)
_MERGE = Statement(
    update(contacts)
    .where(or_(contacts.c.id == bindparam("root"), contacts.c.merged_into == bindparam("root")))
    .values(merged_into=bindparam("survivor"))
)
_SET_ROOT = Statement(
    update(contacts).where(contacts.c.id == bindparam("contact")).values(merged_into=bindparam("new_root"))
)
_INSERT = Statement(
    insert(merges)
    .values({name: bindparam(name) for name in "contact_id survivor_id by_type by_id by_name at before".split()})
    .returning(merges.c.id)
)
_SET_BEFORE = Statement(update(merges).where(merges.c.id == bindparam("merge")).values(before=bindparam("new_before")))
_MERGE_BY_ID = Statement(select(merges).where(merges.c.id == bindparam("merge")).with_for_update())
_SET_UNDONE = Statement(update(merges).where(merges.c.id == bindparam("merge")).values(undone_at=bindparam("now")))
_MEMBERS = Statement(merged_set(bindparam("contact")))
_MERGES_OF_SET = Statement(
    select(merges.c.id, merges.c.contact_id, merges.c.survivor_id, merges.c.by_name, merges.c.at)
    .where(merges.c.contact_id.in_(merged_set(bindparam("contact"))), merges.c.undone_at.is_(None))
    .order_by(merges.c.id)
)


class Merged(NamedTuple):
    """`contact` was merged into `survivor`; both were the roots of their sets."""

    id: int
    survivor: int
    contact: int


class Merge(NamedTuple):
    """A merge that is not undone."""

    id: int
    contact: int
    survivor: int
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Undone:
    """`before`: what `remember` stored for the merge."""

    survivor: int
    contact: int
    before: Mapping[str, Any]
    repeated: bool = False


def root(conn: Conn, contact: int) -> int:
    """The contact that remains of this contact's set. Raises `NotFound`."""
    members = conn.all(_MEMBERS, contact=contact)
    if not members:
        raise NotFound()
    return int(members[0].id)


def members(conn: Conn, contact: int) -> list[int]:
    """All contacts of this contact's set, the one that remains first; none for an unknown contact."""
    return [row.id for row in conn.all(_MEMBERS, contact=contact)]


def merges_of(conn: Conn, contact: int) -> list[Merge]:
    """The merges that made this contact's set, oldest first."""
    return [Merge(*row) for row in conn.all(_MERGES_OF_SET, contact=contact)]


def merge(tx: Tx, actor: Agent | ApiKey, survivor: int, contact: int, address: str) -> Merged | None:
    """Merges the set of `contact` into the set of `survivor`. Returns None if they are one set already, so a repeat changes
    nothing. Raises `NotFound`, and `Conflict` if only one of the two is blocked."""
    tx.lock_names(_LOCK)
    first, second = root(tx, survivor), root(tx, contact)
    if first == second:
        return None
    blocked = {tx.one(_LOCK_CONTACT, contact=locked).blocked_at is not None for locked in sorted((first, second))}
    if len(blocked) > 1:
        raise Conflict("one_blocked", "One of the two contacts is blocked. Unblock or block both first.")
    # A consent that is not recorded has no row. The gate locks rows, so each member gets one: an opt-out of any member
    # then waits for a send to any other, and a send for the opt-out.
    for member in sorted((*members(tx, first), *members(tx, second))):
        consent.store_missing(tx, member)
    tx.run(_MERGE, root=second, survivor=first)
    merge_id: int = tx.value(
        _INSERT,
        contact_id=second,
        survivor_id=first,
        by_type=actor.by.type.value,
        by_id=actor.by.id,
        by_name=actor.by.name,
        at=tx.now,
        before={},
    )
    record(tx, actor.by, "contact_merged", str(first), address, other=second)
    tx.announce(ContactsRegrouped((first, second)))
    return Merged(merge_id, first, second)


def remember(tx: Tx, merge_id: int, before: Mapping[str, Any]) -> None:
    """Stores the data with which the caller can undo its own changes."""
    tx.run(_SET_BEFORE, merge=merge_id, new_before=dict(before))


def undo(tx: Tx, actor: Agent | ApiKey, merge_id: int, address: str) -> Undone:
    """Separates what this merge joined; other merges stay. `repeated`: it was undone before, and nothing changed. Raises
    `NotFound`."""
    tx.lock_names(_LOCK)
    row = tx.first(_MERGE_BY_ID, merge=merge_id)
    if row is None:
        raise NotFound()
    if row.undone_at is not None:
        return Undone(row.survivor_id, row.contact_id, {}, repeated=True)
    merged_before = merges_of(tx, row.contact_id)
    tx.run(_SET_UNDONE, merge=merge_id, now=tx.now)
    separated = _subtree(row.contact_id, [merge for merge in merged_before if merge.id != merge_id])
    for member in sorted(separated):
        new_root = None if member == row.contact_id else row.contact_id
        tx.run(_SET_ROOT, contact=member, new_root=new_root)
    record(tx, actor.by, "contact_separated", str(row.survivor_id), address, other=row.contact_id)
    tx.announce(ContactsRegrouped((row.survivor_id, row.contact_id)))
    return Undone(row.survivor_id, row.contact_id, row.before)


def _subtree(top: int, live_merges: Sequence[Merge]) -> set[int]:
    """This contact and all contacts that were merged into it, directly or indirectly."""
    found = {top}
    while new := {merge.contact for merge in live_merges if merge.survivor in found} - found:
        found |= new
    return found
