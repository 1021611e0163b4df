"""The HTTP routes of quick replies. Contract: PROTOCOL.md 3, 'Settings'."""

from __future__ import annotations

from typing import Any

from server.accounts.rules import Can
from server.inbox import quick_replies, responses
from server.kernel.context import App
from server.sms.settings import INBOX
from server.web.http import Call, Done, Endpoint, path_id
from server.webchat.settings import WIDGET


async def list_replies(app: App, call: Call) -> Any:
    """List the quick replies, with what fills their variables and whether web chat offers them, too."""
    replies = await app.read(quick_replies.listed)
    return responses.QuickReplies(
        quick_replies=replies,
        brand=(await WIDGET.latest(app)).brand,
        webchat=(await INBOX.latest(app)).quick_replies_webchat,
    )


async def add_reply(app: App, call: Call) -> Any:
    """Add a quick reply."""
    added = await app.write(quick_replies.add, call.agent, call.body, call.address)
    return responses.OneQuickReply(quick_reply=added)


async def change_reply(app: App, call: Call) -> Any:
    """Change a quick reply."""
    saved = await app.write(quick_replies.change, call.agent, path_id(call, "reply"), call.body, call.address)
    return responses.OneQuickReply(quick_reply=saved)


async def remove_reply(app: App, call: Call) -> Any:
    """Remove a quick reply."""
    await app.write(quick_replies.remove, call.agent, path_id(call, "reply"), call.address)
    return {}


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/quick-replies", list_replies, Can.INBOX, response=responses.QuickReplies),
    Endpoint(
        "POST",
        "/api/quick-replies",
        add_reply,
        Can.INBOX,
        quick_replies.QuickReply,
        response=responses.OneQuickReply,
    ),
    Endpoint(
        "PUT",
        "/api/quick-replies/{reply}",
        change_reply,
        Can.INBOX,
        quick_replies.ReplyChange,
        response=responses.OneQuickReply,
    ),
    Endpoint("DELETE", "/api/quick-replies/{reply}", remove_reply, Can.INBOX, response=Done),
]
