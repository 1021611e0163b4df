"""Imports over HTTP. Contract: PROTOCOL.md 3, 'Imports'."""

from __future__ import annotations

import shutil
from functools import cache
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field

from server.accounts.rules import Can
from server.audiences import lists
from server.consent import definitions as consents
from server.consent.rules import Purpose
from server.contacts import properties
from server.errors import NotFound, Refused
from server.files import rows, storage
from server.imports import actions, parsing, proposing, queries, reports, rules, uploading
from server.imports.contents import BadFile, other_kind
from server.imports.headers import SOURCES, FileState
from server.imports.mapping import Kind, Mapping, Reading
from server.imports.parsing import Unreadable
from server.imports.queries import Import
from server.kernel.clock import rfc3339
from server.kernel.context import App, Conn
from server.web.http import WHOLE_NUMBER, Call, Done, EmptyBody, Endpoint, path_id, receive_body, whole_number

MB = 1 << 20
MAX_BODY = 1 << 20  # bytes of a mapping with many columns
LATEST = 2**53


class Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class CreateBody(Body):
    """`source`: where the file comes from; "" if the user did not say."""

    kind: Kind = "contacts"
    source: str = Field("", max_length=40)


class ReadingBody(Body):
    """`version`: of the import that the change is based on."""

    reading: Reading
    version: int | None = None


class MappingBody(Body):
    mapping: Mapping
    version: int | None = None


class VersionBody(Body):
    version: int | None = None


class ImportProgress(BaseModel):
    """`rate`: rows per second. `seconds_left`: None while nothing is known."""

    done: int
    total: int
    rate: float
    seconds_left: float | None


class ImportSheet(BaseModel):
    name: str
    hidden: bool


class ImportedFile(BaseModel):
    """One table: the upload itself, or a file of a ZIP. `certain` False: the encoding is a guess. `skipped`: lines above the
    headers. `state`: what its name says about everybody in it."""

    name: str
    kind: Literal["text", "xlsx", "xls"]
    encoding: str
    certain: bool
    separator: str
    sheet: str
    sheets: list[ImportSheet]
    has_headers: bool
    skipped: int
    rows: int
    state: FileState


class ImportColumn(BaseModel):
    """`cells`: how many are not blank. `asks_order`: a slash date cannot be month first; `day_first`: all can be day first.
    `same_as`: an earlier column has the same or a look-alike header. `unnamed`: the header is only a number."""

    header: str
    cells: int
    samples: list[str]
    type: Literal["text", "number", "boolean", "date", "list"]
    emails: bool
    phones: bool
    flags: bool
    asks_order: bool
    day_first: bool
    unreadable_dates: int
    dashed_dates: int
    same_as: int | None
    unnamed: bool


class PreviewRow(BaseModel):
    """`broken`: why the row cannot be read."""

    line: int
    file: int
    cells: list[str]
    broken: str


class Described(BaseModel):
    """What the reader found. `kind`: of the upload."""

    kind: Literal["csv", "txt", "xlsx", "xls", "zip"]
    files: list[ImportedFile]
    columns: list[ImportColumn]
    rows: int
    preview: list[PreviewRow]


class ImportRow(BaseModel):
    """The verdict about a row. `who`: its identifier. `changes`: field → value before and after. `consents`: purpose, status
    before, status after. `stop`: why its e-mail address is suppressed. `cells`: column, code and text of cells that were not taken."""

    n: int
    file: int
    line: int
    verdict: Literal["new", "updated", "unchanged", "duplicate", "skipped", "refused"]
    who: str = ""
    reason: str = ""
    contact: int | None = None
    changes: dict[str, list[Any]] = {}
    consents: list[list[str]] = []
    stop: str = ""
    cells: list[list[Any]] = []


class Rehearsal(BaseModel):
    """`samples`: some rows of each verdict, reason and code. `cleared`: stored values that empty cells would clear."""

    counts: dict[str, int]
    samples: dict[str, list[ImportRow]]
    cleared: int
    rows: int


class ImportProblem(BaseModel):
    code: str
    message: str


