"""Writes the rows of an import in slices, each in one transaction with its verdicts and with the place where the next begins.

So a crash neither loses nor repeats a row. Everything carries the cause "import:<id>".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from server.audiences import lists
from server.audit.rules import ActedBy, ActorType
from server.consent import actions as consent
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Status, Suppressed
from server.consent.suppressing import Wanted, suppress_many
from server.contacts import bulk, properties
from server.contacts.bulk import Change
from server.contacts.property_rules import Definition, PropertyType, Value
from server.contacts.rules import AddressKind, Identifiers
from server.errors import NotFound
from server.imports import facts, rules
from server.imports.rules import Setting, Verdict
from server.kernel.columns import from_micros
from server.kernel.sql import Statement, Tx
from server.schema import import_rows, imports

_LOCK = Statement(
    select(imports.c.state, imports.c.cancelled, imports.c.done, imports.c.counts, imports.c.list_id)
    .where(imports.c.id == bindparam("import_id"))
    .with_for_update()
)
_INSERT_ROWS = Statement(
    insert(import_rows).values(
        {name: bindparam(name) for name in "import_id n file line verdict reason problem contact_id detail".split()}
    )
)
_ADVANCE = Statement(
    update(imports)
    .where(imports.c.id == bindparam("import_id"))
    .values(done=bindparam("new_done"), position=bindparam("new_position"), counts=bindparam("new_counts"))
)


def acted_by(import_id: int, name: str) -> ActedBy:
    return ActedBy(ActorType.IMPORT, import_id, name)


def cause_of(import_id: int) -> str:
    """What everything that the import does names as its cause."""
    return f"import:{import_id}"


def write(
    tx: Tx,
    people: Sequence[tuple[Mapping[str, Any], int]],
    import_id: int,
    by_name: str,
    setting: Setting,
    identifier: str,
    evidence: str,
) -> int:
    """Writes rows and returns how many: fewer than given, if a later row may mean a contact that an earlier one creates; 0 if the
    import is not running any more or another worker has written these rows. `people`: rows, and where each ends in the file.
    """
    row = tx.one(_LOCK, import_id=import_id)
    if row.state != "running" or row.cancelled or row.done != people[0][0]["n"]:
        return 0
    people = people[: _independent([person for person, _ in people])]
    persons = [person for person, _ in people]
    usable = [person for person in persons if "r" not in person and "d" not in person]
    bulk.lock_names(tx, [_identifiers(person) for person in usable])
    list_id = row.list_id if row.list_id is not None and _exists(tx, row.list_id) else None
    verdicts, contacts = decide(tx, persons, setting, identifier, list_id)
    by = acted_by(import_id, by_name)
    details = _store(tx, persons, verdicts, contacts, by, import_id, setting, evidence, list_id)
    counts = dict(row.counts)
    stored = []
    for person, verdict, contact, detail in zip(persons, verdicts, contacts, details, strict=True):
        rules.count(counts, verdict)
        for key in detail.pop("counted", ()):
            counts[key] = counts.get(key, 0) + 1
        stored.append(
            {
                "import_id": import_id,
                "n": person["n"],
                "file": person["f"],
                "line": person["l"],
                "verdict": verdict.kind,
                "reason": verdict.reason,
                "problem": rules.is_problem(verdict),
                "contact_id": contact,
                "detail": detail or None,
            }
        )
    tx.run_many(_INSERT_ROWS, stored)
    tx.run(
        _ADVANCE, import_id=import_id, new_done=row.done + len(people), new_position={"offset": people[-1][1]}, new_counts=counts
    )  # fmt: skip
    return len(people)


def decide(
    conn: Any, persons: Sequence[Mapping[str, Any]], setting: Setting, identifier: str, list_id: int | None
) -> tuple[list[Verdict], list[int | None]]:
    """The verdict about each row, and the contact that it means."""
    usable = [person for person in persons if "r" not in person and "d" not in person]
    matched = dict(zip((person["n"] for person in usable), facts.match(conn, usable, identifier), strict=True))
    known = facts.known(conn, [contact for contact in matched.values() if contact is not None], list_id)
    contacts = [matched.get(person["n"]) for person in persons]
    verdicts = [
        rules.decide(person, known.get(contact) if contact is not None else None, setting)
        for person, contact in zip(persons, contacts, strict=True)
    ]
    return verdicts, contacts


def _exists(tx: Tx, list_id: int) -> bool:
    try:
        lists.by_id(tx, list_id)
    except NotFound:
        return False
    return True


def _identifiers(person: Mapping[str, Any]) -> Identifiers:
    return Identifiers(
        crm=person.get("crm"),
        email=person.get("email"),
        phone=person.get("phone"),
        name=person.get("name", ""),
        country=person.get("country", ""),
    )


def _independent(persons: Sequence[Mapping[str, Any]]) -> int:
    """How many rows from the first on share no identifier, so that none depends on what another one writes."""
    seen: set[tuple[str, str]] = set()
    for place, person in enumerate(persons):
        if "r" in person or "d" in person:
            continue
        own = {(kind.value, person[kind.value]) for kind in facts.KINDS if kind.value in person}
        if own & seen:
            return place
        seen |= own
    return len(persons)


def _store(
    tx: Tx,
    persons: Sequence[Mapping[str, Any]],
    verdicts: Sequence[Verdict],
    contacts: list[int | None],
    by: ActedBy,
    import_id: int,
    setting: Setting,
    evidence: str,
    list_id: int | None,
) -> list[dict[str, Any]]:
    """Writes what the verdicts say and returns the detail of each row. Sets the ids of new contacts in `contacts`.

    Two rows of a slice may mean the same contact only by different identifiers; the later row then wins, as in the file.
    """
    cause = cause_of(import_id)
    new = [n for n, verdict in enumerate(verdicts) if verdict.kind == "new"]
    for n, contact in zip(new, bulk.create_many(tx, [_identifiers(persons[n]) for n in new], by), strict=True):
        contacts[n] = contact
    details: list[dict[str, Any]] = [_detail(verdict) for verdict in verdicts]
    kept = [
        (n, verdict, contact)
        for n, (verdict, contact) in enumerate(zip(verdicts, contacts, strict=True))
        if verdict.writes and contact is not None
    ]
    bulk.change_many(
        tx,
        [change for n, verdict, contact in kept if verdict.kind != "new" and (change := _change(contact, verdict))],
        by,
    )
    definitions = {each.id: each for each in properties.definitions(tx)}
    values = [(contact, _values(verdict, definitions)) for _, verdict, contact in kept]
    properties.set_values(tx, [(contact, each) for contact, each in values if each], by, cause)
    stops = [(n, verdict, persons[n]["email"]) for n, verdict in enumerate(verdicts) if verdict.stop]
    wanted = [Wanted("email", address, Suppressed(verdict.stop), evidence) for _, verdict, address in stops]
    for (n, verdict, address), anew in zip(stops, suppress_many(tx, wanted, cause), strict=True):
        details[n]["stop"] = [address, verdict.stop, anew]
        details[n].setdefault("counted", []).append("stop:new" if anew else "stop:known")
    _record(tx, persons, kept, details, cause, evidence)
    if list_id is not None and setting.kind == "contacts":
        joined = set(
            lists.add_members(tx, list_id, [contact for _, verdict, contact in kept if verdict.joins], by, cause)
        )
        for n, verdict, contact in kept:
            if verdict.joins and contact in joined:
                details[n]["joined"] = list_id
    return details


def _detail(verdict: Verdict) -> dict[str, Any]:
    detail: dict[str, Any] = {}
    if verdict.changes and verdict.writes:
        detail["changes"] = {name: list(values) for name, values in verdict.changes.items()}
    if verdict.cells:
        detail["cells"] = verdict.cells
    return detail


_FIELD_KINDS = {"email": AddressKind.EMAIL, "phone": AddressKind.PHONE, "crm": AddressKind.CRM}


def _change(contact: int, verdict: Verdict) -> Change | None:
    changes = verdict.changes
    add = tuple((kind, changes[name][1]) for name, kind in _FIELD_KINDS.items() if name in changes)
    # A replaced e-mail address no longer identifies the contact; texts from a replaced number still do.
    drop = ((AddressKind.EMAIL, changes["email"][0]),) if "email" in changes and changes["email"][0] else ()
    fields = {name: changes[name][1] for name in ("name", "email", "phone", "country") if name in changes}
    return Change(contact, **fields, add=add, drop=drop) if fields or add else None


def _values(verdict: Verdict, definitions: Mapping[int, Definition]) -> dict[int, Value | None]:
    return {
        int(name[2:]): typed(definitions[int(name[2:])].type, after)
        for name, (_, after) in verdict.changes.items()
        if name.startswith("p:") and int(name[2:]) in definitions
    }


def typed(type: PropertyType, value: Any) -> Value | None:
    """A property's value from its JSON (`facts.as_json`)."""
    if value is None:
        return None
    match type:
        case PropertyType.DATE:
            return from_micros(value)
        case PropertyType.NUMBER:
            return Decimal(value).quantize(Decimal("0.000001"))
        case PropertyType.LIST:
            return tuple(value)
        case _:
            return value  # type: ignore[no-any-return]


def _record(
    tx: Tx,
    persons: Sequence[Mapping[str, Any]],
    kept: Sequence[tuple[int, Verdict, int]],
    details: list[dict[str, Any]],
    cause: str,
    evidence: str,
) -> None:
    """Records what rows say about consents. The ledger names file, line and cell."""
    said = [(n, statement, contact) for n, verdict, contact in kept for statement in verdict.consents]
    changes = [
        ConsentChange(
            contact,
            statement.purpose,
            Status(statement.status),
            Method.IMPORT,
            source=cause,
            wording=statement.cell,
            happened_at=None if statement.at is None else from_micros(statement.at),
            reason=f"{evidence}, line {persons[n]['l']}",
        )
        for n, statement, contact in said
    ]
    for (n, statement, _), result in zip(said, consent.record_many(tx, changes, cause), strict=True):
        outcome = result.status if result.applied else (result.reason_not_applied or "same")
        details[n].setdefault("consents", []).append(
            [statement.purpose, statement.before, result.status, result.applied, statement.status]
        )
        key = (
            f"consent:{statement.purpose}:{outcome}"
            if result.applied
            else f"consent:{statement.purpose}:kept_{outcome}"
        )
        details[n].setdefault("counted", []).append(key)
