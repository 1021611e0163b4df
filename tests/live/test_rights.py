"""Every role has a WebSocket connection, and exchanges only frames on it for which the role has the right."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from sqlalchemy import update

import server
from server import frames, schema
from server.accounts import identity_secrets, team
from server.accounts.rules import Role
from server.consent import definitions
from server.consent.definitions import ConsentDefinition
from server.kernel.documents import publish_change
from server.kernel.sql import Tx
from server.live import encoding, rights
from server.notifications.rules import notices_topic
from server.sms.settings import INBOX
from tests.online import Agent, Online, Visitor
from tests.world import CAST

# Written by hand from ROL-1 to ROL-8: the roles that read the inbox, and the roles that read each settings document.
READS_INBOX = {"owner", "admin", "manager", "support"}
READS_SETTINGS = {
    "inbox": READS_INBOX,
    "quick_replies": READS_INBOX,
    **{
        name: {"owner", "admin", "manager"}
        for name in "widget hours sms senders keywords litigators links account mail dkim campaigns".split()
    },
    **{name: {"owner", "admin"} for name in "identity api_keys shop retention".split()},
    "consents": {"owner", "admin", "manager", "support", "analyst", "coordinator"},
}
OF_THE_INBOX = {"entry", "ticket", "counts", "typing", "presence of a visitor"}


def kinds(agent: Agent) -> set[str]:
    """The kinds of frames that the agent has received; visitors' presence and changes with their subject."""
    result = set()
    for frame in agent.wire.frames:
        kind = frame["type"]
        if kind == "presence":
            kind += " of a visitor" if "thread" in frame else " of a colleague"
        elif kind == "changed":
            kind += f" {frame.get('name') or frame['what']}"
        result.add(kind)
    return result


@pytest.mark.parametrize("role", [role.value for role in Role])
async def test_a_role_receives_only_frames_for_which_it_has_the_right(online: Online, role: str) -> None:
    someone = await online.agent(next(name for name, cast_role in CAST.items() if cast_role.value == role))
    colleague, zoe = await online.agent("ben"), await online.visitor()
    await zoe.says("Hello?")
    thread = await zoe.thread_id()
    await someone.wire.says({"type": "open", "thread": thread, "after": 0})
    await someone.wire.settles()
    await colleague.opens(thread)
    await zoe.sends({"type": "typing"})
    await zoe.sends({"type": "page", "page": {"url": "https://shop.example/2"}})
    await zoe.says("Anybody?")
    for name in rights.SETTINGS:
        await online.app.write(publish_change, name)
    await online.app.write(lambda tx: tx.publish(notices_topic(someone.id)))
    await online.app.write(publish_change, "crowding")  # an internal document
    await team.change_me(online.app, colleague.desk.agent, None, False, "")
    await online.hub.tick(3)
    await zoe.wire.settles()
    await someone.wire.settles()

    expected = {"ready", "pong", "presence of a colleague", "changed team"}
    expected |= {f"changed {name}" for name, roles in READS_SETTINGS.items() if role in roles}
    expected |= {"changed notifications"} if role in READS_INBOX else set()
    expected |= OF_THE_INBOX if role in READS_INBOX else {"refused"}
    assert kinds(someone) - {"changed me"} == expected
    if role not in READS_INBOX:
        assert [frame["code"] for frame in someone.wire.received("refused")] == ["forbidden"]


async def watches_a_chat(online: Online) -> tuple[Agent, Agent, Visitor, int]:
    """Ana and Ben follow Zoe's chat."""
    ana, ben, zoe = await online.agent("ana"), await online.agent("ben"), await online.visitor()
    await zoe.says("Before")
    thread = await zoe.thread_id()
    await ana.opens(thread)
    await ben.opens(thread)
    await ana.sees(thread, "Before")
    return ana, ben, zoe, thread


async def change_role(online: Online, agent: Agent, role: Role) -> None:
    olga = await online.world.agent("olga")
    await team.change_user(online.app, olga.agent, agent.id, team.UserChange(role=role), "")
    await agent.receives("changed", what="me")
    await online.hub._recheck_sessions()


async def test_g17_an_agent_who_loses_access_to_the_inbox_receives_no_more_of_its_frames(online: Online) -> None:
    ana, ben, zoe, thread = await watches_a_chat(online)
    await change_role(online, ana, Role.ANALYST)
    await ana.wire.settles()
    frames_before = len(ana.wire.frames)
    await zoe.sends({"type": "typing"})
    await zoe.says("Secret")
    await ben.sees(thread, "Secret")
    await online.hub.tick(3)
    await ana.wire.settles()
    later = [frame for frame in ana.wire.frames[frames_before:] if frame["type"] != "pong"]
    assert [frame for frame in later if frame["type"] != "presence" or "thread" in frame] == []
    assert ben.wire.received("typing"), "precondition: the colleague receives frames of the chat"

    # They cannot use the inbox, although the thread is still open on this socket.
    typed = len(ben.wire.received("typing"))
    await ana.wire.says({"type": "typing", "thread": thread})
    assert (await ana.receives("refused"))["code"] == "forbidden"
    await ana.wire.says({"type": "open", "thread": thread, "after": 0})
    assert (await ana.receives("refused"))["code"] == "forbidden"
    await ben.wire.settles()
    assert len(ben.wire.received("typing")) == typed
    views = [
        frame["online"] for frame in ben.wire.received("presence") if frame.get("user") == ana.id and "thread" in frame
    ]
    assert views[-1] is False, "colleagues no longer see them at the ticket"


