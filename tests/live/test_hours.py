"""Business hours in the web chat: what the visitor sees and what is stored (HRS-1, HRS-2, HRS-3, AMB-8)."""

from __future__ import annotations

from typing import Any

import pytest

from server.schema import tickets, timeline
from tests.online import Online
from tests.saving import save

# The world's clock starts on a Saturday at 09:00 UTC.
WORKDAYS: dict[str, Any] = {
    "hours_on": True,
    "week": [*([[{"start": "09:00", "end": "17:00"}]] * 5), [], []],
    "out_of_hours": "We are closed.",
}
MONDAY = "2026-11-23T09:00:00"


async def set_hours(online: Online, **changes: Any) -> None:
    owner = await online.agent("olga", socket=False)
    assert (await save(owner, "/api/settings/hours", WORKDAYS | changes)).status == 200


async def out_of_hours_replies(online: Online) -> list[Any]:
    return [row for row in await online.world.rows(timeline) if row.data.get("origin") == "out_of_hours"]


async def test_outside_the_hours_the_visitor_learns_when_the_team_is_back(online: Online) -> None:
    await set_hours(online)
    zoe = await online.visitor()
    assert not zoe.ready["online"] and zoe.ready["opens_at"].startswith(MONDAY)
    await zoe.says("Where is my parcel?")
    answer = await zoe.sees("We are closed.")
    assert answer["data"]["origin"] == "out_of_hours" and answer["data"]["opens_at"].startswith(MONDAY)


async def test_a_message_outside_the_hours_creates_a_ticket_that_waits(online: Online) -> None:
    await set_hours(online)
    zoe = await online.visitor()
    await zoe.says("Where is my parcel?")
    await zoe.sees("We are closed.")
    [ticket] = await online.world.rows(tickets)
    assert (ticket.status, ticket.unread, ticket.preview) == ("open", True, "Where is my parcel?")
    assert ticket.waiting_since is not None


async def test_the_out_of_hours_message_is_sent_once_in_a_session(online: Online) -> None:
    await set_hours(online)
    zoe = await online.visitor()
    for text in ("One.", "Two.", "Three."):
        await zoe.says(text)
    assert len(await out_of_hours_replies(online)) == 1
    await zoe.sends({"type": "end", "id": online.key()})
    await zoe.wire.settles()
    await zoe.says("A new session.")
    assert len(await out_of_hours_replies(online)) == 2


async def test_inside_the_hours_nothing_is_said_about_them(online: Online) -> None:
    await set_hours(online, week=[[{"start": "00:00", "end": "24:00"}]] * 7)
    await online.agent("ana")
    zoe = await online.visitor()
    assert "opens_at" not in zoe.ready
    await zoe.says("Hello?")
    assert await out_of_hours_replies(online) == []


async def test_outside_the_hours_the_team_is_away_whoever_is_online(online: Online) -> None:
    await online.agent("ana")
    await online.hub.tick(1)
    await set_hours(online)
    zoe = await online.visitor()
    assert not zoe.ready["online"]
    await zoe.says("Hello?")
    first = (await online.world.rows(timeline))[0]
    assert first.data["origin"] == "welcome" and first.body.startswith("Hi! Leave us a message")


async def test_open_chats_learn_when_the_hours_begin(online: Online) -> None:
    await set_hours(online)
    await online.agent("ana")
    zoe = await online.visitor()
    await online.world.advance(hours=48)
    await online.agent("ben")
    await online.hub.tick(1)
    frame = await zoe.wire.receives("presence", online=True)
    assert "opens_at" not in frame


async def test_an_empty_text_sends_no_message(online: Online) -> None:
    await set_hours(online, out_of_hours="")
    zoe = await online.visitor()
    await zoe.says("Hello?")
    assert await out_of_hours_replies(online) == []


async def test_hours_without_any_interval_are_refused(online: Online) -> None:
    owner = await online.agent("olga", socket=False)
    answer = await save(owner, "/api/settings/hours", WORKDAYS | {"week": [[]] * 7})
    assert answer.status == 422 and answer.json()["error"]["code"] == "no_hours"


@pytest.mark.parametrize(("name", "status"), [("olga", 200), ("adam", 200), ("mona", 200), ("ana", 403), ("nils", 403)])
async def test_hours_belong_to_owner_admin_and_manager(online: Online, name: str, status: int) -> None:
    agent = await online.agent(name, socket=False)
    assert (await agent.get("/api/settings/hours")).status == status
    assert (await save(agent, "/api/settings/hours", WORKDAYS)).status == status


async def test_hours_never_affect_texts(online: Online) -> None:
    await set_hours(online)
    maria = await online.world.texter(agreed=True)
    await maria.says("Hi by SMS")
    assert await out_of_hours_replies(online) == []
