"""Reads the uploaded file of an import in a child process, and stores what was found."""

from __future__ import annotations

from server.errors import Refused
from server.files import storage
from server.imports import actions, parsing, queries
from server.kernel.context import App


async def read(app: App, import_id: int) -> None:
    """Reads the file in a child process. The refusal is also stored, so that a reload shows it."""
    found = await app.read(queries.by_id, import_id)
    if found.state != "reading":
        return
    folder = parsing.folder(app.settings, import_id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        described = await parsing.run(
            app.settings,
            "read",
            source=str(storage.path_of(app, found.file_token).absolute()),
            name=found.file_name,
            work=str(folder.absolute()),
            rows=str((folder / "rows.jsonl").absolute()),
            reading=found.reading,
            unpacked_mb=app.settings.import_unpacked_mb,
            max_rows=app.settings.import_rows,
        )
        await app.write(actions.set_described, import_id, described, found.file_token, app.settings)
    except Refused as refused:
        if refused.status in (413, 415, 422):
            problem = {"code": refused.code, "message": refused.message}
            await app.write(actions.set_unreadable, import_id, found.file_token, problem)
        raise