async def test_an_agent_who_regains_the_inbox_receives_the_missed_changes(online: Online) -> None:
    ana, ben, zoe, thread = await watches_a_chat(online)
    await change_role(online, ana, Role.ANALYST)
    await zoe.says("Meanwhile")
    await ben.sees(thread, "Meanwhile")
    await ana.wire.settles()
    assert "Meanwhile" not in ana.screens[thread].texts
    await change_role(online, ana, Role.SUPPORT)
    await ana.sees(thread, "Meanwhile")
    await zoe.says("After")
    await ana.sees(thread, "After")
    assert ana.screens[thread].texts[-3:] == ["Before", "Meanwhile", "After"]


async def test_frames_queued_for_a_slow_agent_are_dropped_when_the_role_loses_the_right(online: Online) -> None:
    ana = await online.agent("ana")
    (connection,) = online.hub.agents
    waiting = {"type": "entry", "thread": 7, "entry": {"seq": 1}}
    connection._out.append(encoding.dump(waiting))
    connection.change_agent(connection.agent)
    assert connection._out, "the same role must keep the queued frame"
    connection.change_agent(replace(connection.agent, role=Role.ANALYST))
    await ana.wire.settles()
    assert waiting not in ana.wire.frames and ana.wire.received("changed")


async def test_entries_that_are_read_while_the_role_changes_are_not_sent(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, _, _, thread = await watches_a_chat(online)
    (connection,) = [agent for agent in online.hub.agents if agent.agent.id == ana.id]
    since = online.hub.feed.since

    async def slowly(*what: Any) -> Any:
        result = await since(*what)
        connection.change_agent(replace(connection.agent, role=Role.ANALYST))
        return result

    monkeypatch.setattr(online.hub.feed, "since", slowly)
    monkeypatch.setattr(online.hub, "_recheck_sessions", lambda: asyncio.sleep(0))
    ana.screens.clear()
    received = len(ana.wire.received("entry"))
    connection.bookmarks[thread] = 0
    connection.catch_up(thread)
    await ana.receives("changed", what="me")
    await ana.wire.settles()
    assert len(ana.wire.received("entry")) == received


async def test_a_lost_notification_delays_a_change_of_role_by_at_most_four_seconds(online: Online) -> None:
    ana = await online.agent("ana")

    def demote(tx: Tx) -> None:  # without publishing it
        tx.run(update(schema.users).where(schema.users.c.id == ana.id).values(role="analyst"))

    await online.app.write(demote)
    online.hub._recheck_at = 0
    await online.hub.tick(3)
    assert await ana.receives("changed") == {"type": "changed", "what": "me", "name": None}


async def test_the_frame_for_changed_settings_names_the_document(online: Online) -> None:
    olga = await online.agent("olga")

    def change(tx: Tx) -> None:
        INBOX.save(tx, INBOX.load(tx))
        identity_secrets.rotate(tx, olga.desk.agent, "")
        definitions.add(tx, olga.desk.agent, ConsentDefinition(name="Terms"), "")

    await online.app.write(change)
    online.app.bus.deliver("settings", None)
    await olga.wire.settles()
    changed = [frame.get("name") for frame in olga.wire.received("changed")]
    assert changed == ["inbox", "identity", "consents", None], "after a gap of the bus the frame names no settings"


async def test_the_team_is_online_only_with_an_agent_who_can_answer(online: Online) -> None:
    await online.agent("nils")
    await online.hub.tick(1)
    await online.hub._check_team_online()
    assert not online.hub.team_online
    await online.agent("ana")
    await online.hub.tick(1)
    await online.hub._check_team_online()
    assert online.hub.team_online


def test_every_frame_has_a_right() -> None:
    assert rights.OUT.keys() == {model.model_fields["type"].default for model in get_args(frames.Out)}
    assert rights.FROM_AGENTS.keys() == frames.AGENT_TYPES
    names: Any = frames.Changed.model_fields["name"].annotation
    assert rights.SETTINGS.keys() == set(get_args(get_args(names)[0])) == READS_SETTINGS.keys()


# `mail` has no route yet; whoever adds one gives it its right.
INTERNAL = {"crowding", "deactivations", "keeping", "shop_fetch"}


def test_every_settings_document_has_a_right_or_is_internal() -> None:
    source = "".join(path.read_text() for path in Path(server.__file__).parent.rglob("*.py"))
    documents = set(re.findall(r' = Document\("(\w+)"', source))
    assert "inbox" in documents and documents - INTERNAL <= rights.SETTINGS.keys()
