"""Settings → Inbox over HTTP: agents may change its switches, except the one that belongs to the widget (ROL-8)."""

from __future__ import annotations

from typing import Any

import pytest

from server.audit import queries
from server.inbox.settings import InboxForm, load
from server.webchat.settings import WIDGET, Welcome
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


# Another value for each setting of Settings → Inbox (SPEC of SET-1: support address, links, notifications; automatic
# answer, welcome; the switch of quick replies).
CHANGES: dict[str, Any] = {
    "support_from": "help@shop.example",
    "support_name": "Kettles",
    "support_reply_to": "answers@shop.example",
    "follow_up_minutes": 7,
    "shorten_links": False,
    "unread_badge": False,
    "ticket_mail": {"sms": False, "webchat": True},
    "show_media": {"sms": True},
    "auto_response_on": True,
    "auto_response": "We are a shop.",
    "auto_response_to": "all",
    "welcome_on": False,
    "welcome": "Hello there!",
    "welcome_away": "We are asleep.",
    "quick_replies_webchat": True,
}
WITH_INBOX = {"olga", "adam", "mona", "ana"}


def test_every_setting_of_the_inbox_is_tried() -> None:
    assert set(CHANGES) == set(InboxForm.model_fields)


@pytest.mark.parametrize("name", ["olga", "adam", "mona", "ana", "nils", "cora", "kurt"])
async def test_set_1_each_role_and_each_setting(online: Online, name: str) -> None:
    agent = await online.agent(name, socket=False)
    olga = await online.agent("olga", socket=False)
    allowed = name in WITH_INBOX
    assert (await agent.get(PATH)).status == (200 if allowed else 403)
    for field, value in CHANGES.items():
        form = await settings(online, olga)
        form |= {field: value} | ({"auto_response": "x"} if field == "auto_response_on" else {})
        assert (await agent.send("PUT", PATH, form)).status == (200 if allowed else 403), field
        stored = (await online.app.read(load)).model_dump(mode="json")[field]
        assert (stored == value or (field == "show_media" and stored["sms"])) is allowed, field
    # Hours and the chat widget belong to owner, admins and managers.
    for path in ("/api/settings/hours", "/api/settings/widget"):
        body = (await olga.get(path)).json()
        allowed_here = name in WITH_INBOX - {"ana"}
        assert (await agent.get(path)).status == (200 if allowed_here else 403), path
        assert (await agent.send("PUT", path, body)).status == (200 if allowed_here else 403), path


async def test_set_1_a_setting_that_a_channel_lacks_is_ignored(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    before = await settings(online, ana)
    foreign = {
        "hours_on": True,
        "support_from_sms": "a@shop.example",
        "auto_response_webchat": "x",
        "shorten_links_webchat": True,
        "welcome_sms": "x",
        "ticket_mail": before["ticket_mail"] | {"email": True},
        "brand": "Not here",
    }
    answer = await ana.send("PUT", PATH, before | foreign)
    assert answer.status == 200 and answer.json() == before
    assert (await online.app.read(WIDGET.load)).brand == "Support"


async def test_the_welcome_is_a_setting_of_the_inbox_and_not_of_the_widgets_page(online: Online) -> None:
    ana, olga = await online.agent("ana", socket=False), await online.agent("olga", socket=False)
    widget = (await olga.get("/api/settings/widget")).json()
    form = await settings(online, ana)
    assert (await ana.send("PUT", PATH, form | {"welcome": " Hello!\u0007 "})).json()["welcome"] == "Hello!"
    # The widget's page was opened before and still saves, because it does not change the welcome.
    saved = await olga.send("PUT", "/api/settings/widget", widget | {"brand": "Kettles", "welcome": "old"})
    assert saved.status == 200 and (saved.json()["brand"], saved.json()["welcome"]) == ("Kettles", "Hello!")
    # Another change of the widget is none of the inbox's.
    form = await settings(online, ana)
    assert (await save(olga, "/api/settings/widget", widget | {"brand": "Pots"})).status == 200
    assert (await ana.send("PUT", PATH, form | {"welcome_away": ""})).status == 200
    # A console that does not know the welcome leaves it unchanged.
    form = await settings(online, ana)
    old_console = {name: value for name, value in form.items() if name not in Welcome.model_fields}
    assert (await ana.send("PUT", PATH, old_console)).json() == form
    stale = await ana.send("PUT", PATH, form | {"version": "0.x", "welcome": "Late"})
    assert (stale.status, stale.json()["error"]["code"]) == (409, "stale_version")
    lines = [change["fields"] for change in stale.json()["conflict"]["changes"]]
    assert lines == [["welcome_away"], ["welcome"]]
    assert (await ana.send("PUT", PATH, form | {"welcome": "x" * 501})).status == 422
