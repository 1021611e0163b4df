"""What agents look through: lists in every view and order, pages of a thread, the badge, the palette."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from server.errors import Refused
from server.inbox import entries, queries
from server.inbox.http import _after, _cursor
from server.inbox.queries import Ticket
from server.kernel import jobs
from server.live import hub
from tests.world import START, Desk, World, open_world

# --- lists ------------------------------------------------------------------------------------------


async def busy_desk(world: World) -> tuple[Desk, Desk]:
    """Tickets of both channels, several at the same moment, some mine, some a colleague's, some answered."""
    ana, ben = await world.agent("ana"), await world.agent("ben")
    for n in range(17):
        if n % 5 == 4:
            ticket = await world.sms_ticket(f"sms {n}")
        else:
            _, ticket = await world.conversation(f"chat {n}")
        if n % 3 == 0:
            await ana.assigns(ticket, ana)
        if n % 4 == 1:
            await ben.replies(ticket, "Answered")
        if n % 2:
            await world.advance(minutes=1)  # so every other two share a moment
    return ana, ben


async def leaf_through(ana: Desk, limit: int, meanwhile: Any = None, **wanted: Any) -> list[Ticket]:
    """Page after page, as the console does; `meanwhile` happens between two pages."""
    found: list[Ticket] = []
    after = None
    while page := await ana.lists(limit=limit, after=after, **wanted):
        found += page
        last = page[-1]
        after = (last.waiting_since if wanted.get("sort") == "waiting" else last.last_message_at, last.id)
        if meanwhile is not None:
            await meanwhile(found)
    return found


SORTS = {
    "newest": lambda ticket: (-ticket.last_message_at.timestamp(), -ticket.id),
    "oldest": lambda ticket: (ticket.last_message_at, ticket.id),
    "waiting": lambda ticket: (ticket.waiting_since, ticket.id),
}


async def test_every_view_channel_and_order_pages_through_exactly_the_right_tickets(world: World) -> None:
    ana, _ = await busy_desk(world)
    everything = await ana.lists()
    assert len(everything) == 17 and len({ticket.last_message_at for ticket in everything}) < 17
    for sort, view, channel in product(SORTS, ("all", "mine", "unassigned"), (None, "webchat", "sms")):
        right = [
            ticket
            for ticket in everything
            if (channel is None or ticket.channel == channel)
            and (view == "all" or ticket.assignee == (ana.id if view == "mine" else None))
            and (sort != "waiting" or ticket.waiting_since is not None)
        ]
        assert right or (view, channel) == ("mine", "sms"), (sort, view, channel)
        found = await leaf_through(ana, 3, sort=sort, view=view, channel=channel)
        assert [t.id for t in found] == [t.id for t in sorted(right, key=SORTS[sort])], (sort, view, channel)


async def test_inb_31_the_list_shows_open_tickets_unless_another_status_is_chosen(world: World) -> None:
    ana = await world.agent("ana")
    _, first = await world.conversation()
    _, second = await world.conversation()
    await ana.closes_for_good(first)
    assert [ticket.id for ticket in await ana.lists()] == [second.id]
    assert [ticket.id for ticket in await ana.lists(status="closed")] == [first.id]
    assert await ana.lists(status="snoozed") == []


