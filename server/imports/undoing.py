"""Undoes an import row by row, the last first, without undoing anything newer.

A contact that the import created and nothing has touched since becomes an empty, hidden row that only keeps its ledger. One
that was touched stays. Values and consents are restored only if they still are what the import wrote; consents by new rows of
the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, or_, select, union, update

from server.audiences import lists
from server.audit.rules import ActedBy
from server.consent import actions as consent
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Status
from server.consent.suppressing import unsuppress
from server.contacts import bulk, properties
from server.contacts.bulk import Change
from server.contacts.property_rules import Definition, Value
from server.contacts.rules import AddressKind
from server.errors import NotFound
from server.imports import facts, queries
from server.imports.rules import Known
from server.imports.writing import acted_by, cause_of, typed
from server.kernel.sql import ROWS_PER_STATEMENT, Conn, Row, Statement, Tx, chunks
from server.schema import (
    consent_ledger,
    consents,
    contacts,
    events,
    import_rows,
    imports,
    list_members,
    merges,
    suppressions,
    threads,
    visitors,
)

NAMED = 200  # contacts that stay and are named in the result
UNDONE = "undone"

_people: Any = bindparam("people", expanding=True)
# What shows that somebody or something has dealt with a contact since its import.
_TOUCHED = Statement(
    union(
        select(events.c.contact_id.label("contact")).where(
            events.c.contact_id.in_(_people), or_(events.c.cause.is_(None), events.c.cause != bindparam("cause"))
        ),
        select(threads.c.contact_id).where(threads.c.contact_id.in_(_people)),
        select(visitors.c.contact_id).where(visitors.c.contact_id.in_(_people)),
        select(consent_ledger.c.contact_id).where(
            consent_ledger.c.contact_id.in_(_people), consent_ledger.c.source != bindparam("cause")
        ),
        select(list_members.c.contact_id).where(
            list_members.c.contact_id.in_(_people), list_members.c.list_id != bindparam("list")
        ),
        select(merges.c.contact_id).where(merges.c.contact_id.in_(_people)),
        select(merges.c.survivor_id).where(merges.c.survivor_id.in_(_people)),
        select(contacts.c.id).where(
            contacts.c.id.in_(_people),
            or_(contacts.c.blocked_at.is_not(None), contacts.c.verified, contacts.c.merged_into.is_not(None)),
        ),
    )
)  # fmt: skip
_OURS = Statement(
    select(consents.c.contact_id, consents.c.purpose, consents.c.status).where(
        consents.c.contact_id.in_(_people), consents.c.source == bindparam("cause")
    )
)
_STOPPED_BY = Statement(
    select(suppressions.c.address).where(
        suppressions.c.channel == "email",
        suppressions.c.address.in_(bindparam("addresses", expanding=True)),
        suppressions.c.source == bindparam("cause"),
    )
)
_MARK = Statement(
    update(import_rows)
    .where(and_(import_rows.c.import_id == bindparam("import"), import_rows.c.n.in_(bindparam("rows", expanding=True))))
    .values(reason=bindparam("new_reason"))
)
_MOVE = Statement(
    update(imports)
    .where(imports.c.id == bindparam("import"))
    .values(position=bindparam("new_position"), done=imports.c.done + bindparam("more"))
)


def undo_rows(tx: Tx, import_id: int, by_name: str, before: int, rows: Sequence[Row]) -> dict[str, Any] | None:
    """Undoes rows, in descending order. Returns the new position; None if the import is not being undone any more."""
    found = queries.lock(tx, import_id)
    if found.state != "undoing" or found.position is None or found.position["before"] != before:
        return None
    cause, by = cause_of(import_id), acted_by(import_id, by_name)
    written = [row for row in rows if row.contact_id is not None and row.detail]
    kept, hidden = _undo_contacts(tx, written, by, cause, found.list_id)
    _lift(tx, [row.detail["stop"] for row in rows if row.detail and "stop" in row.detail], cause)
    position = dict(found.position)
    named = position.get("named", [])
    position |= {
        "before": rows[-1].n,
        "kept": position["kept"] + len(kept),
        "hidden": position["hidden"] + len(hidden),
        "named": [*named, *sorted({row.contact_id for row in kept})][:NAMED],
    }
    for reason, marked in (("kept", kept), ("hidden", hidden)):
        for some in chunks([row.n for row in marked], ROWS_PER_STATEMENT):
            tx.run(_MARK, **{"import": import_id}, rows=list(some), new_reason=reason)
    tx.run(_MOVE, **{"import": import_id}, new_position=position, more=len(rows))
    return position


def _undo_contacts(
    tx: Tx, rows: Sequence[Row], by: ActedBy, cause: str, list_id: int | None
) -> tuple[list[Row], list[Row]]:
    """Returns the rows of which something stays because of newer changes, and those whose contact is hidden now."""
    known = facts.known(tx, [row.contact_id for row in rows], list_id)
    created = [row for row in rows if row.verdict == "new"]
    touched = touched_since(tx, created, known, cause, list_id)
    _take_back_consents(tx, rows, cause)
    _leave_list(tx, rows, by, cause)
    definitions = {each.id: each for each in properties.definitions(tx)}
    kept = [row for row in created if row.contact_id in touched]
    hidden = [row for row in created if row.contact_id not in touched]
    changes: list[Change] = []
    values: list[tuple[int, dict[int, Value | None]]] = []
    for row in rows:
        contact = known.get(row.contact_id)
        if contact is None or row in kept:
            continue
        pairs = row.detail.get("changes", {})
        now = current_values(contact)
        restored = {name: pair[0] for name, pair in pairs.items() if now(name) == pair[1]}
        if len(restored) < len(pairs) and row.verdict != "new":
            kept.append(row)
        values.append((row.contact_id, _values(restored, definitions)))
        if row.verdict != "new" and (change := _restoring(row.contact_id, restored, pairs)) is not None:
            changes.append(change)
    properties.set_values(tx, [(contact, each) for contact, each in values if each], by, cause, keep_later=False)
    bulk.change_many(tx, changes, by)
    bulk.hide_many(tx, [row.contact_id for row in hidden])
    return kept, hidden


def current_values(contact: Known) -> Any:
    """A function that returns the current value of a field, by its name in the changes."""

    def value(name: str) -> Any:
        return contact.values.get(int(name[2:])) if name.startswith("p:") else getattr(contact, name)

    return value


def touched_since(
    conn: Conn, rows: Sequence[Row], known: Mapping[int, Known], cause: str, list_id: int | None
) -> set[int]:
    """The created contacts that are not exactly what the import wrote, or that anything else has dealt with."""
    ids = [row.contact_id for row in rows]
    touched: set[int] = set()
    for some in chunks(ids, ROWS_PER_STATEMENT):
        touched |= {row.contact for row in conn.all(_TOUCHED, people=list(some), cause=cause, list=list_id or 0)}
    addresses = bulk.addresses_of(conn, ids)
    for row in rows:
        contact = known.get(row.contact_id)
        changes = row.detail.get("changes", {})
        if contact is None:
            touched.add(row.contact_id)
            continue
        now = current_values(contact)
        wrote = {(kind, changes[kind][1]) for kind in ("email", "phone", "crm") if kind in changes}
        other_values = {f"p:{key}" for key in contact.values} - changes.keys()
        if (
            any(now(name) != pair[1] for name, pair in changes.items())
            or other_values
            or addresses[row.contact_id] - wrote
        ):
            touched.add(row.contact_id)
    return touched


def _values(restored: Mapping[str, Any], definitions: Mapping[int, Definition]) -> dict[int, Value | None]:
    return {
        int(name[2:]): typed(definitions[int(name[2:])].type, value)
        for name, value in restored.items()
        if name.startswith("p:") and int(name[2:]) in definitions
    }


_KINDS = {"email": AddressKind.EMAIL, "phone": AddressKind.PHONE, "crm": AddressKind.CRM}


def _restoring(contact: int, restored: Mapping[str, Any], pairs: Mapping[str, Any]) -> Change | None:
    fields = {name: restored[name] or "" for name in ("name", "email", "phone", "country") if name in restored}
    drop = tuple((kind, pairs[name][1]) for name, kind in _KINDS.items() if name in restored)
    add = ((AddressKind.EMAIL, restored["email"]),) if restored.get("email") else ()
    return Change(contact, **fields, add=add, drop=drop) if fields or drop else None


def _take_back_consents(tx: Tx, rows: Sequence[Row], cause: str) -> None:
    """Records the status before the import for each consent that the import changed and nobody has changed since."""
    ours: dict[tuple[int, str], str] = {}
    for some in chunks(sorted({row.contact_id for row in rows}), ROWS_PER_STATEMENT):
        for row in tx.all(_OURS, people=list(some), cause=cause):
            ours[row.contact_id, row.purpose] = row.status
    changes = []
    for row in rows:
        for purpose, status, after, applied, _ in row.detail.get("consents", ()):
            if applied and status != after and ours.get((row.contact_id, purpose)) == after:
                changes.append(
                    ConsentChange(
                        row.contact_id, purpose, Status(status), Method.IMPORT, source=cause, reason="import undone"
                    )
                )
    consent.record_many(tx, changes, cause)


def _leave_list(tx: Tx, rows: Sequence[Row], by: ActedBy, cause: str) -> None:
    members: dict[int, list[int]] = {}
    for row in rows:
        if "joined" in row.detail:
            members.setdefault(row.detail["joined"], []).append(row.contact_id)
    for list_id, people in members.items():
        try:
            lists.remove_members(tx, list_id, people, by, cause)
        except NotFound:  # the list was deleted, and its members with it
            continue


def _lift(tx: Tx, stops: Iterable[Sequence[Any]], cause: str) -> None:
    addresses = sorted({address for address, _, anew in stops if anew})
    for some in chunks(addresses, ROWS_PER_STATEMENT):
        for row in tx.all(_STOPPED_BY, addresses=list(some), cause=cause):
            unsuppress(tx, "email", row.address)
