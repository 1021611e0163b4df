"""Settings → Inbox over HTTP: the inbox's switches are its agents', the chat's switch among them is not (SPEC ROL-8)."""

from __future__ import annotations

from typing import Any

import pytest

from server.accounts import audit
from server.inbox import widget
from tests.online import Online

PATH = "/api/inbox/settings"


async def settings(online: Online, agent: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await agent.get(PATH)).json()
    return found


@pytest.mark.parametrize(
    ("who", "role", "status"),
    [
        ("olga", None, 200),
        ("adam", "admin", 200),
        ("mona", "manager", 200),
        ("ana", "support", 403),
        ("nils", "analyst", 403),
    ],
)
async def test_only_who_sets_the_widget_up_changes_whether_visitors_send_files(
    online: Online, who: str, role: str | None, status: int
) -> None:
    other = await online.agent(who, role, socket=False)
    wanted = await settings(online, await online.agent("sam", "support", socket=False))
    wanted["show_media"]["webchat"] = True
    answer = await other.send("PUT", PATH, wanted)
    assert answer.status == status
    assert (await online.app.read(widget.load)).visitor_files is (status == 200)
    if role == "support":
        assert "admins" in answer.json()["error"]["message"]


async def test_support_changes_the_other_switches_whatever_the_chats_switch_is(online: Online) -> None:
    olga, ana = await online.agent("olga", socket=False), await online.agent("ana", socket=False)
    for on in (True, False):
        shown = await settings(online, olga)
        shown["show_media"]["webchat"] = on
        assert (await olga.send("PUT", PATH, shown)).status == 200
        mine = await settings(online, ana)
        mine["unread_badge"], mine["show_media"]["sms"] = not mine["unread_badge"], not mine["show_media"]["sms"]
        assert (await ana.send("PUT", PATH, mine)).json() == mine
        # What does not stand there is left as it is, also by who may change it.
        for agent in (ana, olga):
            saved = await agent.send("PUT", PATH, {"show_media": {"sms": True}})
            assert saved.json()["show_media"] == {"sms": True, "webchat": on}


async def test_what_was_refused_changed_nothing_else_and_stands_in_no_log(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    wanted = await settings(online, ana)
    refused = wanted | {"unread_badge": False, "show_media": {"sms": True, "webchat": True}}
    assert (await ana.send("PUT", PATH, refused)).status == 403
    assert await settings(online, ana) == wanted
    lines = await online.app.read(audit.page, 2**53, 50)
    assert not {line.action for line in lines} & {"inbox_changed", "widget_changed"}
