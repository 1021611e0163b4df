"""`threadline up`: an empty machine becomes a running product with a living demo, in one command."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from server import migrate, serving
from server.accounts import commands
from server.delivery import jobs, senders
from server.delivery.rules import SenderKind
from server.delivery.senders import Wanted
from server.delivery.settings import SMS
from server.errors import Refused
from server.inbox import widget
from server.kernel.context import App
from server.kernel.db import own_file
from server.kernel.log import configure
from server.kernel.sealing import PURPOSE, seal
from server.kernel.sql import Tx
from server.settings import Settings
from server.simulator import account, demo


def run(settings: Settings, *, with_demo: bool, say: Callable[..., None]) -> None:
    """Migrates, fills an empty database, serves until Ctrl-C. Raises `Refused` with what to do."""
    if "log_level" not in settings.model_fields_set:
        settings.log_level = "warning"
    configure(settings.log_format, settings.log_level)
    if "twilio_url" not in settings.model_fields_set:
        settings.twilio_url = account.base_url(settings)
    fresh = _prepare(settings)
    if with_demo and fresh:
        say("Making a living demo …")
        asyncio.run(demo.fill(settings, connect_phone))

    async def started(app: App) -> None:
        await _let_demo_shop_in(app)
        await connect_phone(app)
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


async def connect_phone(app: App) -> None:
    """SMS through the stand-in carrier, unless it was set up before: what an owner changed stays."""
    if app.settings.twilio_url == account.base_url(app.settings):
        await app.write(_set_sms_up, account.account(app))


def _set_sms_up(tx: Tx, of: account.Account) -> None:
    known = SMS.load(tx)
    if known.account_sid:
        return
    token = seal(tx.key(PURPOSE), of.token)
    SMS.save(tx, known.model_copy(update={"on": True, "account_sid": of.sid, "auth_token_sealed": token}))
    for number in account.NUMBERS:
        serves = account.SERVES[number.address]
        senders.add(tx, Wanted(number.address, SenderKind(number.kind), number.country, serves))
    jobs.look_now(tx)


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
    if settings.twilio_url == account.base_url(settings):
        say(f"  Phone      {settings.demo_url}/phone")
    say("")
    if os.geteuid() == 0:
        say("  [yellow]Running as root; on a real server use an account of its own.[/yellow]")
        say("")
