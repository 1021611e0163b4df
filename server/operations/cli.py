"""The commands `threadline backup`, `restore`, `new-key` and `doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from server.errors import Refused
from server.terminal import configure_log, err, fail, out, settings_or_exit

KEY_NOT_INCLUDED = (
    "The backup does not contain the secret key, on purpose: anybody with both can read everything and act as anybody. Keep a copy of "
    "{key} somewhere else. Without it, a restore keeps all agents and history, but every visitor's browser starts "
    "a new chat and the shop's identity secret changes."
)
KEY_WARNINGS = {
    "missing": "The secret key is missing. Put the old secret.key into {folder} before you start. If it is lost, "
    "`threadline new-key` creates another. Every visitor's browser then starts a new chat, and the shop's identity secret changes.",
    "different": "This is not the secret key that the backup was made with. Put the old key into {folder} (or "
    "THREADLINE_SECRET_KEY) before you start, or every visitor's browser starts a new chat.",
}

MOVED = """Now set DATABASE_URL to the address of that database, in the environment or the .env file, and start the server.
Keep THREADLINE_DATA_DIR={data}: attachments and the secret key stay there.
The old database {file} is unchanged. Keep it as a copy, and do not start a server on it again."""


def _attachments(count: int) -> str:
    return f"{count} attachment" if count == 1 else f"{count} attachments"


def backup(
    path: Annotated[
        Path | None, typer.Argument(help="A folder that does not exist yet. Default: data/backups/<time>.")
    ] = None,
    with_key: Annotated[bool, typer.Option(help="Include the secret key in the backup.")] = False,
) -> None:
    """Copy everything as of one moment into a folder, whether or not the server is running."""
    from server.kernel import control
    from server.kernel.db import lock_data_dir
    from server.operations.backup import DUMP_S, default_target, take_backup

    settings = settings_or_exit()
    configure_log(settings)
    target = (path or default_target(settings)).absolute()
    args = {"target": str(target), "with_key": with_key}
    try:
        with progress() as report:
            try:
                if settings.database_url is not None:
                    raise control.NotRunning  # pg_dump asks the database itself
                result = asyncio.run(control.run_command(settings, "backup", args, seconds=DUMP_S, report=report))
            except control.NotRunning:
                release = lock_data_dir(settings.data_dir) if settings.database_url is None else None
                try:
                    result = asdict(take_backup(settings, target, with_key=with_key, report=report))
                finally:
                    if release is not None:
                        release()
    except Refused as error:
        fail(error.message)
    size = (result["database_bytes"] + result["attachment_bytes"]) / 1e6
    out.print(
        f"{result['path']}: {size:.1f} MB, {_attachments(result['attachments'])}, in {result['seconds']:.1f} s.",
        markup=False,
        highlight=False,
    )
    if result["missing"]:
        count = len(result["missing"])
        verb = "is" if count == 1 else "are"
        missing = (
            f"{_attachments(count)} in the database {verb} missing on disk. manifest.json lists the missing files."
        )
        err.print(missing, style="yellow")
    if not with_key:
        key = "THREADLINE_SECRET_KEY" if settings.secret_key else settings.data_dir.resolve() / "secret.key"
        out.print(KEY_NOT_INCLUDED.format(key=key), markup=False, highlight=False)


def restore(
    path: Annotated[Path, typer.Argument(help="The folder that `threadline backup` made.")],
    replace: Annotated[bool, typer.Option(help="Move existing data aside first.")] = False,
) -> None:
    """Check a backup, restore it and upgrade its database. The server must not be running."""
    from server.operations.restore import restore as restore_backup

    settings = settings_or_exit()
    configure_log(settings)
    try:
        with progress() as report:
            restored = restore_backup(settings, path, replace=replace, report=report)
    except Refused as error:
        fail(error.message)
    out.print(
        f"Restored the state of {restored.created_at}, with {_attachments(restored.attachments)}.", highlight=False
    )
    if restored.moved_aside:
        out.print(f"The previous data is in {restored.moved_aside}.", markup=False, highlight=False)
    if restored.key in KEY_WARNINGS:
        warning = KEY_WARNINGS[restored.key].format(folder=settings.data_dir.resolve())
        err.print(warning, style="yellow", markup=False, highlight=False)


def move(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="An empty database, like postgresql://user@host/database.")
    ],
) -> None:
    """Copy everything from the SQLite file to PostgreSQL and compare both. The server must not be running.

    The SQLite file is not changed. If the command is interrupted, run it again: it continues. To keep the password out
    of the list of processes, put it in PGPASSWORD or ~/.pgpass.
    """
    from server.operations import move as moving

    settings = settings_or_exit()
    configure_log(settings)
    try:
        with progress() as report:
            moved = moving.move(settings, address, report=report if err.is_terminal else _lines())
    except Refused as error:
        fail(error.message)
    for name in moved.not_moved:
        err.print(f"The table {name} is not Threadline's and was not moved.", style="yellow", markup=False)
    ledger = moved.ledger
    if ledger.findings:
        err.print(
            f"The consent ledger has the same {len(ledger.findings)} errors as in SQLite. `threadline verify` lists them.",
            style="yellow",
        )
    out.print(
        f"Moved {moved.rows:,} rows of {moved.tables} tables in {moved.seconds:.0f} s. Every table was read back and has "
        f"the same content; the consent ledger's {ledger.rows:,} rows were verified.",
        highlight=False,
    )
    out.print(
        MOVED.format(data=settings.data_dir.resolve(), file=settings.sqlite_path().resolve()),
        markup=False, highlight=False,
    )  # fmt: skip


def _lines() -> Any:
    """A report that prints one line for each stage, for an output that is not a terminal."""
    stages: set[str] = set()

    def report(state: dict[str, Any]) -> None:
        if state["doing"] not in stages:
            stages.add(state["doing"])
            err.print(f"{state['doing'][0].upper()}{state['doing'][1:]} …", markup=False, highlight=False)

    return report


def new_key() -> None:
    """Create a new secret key when the old one is lost. Every visitor's browser then starts a new chat."""
    from server.operations import key

    settings = settings_or_exit()
    try:
        key.replace_lost(settings)
    except Refused as error:
        fail(error.message)
    out.print(
        f"A new key is in {settings.key_path()}. Keep a copy of it somewhere else.", markup=False, highlight=False
    )


