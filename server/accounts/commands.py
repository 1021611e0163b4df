"""Accounts from the command line: what helps when nobody can sign in any more."""

from __future__ import annotations

from server.accounts import actions, links, queries
from server.kernel.context import App
from server.kernel.ids import sign


async def create_owner(app: App, email: str, name: str, password: str) -> int:
    """The owner's id. `Conflict` "setup_done" if there is one already."""
    return (await actions.create_owner(app, email, name, password)).id


def setup_token(app: App) -> str:
    """Opens the set-up page to a browser on another machine. Derived, so every process knows it; useless once there is an owner."""
    return sign(app.key("setup"), "owner") + sign(app.key("setup"), "owner again")


async def setup_link(app: App) -> str | None:
    """Where the owner's account is made; None once there is one."""
    if await app.read(queries.owner_id) is not None:
        return None
    return f"{app.settings.public_url}/setup#{setup_token(app)}"


async def reset_link(app: App, email: str) -> str:
    """The address under which that user, the owner too, sets a new password within 24 hours."""
    return (await links.make_from_command_line(app, "reset", email)).url


async def signin_link(app: App, email: str | None = None) -> str:
    """The address that signs that user in, once, within 15 minutes; without `email` the owner."""
    return (await links.make_from_command_line(app, "signin", email)).url
