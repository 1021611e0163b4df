"""`threadline backup`, `restore` and `doctor`: what an operator types."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from server.errors import Refused
from server.terminal import configure_log, err, fail, out, settings_or_exit

KEY_STAYS = (
    "The secret key is not in it, on purpose: whoever holds backup and key can read and act as everyone. Keep a copy of "
    "{key} somewhere else: restored without it, agents and their history are all there, but every visitor's browser starts "
    "a new chat and the shop's identity secret changes."
)
KEY_WORDS = {
    "missing": "The secret key is missing: put the old secret.key into {folder} before you start. If it is lost for good, "
    "`threadline new-key` makes another; then every visitor's browser starts a new chat and the shop's identity secret changes.",
    "different": "The secret key here is not the one this backup was made with: put the old one into {folder} (or "
    "THREADLINE_SECRET_KEY) before you start, or every visitor's browser starts a new chat.",
}


def backup(
    path: Annotated[
        Path | None, typer.Argument(help="A folder that does not exist yet. Empty: data/backups/<time>.")
    ] = None,
    with_key: Annotated[bool, typer.Option(help="Put the secret key into the backup, too.")] = False,
) -> None:
    """Copy everything at one moment into a folder, while the server runs or not."""
    from server.kernel import control
    from server.kernel.db import own_file
    from server.operations import backup as taking

    settings = settings_or_exit()
    configure_log(settings)
    target = (path or taking.default_target(settings)).absolute()
    args = {"target": str(target), "with_key": with_key}
    try:
        with progress() as report:
            try:
                if settings.database_url is not None:
                    raise control.NobodyThere  # pg_dump asks the database itself
                done = asyncio.run(control.ask(settings, "backup", args, seconds=taking.DUMP_S, report=report))
            except control.NobodyThere:
                release = own_file(settings.data_dir) if settings.database_url is None else None
                try:
                    done = taking.as_json(taking.take(settings, target, with_key=with_key, report=report))
                finally:
                    if release is not None:
                        release()
    except Refused as error:
        fail(error.message)
    size = (done["database_bytes"] + done["attachment_bytes"]) / 1e6
    out.print(
        f"{done['path']}: {size:.1f} MB, {done['attachments']} attachments, in {done['seconds']:.1f} s.",
        highlight=False,
    )
    if done["missing"]:
        count = len(done["missing"])
        err.print(
            f"{count} attachments that the database names are not on disk; manifest.json lists them.", style="yellow"
        )
    if not with_key:
        key = "THREADLINE_SECRET_KEY" if settings.secret_key else settings.data_dir.resolve() / "secret.key"
        out.print(KEY_STAYS.format(key=key), highlight=False)


def restore(
    path: Annotated[Path, typer.Argument(help="The folder that `threadline backup` made.")],
    replace: Annotated[bool, typer.Option(help="Move what is there aside first.")] = False,
) -> None:
    """Put a backup in place, checked and migrated. The server must not be running."""
    from server.operations import restore as restoring

    settings = settings_or_exit()
    configure_log(settings)
    try:
        with progress() as report:
            done = restoring.restore(settings, path, replace=replace, report=report)
    except Refused as error:
        fail(error.message)
    out.print(f"Restored the state of {done.created_at}, with {done.attachments} attachments.", highlight=False)
    if done.moved_aside:
        out.print(f"What was there before is in {done.moved_aside}.", highlight=False)
    if done.key in KEY_WORDS:
        err.print(KEY_WORDS[done.key].format(folder=settings.data_dir.resolve()), style="yellow", highlight=False)


def new_key() -> None:
    """Make a secret key where the old one is lost for good. Every visitor's browser then starts a new chat."""
    from server.operations import key

    settings = settings_or_exit()
    try:
        key.replace(settings)
    except Refused as error:
        fail(error.message)
    out.print(f"A new key is in {settings.key_path()}. Keep a copy of it somewhere else.", highlight=False)


MARKS = {"ok": "[green]✓[/green]", "warn": "[yellow]![/yellow]", "fail": "[red]✗[/red]"}


def doctor() -> None:
    """Look at everything a healthy installation rests on, and say what to do. Exit code 1 when something fails."""
    from rich.markup import escape

    from server import serving

    settings = settings_or_exit()
    settings.log_level = "error"
    configure_log(settings)
    try:
        found = asyncio.run(serving.doctor(settings))
    except Refused as error:
        fail(error.message)
    for finding in found["findings"]:
        area = finding["area"].replace("_", " ")
        out.print(f"{MARKS[finding['state']]} [bold]{area:<12}[/bold] {escape(finding['message'])}", highlight=False)
        if finding["advice"]:
            out.print(f"{'':<14} → {escape(finding['advice'])}", highlight=False)
    if found["worst"] == "fail":
        raise typer.Exit(1)


@contextmanager
def progress() -> Iterator[Any]:
    """A bar with rate and time left; nothing where the output is not a terminal."""
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
