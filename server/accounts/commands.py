"""Account commands of the command line, for when nobody can sign in."""

from __future__ import annotations

from server.accounts import actions, queries, single_use_links
from server.kernel.context import App
from server.kernel.ids import sign


async def check_no_owner(app: App) -> None:
    """Raises `Conflict` "setup_done" if there is an owner, so that `create-owner` asks nothing in vain."""
    if await app.read(queries.owner_id) is not None:
        raise actions.setup_done()


async def create_owner(app: App, email: str, name: str, password: str) -> str:
    """Creates the owner and returns the address to sign in at. `Conflict` "setup_done" if there is an owner."""
    await actions.create_owner(app, email, name, password)
    return f"{app.settings.public_url}/"


def setup_token(app: App) -> str:
    """The token that creates the first account. It is derived, so every process knows it, and has no use once there is an owner."""
    return sign(app.key("setup"), "owner") + sign(app.key("setup"), "owner again")


async def setup_link(app: App) -> str | None:
    """The link that creates the owner's account; None if there is an owner."""
    if await app.read(queries.owner_id) is not None:
        return None
    return f"{app.settings.public_url}/setup#{setup_token(app)}"


async def reset_link(app: App, email: str) -> str:
    """A link with which the user (also the owner) sets a new password within 24 hours."""
    return (await single_use_links.make_from_command_line(app, "reset", email)).url


async def signin_link(app: App, email: str | None = None) -> str:
    """A link that signs the user in once, within 15 minutes; without `email`, the owner."""
    return (await single_use_links.make_from_command_line(app, "signin", email)).url
