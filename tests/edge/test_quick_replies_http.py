"""Quick replies over HTTP: who may use and change them, and which are refused (SET-8)."""

from __future__ import annotations

from typing import Any

import pytest

from server.audit import queries
from server.inbox import quick_replies
from tests.online import Online
from tests.saving import save

PATH = "/api/quick-replies"


@pytest.mark.parametrize(
    ("name", "role", "status"),
    [
        ("olga", None, 200),
        ("adam", "admin", 200),
        ("mona", "manager", 200),
        ("ana", "support", 200),
        ("nils", "analyst", 403),
        ("cora", "coordinator", 403),
        ("kurt", "creator", 403),
    ],
)
async def test_set_8_quick_replies_belong_to_the_roles_of_the_inbox(
    online: Online, name: str, role: str | None, status: int
) -> None:
    other = await online.agent(name, role, socket=False)
    added = await other.post(PATH, {"shortcut": "/Hours", "text": ' Hi {{ first_name|default("there") }}! \u0007'})
    assert added.status == status
    reply = added.json().get("quick_reply")
    if reply is None:
        ana = await online.agent("ana", socket=False)
        reply = (await ana.post(PATH, {"shortcut": "hours", "text": "Hi!"})).json()["quick_reply"]
    else:
        assert (reply["shortcut"], reply["text"]) == ("Hours", 'Hi {{ first_name|default("there") }}!')
        assert (await other.get(PATH)).json() == {"quick_replies": [reply], "brand": "Support", "webchat": False}
    address = f"{PATH}/{reply['id']}"
    change = {"shortcut": "open", "text": "We open at nine.", "version": reply["version"]}
    assert (await other.get(PATH)).status == status
    assert (await other.send("PUT", address, change)).status == status
    assert (await other.send("DELETE", address)).status == status
    lines = [(line.action, line.target) for line in await online.app.read(queries.page, 50)]
    expected = [("quick_reply_removed", "open"), ("quick_reply_changed", "open"), ("quick_reply_added", "Hours")]
    assert [line for line in lines if line[0].startswith("quick_reply")] == (
        expected if status == 200 else [("quick_reply_added", "hours")]
    )


@pytest.mark.parametrize(
    ("form", "field", "code"),
    [
        ({"shortcut": "", "text": "Hi"}, "shortcut", "required"),
        ({"shortcut": "two words", "text": "Hi"}, "shortcut", "bad_shortcut"),
        ({"shortcut": "a\u0000b", "text": "Hi"}, "shortcut", "bad_shortcut"),
        ({"shortcut": "a\u202eb", "text": "Hi"}, "shortcut", "bad_shortcut"),
        ({"shortcut": "//hi", "text": "Hi"}, "shortcut", "bad_shortcut"),
        ({"shortcut": "x" * 33, "text": "Hi"}, "shortcut", "long"),
        ({"shortcut": "hi", "text": ""}, "text", "required"),
        ({"shortcut": "hi", "text": " \u200b\u0007 "}, "text", "required"),
        ({"shortcut": "hi", "text": "x" * 1601}, "text", "long"),
        ({"shortcut": "hi", "text": "Hi {{ nmae }}"}, "text", "unknown_variable"),
        ({"shortcut": "hi", "text": "Hi {{ name.__class__ }}"}, "text", "unknown_variable"),
        ({"shortcut": "hi", "text": "Hi {{ name }}"}, "text", "default_missing"),
        ({"shortcut": "hi", "text": 'Hi {{ name|default("") }}'}, "text", "default_missing"),
        ({"shortcut": "hi", "text": "Hi {{ brand"}, "text", "open_variable"),
        ({"shortcut": "hi", "text": "Hi brand }}"}, "text", "open_variable"),
        ({"shortcut": 7, "text": "Hi"}, "shortcut", None),
    ],
)
async def test_a_quick_reply_that_cannot_be_used_is_refused_at_its_field(
    online: Online, form: dict[str, Any], field: str, code: str | None
) -> None:
    ana = await online.agent("ana", socket=False)
    answer = await ana.post(PATH, form)
    assert answer.status == 422
    (fault,) = answer.json()["errors"]
    assert fault["field"] == field and (code is None or fault["code"] == code), fault
    assert (await ana.get(PATH)).json()["quick_replies"] == []