class UploadedFile(BaseModel):
    name: str
    size: int
    sha256: str


class ImportOut(BaseModel):
    """`sender`: the known program whose export it is.
    `first`: no import has finished in this account yet. `kept`: contacts that stayed when the import was undone."""

    id: int
    kind: Kind
    state: Literal[
        "draft", "reading", "unreadable", "read", "rehearsing", "rehearsed", "running", "done", "cancelled", "undoing", "undone"
    ]  # fmt: skip
    version: int
    source: str
    sender: str
    file: UploadedFile | None
    reading: Reading
    described: Described | None
    mapping: Mapping | None
    problem: ImportProblem | None
    rows: int
    progress: ImportProgress | None
    counts: dict[str, int]
    rehearsal: Rehearsal | None
    list_id: int | None
    by: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    undone_at: str | None
    first: bool = False


class OneImport(BaseModel):
    import_: ImportOut = Field(alias="import")


class Imports(BaseModel):
    """`before`: the id to ask for the next page with; None: there is none."""

    imports: list[ImportOut]
    before: int | None


class ImportProperty(BaseModel):
    key: str
    name: str
    type: Literal["text", "number", "boolean", "date", "list"]


class ImportConsent(BaseModel):
    """`name`: "" for the built-in ones, which the console names."""

    purpose: str
    name: str


class ImportList(BaseModel):
    id: int
    name: str
    members: int


class ImportOptions(BaseModel):
    """`countries`: of phone numbers, ISO 3166. `first`: no import has finished in this account yet."""

    contacts_mb: int
    other_mb: int
    rows: int
    sources: list[str]
    countries: list[str]
    properties: list[ImportProperty]
    consents: list[ImportConsent]
    lists: list[ImportList]
    first: bool


class ImportRows(BaseModel):
    rows: list[ImportRow]
    after: int | None


def _time(moment: Any) -> str | None:
    return None if moment is None else rfc3339(moment)


def wire(app: App, found: Import, *, whole: bool = True, first: bool = False) -> dict[str, Any]:
    """An import as JSON; a list leaves out what only its own page shows."""
    sender = proposing.sender_of(found.described) if found.described is not None else None
    described = found.described
    return {
        "id": found.id,
        "kind": found.kind,
        "state": found.state,
        "version": found.version,
        "source": found.source,
        "sender": sender.id if sender is not None else "",
        "file": {"name": found.file_name, "size": found.file_size, "sha256": found.sha256}
        if found.file_token
        else None,
        "reading": found.wanted_reading.model_dump(),
        "described": described if whole else None,
        "mapping": found.mapping if whole else None,
        "problem": found.problem,
        "rows": found.rows,
        "progress": _progress(app, found) if found.state in rules.WORKING else None,
        "counts": found.counts,
        "rehearsal": found.rehearsal if whole else None,
        "list_id": found.list_id,
        "by": found.by_name,
        "created_at": rfc3339(found.created_at),
        "started_at": _time(found.started_at),
        "ended_at": _time(found.ended_at),
        "undone_at": _time(found.undone_at),
        "first": first,
    }


def _progress(app: App, found: Import) -> dict[str, Any]:
    rate = rules.rate(found.done, found.started_at, app.clock.now()) if found.started_at is not None else 0.0
    left = (found.rows - found.done) / rate if rate > 0 and found.done else None
    return {"done": found.done, "total": found.rows, "rate": round(rate, 1), "seconds_left": left}


def _one(conn: Conn, import_id: int) -> tuple[Import, bool]:
    return queries.by_id(conn, import_id), queries.is_first(conn)


async def show(app: App, call: Call) -> Any:
    """Show an import: its file, what was decided, its progress and its result."""
    found, first = await app.read(_one, path_id(call, "import"))
    return {"import": wire(app, found, first=first)}


async def list_imports(app: App, call: Call) -> Any:
    """List imports, newest first."""
    found = await app.read(queries.newest, whole_number(call, "before", LATEST, LATEST))
    page = found[: queries.PAGE]
    before = page[-1].id if len(found) > len(page) else None
    return {"imports": [wire(app, item, whole=False) for item in page], "before": before}


