"""A visitor reads older pages of their own chat, and of no other chat."""

from __future__ import annotations

from typing import Any

import pytest

from server.kernel.sql import Tx
from server.threads import entries, timeline
from tests.online import Answer, Online, Visitor
from tests.world import World


async def older(zoe: Visitor, before: int, thread: str | None = None) -> Answer:
    body = {"thread": thread or zoe.screen.thread, "before": before}
    headers: dict[str, str | None] = {"authorization": f"Bearer {zoe.token}"}
    return await zoe.online.send("POST", "/widget/older", body, headers=headers)


async def test_pages_of_fifty_messages_lead_back_to_the_first_one(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    zoe = await online.visitor()
    await zoe.says("m0")
    ticket = (await ana.get("/api/tickets")).json()["tickets"][0]["id"]
    for n in range(1, 130):
        await zoe.says(f"m{n}")
        if n % 10 == 0:
            await ana.notes(ticket, "not for visitors")
    back = await online.visitor(token=zoe.token)
    await back.sees("m129")
    loaded: list[Any] = list(back.screen.entries)
    sizes = []
    more = True
    while more:
        page = (await older(back, before=loaded[0]["seq"])).json()
        loaded = page["entries"] + loaded
        sizes.append(len(page["entries"]))
        more = page["more"]
    assert [entry["text"] for entry in loaded if entry["kind"] == "message"][-130:] == [f"m{n}" for n in range(130)]
    assert [entry["seq"] for entry in loaded] == list(range(1, len(loaded) + 1)), (
        "the visitor's sequence must have no gap where notes are"
    )
    assert len(sizes) == 2 and sizes[0] == 50
    assert (await older(back, before=1)).json() == {"entries": [], "more": False}
    assert not [entry for entry in loaded if entry["author"].get("id")]


async def test_a_later_redaction_comes_with_the_page_of_its_message(online: Online) -> None:
    zoe = await online.visitor()
    for n in range(60):
        await zoe.says(f"m{n}")
    thread = await zoe.thread_id()

    def redact(tx: Any) -> None:
        timeline.append(tx, thread, "redacted", timeline.SYSTEM, data={"public_ref": 3}, ref=3)

    await online.app.write(redact)
    page = (await older(zoe, before=11)).json()
    assert [entry["seq"] for entry in page["entries"] if entry["kind"] == "message"] == list(range(1, 11))
    assert [entry["ref"] for entry in page["entries"] if entry["kind"] == "redacted"] == [3]


async def test_another_visitors_chat_and_an_invented_one_are_both_not_found(online: Online) -> None:
    zoe, yan = await online.visitor(), await online.visitor()
    await zoe.says("Secret")
    await yan.says("Mine")
    for thread in (zoe.screen.thread, "made-up"):
        answer = await older(yan, before=9, thread=str(thread))
        assert (answer.status, answer.code) == (404, "not_found")
    answer = await older(await online.visitor(), before=9, thread=str(zoe.screen.thread))
    assert answer.status == 404


@pytest.mark.parametrize(
    "lines", [49, entries.MAX_PAGE_ENTRIES - 1, entries.MAX_PAGE_ENTRIES, 2 * entries.MAX_PAGE_ENTRIES + 3]
)
async def test_no_page_is_longer_than_a_thousand_entries_and_together_they_are_the_whole_chat(
    world: World, lines: int
) -> None:
    zoe, ticket = await world.conversation("First words")

    def write(tx: Tx) -> None:
        for _ in range(lines):
            timeline.append(tx, ticket.thread, "contact", timeline.Author("visitor"), data={"name": "Zoe"})

    await world.app.write(write)
    before_newest = await world.app.read(entries.public_seq_before_newest_page, ticket.thread)
    sequence = [entry.public_seq for entry in await zoe.entries() if (entry.public_seq or 0) > before_newest]
    assert 0 < len(sequence) <= entries.MAX_PAGE_ENTRIES
    more = sequence[0] != 1
    while more:
        page = await world.app.read(entries.public_page, ticket.thread, sequence[0] or 0)
        assert len(page.entries) <= entries.MAX_PAGE_ENTRIES
        sequence = [entry.public_seq for entry in page.entries] + sequence
        more = page.more
    assert sequence == list(range(1, lines + 2))
