"""What was said is found, newest first, from the moment it was said (SPEC 2.6); words are indexed together, later."""

from __future__ import annotations

import itertools
import random

from sqlalchemy import bindparam, column, delete, insert, select, table, update

from server.inbox import queries, search
from server.kernel.sql import Conn, Statement, Tx
from server.schema import timeline
from tests.world import World

_BLANK = Statement(update(timeline).where(timeline.c.id == bindparam("entry")).values(body=""))
_DELETE = Statement(delete(timeline).where(timeline.c.id == bindparam("entry")))
_REWRITE = Statement(update(timeline).where(timeline.c.id == bindparam("entry")).values(body="something else"))
_CHECK = Statement(insert(table("timeline_fts", column("timeline_fts"))).values({"timeline_fts": "integrity-check"}))
_HELD = Statement(select(column("id")).select_from(table("timeline_fts_docsize")).order_by(column("id")))
_WRITTEN = Statement(
    select(timeline.c.id)
    .where(timeline.c.kind.in_(["message", "note"]), timeline.c.author_type != "system", timeline.c.body != "")
    .order_by(timeline.c.id)
)


async def found(world: World, query: str) -> list[str]:
    return ["".join(piece.text for piece in hit.snippet) for hit in await search.find(world.app, query, None, 30)]


async def the_index_is_whole(world: World) -> bool:
    """It holds each text that people wrote, once, and nothing else."""
    if world.app.settings.database_url is not None:
        return True  # PostgreSQL keeps its own

    def check(tx: Tx) -> bool:
        tx.run(_CHECK)  # raises where FTS5 finds damage
        held = [row.id for row in tx.all(_HELD)]
        written = [row.id for row in tx.all(_WRITTEN)]
        return held == written

    await search.keep_up(world.app)
    return await world.app.write(check)


async def test_what_was_said_is_found_at_once_newest_first(world: World) -> None:
    zoe, _ = await world.conversation("Where is my kettle?")
    await zoe.says("It is a red one")
    await zoe.says("The kettle, I mean")
    assert await found(world, "kettle") == ["The kettle, I mean", "Where is my kettle?"]
    assert await found(world, "red kettle") == []
    await zoe.says("My kettle is red")
    assert await found(world, "red kett") == ["My kettle is red"]
    assert await the_index_is_whole(world)


async def test_a_common_word_is_found_with_all_that_begins_like_it_newest_first(world: World) -> None:
    chance = random.Random(7)
    words = [
        "refund",
        "refunds",
        "Refundées",
        "refuse",
        "prerefund",
        "re_fund",
        "réfund",
        "kettle",
        "чайник",
        "чайника",
    ]
    zoe, _ = await world.conversation("Where is my refund?")
    for _ in range(120):
        await zoe.says(" ".join(chance.choices(words, k=chance.randint(1, 3))))
    await search.keep_up(world.app)

    def pages(conn: Conn, query: str, near: int) -> list[list[int]]:
        kept, search.NEAR = search.NEAR, near
        try:
            read: list[list[int]] = [[hit.id for hit in search.search(conn, query, None, 7)]]
            while len(read[-1]) == 7:
                read.append([hit.id for hit in search.search(conn, query, read[-1][-1], 7)])
            return read
        finally:
            search.NEAR = kept

    for query in ("refund", "REFUND", "refunds", "kettle refund", "refund kettle", "чайник", "refu", "kettles"):
        near, plain = [await world.app.read(pages, query, near) for near in (2_000, 0)]
        assert near == plain, query
        assert [*itertools.chain(*near)] == sorted({*itertools.chain(*near)}, reverse=True)
    assert len(await world.app.read(pages, "refund", 2_000)) > 8


async def test_words_are_indexed_in_slices_each_entry_once_whoever_asks_at_the_same_time(world: World) -> None:
    zoe, _ = await world.conversation("word 0")
    for n in range(1, 8):
        await zoe.says(f"word {n}")
    slice_, search.SLICE = search.SLICE, 3
    try:
        mark = await world.app.read(search.newest)
        # Both believe that nothing is indexed.
        for _ in range(2 if world.app.settings.database_url is None else 0):
            await world.app.write(search.index_words, 0)
            await world.app.write(search.index_words, 0)
        await search.keep_up(world.app)
        assert world.app.parts.get("words_up_to", mark) == mark
    finally:
        search.SLICE = slice_
    assert await found(world, "word") == [f"word {n}" for n in range(7, -1, -1)]
    assert await the_index_is_whole(world)


async def test_what_is_changed_or_deleted_before_or_after_it_was_indexed_harms_nothing(world: World) -> None:
    zoe, _ = await world.conversation("secret one")
    assert await found(world, "secret") == ["secret one"]
    for text in ("secret two", "secret three", "plain four", "secret five"):
        await zoe.says(text)
    ids = [row.id for row in await world.rows(timeline, timeline.c.author_type == "visitor")]
    await world.app.write(lambda tx: tx.run(_BLANK, entry=ids[0]))
    await world.app.write(lambda tx: tx.run(_BLANK, entry=ids[1]))
    await world.app.write(lambda tx: tx.run(_DELETE, entry=ids[2]))
    # The last one: an index that held it now would go on after it, and never come back for the others.
    await world.app.write(lambda tx: tx.run(_REWRITE, entry=ids[4]))
    assert await found(world, "secret") == []
    assert await found(world, "plain") == ["plain four"]
    assert await found(world, "something") == ["something else"]
    await world.app.write(lambda tx: tx.run(_REWRITE, entry=ids[3]))
    assert await found(world, "plain") == []
    assert await the_index_is_whole(world)


async def test_a_text_is_found_by_its_words_and_its_thread_by_any_part_of_the_number(world: World) -> None:
    maria = await world.texter("+12025550147", agreed=True)
    await maria.says("The zinnia seeds never came")
    ticket = await maria.ticket()
    assert ticket is not None
    await (await world.agent("ana")).replies(ticket, "We posted new zinnias today")
    assert await found(world, "zinnia") == ["We posted new zinnias today", "The zinnia seeds never came"]
    assert [hit.ticket.id for hit in await search.find(world.app, "zinnia seeds", None, 30)] == [ticket.id]
    # A keyword stands in a thread without a ticket: nothing to open, so nothing is found (INB-4).
    await (await world.texter("+12025550148")).says("STOP")
    assert await found(world, "stop") == []

    for typed in ("+12025550147", "12025550147", "(202) 555-0147", "2025550147", "0147", "+1 202 555", "555 0147"):
        people, tickets = await world.app.read(queries.find, typed)
        assert ticket.id in [one.id for one in tickets], typed
        assert "+12025550147" in [one.phone for one in people], typed
    for typed in ("+12025550149", "0149", "%", "_", "+%"):
        assert ticket.id not in [one.id for one in (await world.app.read(queries.find, typed))[1]], typed
    # A number can be a ticket's as well: that ticket comes first, and each is there once.
    direct = (await world.app.read(queries.find, str(ticket.id)))[1]
    assert direct[0].id == ticket.id and len({one.id for one in direct}) == len(direct)
    assert [one.id for one in (await world.app.read(queries.find, f"#{ticket.id}"))[1]] == [ticket.id]
    short = await world.texter("72345")
    await short.says("Your code")
    assert (await short.ticket()).id in [one.id for one in (await world.app.read(queries.find, "7234"))[1]]  # type: ignore[union-attr]
