"""Changes imports: drafts, what the user decides, and starting, cancelling and undoing them."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from server.accounts.rules import Agent, Can, authorise, may
from server.audiences import lists
from server.audit.actions import record
from server.consent import definitions as consents
from server.consent.queries import known_purpose
from server.contacts import properties
from server.contacts.property_rules import property_key
from server.errors import Conflict, NotFound, Refused
from server.imports import proposing, queries
from server.imports.headers import SOURCES
from server.imports.mapping import Column, Kind, Mapping, Reading
from server.imports.queries import Import
from server.kernel import jobs
from server.kernel.sql import Statement, Tx
from server.schema import attachments, imports
from server.settings import Settings

WORK_JOB = "imports.work"
MAX_UNFINISHED = 100  # drafts

_INSERT = Statement(
    insert(imports)
    .values(
        {name: bindparam(name) for name in "kind source by_user by_name created_at".split()}
        | {"state": "draft", "reading": {}, "counts": {}}
    )
    .returning(imports.c.id)
)
_NAME_FILE = Statement(
    select(attachments.c.sha256, attachments.c.size, attachments.c.name).where(
        attachments.c.token == bindparam("token")
    )
)


def _set(tx: Tx, import_id: int, **values: Any) -> None:
    tx.run(update(imports).where(imports.c.id == import_id).values(**values))


def create(tx: Tx, actor: Agent, kind: Kind, source: str) -> int:
    """A new draft. Raises `Refused` for an unknown source."""
    if kind == "suppressions":
        authorise(actor, Can.SUPPRESS)
    if source and source not in SOURCES:
        raise Refused("invalid", "This source is not known.", field="source", fault="no_choice")
    import_id: int = tx.value(
        _INSERT,
        kind=kind,
        source=source,
        by_user=actor.id,
        by_name=actor.name,
        created_at=tx.now,
    )
    return import_id


def _open(tx: Tx, import_id: int, *states: str) -> Import:
    found = queries.lock(tx, import_id)
    if found.state not in states:
        raise Conflict("wrong_state", _ADVICE.get(found.state, "This is not possible now. Reload the page."))
    return found


_ADVICE = {
    "draft": "Upload a file first.",
    "reading": "The file is still being read.",
    "unreadable": "This file cannot be read. Upload another one.",
    "read": "Rehearse the import first.",
    "rehearsing": "The rehearsal is still running.",
    "running": "This import is running.",
    "done": "This import is finished. Start a new one.",
    "cancelled": "This import was cancelled. Start a new one.",
    "undoing": "This import is being undone.",
    "undone": "This import was undone.",
}
_EDITABLE = ("draft", "reading", "unreadable", "read", "rehearsed")


def check_editable(tx: Tx, import_id: int) -> Import:
    """Raises `Conflict` `wrong_state` while the import works or after it ran."""
    return _open(tx, import_id, *_EDITABLE)


def set_file(tx: Tx, import_id: int, token: str) -> Import:
    """The uploaded file of a draft; everything decided about another file is forgotten."""
    _open(tx, import_id, *_EDITABLE)
    file = tx.one(_NAME_FILE, token=token)
    _set(
        tx, import_id, state="reading", file_token=token, file_name=file.name, file_size=file.size, sha256=file.sha256,
        uploaded_at=tx.now, reading={}, described=None, mapping=None, rehearsal=None, problem=None, rows=0, done=0,
        counts={}, position=None, version=imports.c.version + 1,
    )  # fmt: skip
    return queries.by_id(tx, import_id)


def check_version(found: Import, version: int | None) -> None:
    """Raises `Conflict` `stale_version` if somebody else, or another tab, has saved since."""
    if version is not None and version != found.version:
        raise Conflict("stale_version", "This import was changed in another tab. Reload to see it.")


def set_reading(tx: Tx, import_id: int, reading: Reading, version: int | None) -> Import:
    """How the file is to be read. The caller reads it then. The same reading keeps the mapping."""
    found = _open(tx, import_id, "reading", "unreadable", "read", "rehearsed")
    check_version(found, version)
    if not found.file_token:
        raise Conflict("wrong_state", _ADVICE["draft"])
    before = found.wanted_reading
    values: dict[str, Any] = {"reading": reading.model_dump(), "version": imports.c.version + 1}
    if before.model_copy(update={"confirmed": reading.confirmed}) != reading or found.described is None:
        values |= {"state": "reading", "described": None, "mapping": None, "rehearsal": None, "problem": None}
    _set(tx, import_id, **values)
    return queries.by_id(tx, import_id)


def set_described(tx: Tx, import_id: int, described: Dictionary[str, Any], token: str, settings: Settings) -> Import:
    """Stores what the reader found, and a proposed mapping. Raises `Refused` `too_large` (CIM-13)."""
    found = queries.lock(tx, import_id)
    if found.state != "reading" or found.file_token != token:
        return found
    named = {each.name: each.purpose for each in consents.defined(tx)}
    mapping = proposing.propose(described, found.kind, named, properties.definitions(tx), "email")  # type: ignore[arg-type]
    if described["kind"] != "csv":
        check_size(found.file_size, settings.import_other_mb)
    _set(
        tx,
        import_id,
        state="read",
        described=described,
        mapping=mapping.model_dump(),
        rows=described["rows"],
        problem=None,
    )
    return queries.by_id(tx, import_id)


def check_size(size: int, most_mb: int) -> None:
    """Raises `Refused` `too_large`."""
    if size > most_mb << 20:
        raise Refused(
            "too_large",
            f"This kind of file can have at most {most_mb} MB. Split it, or upload CSV without columns of named consents.",
            field="file",
            fault="too_large",
            params={"most": most_mb},
        )


def set_unreadable(tx: Tx, import_id: int, token: str, problem: Dictionary[str, Any]) -> None:
    found = queries.lock(tx, import_id)
    if found.state == "reading" and found.file_token == token:
        _set(tx, import_id, state="unreadable", problem=problem)


def set_mapping(
    tx: Tx, actor: Agent, import_id: int, mapping: Mapping, version: int | None, settings: Settings
) -> Import:
    """Saves what the columns mean. Raises `Refused` for a mapping that cannot work, and `Forbidden` for a consent that the actor
    may not vouch for."""
    found = _open(tx, import_id, "read", "rehearsed")
    check_version(found, version)
    assert found.described is not None
    if mapping.vouched.email or mapping.vouched.sms != "none":
        authorise(actor, Can.IMPORT_CONSENT)
    checked = _checked(tx, mapping, found, settings)
    _set(
        tx, import_id, state="read", mapping=checked.model_dump(), rehearsal=None, counts={}, done=0, position=None,
        version=imports.c.version + 1,
    )  # fmt: skip
    return queries.by_id(tx, import_id)


def _checked(tx: Tx, mapping: Mapping, found: Import, settings: Settings) -> Mapping:
    described = found.described
    assert described is not None
    if len(mapping.columns) != len(described["columns"]):
        raise Refused("invalid", "The mapping must name every column of the file.", field="columns", fault="columns")
    main = "email" if found.kind == "suppressions" else mapping.identifier
    if main not in {column.to for column in mapping.columns}:
        raise Refused(
            "no_identifier", "Choose the column that identifies people.", field="identifier", fault="no_identifier"
        )
    if mapping.country and not (mapping.country.isascii() and mapping.country.isalpha() and len(mapping.country) == 2):
        raise Refused("invalid", "Choose a country.", field="country", fault="no_choice")
    vouched = mapping.vouched
    if (vouched.email or vouched.sms != "none") and not vouched.sentence.strip():
        raise Refused("invalid", "Say how these people agreed.", field="vouched.sentence", fault="required")
    if mapping.target is not None:
        _check_list(tx, mapping)
    by_key = {each.key: each for each in properties.definitions(tx)}
    columns = []
    for place, column in enumerate(mapping.columns):
        if column.to == "property" and column.key:
            if column.key not in by_key:
                raise Refused("unknown_property", "This property does not exist.", field=f"columns.{place}.key")
            kind = by_key[column.key].type.value
            if column.type != kind and not (column.type == "tags" and kind == "list"):
                column = column.model_copy(update={"type": kind})
        elif column.to == "property" and not column.name.strip():
            raise Refused("invalid", "Give the property a name.", field=f"columns.{place}.name", fault="required")
        if column.to in ("consent", "at", "in_at", "out_at") and not known_purpose(tx, column.purpose):
            raise Refused(
                "invalid",
                "Choose which consent this column is about.",
                field=f"columns.{place}.purpose",
                fault="no_choice",
            )
        columns.append(column)
    if any(column.to == "consent" and column.words == "flags" for column in columns):
        check_size(found.file_size, settings.import_other_mb)
    return mapping.model_copy(update={"columns": columns, "country": mapping.country.upper()})


def _check_list(tx: Tx, mapping: Mapping) -> None:
    target = mapping.target
    assert target is not None
    if target.id is not None:
        try:
            lists.by_id(tx, target.id)
        except NotFound:
            raise Refused("no_list", "This list does not exist any more.", field="target", fault="no_choice") from None
    elif not target.name.strip():
        raise Refused("invalid", "Give the new list a name.", field="target.name", fault="required")


def rehearse(tx: Tx, actor: Agent, import_id: int, version: int | None) -> Import:
    """Starts the rehearsal. Raises `Refused` `confirm_reading`."""
    found = _open(tx, import_id, "read", "rehearsed")
    check_version(found, version)
    assert found.described is not None
    proposing.check_reading(found.described, found.wanted_reading)
    _set(
        tx, import_id, state="rehearsing", rehearsal=None, problem=None, done=0, counts={}, cancelled=False,
        started_at=tx.now, grants=may(actor, Can.IMPORT_CONSENT), suppresses=may(actor, Can.SUPPRESS),
        position={"stage": "normalise", "row": 0, "offset": 0, "size": 0},
    )  # fmt: skip
    _enqueue(tx, import_id)
    return queries.by_id(tx, import_id)


def _enqueue(tx: Tx, import_id: int) -> None:
    jobs.enqueue(tx, WORK_JOB, {"import": import_id}, run_at=tx.now, key=f"{WORK_JOB}:{import_id}")


def run(tx: Tx, actor: Agent, import_id: int, version: int | None, address: str) -> Import:
    """Starts the import as it was rehearsed: defines its new properties, and creates its list."""
    found = _open(tx, import_id, "rehearsed")
    check_version(found, version)
    mapping = found.wanted_mapping
    if mapping.vouched.email or mapping.vouched.sms != "none":
        authorise(actor, Can.IMPORT_CONSENT)
    columns = _define(tx, actor, mapping)
    list_id = None
    if mapping.target is not None:
        list_id = mapping.target.id or lists.create(tx, mapping.target.name, actor.by, address=address).id
    _set(
        tx, import_id, state="running", done=0, counts={}, position={"offset": 0}, cancelled=False, started_at=tx.now,
        columns=columns, list_id=list_id, grants=may(actor, Can.IMPORT_CONSENT), suppresses=may(actor, Can.SUPPRESS),
        by_user=actor.id, by_name=actor.name, version=imports.c.version + 1,
    )  # fmt: skip
    record(tx, actor.by, "import_started", str(import_id), address, file=found.file_name, rows=found.rows)
    _enqueue(tx, import_id)
    return queries.by_id(tx, import_id)


def _define(tx: Tx, actor: Agent, mapping: Mapping) -> dict[str, int]:
    """The property of each mapped column, by the column's number. New ones are defined; two columns may share one."""
    by_key = {each.key: each.id for each in properties.definitions(tx)}
    by_name: dict[str, int] = {}
    places: dict[str, int] = {}
    for place, column in enumerate(mapping.columns):
        if column.to != "property":
            continue
        if column.key:
            if column.key not in by_key:
                raise Conflict("unknown_property", "A property of this import was deleted. Check the columns again.")
            places[str(place)] = by_key[column.key]
            continue
        if column.name not in by_name:
            key = _free_key(column, place, by_key)
            kind = "list" if column.type == "tags" else column.type
            defined = properties.define(tx, key, column.name, kind, actor.by)
            by_key[key] = by_name[column.name] = defined.id
        places[str(place)] = by_name[column.name]
    return places


