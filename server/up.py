"""`threadline up`: an empty machine becomes a running product with a living demo, in one command."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from server import migrate, serving
from server.accounts import commands
from server.errors import Refused
from server.inbox import widget
from server.kernel.context import App
from server.kernel.db import own_file
from server.kernel.log import configure
from server.settings import Settings
from server.simulator import demo


def run(settings: Settings, *, with_demo: bool, say: Callable[..., None]) -> None:
    """Migrates, fills an empty database, serves until Ctrl-C. Raises `Refused` with what to do."""
    if "log_level" not in settings.model_fields_set:
        settings.log_level = "warning"
    configure(settings.log_format, settings.log_level)
    fresh = _prepare(settings)
    if with_demo and fresh:
        say("Making a living demo …")
        asyncio.run(demo.fill(settings))

    async def started(app: App) -> None:
        await _let_demo_shop_in(app)
        await _print_links(app, say)

    serving.serve(settings, worker=True, started=started)
    say("Stopped. Your data stays in", str(settings.data_dir.resolve()))


def _prepare(settings: Settings) -> bool:
    """Brings the database up to date; True when it was empty before."""
    if settings.database_url is not None:
        migrate.run(settings)
        return False
    fresh = not settings.sqlite_path().exists()
    release = own_file(settings.data_dir)
    try:
        if not migrate.is_current(settings.sqlite_path()):
            migrate.run(settings)
    finally:
        release()
    return fresh


async def _let_demo_shop_in(app: App) -> None:
    """The demo shop may embed the widget whatever port it has today."""
    known = await app.read(widget.load)
    shop = app.settings.demo_url
    if shop and shop not in known.sites:
        await app.write(widget.save, known.model_copy(update={"sites": [*known.sites, shop]}))


async def _print_links(app: App, say: Callable[..., None]) -> None:
    settings = app.settings
    say("")
    say("[bold]Threadline is running.[/bold]  Ctrl-C stops it; your data stays.")
    say("")
    try:
        link = await commands.signin_link(app, None)
        say(f"  Console    {link}")
        say("             (signs you in once, within 15 minutes; a new one: threadline signin-link)")
    except Refused:
        say(f"  Console    {settings.public_url}/")
    say(f"  Demo shop  {settings.demo_url}/demo")
    say("")
    if os.geteuid() == 0:
        say("  [yellow]Running as root; on a real server use an account of its own.[/yellow]")
        say("")
