"""The inbox over HTTP, as an agent works in it all day: both channels in one list, states, snoozing, unread, assignment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from server.kernel.clock import rfc3339
from tests.online import Agent, Online


async def act(agent: Agent, ticket: int, action: str, **body: Any) -> Any:
    return await agent.post(f"/api/tickets/{ticket}/{action}", {"key": f"inbox-http-{action}-{ticket}", **body})


async def listed(agent: Agent, **query: str) -> list[int]:
    words = "&".join(f"{name}={value}" for name, value in query.items())
    return [ticket["id"] for ticket in (await agent.get(f"/api/tickets?{words}")).json()["tickets"]]


async def test_texts_and_chats_are_in_one_list_and_can_be_told_apart(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    text = await online.world.sms_ticket()
    _, chat = await online.world.conversation()
    assert sorted(await listed(ana)) == sorted([text.id, chat.id])
    assert await listed(ana, channel="sms") == [text.id] and await listed(ana, channel="webchat") == [chat.id]


async def test_inb_9_a_text_is_answered_only_with_consent(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    maria = await online.world.texter()
    await maria.says("Do you have kettles?")
    ticket = await maria.ticket()
    assert ticket is not None
    refused = await act(ana, ticket.id, "reply", text="We do.")
    assert (refused.status, refused.json()["error"]["code"]) == (409, "not_subscribed")
    await maria.agrees()
    assert (await act(ana, ticket.id, "reply", text="We do.")).status == 200


async def test_inb_22_a_closed_text_reopens_and_a_closed_chat_never_does(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    text = await online.world.sms_ticket()
    _, chat = await online.world.conversation()
    for ticket in (text, chat):
        assert (await act(ana, ticket.id, "close")).status == 200
    await online.world.advance(seconds=6)
    assert (await act(ana, text.id, "reopen")).json()["ticket"]["status"] == "open"
    refused = await act(ana, chat.id, "reopen")
    assert (refused.status, refused.json()["error"]["code"]) == (409, "chat_ended")
    assert (await act(ana, chat.id, "reply", text="Hello?")).json()["error"]["code"] == "chat_ended"


async def test_a_ticket_that_is_snoozed_for_three_hours_wakes_open_and_unread(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    text = await online.world.sms_ticket()
    await act(ana, text.id, "read", seq=text.last_seq)
    until = rfc3339(online.world.now + timedelta(hours=3))
    snoozed = (await act(ana, text.id, "snooze", until="later")).json()["ticket"]
    assert (snoozed["status"], snoozed["snoozed_until"]) == ("snoozed", until)
    await online.world.advance(hours=2, minutes=59)
    assert await listed(ana, status="snoozed") == [text.id]
    await online.world.advance(minutes=1)
    woken = (await ana.get(f"/api/tickets/{text.id}")).json()["ticket"]
    assert (woken["status"], woken["unread"], woken["snoozed_until"]) == ("open", True, None)


async def test_inb_33_a_ticket_is_marked_unread_and_counted(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    _, chat = await online.world.conversation()
    read = (await act(ana, chat.id, "read", seq=chat.last_seq)).json()["ticket"]
    assert read["unread"] is False
    assert (await act(ana, chat.id, "unread")).json()["ticket"]["unread"] is True


async def test_inb_58_a_reply_assigns_the_ticket_to_its_author(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    _, chat = await online.world.conversation()
    assert await listed(ana, view="unassigned") == [chat.id]
    assert (await act(ana, chat.id, "reply", text="Hello!")).json()["ticket"]["assignee"] == ana.id
    assert await listed(ana, view="mine") == [chat.id] and await listed(ana, view="unassigned") == []
