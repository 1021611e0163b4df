"""BAD_INPUTS W32, A23 and A27: what is said into an ended chat, what a visitor never sees, what the audit log shows of foreign text."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import insert

from server.inbox import queries
from server.schema import audit
from tests.online import Online, Visitor


async def ticket_of(online: Online, who: Visitor) -> int:
    found = await online.app.read(queries.ticket_of, await who.thread_id())
    assert found is not None
    return int(found.id)


@pytest.mark.parametrize("over", ["socket", "poll"])
async def test_w32_words_into_an_ended_chat_begin_a_new_one_and_are_kept(online: Online, over: str) -> None:
    zoe = await online.visitor(over=over)
    await zoe.says("the first chat")
    first = zoe.screen.thread
    await (await online.world.agent("ana")).closes_for_good(await ticket_of(online, zoe))
    entry = await zoe.says("one more thing")
    assert entry["text"] == "one more thing" and zoe.screen.thread != first
    again = await zoe.says("and a normal one")
    assert again["seq"] > entry["seq"]


@pytest.mark.parametrize("over", ["socket", "poll"])
async def test_w32_what_is_done_to_an_ended_chat_is_answered_and_changes_nothing(online: Online, over: str) -> None:
    zoe = await online.visitor(over=over)
    await zoe.says("the first chat")
    ticket = await ticket_of(online, zoe)
    await (await online.world.agent("ana")).closes_for_good(ticket)
    before = len(await online.world.entries((await online.world.ticket(ticket)).thread))
    for frame in ({"type": "typing"}, {"type": "seen", "seq": 1}, {"type": "end", "id": online.key()}):
        await zoe.sends(frame)
    reloaded = await online.visitor(over=over, token=zoe.token)
    assert reloaded.ready["ended"], "none of it opened the chat again"
    after = await online.world.entries((await online.world.ticket(ticket)).thread)
    assert sum(entry.kind == "message" for entry in after[before:]) == 0


@pytest.mark.parametrize("over", ["socket", "poll"])
async def test_a23_a_note_is_on_no_way_to_a_visitor(online: Online, over: str) -> None:
    zoe, ana = await online.visitor(over=over), await online.agent("ana", socket=False)
    await zoe.says("Where is my parcel?")
    ticket = await ticket_of(online, zoe)
    await ana.notes(ticket, "canary-note: a difficult one")
    await ana.replies(ticket, "On its way.")
    await zoe.sees("On its way.")
    fresh = await online.visitor(over=over, token=zoe.token)  # from the beginning
    other = await online.visitor(over="poll", token=zoe.token)
    seen = json.dumps([zoe.screen.texts, fresh.ready, fresh.screen.texts, other.ready, other.screen.texts])
    assert "canary-note" not in seen and "On its way." in seen
    # Nor can it be inferred from a gap.
    numbers = [
        entry.public_seq for entry in await online.world.public_entries((await online.world.ticket(ticket)).thread)
    ]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a27_foreign_text_in_the_audit_log_is_data_and_no_line_of_it(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    evil = 'x\n{"action": "login"}\x1b[31m\u202e'
    await online.app.write(
        lambda tx: tx.run(insert(audit).values(at=tx.now, action="write_refused", target=evil, detail={"code": evil}))
    )
    renamed = await olga.send("PATCH", "/api/me", {"name": "Olga\n\x1b[2J\u202eOwner"})
    assert renamed.status == 200
    answer = await olga.get("/api/audit?limit=2")
    assert b"\x1b" not in answer.body and b"\n" not in answer.body, "control characters travel escaped"
    changed, refused = answer.json()["lines"]
    assert refused["target"] == evil, "and arrive as what they were"
    assert changed["detail"]["name"][1] == "Olga [2JOwner"