def _free_key(column: Column, place: int, taken: Dictionary[str, int]) -> str:
    """A key from the name; a name without Latin letters, and a taken key, get a number."""
    try:
        key = property_key(column.name)
    except Refused:
        key = f"column_{place + 1}"
    number = 2
    free = key
    while free in taken:
        free, number = f"{key[:50]}_{number}", number + 1
    return free


def cancel(tx: Tx, import_id: int) -> Import:
    """Stops the rehearsal or the import. Rows that are written stay, and can be undone."""
    found = queries.lock(tx, import_id)
    if found.state == "rehearsing":
        _set(tx, import_id, state="read", position=None, done=0)
    elif found.state == "running":
        _set(tx, import_id, cancelled=True)
        _enqueue(tx, import_id)
    else:
        raise Conflict("wrong_state", _ADVICE.get(found.state, "There is nothing to cancel."))
    return queries.by_id(tx, import_id)


def undo(tx: Tx, actor: Agent, import_id: int, address: str) -> Import:
    """Starts to undo an import that has run."""
    found = _open(tx, import_id, "done", "cancelled")
    _set(
        tx, import_id, state="undoing", done=0, position={"before": found.rows, "kept": 0, "hidden": 0}, started_at=tx.now,
    )  # fmt: skip
    record(tx, actor.by, "import_undone", str(import_id), address, file=found.file_name)
    _enqueue(tx, import_id)
    return queries.by_id(tx, import_id)


def discard(tx: Tx, import_id: int) -> str:
    """Deletes a draft. Returns the token of its file, whose bytes the caller removes."""
    found = _open(tx, import_id, *_EDITABLE)
    tx.run(imports.delete().where(imports.c.id == import_id))
    if found.file_token:
        tx.run(attachments.delete().where(attachments.c.token == found.file_token))
    return found.file_token
