"""What was said is found, newest first, from the moment it was said (SPEC 2.6); words are indexed together, later."""

from __future__ import annotations

from sqlalchemy import bindparam, column, delete, insert, select, table, update

from server.inbox import search
from server.kernel.sql import Statement, Tx
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
