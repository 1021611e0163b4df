"""The command line: `threadline --help` reads like the product.

While a server runs on SQLite it alone owns the file, so commands that write are sent to it over a
0600 socket in the data folder (`kernel.control`); without one the command opens the database itself.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from typing import Annotated, Any

import typer

from server import __version__
from server.consent import cli as consent
from server.errors import Refused
from server.operations import cli as operations
from server.settings import Settings
from server.terminal import configure_log, fail, out, settings_or_exit

# Nothing of what a command loads is garbage, and looking through it takes a tenth of a start. `serving` sets its own.
gc.set_threshold(200_000)

cli = typer.Typer(
    name="threadline",
    help="A support inbox you host yourself: live chat on your site, one shared inbox for your team.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@cli.command()
def up(
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    demo: Annotated[bool, typer.Option(help="Fill an empty database with a living demo.")] = True,
) -> None:
    """Set up and run everything here: migrate, serve, work, with a demo on an empty database."""
    from server import up as upping

    overrides: dict[str, Any] = {"mode": "development"}
    if port is not None:
        overrides["port"] = port
    settings = settings_or_exit(**overrides)
    chosen = settings.port
    if "public_url" not in settings.model_fields_set:
        settings.public_url = f"http://localhost:{chosen}"
    if settings.demo_url is None:
        settings.demo_url = f"http://127.0.0.1:{chosen}"
    try:
        upping.run(settings, with_demo=demo, say=out.print)
    except Refused as error:
        fail(error.message)


@cli.command()
def serve() -> None:
    """Serve web and sockets (and, on SQLite, the worker too)."""
    settings = settings_or_exit()
    _serve(settings, web=True, worker=settings.database_url is None)


@cli.command()
def worker() -> None:
    """Run later work only; needs DATABASE_URL."""
    settings = settings_or_exit()
    if settings.database_url is None:
        fail(
            "A separate worker needs DATABASE_URL (PostgreSQL). On SQLite `threadline serve` runs the worker inside the one "
            "process that may use the file."
        )
    from server import serving

    try:
        asyncio.run(serving.work(settings))
    except Refused as error:
        fail(error.message)


def _serve(settings: Settings, *, web: bool, worker: bool) -> None:
    from server import serving

    try:
        serving.serve(settings, worker=worker)
    except Refused as error:
        fail(error.message)


@cli.command()
def migrate() -> None:
    """Bring the database to this program's version. Safe to run twice."""
    from server import migrate as migrating

    settings = settings_or_exit()
    configure_log(settings)
    try:
        if settings.database_url is None:
            from server.kernel.db import own_file

            release = own_file(settings.data_dir)
            try:
                migrating.run(settings)
            finally:
                release()
        else:
            migrating.run(settings)
    except Refused as error:
        fail(error.message)
    out.print(f"The database is at revision {migrating.head()}.")


@cli.command("create-owner")
def create_owner(
    email: Annotated[str, typer.Option(prompt=True)],
    name: Annotated[str, typer.Option(prompt=True)],
    password: Annotated[str, typer.Option(prompt=True, confirmation_prompt=True, hide_input=True)],
) -> None:
    """Create the owner's account."""
    _command("create-owner", email=email, name=name, password=password)
    out.print("Done. Sign in at the console.")


@cli.command("reset-link")
def reset_link(email: str) -> None:
    """Make a link with which somebody sets a new password."""
    out.print(_command("reset-link", email=email))


@cli.command("signin-link")
def signin_link(email: Annotated[str | None, typer.Argument(help="Empty: the owner.")] = None) -> None:
    """Make a one-time link that signs somebody in; valid for 15 minutes."""
    out.print(_command("signin-link", email=email))


def _command(command: str, **args: Any) -> Any:
    from server import serving

    settings = settings_or_exit()
    configure_log(settings)
    try:
        return asyncio.run(serving.command(settings, command, args))
    except Refused as error:
        fail(error.message)


cli.command()(operations.backup)
cli.command()(operations.restore)
cli.command()(operations.doctor)
cli.command("new-key")(operations.new_key)
cli.command()(consent.verify)
cli.command()(consent.evidence)


@cli.command(hidden=True)
def types() -> None:
    """Print the JSON schema of every frame; TypeScript types are generated from it."""
    from pydantic.json_schema import models_json_schema

    from server.live import frames

    models = [
        value
        for value in vars(frames).values()
        if isinstance(value, type) and issubclass(value, frames.Frame) and value is not frames.Frame
    ]
    _, schema = models_json_schema([(model, "serialization") for model in models], title="Threadline")
    json.dump(schema, sys.stdout, indent=1, sort_keys=True)


@cli.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


def main() -> None:
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    cli()


if __name__ == "__main__":
    main()