async def test_rows_that_move_while_somebody_leafs_are_not_seen_twice_nor_others_lost(world: World) -> None:
    """Newest first: what gets a message jumps to the top; who leafs on misses none of the rest."""
    ana = await world.agent("ana")
    chats = []
    for n in range(12):
        chats.append(await world.conversation(f"chat {n}"))
        await world.advance(seconds=10)
    movers = iter(chats)

    async def meanwhile(_: list[Ticket]) -> None:
        zoe, _ticket = next(movers)
        await zoe.says("Me again")
        await world.advance(seconds=10)

    found = [ticket.id for ticket in await leaf_through(ana, 3, meanwhile)]
    assert len(found) == len(set(found)), "a row was shown twice"
    moved = {ticket.id for _, ticket in chats[: 12 // 3]}
    assert set(found) | moved == {ticket.id for _, ticket in chats}, "a row that did not move was lost"


async def test_inb_35_a_row_shows_name_preview_and_channel(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation("  My\n\n parcel   is late  ")
    await zoe.introduces(name="Zoe")
    row = (await ana.lists())[0].wire(world.now)
    assert (row["contact"]["name"], row["preview"], row["preview_by"], row["channel"]) == (
        "Zoe", "My parcel is late", "visitor", "webchat",
    )  # fmt: skip
    await ana.replies(zoe, "It is " + "very " * 60 + "late")
    row = (await ana.lists())[0].wire(world.now)
    assert row["preview_by"] == "agent" and len(row["preview"]) == 140 and row["preview"].endswith("…")


async def test_a_note_changes_neither_preview_nor_order(world: World) -> None:
    ana = await world.agent("ana")
    zoe, first = await world.conversation("first")
    await world.advance(minutes=1)
    _, second = await world.conversation("second")
    await world.advance(minutes=1)
    await ana.notes(zoe, "secret")
    assert [(t.id, t.preview) for t in await ana.lists()] == [(second.id, "second"), (first.id, "first")]


async def test_inb_34_the_badge_counts_unread_open_tickets(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation()
    _, second = await world.conversation()
    _, _third = await world.conversation()

    async def badge() -> tuple[int, int]:
        found = await world.app.read(queries.badge)
        return found.unread, found.open

    assert await badge() == (3, 3)
    await ana.reads(zoe)
    assert await badge() == (2, 3)
    await ana.closes_for_good(second)
    assert await badge() == (1, 2)
    await ana.marks_unread(second)
    assert await badge() == (1, 2), "a closed ticket asks for nobody"
    await ana.marks_unread(zoe)
    assert await badge() == (2, 2)


async def test_a_page_mark_is_signed_and_an_altered_one_is_refused(world: World) -> None:
    mark = _cursor(world.app, world.now, 42)
    assert _after(world.app, mark) == (world.now, 42)
    assert "42" not in mark
    for altered in ("", "x", mark[:-1], mark + "A", mark[::-1], "é" * 20, "A" * 10_000, mark.swapcase()):
        with pytest.raises(Refused) as refused:
            _after(world.app, altered)
        assert refused.value.code == "invalid" and refused.value.field == "cursor"
    world.app.secret = b"another server's secret, thirty-two b"
    with pytest.raises(Refused):
        _after(world.app, mark)


# --- pages of a thread ------------------------------------------------------------------------------


async def test_inb_50_opening_a_ticket_shows_the_newest_50_messages(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation("message 1")
    for n in range(2, 121):
        await zoe.says(f"message {n}")
    page = await ana.opens(zoe)
    assert [entry.body for entry in page.entries] == [f"message {n}" for n in range(71, 121)] and page.more
    older = await ana.opens(zoe, before=page.entries[0].seq)
    assert [entry.body for entry in older.entries] == [f"message {n}" for n in range(21, 71)] and older.more
    oldest = await ana.opens(zoe, before=older.entries[0].seq)
    assert [entry.body for entry in oldest.entries] == [f"message {n}" for n in range(1, 21)] and not oldest.more
    assert page.last_seq == (await world.ticket(ticket)).last_seq == 120


async def test_inb_50_exactly_fifty_messages_are_one_page(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation("1")
    for n in range(49):
        await zoe.says(f"{n}")
    page = await ana.opens(zoe)
    assert len(page.entries) == 50 and not page.more


async def test_inb_50_ticks_and_assignments_do_not_fill_the_page(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation("message 0")
    for n in range(1, 60):
        await ana.reads(zoe)
        await (zoe.says if n % 2 else ana.replies)(*((zoe, f"message {n}") if n % 2 == 0 else (f"message {n}",)))
        if n % 10 == 0:
            await ana.assigns(zoe, None if n % 20 else ana)
    assert (await world.ticket(ticket)).last_seq > 90, "there must be many ticks for this test to mean anything"
    page = await ana.opens(zoe)
    messages = [entry for entry in page.entries if entry.kind == "message"]
    assert len(messages) == 50 and page.more
    assert "seen" not in {entry.kind for entry in page.entries}, "ticks are told by the summary's visitor_seen"
    assert "assigned" in {entry.kind for entry in page.entries}


async def test_a_page_brings_what_points_back_at_its_messages_however_much_later(world: World) -> None:
    """A redaction of the 5th message stands at the very end; the old page must know of it."""
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation("message 1")
    for n in range(2, 80):
        await zoe.says(f"message {n}")
    await world.app.write(_redacts, ticket.thread, 5)
    newest = await ana.opens(zoe)
    old = await ana.opens(zoe, before=newest.entries[0].seq)
    pointing = [entry for entry in old.entries if entry.ref_seq is not None]
    assert [(entry.kind, entry.ref_seq) for entry in pointing] == [("redacted", 5)]
    assert len([entry for entry in old.entries if entry.kind == "message"]) == 29 or not old.more
    # In the newest page it stands in its place, as any entry between messages does.
    assert newest.entries[-1].kind == "redacted"


def _redacts(tx: Any, thread: int, seq: int) -> None:
    from server.inbox.timeline import SYSTEM, append

    append(tx, thread, "redacted", SYSTEM, ref=seq)


async def test_an_empty_thread_and_a_page_before_its_beginning_are_empty(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation()
    page = await ana.opens(zoe, before=1)
    assert page.entries == [] and not page.more


# --- the palette and the side panel -----------------------------------------------------------------


async def test_the_palette_finds_a_ticket_by_number_and_people_by_the_beginning_of_name_or_address(
    world: World,
) -> None:
    zoe, ticket = await world.conversation()
    await zoe.introduces(name="Zoe_Q%", email="zoe@example.com")
    known = await world.visitor(identity="c-1", name="Zora")
    await known.says("Hi")

    async def found(text: str) -> tuple[list[str], list[int]]:
        got = await world.app.read_slowly(queries.find, text)
        return [person.name for person in got[0]], [row.id for row in got[1]]

    for text in (f"#{ticket.id}", str(ticket.id)):
        assert ticket.id in (await found(text))[1]
    assert ticket.id in (await found("zoe@ex"))[1]
    assert "Zora" in (await found("ZOR"))[0]
    assert ticket.id in (await found("zoe_q%"))[1]
    assert (await found("%"))[0] == [] and (await found("z_e"))[1] == [], "wildcards are plain characters"


async def test_the_panel_shows_the_contacts_other_tickets(world: World) -> None:
    ana = await world.agent("ana")
    zoe, first = await world.conversation()
    await ana.closes_for_good(zoe)
    second = (await zoe.says("Again")).ticket
    _, _, others = await world.app.read(queries.details, second)
    assert [ticket.id for ticket in others] == [first.id]


# --- statements that must not read a table whole ----------------------------------------------------

NOW = START
PLANS = {
    "a page's first message": (entries._PAGE_LOW, {"thread": 1, "before": 10, "n": 51}, "ix_timeline_messages"),
    "what points back": (entries._POINTING_BACK, {"thread": 1, "low": 1, "before": 10}, "ix_timeline_ref"),
    "after a bookmark": (entries._SINCE, {"thread": 1, "after": 3, "n": 201}, "autoindex_timeline"),
    "after a visitor's bookmark": (
        entries._SINCE_PUBLIC,
        {"thread": 1, "after": 3, "n": 201},
        "uq_timeline_thread_id_public_seq",
    ),
    "what a key wrote": (entries._BY_DEDUPE, {"dedupe_key": "web:a:b"}, "autoindex_timeline"),
    "the badge": (queries._COUNT_UNREAD, {}, "ix_tickets_unread"),
    "jobs that are due": (jobs._DUE, {"priority": 0, "now": NOW, "n": 5}, "ix_jobs_due"),
    "the sweep": (hub._CHANGED, {"after": NOW}, "ix_threads_changed_at"),
}


@pytest.mark.parametrize("what", PLANS)
async def test_a_statement_goes_along_its_index(tmp_path: Path, what: str) -> None:
    """A partial index is used only where the statement's own text implies its condition."""
    statement, params, index = PLANS[what]

    def plan(conn: Any) -> str:
        sql, values = statement.on(conn.dialect).bind(params)
        return str(conn._execute("EXPLAIN QUERY PLAN " + sql, values).fetchall())

    async with open_world(tmp_path / "data") as world:
        found = await world.app.read(plan)
        assert index in found, found
