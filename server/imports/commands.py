"""Commands of `threadline import`, which run in the server: the owner imports a file of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from server.accounts import queries as accounts
from server.accounts.rules import Agent, Role
from server.contacts import properties
from server.errors import Conflict, Refused
from server.files import rows, storage
from server.imports import actions, queries, uploading
from server.imports.headers import fold
from server.imports.mapping import Column, Mapping
from server.imports.queries import Import
from server.kernel.context import App, Conn


def _owner(conn: Conn, now: Any) -> Agent:
    owner_id = accounts.owner_id(conn)
    if owner_id is None:
        raise Conflict("no_owner", "There is no account yet. Run `threadline create-owner` first.")
    owner = accounts.existing_user(conn, owner_id, now)
    return Agent(owner.id, owner.name, owner.email, Role.OWNER, 0)


def _wire(found: Import) -> dict[str, Any]:
    described = found.described or {"columns": []}
    return {
        "id": found.id,
        "state": found.state,
        "rows": found.rows,
        "done": found.done,
        "counts": found.counts,
        "rehearsal": found.rehearsal and found.rehearsal["counts"],
        "problem": found.problem,
        "columns": [
            [column["header"], meaning["to"] if meaning["to"] != "property" else f"property:{meaning['key'] or meaning['name']}"]
            for column, meaning in zip(described["columns"], (found.mapping or {"columns": []})["columns"], strict=False)
        ],
    }  # fmt: skip


async def begin(
    app: App, path: str, kind: str, report: Callable[[dict[str, Any]], None] | None = None
) -> dict[str, Any]:
    """A draft with this file, read with the proposed columns. Raises `Refused`."""
    owner = await app.read(_owner, app.clock.now())
    try:
        data = await asyncio.to_thread(Path(path).read_bytes)
    except OSError as error:
        raise Refused("not_readable", f"{path} cannot be read: {error.strerror}.") from None
    most = max(app.settings.import_contacts_mb, app.settings.import_other_mb)
    actions.check_size(len(data), most)
    import_id = await app.write(actions.create, owner, kind, "")
    file, sha256 = await storage.store_bytes(app, f"import:{import_id}", Path(path).name, data)
    await app.write(rows.store_file, file, sha256)
    await app.write(actions.set_file, import_id, file.token)
    await uploading.read(app, import_id)
    found = await app.read(queries.by_id, import_id)
    reading = found.wanted_reading.model_copy(update={"confirmed": True})
    return _wire(await app.write(actions.set_reading, import_id, reading, None))


async def decide(app: App, id: int, changes: dict[str, Any]) -> dict[str, Any]:
    """Changes the mapping. `changes`: fields of the mapping; `columns` is an object from header to meaning, such as "phone",
    "skip", "property:Favourite colour" or "consent:email_marketing". Raises `Refused`."""
    owner = await app.read(_owner, app.clock.now())
    found = await app.read(queries.by_id, id)
    assert found.described is not None and found.mapping is not None
    wanted = dict(changes)
    columns = list(found.wanted_mapping.columns)
    places = {fold(column["header"]): n for n, column in enumerate(found.described["columns"])}
    by_key = {each.key: each for each in await app.read(properties.definitions)}
    for header, meaning in dict(wanted.pop("columns", {})).items():
        place = places.get(fold(header))
        if place is None:
            raise Refused("invalid", f"The file has no column {header!r}.", field="columns")
        columns[place] = _column(columns[place], str(meaning), by_key, found.described["columns"][place]["type"])
    try:
        mapping = Mapping.model_validate(
            {**found.mapping, **wanted, "columns": [column.model_dump() for column in columns]}
        )
    except ValidationError as error:
        raise Refused("invalid", f"The mapping is not valid: {error.errors()[0]['msg']}.") from None
    return _wire(await app.write(actions.set_mapping, owner, id, mapping, None, app.settings))


def _column(before: Column, meaning: str, by_key: dict[str, Any], type: str) -> Column:
    to, _, rest = meaning.partition(":")
    if to == "property":
        known = by_key.get(rest)
        values = {"key": rest, "type": known.type.value} if known else {"name": rest, "type": type}
    else:
        words = "flags" if rest.startswith("consent:") else before.words if before.words != "flags" else "status"
        values = {"purpose": rest, "words": words}
    try:
        return Column.model_validate({"to": to, "day_first": before.day_first, **values})
    except ValidationError:
        raise Refused("invalid", f"{meaning!r} is no meaning of a column.", field="columns") from None


async def rehearse(app: App, id: int) -> dict[str, Any]:
    owner = await app.read(_owner, app.clock.now())
    return _wire(await app.write(actions.rehearse, owner, id, None))


async def run(app: App, id: int) -> dict[str, Any]:
    owner = await app.read(_owner, app.clock.now())
    return _wire(await app.write(actions.run, owner, id, None, ""))


async def show(app: App, id: int) -> dict[str, Any]:
    return _wire(await app.read(queries.by_id, id))
