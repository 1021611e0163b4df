"""Defines typed properties of contacts, and reads and writes their values. Nothing else writes `property_values`.

The fixed dates are columns of `contacts`; here they look like the other properties.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # compiles on SQLite too

from server.audit.actions import record
from server.audit.rules import ActedBy
from server.contacts import property_rules as rules
from server.contacts.property_rules import (
    FIXED,
    KEEPS_LATER,
    MAX_PROPERTIES,
    Definition,
    PropertiesChanged,
    PropertyType,
    Value,
    ValueChange,
    ValueRow,
    Values,
)
from server.errors import Conflict, NotFound, Refused
from server.kernel import jobs
from server.kernel.columns import Instant
from server.kernel.context import App
from server.kernel.documents import publish_change
from server.kernel.jobs import Handler, Job
from server.kernel.slices import Slices
from server.kernel.sql import ROWS_PER_STATEMENT, Conn, Statement, Tx, chunks
from server.links.rules import LinksClicked
from server.schema import contacts, properties, property_values

_LOCK = "properties"
DELETE_JOB = "properties.delete_values"
PAGE = 2_000  # values of a deleted property that are read at a time

_DEFINED = Statement(
    select(properties.c.id, properties.c.key, properties.c.name, properties.c.type)
    .where(properties.c.deleted_at.is_(None))
    .order_by(properties.c.id)
)
_INSERT_DEFINITION = Statement(
    insert(properties)
    .values({name: bindparam(name) for name in "key name type created_at".split()})
    .returning(properties.c.id)
)
_RENAME = Statement(
    update(properties)
    .where(properties.c.id == bindparam("property"), properties.c.deleted_at.is_(None))
    .values(name=bindparam("new_name"))
)
_MARK_DELETED = Statement(
    update(properties)
    .where(properties.c.id == bindparam("property"), properties.c.deleted_at.is_(None))
    .values(deleted_at=bindparam("now"))
)
_fields = [property_values.c[name] for name in ValueRow._fields]
_VALUES = Statement(
    select(property_values.c.contact_id, property_values.c.property_id, *_fields)
    .where(property_values.c.contact_id.in_(bindparam("people", expanding=True)))
    .order_by(property_values.c.contact_id, property_values.c.property_id, property_values.c.n),
    uses=("pk_property_values",),
)
_people: Any = bindparam("people", expanding=True)
_dates = [contacts.c[fixed.key] for fixed in FIXED]
_FIXED_DATES = Statement(select(contacts.c.id, *_dates).where(contacts.c.id.in_(_people)))
_ROOTS = Statement(
    select(contacts.c.id, func.coalesce(contacts.c.merged_into, contacts.c.id).label("root")).where(
        contacts.c.id.in_(_people)
    )
)
_SETS = Statement(
    select(contacts.c.id, func.coalesce(contacts.c.merged_into, contacts.c.id).label("root"))
    .where(or_(contacts.c.id.in_(_people), contacts.c.merged_into.in_(_people)))
    .order_by(contacts.c.id)
)
_SET_DATES = {
    fixed.id: Statement(
        update(contacts)
        .where(contacts.c.id == bindparam("contact"))
        .values({contacts.c[fixed.key]: bindparam("date", type_=Instant)})
    )
    for fixed in FIXED
}
_DELETE_VALUES = Statement(
    delete(property_values).where(
        property_values.c.contact_id == bindparam("contact"),
        property_values.c.property_id == bindparam("property"),
        property_values.c.n >= bindparam("from_n"),
    )
)
_insert = upsert(property_values).values(
    {name: bindparam(name) for name in ("contact_id", "property_id", *ValueRow._fields)}
)
_INSERT_VALUES = Statement(
    _insert.on_conflict_do_update(
        index_elements=["contact_id", "property_id", "n"],
        set_={name: _insert.excluded[name] for name in ValueRow._fields if name != "n"},
    )
)
_VALUES_OF_PROPERTY = Statement(
    select(property_values.c.contact_id, property_values.c.property_id, property_values.c.n)
    .where(property_values.c.property_id == bindparam("property"))
    .limit(bindparam("n_rows"))
)


_ERASE_VALUES = Statement(delete(property_values).where(property_values.c.contact_id.in_(_people)))


# --- definitions ----------------------------------------------------------------------------------


def definitions(conn: Conn) -> list[Definition]:
    """The fixed properties and those that the team defined."""
    return [*FIXED, *(Definition(row.id, row.key, row.name, PropertyType(row.type)) for row in conn.all(_DEFINED))]


def definition(conn: Conn, property_id: int) -> Definition:
    """Raises `NotFound`."""
    found = next((each for each in definitions(conn) if each.id == property_id), None)
    if found is None:
        raise NotFound()
    return found


def define(tx: Tx, key: str, name: str, type: PropertyType | str, by: ActedBy, address: str = "") -> Definition:
    """Defines a property. `key` "": made from the name.

    Raises `Refused` for a bad key or name, and `Conflict` `key_taken` or `too_many`.
    """
    tx.lock_names(_LOCK)
    name = rules.property_name(name)
    key = rules.checked_key(key) if key else rules.property_key(name)
    kind = PropertyType(type)
    defined = tx.all(_DEFINED)
    if any(row.key == key for row in defined):
        raise Conflict("key_taken", f"There is a property with the key {key} already.", field="key")
    if len(defined) >= MAX_PROPERTIES:
        raise Conflict("too_many", f"You can define at most {MAX_PROPERTIES} properties. Delete one first.")
    property_id: int = tx.value(_INSERT_DEFINITION, key=key, name=name, type=kind.value, created_at=tx.now)
    record(tx, by, "property_added", key, address, type=kind.value)
    publish_change(tx, "properties")
    return Definition(property_id, key, name, kind)


def rename(tx: Tx, property_id: int, name: str, by: ActedBy, address: str = "") -> Definition:
    """Changes the name that people see; key and type never change. Raises `NotFound`, `Refused`, `Conflict` `fixed_property`."""
    before = _changeable(tx, property_id)
    name = rules.property_name(name)
    if name != before.name:
        tx.run(_RENAME, property=property_id, new_name=name)
        record(tx, by, "property_renamed", before.key, address, name=[before.name, name])
        publish_change(tx, "properties")
    return Definition(before.id, before.key, name, before.type)


def remove(tx: Tx, property_id: int, by: ActedBy, address: str = "") -> None:
    """Deletes a property; a job deletes its values. Raises `NotFound` and `Conflict` `fixed_property`.

    The caller checks first that no segment uses it.
    """
    before = _changeable(tx, property_id)
    tx.run(_MARK_DELETED, property=property_id, now=tx.now)
    record(tx, by, "property_deleted", before.key, address)
    jobs.enqueue(tx, DELETE_JOB, {"property": property_id}, run_at=tx.now, key=f"{DELETE_JOB}:{property_id}")
    publish_change(tx, "properties")


def lock(tx: Tx) -> None:
    """Until the end of the transaction, no property is defined or deleted."""
    tx.lock_names(_LOCK)


def _changeable(tx: Tx, property_id: int) -> Definition:
    tx.lock_names(_LOCK)
    found = definition(tx, property_id)
    if found.fixed:
        raise Conflict("fixed_property", f"{found.name} is a fixed property. It cannot be changed or deleted.")
    return found


# --- reading --------------------------------------------------------------------------------------


def values_of(conn: Conn, people: Sequence[int]) -> dict[int, dict[int, Value]]:
    """The values of contacts that are not merged into another, by property.

    A property that the contact lacks is taken from a contact merged into it, the oldest first; of the fixed dates the
    earliest date added and the latest open and click count.
    """
    sets: dict[int, list[int]] = {contact: [] for contact in people}
    for some in chunks(list(people), ROWS_PER_STATEMENT):
        for row in conn.all(_SETS, people=list(some)):
            sets.setdefault(row.root, []).append(row.id)
    members = {member for contact in people for member in sets[contact]}
    stored = stored_values(conn, members)
    combined: dict[int, dict[int, Value]] = {}
    for contact in people:
        values: dict[int, Value] = {}
        for member in sorted(sets[contact], key=lambda member: (member != contact, member)):
            for property_id, value in stored[member].items():
                values[property_id] = _combined(property_id, values.get(property_id), value)
        combined[contact] = values
    return combined


def _combined(property_id: int, first: Value | None, other: Value) -> Value:
    if first is None:
        return other
    if isinstance(first, datetime) and isinstance(other, datetime) and property_id < 0:
        return max(first, other) if property_id in KEEPS_LATER else min(first, other)
    return first


def stored_values(conn: Conn, people: Iterable[int]) -> dict[int, dict[int, Value]]:
    """The values of each of these contacts alone, by property."""
    ids = sorted(set(people))
    types = {each.id: each.type for each in definitions(conn)}
    result: dict[int, dict[int, Value]] = {contact: {} for contact in ids}
    for some in chunks(ids, ROWS_PER_STATEMENT):
        rows: dict[tuple[int, int], list[ValueRow]] = {}
        for contact, property_id, *fields in conn.all(_VALUES, people=list(some)):
            rows.setdefault((contact, property_id), []).append(ValueRow(*fields))
        for (contact, property_id), value_rows in rows.items():
            if property_id in types:  # values of deleted properties are deleted by a job
                value = rules.value_of(types[property_id], value_rows)
                if value is not None:
                    result[contact][property_id] = value
        for contact, *dates in conn.all(_FIXED_DATES, people=list(some)):
            for fixed, date in zip(FIXED, dates, strict=True):
                if date is not None:
                    result[contact][fixed.id] = date
    return result


# --- writing --------------------------------------------------------------------------------------


def parse_values(conn: Conn, raw: Mapping[str, Any]) -> dict[int, Value | None]:
    """Typed values by property from values by key, as a program sends them. None removes a value.

    Raises `Refused` for an unknown or computed key, and for a value that does not have the property's type.
    """
    by_key = {each.key: each for each in definitions(conn)}
    values: dict[int, Value | None] = {}
    for key, value in raw.items():
        found = by_key.get(key)
        if key in rules.COMPUTED:
            raise Refused(
                "computed", f"Threadline computes {key} itself, so it cannot be set. Leave it out.", field=key
            )
        if found is None:
            raise Refused(
                "unknown_property", f"There is no property {key[:60]}. Define it under Settings → Contacts.", field=key
            )
        try:
            values[found.id] = rules.parse_value(found.type, value)
        except Refused as refused:
            raise Refused(refused.code, f"{found.name}: {refused.message}", field=key) from None
    return values


def set_values(
    tx: Tx, people: Sequence[tuple[int, Values]], by: ActedBy, cause: str = "", *, keep_later: bool = True
) -> list[ValueChange]:
    """Sets values of several contacts, by property; None removes a value. Fit for a slice of some hundred contacts.

    Values are those of `parse_value`. A merged contact's value goes to the contact that remains. `last_open` and
    `last_click` keep the later date, except with `keep_later` False, which is for undoing. Unknown properties and contacts
    are left out. Returns what changed and announces it (`PropertiesChanged`).
    """
    known = {each.id for each in definitions(tx)}
    wanted: dict[tuple[int, int], Value | None] = {}
    ids = sorted({contact for contact, _ in people})
    roots: dict[int, int] = {}
    for some in chunks(ids, ROWS_PER_STATEMENT):
        roots |= {row.id: row.root for row in tx.all(_ROOTS, people=list(some))}
    for contact, values in people:
        if contact in roots:
            wanted |= {(roots[contact], property_id): value for property_id, value in values.items()}
    before = stored_values(tx, roots.values())
    changes: list[ValueChange] = []
    for (contact, property_id), value in sorted(wanted.items(), key=lambda item: item[0]):
        old = before[contact].get(property_id)
        if keep_later and property_id in KEEPS_LATER:
            value = rules.later(old, value)
        if property_id in known and value != old:
            changes.append(ValueChange(contact, property_id, old, value))
    _write(tx, changes)
    if changes:
        tx.announce(PropertiesChanged(tuple(changes), cause))
    return changes


def _write(tx: Tx, changes: Sequence[ValueChange]) -> None:
    rows: list[dict[str, Any]] = []
    for change in changes:
        if change.property in _SET_DATES:
            tx.run(_SET_DATES[change.property], contact=change.contact, date=change.after)
            continue
        new_rows = rules.value_rows(change.after)
        if len(new_rows) < len(rules.value_rows(change.before)):
            tx.run(_DELETE_VALUES, contact=change.contact, property=change.property, from_n=len(new_rows))
        rows += [{"contact_id": change.contact, "property_id": change.property, **row._asdict()} for row in new_rows]
    tx.run_many(_INSERT_VALUES, rows)


_NOTE_CLICK = Statement(
    update(contacts)
    .where(
        contacts.c.id == bindparam("contact"),
        or_(contacts.c.last_click.is_(None), contacts.c.last_click < bindparam("clicked_at", type_=Instant)),
    )
    .values(last_click=bindparam("clicked_at", type_=Instant))
)


def note_clicks(tx: Tx, event: LinksClicked) -> None:
    """Moves `last_click` forward when a contact clicks a link of ours (IMP-12)."""
    newest: dict[int, datetime] = {}
    for click in event.clicks:
        newest[click.contact] = max(click.at, newest.get(click.contact, click.at))
    for contact in sorted(newest):
        tx.run(_NOTE_CLICK, contact=contact, clicked_at=newest[contact])


def erase_values(tx: Tx, people: Sequence[int]) -> None:
    """Deletes all values of erased contacts, without announcing it."""
    for some in chunks(list(people), ROWS_PER_STATEMENT):
        tx.run(_ERASE_VALUES, people=list(some))


# --- values of deleted properties -----------------------------------------------------------------


def _page(conn: Conn, property_id: int) -> list[tuple[int, int, int]]:
    return [tuple(row) for row in conn.all(_VALUES_OF_PROPERTY, property=property_id, n_rows=PAGE)]


def _delete_slice(tx: Tx, rows: Sequence[tuple[int, int, int]]) -> None:
    for contact, property_id, n in rows:
        tx.run(_DELETE_VALUES, contact=contact, property=property_id, from_n=n)


async def _delete_values(app: App, job: Job) -> None:
    slices = Slices(app)
    while rows := await app.read_slowly(_page, job.payload["property"]):
        await slices.write(_delete_slice, rows)


HANDLERS: dict[str, Handler] = {DELETE_JOB: _delete_values}