async def test_a_shortcut_is_unique_without_case_and_there_are_at_most_two_hundred(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_replies, "MAX_REPLIES", 2)
    ana = await online.agent("ana", socket=False)
    first, second = [
        (await ana.post(PATH, {"shortcut": name, "text": name})).json()["quick_reply"] for name in ("Zurück", "hours")
    ]
    for spelling in ("zurück", "ZURÜCK", "/zuru\u0308ck", "ｚurück"):
        taken = await ana.post(PATH, {"shortcut": spelling, "text": "x"})
        assert (taken.status, taken.json()["error"]["code"]) == (409, "shortcut_taken"), spelling
        renamed = await ana.send("PUT", f"{PATH}/{second['id']}", second | {"shortcut": spelling})
        assert (renamed.status, renamed.json()["error"]["code"]) == (409, "shortcut_taken"), spelling
    own = await ana.send("PUT", f"{PATH}/{first['id']}", first | {"shortcut": "ZURÜCK"})
    assert own.json()["quick_reply"]["shortcut"] == "ZURÜCK"
    third = await ana.post(PATH, {"shortcut": "third", "text": "x"})
    assert (third.status, third.json()["error"]["code"]) == (409, "too_many_replies")
    assert [reply["shortcut"] for reply in (await ana.get(PATH)).json()["quick_replies"]] == ["hours", "ZURÜCK"]


async def test_a_change_from_an_older_version_is_refused_with_what_is_stored_now(online: Online) -> None:
    ana, mona = await online.agent("ana", socket=False), await online.agent("mona", socket=False)
    reply = (await ana.post(PATH, {"shortcut": "hours", "text": "At nine."})).json()["quick_reply"]
    other = (await ana.post(PATH, {"shortcut": "other", "text": "Other."})).json()["quick_reply"]
    address = f"{PATH}/{reply['id']}"
    assert (await mona.send("PUT", address, reply | {"text": "At ten."})).status == 200
    assert (await mona.send("PUT", f"{PATH}/{other['id']}", other | {"text": "Else."})).status == 200
    for body in (reply | {"text": "At eleven."}, {"shortcut": "hours", "text": "At eleven."}):
        refused = await ana.send("PUT", address, body)
        assert (refused.status, refused.json()["error"]["code"]) == (409, "stale_version")
    conflict = (await ana.send("PUT", address, reply)).json()["conflict"]
    assert conflict["current"]["text"] == "At ten."
    assert [(change["who"]["name"], change["fields"]) for change in conflict["changes"]] == [("Mona", ["text"])]
    merged = reply | {"shortcut": "open", "text": "At ten.", "version": conflict["current"]["version"]}
    assert (await ana.send("PUT", address, merged)).json()["quick_reply"]["shortcut"] == "open"
    assert (await ana.send("DELETE", address)).status == 200
    assert (await ana.send("DELETE", address)).status == (await ana.send("PUT", address, merged)).status == 404


async def test_consoles_learn_of_changed_quick_replies_and_web_chat_needs_its_setting(online: Online) -> None:
    ana = await online.agent("ana")
    nils = await online.agent("nils")
    await ana.post(PATH, {"shortcut": "hours", "text": "At nine."})
    assert (await ana.receives("changed"))["name"] == "quick_replies"
    form = (await ana.get("/api/inbox/settings")).json()
    assert form["quick_replies_webchat"] is False
    assert (await save(ana, "/api/inbox/settings", form | {"quick_replies_webchat": True})).status == 200
    assert (await ana.get(PATH)).json()["webchat"] is True
    await nils.wire.says({"type": "ping"})
    await nils.wire.receives("pong")
    assert not [frame for frame in nils.wire.received("changed") if frame.get("name") == "quick_replies"]
