"""A visitor reads back beyond the newest page, and in nobody else's chat."""

from __future__ import annotations

from typing import Any

from server.inbox import timeline
from tests.online import Answer, Online, Visitor


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
    held: list[Any] = list(back.screen.entries)
    sizes = []
    more = True
    while more:
        page = (await older(back, held[0]["seq"])).json()
        held = page["entries"] + held
        sizes.append(len(page["entries"]))
        more = page["more"]
    assert [entry["text"] for entry in held if entry["kind"] == "message"][-130:] == [f"m{n}" for n in range(130)]
    assert [entry["seq"] for entry in held] == list(range(1, len(held) + 1)), "dense: notes leave no gap"
    assert len(sizes) == 2 and sizes[0] == 50
    assert (await older(back, 1)).json() == {"entries": [], "more": False}
    assert not [entry for entry in held if entry["author"].get("id")]


async def test_what_was_taken_out_later_comes_with_the_page_it_stands_on(online: Online) -> None:
    zoe = await online.visitor()
    for n in range(60):
        await zoe.says(f"m{n}")
    thread = await zoe.thread_id()

    def redact(tx: Any) -> None:
        timeline.append(tx, thread, "redacted", timeline.SYSTEM, data={"public_ref": 3}, ref=3)

    await online.app.write(redact)
    page = (await older(zoe, 11)).json()
    assert [entry["seq"] for entry in page["entries"] if entry["kind"] == "message"] == list(range(1, 11))
    assert [entry["ref"] for entry in page["entries"] if entry["kind"] == "redacted"] == [3]


async def test_somebody_elses_chat_and_a_made_up_one_are_equally_not_there(online: Online) -> None:
    zoe, yan = await online.visitor(), await online.visitor()
    await zoe.says("Secret")
    await yan.says("Mine")
    for thread in (zoe.screen.thread, "made-up"):
        answer = await older(yan, 9, str(thread))
        assert (answer.status, answer.code) == (404, "not_found")
    answer = await older(await online.visitor(), 9, str(zoe.screen.thread))
    assert answer.status == 404
