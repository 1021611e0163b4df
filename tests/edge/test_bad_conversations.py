"""W32, A23 and A27: messages into an ended chat, data that a visitor never sees, foreign text in the audit log."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import insert

from server.schema import audit
from server.threads import tickets
from tests.online import Online, Visitor


async def ticket_of(online: Online, who: Visitor) -> int:
    result = await online.app.read(tickets.by_thread, await who.thread_id())
    assert result is not None
    return int(result.id)


@pytest.mark.parametrize("over", ["socket", "poll"])
async def test_w32_a_message_into_an_ended_chat_begins_a_new_chat(online: Online, over: str) -> None:
    zoe = await online.visitor(over=over)
    await zoe.says("the first chat")
    first = zoe.screen.thread
    await (await online.world.agent("ana")).closes_for_good(await ticket_of(online, zoe))
    entry = await zoe.says("one more thing")
    assert entry["text"] == "one more thing" and zoe.screen.thread != first
    accepted = await zoe.says("and a normal one")
    assert accepted["seq"] > entry["seq"]


@pytest.mark.parametrize("over", ["socket", "poll"])
async def test_w32_frames_about_an_ended_chat_are_answered_and_change_nothing(online: Online, over: str) -> None:
    zoe = await online.visitor(over=over)
    await zoe.says("the first chat")
    ticket = await ticket_of(online, zoe)
    await (await online.world.agent("ana")).closes_for_good(ticket)
    count_before = len(await online.world.entries((await online.world.ticket(ticket)).thread))
    for frame in ({"type": "typing"}, {"type": "seen", "seq": 1}, {"type": "end", "id": online.key()}):
        await zoe.sends(frame)
    reloaded = await online.visitor(over=over, token=zoe.token)
    assert reloaded.ready["ended"], "a message must not reopen the ended chat"
    entries_after = await online.world.entries((await online.world.ticket(ticket)).thread)
    assert sum(entry.kind == "message" for entry in entries_after[count_before:]) == 0


@pytest.mark.parametrize("over", ["socket", "poll"])
async def test_a23_a_note_reaches_no_visitor(online: Online, over: str) -> None:
    zoe, ana = await online.visitor(over=over), await online.agent("ana", socket=False)
    await zoe.says("Where is my parcel?")
    ticket = await ticket_of(online, zoe)
    await ana.notes(ticket, "canary-note: a difficult one")
    await ana.replies(ticket, "On its way.")
    await zoe.sees("On its way.")
    new_tab = await online.visitor(over=over, token=zoe.token)  # a new tab, which reads from the beginning
    polling_tab = await online.visitor(over="poll", token=zoe.token)
    visible = json.dumps(
        [zoe.screen.texts, new_tab.ready, new_tab.screen.texts, polling_tab.ready, polling_tab.screen.texts]
    )
    assert "canary-note" not in visible and "On its way." in visible
    # No gap in the sequence reveals the note.
    numbers = [
        entry.public_seq for entry in await online.world.public_entries((await online.world.ticket(ticket)).thread)
    ]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a27_foreign_text_cannot_forge_a_line_of_the_audit_log(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    hostile = 'x\n{"action": "login"}\x1b[31m\u202e'
    await online.app.write(
        lambda tx: tx.run(
            insert(audit).values(at=tx.now, action="write_refused", target=hostile, detail={"code": hostile})
        )
    )
    renamed = await olga.send("PATCH", "/api/me", {"name": "Olga\n\x1b[2J\u202eOwner"})
    assert renamed.status == 200
    answer = await olga.get("/api/audit?limit=2")
    assert b"\x1b" not in answer.body and b"\n" not in answer.body, "control characters must be escaped in the response"
    changed, refused = answer.json()["lines"]
    assert refused["target"] == hostile, "the decoded value must equal the original"
    assert changed["detail"]["name"][1] == "Olga [2JOwner"
