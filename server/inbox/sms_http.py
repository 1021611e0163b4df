"""What the inbox has for SMS over HTTP: its settings, and the tap that answers "please stop". Contract: PROTOCOL.md 3."""

from __future__ import annotations

from typing import Any

from server.accounts.rules import Can
from server.inbox import answers, replies, settings
from server.inbox.http import Keyed
from server.inbox.settings import INBOX, InboxSettings
from server.kernel.context import App
from server.web.http import Call, Endpoint, path_id


class OptOutBody(Keyed):
    confirm: bool  # yes, take them off the texts; or no, they meant something else


async def answer_stop_wish(app: App, call: Call) -> Any:
    """Say whether somebody who asked in their own words to stop is to get no more texts."""
    body: OptOutBody = call.body
    ticket = await app.write(
        replies.answer_stop_wish, call.agent, path_id(call, "ticket"), body.confirm, body.key, call.address
    )
    return {"ticket": ticket.wire(app.clock.now())}


async def get_settings(app: App, call: Call) -> Any:
    """Show the inbox's settings."""
    return await app.read(settings.load)


async def put_settings(app: App, call: Call) -> Any:
    """Change the inbox's settings; the chat's switch in them only by who may set the widget up."""
    wanted: InboxSettings = call.body
    saved = await app.write(settings.change, call.agent, wanted, call.address)
    INBOX.cached(app).heard("", None)
    return saved


ENDPOINTS: list[Endpoint] = [
    Endpoint(
        "POST", "/api/tickets/{ticket}/opt-out", answer_stop_wish, Can.INBOX, OptOutBody, answer=answers.OneTicket
    ),
    Endpoint("GET", "/api/inbox/settings", get_settings, Can.INBOX, answer=InboxSettings),
    Endpoint("PUT", "/api/inbox/settings", put_settings, Can.INBOX, InboxSettings, answer=InboxSettings),
]
