"""Settings → Inbox over HTTP: agents may change its switches, except the one that belongs to the widget (ROL-8)."""

from __future__ import annotations

from typing import Any

import pytest

from server.audit import queries
from server.webchat.settings import WIDGET
from tests.online import Online
from tests.saving import save

PATH = "/api/inbox/settings"


async def settings(online: Online, agent: Any) -> dict[str, Any]:
    result: dict[str, Any] = (await agent.get(PATH)).json()
    return result


@pytest.mark.parametrize(
    ("name", "role", "status"),
    [
        ("olga", None, 200),
        ("adam", "admin", 200),
        ("mona", "manager", 200),
        ("ana", "support", 403),
        ("nils", "analyst", 403),
    ],
)
async def test_the_switch_for_visitors_files_needs_the_right_to_change_the_widget(
    online: Online, name: str, role: str | None, status: int
) -> None:
    other = await online.agent(name, role, socket=False)
    form = await settings(online, await online.agent("sam", "support", socket=False))
    form["show_media"]["webchat"] = True
    answer = await save(other, PATH, form)
    assert answer.status == status
    assert (await online.app.read(WIDGET.load)).visitor_files is (status == 200)
    if role == "support":
        assert "admins" in answer.json()["error"]["message"]


async def test_support_can_change_the_other_switches(online: Online) -> None:
    olga, ana = await online.agent("olga", socket=False), await online.agent("ana", socket=False)
    for on in (True, False):
        shown = await settings(online, olga)
        shown["show_media"]["webchat"] = on
        assert (await save(olga, PATH, shown)).status == 200
        form = await settings(online, ana)
        form["unread_badge"], form["show_media"]["sms"] = not form["unread_badge"], not form["show_media"]["sms"]
        assert (await save(ana, PATH, form)).json() | {"version": ""} == form | {"version": ""}
        # Omitted fields are left unchanged, also for a role that may change them.
        for agent in (ana, olga):
            saved = await save(agent, PATH, {"show_media": {"sms": True}})
            assert saved.json()["show_media"] == {"sms": True, "webchat": on}


async def test_a_refused_change_changes_nothing_and_is_not_logged(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    form = await settings(online, ana)
    refused = form | {"unread_badge": False, "show_media": {"sms": True, "webchat": True}}
    assert (await ana.send("PUT", PATH, refused)).status == 403
    assert await settings(online, ana) == form
    lines = await online.app.read(queries.page, 50)
    assert not {line.action for line in lines} & {"inbox_changed", "widget_changed"}