MARKS = {"ok": "[green]✓[/green]", "warn": "[yellow]![/yellow]", "fail": "[red]✗[/red]"}


def doctor() -> None:
    """Check everything the installation needs and say how to fix what fails. Exit code 1 if a check fails."""
    from rich.markup import escape

    from server import serving

    settings = settings_or_exit()
    settings.log_level = "error"
    configure_log(settings)
    try:
        report = asyncio.run(serving.doctor(settings))
    except Refused as error:
        fail(error.message)
    for finding in report["findings"]:
        area = finding["area"].replace("_", " ")
        out.print(f"{MARKS[finding['state']]} [bold]{area:<12}[/bold] {escape(finding['message'])}", highlight=False)
        if finding["advice"]:
            out.print(f"{'':<14} → {escape(finding['advice'])}", highlight=False)
    if report["worst"] == "fail":
        raise typer.Exit(1)


SENT = ("accepted", "sent", "delivered")


def send_test(address: Annotated[str, typer.Argument(help="Where to send the test mail.")]) -> None:
    """Send a test mail with the mail server of Settings → E-mail. Exit code 1 if it was not sent."""
    from server import serving

    settings = settings_or_exit()
    configure_log(settings)
    try:
        result = asyncio.run(serving.command(settings, "send-test", {"address": address}))
    except Refused as error:
        fail(error.message)
    if result["state"] not in SENT:
        fail(f"The test mail was not sent. {result['detail']}".strip())
    out.print(f"The mail server accepted the test mail to {address}.", markup=False, highlight=False)


@contextmanager
def progress() -> Iterator[Any]:
    """Shows a progress bar with the time left; nothing if the output is not a terminal."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn(),
        console=err.console, transient=True, disable=not err.is_terminal,
    ) as bar:  # fmt: skip
        tasks: dict[str, Any] = {}

        def report(state: dict[str, Any]) -> None:
            name = state["doing"]
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=state["of"] or None)
            bar.update(tasks[name], completed=state["done"], total=state["of"] or None)

        yield report
