"""The command line of Threadline.

On SQLite a running server is the only process that writes to the file. Commands that write are therefore sent to the
server over a 0600 socket in the data folder (`kernel.control`). If no server runs, the command opens the database itself.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from typing import Annotated, Any, get_args

import typer

from server import __version__
from server.addresses import local
from server.consent import cli as consent
from server.contact_data import cli as contact_data
from server.errors import Refused
from server.imports import cli as imports
from server.operations import cli as operations
from server.settings import Settings
from server.terminal import configure_log, fail, out, settings_or_exit

# The objects that a command loads live until it ends, and collecting garbage among them takes a tenth of a start.
# `serving` sets its own thresholds.
gc.set_threshold(200_000)

cli = typer.Typer(
    name="threadline",
    help="A support inbox that you host yourself: live chat and SMS in one shared inbox for your team.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@cli.command()
def up(
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    demo: Annotated[bool, typer.Option(help="Fill an empty database with a demo.")] = True,
) -> None:
    """Set up and run everything on this machine: database, web server and worker. An empty database gets a demo."""
    from server import up as upping

    overrides: dict[str, Any] = {"mode": "development"}
    if port is not None:
        overrides["port"] = port
    settings = settings_or_exit(**overrides)
    if settings.demo_url is None:
        own_address = local(settings.host, settings.port)
        settings.demo_url = next(
            (address for address in own_address if address != settings.public_url), settings.public_url
        )
    try:
        upping.run(settings, with_demo=demo, print_line=out.print)
    except Refused as error:
        fail(error.message)


@cli.command()
def serve() -> None:
    """Run the web server and, on SQLite, the background worker."""
    settings = settings_or_exit()
    _serve(settings, web=True, worker=settings.database_url is None)


@cli.command()
def worker() -> None:
    """Run background jobs only (needs DATABASE_URL)."""
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
    """Upgrade the database to this version of Threadline. Running it twice is safe."""
    from server import migrate as migrating

    settings = settings_or_exit()
    configure_log(settings)
    try:
        if settings.database_url is None:
            from server.kernel.db import lock_data_dir

            release = lock_data_dir(settings.data_dir)
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
    email: Annotated[str | None, typer.Option(help="Asked for if missing, like name and password.")] = None,
    name: Annotated[str | None, typer.Option()] = None,
    password: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Create the owner's account."""
    _command("check-no-owner")
    email = email or typer.prompt("Email")
    name = name or typer.prompt("Name")
    password = password or typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    console = _command("create-owner", email=email, name=name, password=password)
    out.print(f"Done. While `threadline serve` runs, sign in at {console}", markup=False)


@cli.command("reset-link")
def reset_link(email: str) -> None:
    """Create a password reset link for a user."""
    out.print(_command("reset-link", email=email))


@cli.command("signin-link")
def signin_link(
    email: Annotated[str | None, typer.Argument(help="The user's e-mail address. Default: the owner.")] = None,
) -> None:
    """Create a one-time sign-in link, valid for 15 minutes."""
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
cli.command()(operations.move)
cli.command()(operations.doctor)
cli.command("send-test")(operations.send_test)
cli.command("new-key")(operations.new_key)
cli.command()(consent.verify)
cli.command()(consent.evidence)
cli.command()(contact_data.erase)
cli.command("import")(imports.import_file)


@cli.command(hidden=True)
def types() -> None:
    """Print the JSON schemas of frames and HTTP interface, from which the TypeScript types are generated."""
    from pydantic import BaseModel
    from pydantic.json_schema import models_json_schema

    from server import frames
    from server.app import ENDPOINTS
    from server.kernel.json_schema import Schema
    from server.web import openapi

    received = [*get_args(get_args(frames.VisitorIn)[0]), *get_args(get_args(frames.AgentIn)[0])]
    models: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in dict.fromkeys(received)]
    models += [(model, "serialization") for model in (*get_args(frames.Out), frames.File)]
    _, schema = models_json_schema(models, title="Threadline", schema_generator=Schema)
    result = {
        "frames": schema,
        "http": openapi.document(ENDPOINTS, ""),
        "features": openapi.feature_by_model(ENDPOINTS),
    }
    json.dump(result, sys.stdout, indent=1, sort_keys=True)


@cli.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


def main() -> None:
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    cli()


if __name__ == "__main__":
    main()
