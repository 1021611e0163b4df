"""`threadline up`: sets up the database, fills it with a demo, and serves, in one command."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from server import migrate, serving
from server.accounts import commands
from server.delivery import jobs, senders
from server.delivery.mail import configure
from server.delivery.mail_settings import MAIL
from server.delivery.rules import SenderKind
from server.delivery.senders import SenderInput
from server.delivery.settings import SMS
from server.errors import Refused
from server.kernel.context import App
from server.kernel.db import lock_data_dir
from server.kernel.log import configure as configure_log
from server.kernel.sealing import PURPOSE, seal
from server.kernel.sql import Tx
from server.settings import Settings
from server.shop.settings import SHOP, ShopSettings
from server.simulator import account, demo, mail, shopify
from server.simulator.mail import Catcher
from server.webchat.settings import WIDGET


def run(settings: Settings, *, with_demo: bool, print_line: Callable[..., None]) -> None:
    """Migrates the database, fills an empty one, and serves until Ctrl-C. Raises `Refused` with instructions."""
    from rich.markup import escape

    if "log_level" not in settings.model_fields_set:
        settings.log_level = "warning"
    configure_log(settings.log_format, settings.log_level)
    if "twilio_url" not in settings.model_fields_set:
        settings.twilio_url = account.base_url(settings)
    is_new = _prepare(settings)
    if with_demo and is_new:
        print_line("Creating the demo…")
        asyncio.run(demo.fill(settings, connect_phone))

    async def started(app: App) -> None:
        await _allow_demo_shop(app)
        await connect_demo_shop(app)
        await connect_phone(app)
        await connect_mail(app)
        await _print_links(app, print_line)

    serving.serve(settings, worker=True, on_started=started)
    print_line("Stopped. Your data is in", escape(str(settings.data_dir.resolve())))


def _prepare(settings: Settings) -> bool:
    """Migrates the database; returns whether it is new."""
    if settings.database_url is not None:
        migrate.run(settings)
        return False
    is_new = not settings.sqlite_path().exists()
    release = lock_data_dir(settings.data_dir)
    try:
        if not migrate.is_current(settings.sqlite_path()):
            migrate.run(settings)
    finally:
        release()
    return is_new


async def _allow_demo_shop(app: App) -> None:
    """Allows the demo shop to embed the widget, also after the shop's port changed."""
    current = await app.read(WIDGET.load)
    shop = app.settings.demo_url
    if shop and shop not in current.sites:
        await app.write(WIDGET.save, current.model_copy(update={"sites": [*current.sites, shop]}))


async def connect_demo_shop(app: App) -> None:
    """Connects the demo shop, unless a shop was connected before."""
    if app.settings.demo_url:
        await app.write(_set_up_shop, shopify.secret(app))


def _set_up_shop(tx: Tx, secret: str) -> None:
    if not SHOP.load(tx).shop_domain:
        sealed = seal(tx.key(PURPOSE), secret)
        SHOP.save(tx, ShopSettings(shop_domain=shopify.DOMAIN, webhook_secret_sealed=sealed, connected_at=tx.now))


async def connect_phone(app: App) -> None:
    """Sets up SMS with the simulated carrier, unless SMS was set up before."""
    if app.settings.twilio_url == account.base_url(app.settings):
        await app.write(_set_up_sms, account.account(app))


def _set_up_sms(tx: Tx, carrier_account: account.Account) -> None:
    current = SMS.load(tx)
    if current.account_sid:
        return
    token = seal(tx.key(PURPOSE), carrier_account.token)
    SMS.save(
        tx, current.model_copy(update={"on": True, "account_sid": carrier_account.sid, "auth_token_sealed": token})
    )
    for number in account.NUMBERS:
        serves = account.SERVES[number.address]
        senders.add(tx, SenderInput(number.address, SenderKind(number.kind), number.country, serves))
    jobs.wake_and_catch_up(tx)


async def connect_mail(app: App) -> None:
    """Starts the demo's mail server and sends mail through it, unless another server is set up."""
    catcher = app.part(Catcher, Catcher)
    await catcher.start()
    await app.write(_set_up_mail, catcher.port)


def _set_up_mail(tx: Tx, port: int) -> None:
    current = MAIL.load(tx)
    if current.host and (current.host, current.from_address) != (mail.HOST, mail.FROM):
        return
    widget = WIDGET.load(tx)
    demo_server = {"mail_on": True, "host": mail.HOST, "port": port, "security": "plain", "from_address": mail.FROM}
    configure(tx, current.model_copy(update={**demo_server, "from_name": current.from_name or widget.brand}))


async def _print_links(app: App, print_line: Callable[..., None]) -> None:
    settings = app.settings
    print_line("")
    print_line("[bold]Threadline is running.[/bold]  Ctrl-C stops it. Your data is kept.")
    print_line("")
    try:
        link = await commands.signin_link(app, None)
        print_line(f"  Console    {link}")
        print_line("             (signs you in once, within 15 minutes. For a new link: threadline signin-link)")
    except Refused:
        print_line(f"  Console    {await commands.setup_link(app) or settings.public_url + '/'}")
    print_line(f"  Demo shop  {settings.demo_url}/demo")
    if settings.twilio_url == account.base_url(settings):
        print_line(f"  Phone      {settings.demo_url}/phone")
    print_line(f"  Mail       {settings.demo_url}/mail")
    print_line("")
    if os.geteuid() == 0:
        print_line("  [yellow]Running as root. On a real server, use a separate account.[/yellow]")
        print_line("")