async def options(app: App, call: Call) -> Any:
    """Show how large files may be, and what columns can be mapped to."""
    settings = app.settings
    return {
        "contacts_mb": settings.import_contacts_mb,
        "other_mb": settings.import_other_mb,
        "rows": settings.import_rows,
        "sources": list(SOURCES),
        "countries": _countries(),
        **await app.read(_targets),
    }


@cache
def _countries() -> list[str]:
    from phonenumbers import SUPPORTED_REGIONS  # not at start

    return sorted(SUPPORTED_REGIONS)


def _targets(conn: Conn) -> dict[str, Any]:
    built_in = [{"purpose": purpose.value, "name": ""} for purpose in Purpose]
    return {
        "properties": [
            {"key": each.key, "name": each.name, "type": each.type.value}
            for each in properties.definitions(conn)
            if not each.fixed
        ],
        "consents": built_in + [{"purpose": each.purpose, "name": each.name} for each in consents.defined(conn)],
        "lists": [{"id": each.id, "name": each.name, "members": each.members} for each in lists.every(conn)],
        "first": queries.is_first(conn),
    }


async def create(app: App, call: Call) -> Any:
    """Begin an import. Nothing is written before it is rehearsed and started."""
    import_id = await app.write(actions.create, call.agent, call.body.kind, call.body.source)
    return await _answer(app, import_id)


async def _answer(app: App, import_id: int) -> dict[str, Any]:
    found, first = await app.read(_one, import_id)
    return {"import": wire(app, found, first=first)}


async def upload(app: App, call: Call) -> Any:
    """Upload the file, or pasted text, and read it."""
    import_id = path_id(call, "import")
    await app.write(actions.check_editable, import_id)
    name = unquote(call.request.headers.get("x-file-name", "")[:3_000], errors="replace")
    most = max(app.settings.import_contacts_mb, app.settings.import_other_mb)
    async with storage.incoming(app) as file:
        head = bytearray()

        async def store(chunk: bytes) -> None:
            if len(head) < 4096:
                head.extend(chunk[:4096])
            await file.write_chunk(chunk)

        await receive_body(call.request, most * MB, store)
        _refuse_other(bytes(head))
        row, sha256 = await file.inspect(f"import:{import_id}", name)
        await app.write(rows.store_file, row, sha256)
        await file.move_into_place()
    await app.write(actions.set_file, import_id, row.token)
    await uploading.read(app, import_id)
    return await _answer(app, import_id)


def _refuse_other(head: bytes) -> None:
    try:
        other_kind(head)
    except BadFile as error:
        raise Unreadable(error.code, error.message, error.params) from None


async def set_reading(app: App, call: Call) -> Any:
    """Say how the file is read: encoding, separator, headers, sheet. Reads it again if that changes."""
    import_id = path_id(call, "import")
    await app.write(actions.set_reading, import_id, call.body.reading, call.body.version)
    await uploading.read(app, import_id)
    return await _answer(app, import_id)


async def set_mapping(app: App, call: Call) -> Any:
    """Say what the columns mean and what the import does."""
    import_id, body = path_id(call, "import"), call.body
    await app.write(actions.set_mapping, call.agent, import_id, body.mapping, body.version, app.settings)
    return await _answer(app, import_id)


async def rehearse(app: App, call: Call) -> Any:
    """Find out what would happen to each row. Writes nothing."""
    import_id = path_id(call, "import")
    await app.write(actions.rehearse, call.agent, import_id, call.body.version)
    return await _answer(app, import_id)


async def run(app: App, call: Call) -> Any:
    """Start the rehearsed import."""
    import_id = path_id(call, "import")
    await app.write(actions.run, call.agent, import_id, call.body.version, call.address)
    return await _answer(app, import_id)


async def cancel(app: App, call: Call) -> Any:
    """Stop the rehearsal or the import. What is written stays and can be undone."""
    import_id = path_id(call, "import")
    await app.write(actions.cancel, import_id)
    return await _answer(app, import_id)


