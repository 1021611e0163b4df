"""What agents browse: lists in every view and order, pages of a thread, the badge, the palette."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from server.errors import BadRequest
from server.inbox import badge as inbox_badge
from server.inbox import details, lists, palette
from server.kernel import jobs
from server.threads import entries, tickets
from server.threads.tickets import Ticket
from server.web.paging import Page, Paging, Place
from tests.world import START, Desk, World, open_world

# --- lists ------------------------------------------------------------------------------------------


async def busy_desk(world: World) -> tuple[Desk, Desk]:
    """Tickets of both channels, several with equal times, some assigned to ana, some to a colleague, some answered."""
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
            await world.advance(minutes=1)  # so that pairs of tickets have equal times
    return ana, ben


async def read_pages(ana: Desk, limit: int, meanwhile: Any = None, **wanted: Any) -> list[Ticket]:
    """Loads page after page as the console does; calls `meanwhile` between two pages."""
    tickets_found: list[Ticket] = []
    requested = Place()
    while page := await ana.lists(limit=limit, place=requested, **wanted):
        tickets_found += page
        last = page[-1]
        requested = Place(after=lists.key_of(last, str(wanted.get("sort", "newest"))))
        if meanwhile is not None:
            await meanwhile(tickets_found)
    return tickets_found


SORTS = {
    "newest": lambda ticket: (-ticket.last_message_at.timestamp(), -ticket.id),
    "oldest": lambda ticket: (ticket.last_message_at, ticket.id),
    "waiting": lambda ticket: (ticket.waiting_since, ticket.id),
}


async def test_every_view_channel_and_order_pages_through_exactly_the_right_tickets(world: World) -> None:
    ana, _ = await busy_desk(world)
    all_lists = await ana.lists()
    assert len(all_lists) == 17 and len({ticket.last_message_at for ticket in all_lists}) < 17
    for sort, view, channel in product(SORTS, ("all", "mine", "unassigned"), (None, "webchat", "sms")):
        expected = [
            ticket
            for ticket in all_lists
            if (channel is None or ticket.channel == channel)
            and (view == "all" or ticket.assignee == (ana.id if view == "mine" else None))
            and (sort != "waiting" or ticket.waiting_since is not None)
        ]
        assert expected or (view, channel) == ("mine", "sms"), (sort, view, channel)
        tickets_found = await read_pages(ana, 3, sort=sort, view=view, channel=channel)
        assert [t.id for t in tickets_found] == [t.id for t in sorted(expected, key=SORTS[sort])], (sort, view, channel)


async def test_inb_31_the_list_shows_open_tickets_unless_another_status_is_chosen(world: World) -> None:
    ana = await world.agent("ana")
    _, first = await world.conversation()
    _, second = await world.conversation()
    await ana.closes_for_good(first)
    assert [ticket.id for ticket in await ana.lists()] == [second.id]
    assert [ticket.id for ticket in await ana.lists(status="closed")] == [first.id]
    assert await ana.lists(status="snoozed") == []


async def test_tickets_that_move_while_pages_are_loaded_are_neither_repeated_nor_missed(world: World) -> None:
    """Newest first: a ticket with a new message moves to the top; the following pages still contain all others."""
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

    tickets_found = [ticket.id for ticket in await read_pages(ana, 3, meanwhile)]
    assert len(tickets_found) == len(set(tickets_found)), "a ticket was listed twice"
    moved = {ticket.id for _, ticket in chats[: 12 // 3]}
    assert set(tickets_found) | moved == {ticket.id for _, ticket in chats}, "a ticket that did not move is missing"


async def test_inb_35_a_row_shows_name_preview_and_channel(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation("  My\n\n parcel   is late  ")
    await zoe.introduces(name="Zoe")
    row = (await ana.lists())[0].wire(world.now, None)
    assert (row["contact"]["name"], row["preview"], row["preview_by"], row["channel"]) == (
        "Zoe", "My parcel is late", "visitor", "webchat",
    )  # fmt: skip
    await ana.replies(zoe, "It is " + "very " * 60 + "late")
    row = (await ana.lists())[0].wire(world.now, None)
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
        tickets_found = await world.app.read(inbox_badge.badge)
        return tickets_found.unread, tickets_found.open

    assert await badge() == (3, 3)
    await ana.reads(zoe)
    assert await badge() == (2, 3)
    await ana.closes_for_good(second)
    assert await badge() == (1, 2)
    await ana.marks_unread(second)
    assert await badge() == (1, 2), "a closed ticket must not count in the badge"
    await ana.marks_unread(zoe)
    assert await badge() == (2, 2)


async def test_a_cursor_is_signed_for_its_list_and_an_altered_one_is_refused(world: World) -> None:
    paging = Paging(world.app, "tickets newest", 2)
    mark = paging.encode((1_764_000_000_000_000, 42))
    assert paging.decode(mark, "after") == (1_764_000_000_000_000, 42)
    assert "42" not in mark
    foreign_cursors = Paging(world.app, "tickets oldest", 2).encode((1_764_000_000_000_000, 42)), paging.encode((42,))
    for altered in (
        "",
        "x",
        mark[:-1],
        mark + "A",
        mark[::-1],
        "é" * 20,
        "A" * 10_000,
        mark.swapcase(),
        *foreign_cursors,
    ):
        with pytest.raises(BadRequest) as refused:
            paging.decode(altered, "after")
        assert (refused.value.code, refused.value.field) == ("bad_cursor", "after")
    world.app.secret = b"another server's secret, thirty-two b"
    with pytest.raises(BadRequest):
        Paging(world.app, "tickets newest", 2).decode(mark, "after")


@pytest.mark.parametrize("sort", ["newest", "oldest", "waiting"])
async def test_pages_lead_down_and_up_again_without_gap_or_repeat(world: World, sort: str) -> None:
    ana = await world.agent("ana")
    for n in range(11):
        await world.conversation(f"chat {n}")
        if n % 3:  # others have the same time
            await world.advance(seconds=1)
    all_ids = [ticket.id for ticket in await ana.lists(sort=sort, limit=100)]
    paging = Paging(world.app, f"tickets {sort}", 2)

    async def page(requested: Place) -> Page[Ticket]:
        rows = await ana.lists(sort=sort, limit=5, place=requested)
        return paging.page(rows, 4, requested, lambda ticket: lists.key_of(ticket, sort))

    pages_down = [await page(Place())]
    while pages_down[-1].after:
        pages_down.append(await page(Place(after=paging.decode(pages_down[-1].after, "after"))))
    pages_up = [pages_down[-1]]
    while pages_up[-1].before:
        pages_up.append(await page(Place(before=paging.decode(pages_up[-1].before, "before"))))
    assert [ticket.id for loaded_page in pages_down for ticket in loaded_page.rows] == all_ids
    assert [ticket.id for loaded_page in reversed(pages_up) for ticket in loaded_page.rows] == all_ids
    assert pages_down[0].before is None and pages_down[-1].after is None and pages_up[-1].after is not None
    assert [len(loaded_page.rows) for loaded_page in pages_down] == [4, 4, 3] and [
        len(loaded_page.rows) for loaded_page in pages_up
    ] == [3, 4, 4]


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
    assert (await world.ticket(ticket)).last_seq > 90, "the test needs a thread with many ticks"
    page = await ana.opens(zoe)
    messages = [entry for entry in page.entries if entry.kind == "message"]
    assert len(messages) == 50 and page.more
    assert "seen" not in {entry.kind for entry in page.entries}, (
        "a page has no ticks: the summary's visitor_seen contains the newest"
    )
    assert "assigned" in {entry.kind for entry in page.entries}


async def test_a_page_includes_later_entries_that_refer_to_its_messages(world: World) -> None:
    """A redaction of the 5th message is the last entry; an older page must contain the redaction, too."""
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation("message 1")
    for n in range(2, 80):
        await zoe.says(f"message {n}")
    await world.app.write(_redact, ticket.thread, 5)
    newest = await ana.opens(zoe)
    older_page = await ana.opens(zoe, before=newest.entries[0].seq)
    pointing = [entry for entry in older_page.entries if entry.ref_seq is not None]
    assert [(entry.kind, entry.ref_seq) for entry in pointing] == [("redacted", 5)]
    assert len([entry for entry in older_page.entries if entry.kind == "message"]) == 29 or not older_page.more
    # In the newest page the redaction is at its own place, like any entry between messages.
    assert newest.entries[-1].kind == "redacted"


def _redact(tx: Any, thread: int, seq: int) -> None:
    from server.threads.timeline import SYSTEM, append

    append(tx, thread, "redacted", SYSTEM, ref=seq)


async def test_an_empty_thread_and_a_page_before_its_beginning_are_empty(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation()
    page = await ana.opens(zoe, before=1)
    assert page.entries == [] and not page.more


async def test_a_page_around_an_entry_has_half_of_its_messages_on_each_side(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation("message 1")
    for n in range(2, 121):
        await zoe.says(f"message {n}")
    page = await ana.opens(zoe, around=60)
    assert [entry.seq for entry in page.entries] == list(range(35, 85))
    assert (page.first, page.last, page.last_seq) == (35, 84, 120) and page.more and page.more_after
    next_page = await ana.opens(zoe, after=page.last)
    assert [entry.seq for entry in next_page.entries] == list(range(85, 121)) and not next_page.more_after
    previous_page = await ana.opens(zoe, before=page.first)
    assert [entry.seq for entry in previous_page.entries] == list(range(1, 35)) and not previous_page.more
    start, end = await ana.opens(zoe, around=1), await ana.opens(zoe, around=9_000)
    assert (start.first, start.last, start.more, start.more_after) == (1, 25, False, True)
    assert (end.first, end.last, end.more, end.more_after) == (95, 120, True, False)
    assert [entry.seq for entry in (await ana.opens(zoe, around=60, limit=1)).entries] == [60]


async def test_pages_from_anywhere_join_without_a_gap(world: World) -> None:
    """The thread has assignments and ticks between messages, and a late redaction refers to an old message."""
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation("message 0")
    for n in range(1, 90):
        await zoe.says(f"message {n}")
        if n % 7 == 0:
            await ana.reads(zoe)
            await ana.assigns(zoe, None if n % 2 else ana)
    await world.app.write(_redact, ticket.thread, 40)
    all_entries = await ana.opens(zoe, limit=1_000)
    assert (
        (all_entries.first, all_entries.last) == (1, all_entries.last_seq)
        and not all_entries.more
        and not all_entries.more_after
    )
    for seq in range(1, all_entries.last_seq + 1, 3):
        middle = await ana.opens(zoe, around=seq, limit=6)
        assert middle.first <= seq <= middle.last
        below = await ana.opens(zoe, after=middle.last, limit=6)
        above = await ana.opens(zoe, before=middle.first, limit=6)
        assert (above.last, below.first) == (middle.first - 1, middle.last + 1)
        for page in (above, middle, below):
            on_page = [entry for entry in page.entries if entry.seq <= page.last]
            assert on_page == [entry for entry in all_entries.entries if page.first <= entry.seq <= page.last]
            referring = [(entry.kind, entry.ref_seq) for entry in page.entries if entry.seq > page.last]
            assert referring == [("redacted", 40)] * (page.first <= 40 <= page.last < all_entries.last_seq)


# --- the palette and the side panel -----------------------------------------------------------------


async def test_the_palette_finds_a_ticket_by_number_and_people_by_the_beginning_of_name_or_address(
    world: World,
) -> None:
    zoe, ticket = await world.conversation()
    await zoe.introduces(name="Zoe_Q%", email="zoe@example.com")
    customer = await world.visitor(identity="c-1", name="Zora")
    await customer.says("Hi")

    async def tickets_found(text: str) -> tuple[list[str], list[int]]:
        result = await world.app.read_slowly(palette.find, text)
        return [person.name for person in result[0]], [row.id for row in result[1]]

    for text in (f"#{ticket.id}", str(ticket.id)):
        assert ticket.id in (await tickets_found(text))[1]
    assert ticket.id in (await tickets_found("zoe@ex"))[1]
    assert "Zora" in (await tickets_found("ZOR"))[0]
    assert ticket.id in (await tickets_found("zoe_q%"))[1]
    assert (await tickets_found("%"))[0] == [] and (await tickets_found("z_e"))[1] == [], (
        "wildcards are plain characters"
    )


async def test_the_panel_shows_the_contacts_other_tickets(world: World) -> None:
    ana = await world.agent("ana")
    zoe, first = await world.conversation()
    await ana.closes_for_good(zoe)
    second = (await zoe.says("Again")).ticket
    _, _, other_tickets = await world.app.read(details.details, second)
    assert [ticket.id for ticket in other_tickets] == [first.id]


# --- statements that must use an index --------------------------------------------------------------

NOW = START
PLANS = {
    "a page's first message": (entries._PAGE_START, {"thread": 1, "before": 10, "n": 51}, "ix_timeline_messages"),
    "a page's last message": (entries._PAGE_END, {"thread": 1, "low": 10, "n": 51}, "ix_timeline_messages"),
    "later entries that refer to a page": (
        entries._REFERRING_ENTRIES,
        {"thread": 1, "low": 1, "before": 10},
        "ix_timeline_ref",
    ),
    "after a bookmark": (entries._SINCE, {"thread": 1, "after": 3, "n": 201}, "autoindex_timeline"),
    "after a visitor's bookmark": (
        entries._SINCE_PUBLIC,
        {"thread": 1, "after": 3, "n": 201},
        "uq_timeline_thread_id_public_seq",
    ),
    "what a key wrote": (entries._BY_DEDUPE, {"dedupe_key": "web:a:b"}, "autoindex_timeline"),
    "the badge": (inbox_badge._COUNT_UNREAD, {}, "ix_tickets_unread"),
    "jobs that are due": (jobs._DUE, {"priority": 0, "now": NOW, "n": 5}, "ix_jobs_due"),
    "the sweep": (tickets._CHANGED_SINCE, {"after": NOW, "after_id": 0, "n": 5}, "ix_threads_changed_at"),
}


SORTED = {"later entries that refer to a page"}  # sorts one page after the index was used


@pytest.mark.parametrize("what", PLANS)
async def test_a_statement_uses_its_index(tmp_path: Path, what: str) -> None:
    """A database uses a partial index only if the statement's text implies the index's condition."""
    statement, params, index = PLANS[what]

    def plan(conn: Any) -> str:
        sql, values = statement.on(conn.dialect).bind(params)
        return str(conn._execute("EXPLAIN QUERY PLAN " + sql, values).fetchall())

    async with open_world(tmp_path / "data") as world:
        tickets_found = await world.app.read(plan)
        assert index in tickets_found, tickets_found
        assert ("TEMP B-TREE" in tickets_found) == (what in SORTED), tickets_found
