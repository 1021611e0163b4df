"""`threadline import`: imports a file of this machine through the running server, with a progress bar."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from server.errors import Refused
from server.imports.problems import sentence
from server.imports.rules import VERDICTS, WORKING
from server.kernel import control
from server.terminal import configure_log, fail, out, settings_or_exit

POLL_S = 0.5


def import_file(
    file: Annotated[Path, typer.Argument(help="CSV, TXT, XLS, XLSX or ZIP.", exists=True, dir_okay=False)],
    map: Annotated[
        Path | None,
        typer.Option(help='JSON: {"columns": {"Mobile": "phone", "Colour": "property:Colour"}, "type": "update", …}.'),
    ] = None,
    suppressions: Annotated[bool, typer.Option(help="The file has addresses to suppress.")] = False,
    rehearse: Annotated[bool, typer.Option(help="Only say what would happen; write nothing.")] = False,
) -> None:
    """Import contacts or suppressed addresses from a file. Needs the running server."""
    changes: dict[str, Any] = {}
    if map is not None:
        try:
            changes = json.loads(map.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            fail(f"{map} cannot be read as JSON: {error}")
    kind = "suppressions" if suppressions else "contacts"
    shown = _command("import-begin", path=str(file.absolute()), kind=kind)
    shown = _command("import-map", id=shown["id"], changes=changes)
    for header, meaning in shown["columns"]:
        out.print(f"  {header} → {meaning}", markup=False, highlight=False)
    shown = _wait("Rehearsing", _command("import-rehearse", id=shown["id"]))
    _print_counts(shown["rehearsal"] or {})
    if rehearse:
        out.print("Nothing was written.")
        return
    shown = _wait("Importing", _command("import-run", id=shown["id"]))
    _print_counts(shown["counts"])
    out.print(f"Import {shown['id']} is {shown['state']}. Contacts → Imports has the rows to correct, and undo.")


def _wait(what: str, shown: dict[str, Any]) -> dict[str, Any]:
    from rich.progress import Progress

    with Progress(console=out.console) as bar:
        task = bar.add_task(what, total=max(1, shown["rows"]))
        while shown["state"] in WORKING:
            time.sleep(POLL_S)
            shown = _command("import-show", id=shown["id"])
            bar.update(task, completed=shown["done"])
        bar.update(task, completed=shown["rows"])
    if shown["problem"]:
        fail(shown["problem"]["message"])
    return shown


def _print_counts(counts: dict[str, int]) -> None:
    for verdict in VERDICTS:
        if counts.get(verdict):
            out.print(f"{counts[verdict]:>9,} {verdict}", highlight=False)
    for name, count in sorted(counts.items()):
        group, _, code = name.partition(":")
        if group in ("refused", "skipped", "cell"):
            out.print(f"{count:>9,}   {sentence(group, code)}", markup=False, highlight=False)


def _command(name: str, **args: Any) -> dict[str, Any]:
    from server import serving

    settings = settings_or_exit()
    configure_log(settings)
    try:
        if settings.database_url is None:
            seconds = serving.LONG_COMMANDS.get(name, control.RESPONSE_S)
            return dict(asyncio.run(control.run_command(settings, name, args, seconds=seconds)))
        return dict(asyncio.run(serving.command(settings, name, args)))
    except control.NotRunning:
        fail("No server is running, and imports need its worker. Start it with `threadline serve`.")
    except Refused as error:
        fail(error.message)