async def undo(app: App, call: Call) -> Any:
    """Undo an import, without undoing newer changes."""
    import_id = path_id(call, "import")
    await app.write(actions.undo, call.agent, import_id, call.address)
    return await _answer(app, import_id)


async def discard(app: App, call: Call) -> Any:
    """Delete a draft and its file."""
    import_id = path_id(call, "import")
    token = await app.write(actions.discard, import_id)
    if token:
        await storage.remove_bytes(app, [token])
    shutil.rmtree(parsing.folder(app.settings, import_id), ignore_errors=True)
    return {}


async def list_rows(app: App, call: Call) -> Any:
    """List rows with one verdict; `kept`: contacts that an undo left, because they were changed since."""
    import_id, verdict = path_id(call, "import"), call.query.get("verdict", "")
    after = whole_number(call, "after", 0, LATEST) - 1 if call.query.get("after") else -1
    if verdict not in rules.VERDICTS:
        raise Refused("invalid", "Choose a verdict.", field="verdict", fault="no_choice")
    found = await app.read_slowly(queries.with_verdict, import_id, verdict, after, queries.PAGE + 1)
    page = found[: queries.PAGE]
    more = page[-1].n + 1 if len(found) > len(page) else None
    return {"rows": [reports.shown(row) for row in page], "after": more}


async def download_problems(app: App, call: Call) -> Any:
    """Download the rows that were not taken, to correct them and upload them again."""
    found = await app.read(queries.by_id, path_id(call, "import"))
    if found.started_at is None or found.described is None:
        raise NotFound()
    return reports.problems(app, found)


async def download_verdicts(app: App, call: Call) -> Any:
    """Download the verdict about every row."""
    found = await app.read(queries.by_id, path_id(call, "import"))
    if found.described is None or found.state not in ("rehearsed", "done", "cancelled", "undone", "undoing"):
        raise NotFound()
    return reports.verdicts(app, found)


_ROWS_QUERY: dict[str, dict[str, Any]] = {
    "verdict": {"type": "string", "enum": list(rules.VERDICTS)},
    "after": WHOLE_NUMBER,
}
_IMPORT = "/api/imports/{import}"
ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/imports", list_imports, Can.IMPORT, response=Imports, query={"before": WHOLE_NUMBER}),
    Endpoint("GET", "/api/imports/options", options, Can.IMPORT, response=ImportOptions),
    Endpoint("POST", "/api/imports", create, Can.IMPORT, CreateBody, response=OneImport),
    Endpoint("GET", _IMPORT, show, Can.IMPORT, response=OneImport),
    Endpoint("DELETE", _IMPORT, discard, Can.IMPORT, response=Done),
    Endpoint(
        "POST", f"{_IMPORT}/file", upload, Can.IMPORT, raw=True, no_deadline=True, headers=("x-file-name",), response=OneImport
    ),
    Endpoint("PUT", f"{_IMPORT}/reading", set_reading, Can.IMPORT, ReadingBody, response=OneImport, no_deadline=True),
    Endpoint("PUT", f"{_IMPORT}/mapping", set_mapping, Can.IMPORT, MappingBody, response=OneImport, max_body=MAX_BODY),
    Endpoint("POST", f"{_IMPORT}/rehearse", rehearse, Can.IMPORT, VersionBody, response=OneImport),
    Endpoint("POST", f"{_IMPORT}/run", run, Can.IMPORT, VersionBody, response=OneImport),
    Endpoint("POST", f"{_IMPORT}/cancel", cancel, Can.IMPORT, EmptyBody, response=OneImport),
    Endpoint("POST", f"{_IMPORT}/undo", undo, Can.IMPORT_CONSENT, EmptyBody, response=OneImport),
    Endpoint("GET", f"{_IMPORT}/rows", list_rows, Can.IMPORT, response=ImportRows, query=_ROWS_QUERY),
    Endpoint("GET", f"{_IMPORT}/problems.csv", download_problems, Can.IMPORT, response_type="text/csv"),
    Endpoint("GET", f"{_IMPORT}/verdicts.csv", download_verdicts, Can.IMPORT, response_type="text/csv"),
]  # fmt: skip
