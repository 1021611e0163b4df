"""Search finds messages as soon as they are stored, newest first; their words are indexed later, in batches."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import (
    BigInteger,
    Text,
    bindparam,
    column,
    create_engine,
    delete,
    func,
    insert,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from server import migrate
from server.contacts.actions import set_name
from server.inbox import palette, search, search_index, search_words
from server.kernel import jobs
from server.kernel.sql import Conn, Statement, Tx
from server.schema import jobs as job_rows
from server.schema import timeline
from tests.people import add_contact
from tests.world import World, open_world

_BLANK = Statement(update(timeline).where(timeline.c.id == bindparam("entry")).values(body=""))
_DELETE = Statement(delete(timeline).where(timeline.c.id == bindparam("entry")))
_REWRITE = Statement(update(timeline).where(timeline.c.id == bindparam("entry")).values(body="something else"))
_CHECK = Statement(insert(table("timeline_fts", column("timeline_fts"))).values({"timeline_fts": "integrity-check"}))
_INDEXED = Statement(select(column("id")).select_from(table("timeline_fts_docsize")).order_by(column("id")))
_WRITTEN = Statement(
    select(timeline.c.id)
    .where(timeline.c.kind.in_(["message", "note"]), timeline.c.author_type != "system", timeline.c.body != "")
    .order_by(timeline.c.id)
)


async def results(world: World, query: str) -> list[str]:
    return ["".join(piece.text for piece in hit.snippet) for hit in await search.find(world.app, query, None, 30)]


async def check_index(world: World) -> bool:
    """Checks that the index contains each text that people wrote exactly once, and nothing else."""
    if world.app.settings.database_url is not None:
        return True  # PostgreSQL updates its own index

    def check(tx: Tx) -> bool:
        tx.run(_CHECK)  # raises where FTS5 finds damage
        indexed_ids = [row.id for row in tx.all(_INDEXED)]
        written = [row.id for row in tx.all(_WRITTEN)]
        return indexed_ids == written

    await search_index.index_new_entries(world.app)
    return await world.app.write(check)


async def test_a_message_is_found_at_once_newest_first(world: World) -> None:
    zoe, _ = await world.conversation("Where is my kettle?")
    await zoe.says("It is a red one")
    await zoe.says("The kettle, I mean")
    assert await results(world, "kettle") == ["The kettle, I mean", "Where is my kettle?"]
    assert await results(world, "red kettle") == []
    await zoe.says("My kettle is red")
    assert await results(world, "red kett") == ["My kettle is red"]
    assert await check_index(world)


async def test_a_common_word_is_found_with_longer_words_newest_first(world: World) -> None:
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
    await search_index.index_new_entries(world.app)

    def pages(conn: Conn, query: str, near: int) -> list[list[int]]:
        original, search.NEAR = search.NEAR, near
        try:
            read: list[list[int]] = [[hit.id for hit in search.search(conn, query, None, 7)]]
            while len(read[-1]) == 7:
                read.append([hit.id for hit in search.search(conn, query, read[-1][-1], 7)])
            return read
        finally:
            search.NEAR = original

    for query in ("refund", "REFUND", "refunds", "kettle refund", "refund kettle", "чайник", "refu", "kettles"):
        near, plain = [await world.app.read(pages, query, near) for near in (2_000, 0)]
        assert near == plain, query
        assert [*itertools.chain(*near)] == sorted({*itertools.chain(*near)}, reverse=True)
    assert len(await world.app.read(pages, "refund", 2_000)) > 8


async def test_entries_are_indexed_in_slices_and_once_even_by_concurrent_searches(world: World) -> None:
    zoe, _ = await world.conversation("word 0")
    for n in range(1, 8):
        await zoe.says(f"word {n}")
    slice_, search_index.SLICE = search_index.SLICE, 3
    try:
        mark = await world.app.read(search_index.newest)
        # Both searches see an empty index.
        for _ in range(2 if world.app.settings.database_url is None else 0):
            await world.app.write(search_index.index_slice, 0)
            await world.app.write(search_index.index_slice, 0)
        await search_index.index_new_entries(world.app)
        assert world.app.part(search_index.Indexed, lambda app: search_index.Indexed(mark)).up_to == mark
    finally:
        search_index.SLICE = slice_
    assert await results(world, "word") == [f"word {n}" for n in range(7, -1, -1)]
    assert await check_index(world)


async def test_entries_may_be_changed_or_deleted_before_and_after_indexing(world: World) -> None:
    zoe, _ = await world.conversation("secret one")
    assert await results(world, "secret") == ["secret one"]
    for words in ("secret two", "secret three", "plain four", "secret five"):
        await zoe.says(words)
    ids = [row.id for row in await world.rows(timeline, timeline.c.author_type == "visitor")]
    await world.app.write(lambda tx: tx.run(_BLANK, entry=ids[0]))
    await world.app.write(lambda tx: tx.run(_BLANK, entry=ids[1]))
    await world.app.write(lambda tx: tx.run(_DELETE, entry=ids[2]))
    # The newest entry: if it were indexed now, the index would continue after it and miss the entries before it.
    await world.app.write(lambda tx: tx.run(_REWRITE, entry=ids[4]))
    assert await results(world, "secret") == []
    assert await results(world, "plain") == ["plain four"]
    assert await results(world, "something") == ["something else"]
    await world.app.write(lambda tx: tx.run(_REWRITE, entry=ids[3]))
    assert await results(world, "plain") == []
    assert await check_index(world)


async def test_a_text_is_found_by_its_words_and_its_thread_by_any_part_of_the_number(world: World) -> None:
    maria = await world.texter("+12025550147", agreed=True)
    await maria.says("The zinnia seeds never came")
    ticket = await maria.ticket()
    assert ticket is not None
    await (await world.agent("ana")).replies(ticket, "We posted new zinnias today")
    assert await results(world, "zinnia") == ["We posted new zinnias today", "The zinnia seeds never came"]
    assert [hit.ticket.id for hit in await search.find(world.app, "zinnia seeds", None, 30)] == [ticket.id]
    # A keyword is stored in a thread without a ticket, so search has no ticket to show (INB-4).
    await (await world.texter("+12025550148")).says("STOP")
    assert await results(world, "stop") == []

    for typed in ("+12025550147", "12025550147", "(202) 555-0147", "2025550147", "0147", "+1 202 555", "555 0147"):
        people, tickets = await world.app.read(palette.find, typed)
        assert ticket.id in [ticket.id for ticket in tickets], typed
        assert "+12025550147" in [person.phone for person in people], typed
    for typed in ("+12025550149", "0149", "%", "_", "+%"):
        assert ticket.id not in [item.id for item in (await world.app.read(palette.find, typed))[1]], typed
    # The query may also be a ticket's number: that ticket comes first, and no ticket is listed twice.
    direct = (await world.app.read(palette.find, str(ticket.id)))[1]
    assert direct[0].id == ticket.id and len({item.id for item in direct}) == len(direct)
    assert [item.id for item in (await world.app.read(palette.find, f"#{ticket.id}"))[1]] == [ticket.id]
    short = await world.texter("72345")
    await short.says("Your code")
    assert (await short.ticket()).id in [item.id for item in (await world.app.read(palette.find, "7234"))[1]]  # type: ignore[union-attr]


# --- scripts without spaces

SAID = (
    "我的订单还没有到",
    "订货单",
    "请问iPhone14的订单号是多少? Thanks, Ольга",
    "注文した靴はまだですか。返品したいです",
    "カタカナのメニュー",
    "주문한신발을전액환불해주세요",
    "환불은 언제 되나요?",
    "สวัสดีครับ ขอคืนเงินด้วย",
    "ຂ້ອຍຢາກຄືນເງິນ",
    "Where is my refund?",
    "𠮷野家の割引",
    "单还订订单",
)


async def everything_said(world: World) -> None:
    zoe = await world.visitor()
    for words in SAID:
        await zoe.says(words)


async def test_words_inside_a_run_of_a_script_without_spaces_are_found(world: World) -> None:
    await everything_said(world)
    for query, hits in {
        "订单": [11, 2, 0],
        "我的订单": [0],
        "订单还": [0],  # 单还订订单 contains the same pairs but not the word
        "单还": [11, 0],
        "没有到": [0],
        "订": [11, 2, 1, 0],
        "到": [0],
        "订单 到": [0],
        "iphone14": [2],
        "iPhone": [2],
        "订单 thanks": [2],
        "thanks 订单": [2],
        "thanks": [2],
        "返品": [3],
        "靴": [3],
        "ニュー": [4],
        "환불": [6, 5],
        "전액환불": [5],
        "환불 언제": [6],
        "คืนเงิน": [7],
        "ຄືນ": [8],
        "𠮷野": [10],
        "refund": [9],
        "refun": [9],
        "单我": [],
        "订到": [],
        "订单 refund": [],
        "호": [],
    }.items():
        assert await results(world, query) == [SAID[place] for place in hits], query
    assert await check_index(world)


async def test_hits_inside_runs_are_paged_newest_first(world: World) -> None:
    zoe = await world.visitor()
    texts = [f"第{n}个订单" if n % 3 else f"order {n}" for n in range(30)]
    for words in texts:
        await zoe.says(words)
    pages = []
    before: int | None = None
    original, search.WINDOWS = search.WINDOWS, (4, 9)  # small windows, so that PostgreSQL also uses its index
    try:
        while page := await search.find(world.app, "订单", before, 4):
            pages += page
            before = page[-1].id
    finally:
        search.WINDOWS = original
    found_texts = ["".join(piece.text for piece in hit.snippet) for hit in pages]
    assert found_texts == [words for words in reversed(texts) if "订单" in words]


async def paired_words_indexed(world: World) -> dict[int, set[str]]:
    """The indexed pairs of each entry, by its id."""
    await search_index.index_new_entries(world.app)
    if world.app.settings.database_url is None:
        rows = await world.app.read(lambda conn: conn.all(_PAIRED_SQLITE))
        return {row.id: set(row.words.split()) for row in rows}
    rows = await world.app.read(lambda conn: conn.all(_PAIRED_POSTGRES))
    return {row.id: set(row.words) for row in rows}


_PAIRED_SQLITE = Statement(
    select(column("rowid", BigInteger).label("id"), column("words")).select_from(table("timeline_fts_pairs"))
)
_PAIRED_POSTGRES = Statement(
    select(column("id"), func.tsvector_to_array(column("words"), type_=ARRAY(Text)).label("words")).select_from(
        table("timeline_fts_pairs")
    )
)


async def test_both_databases_index_the_same_pairs(world: World) -> None:
    await everything_said(world)
    zoe = await world.visitor()
    texts = (
        "각 NFD: 각",
        "我" * 8_000,
        "字" + "x" * 7_000,
        "ЁЛКА é 订 Ünï Tiếng Việt 订",
        "𠀀𠀁 ABC_def-ghi 1２3 ー々〇",
        "a订b单c",
    )
    for words in texts:
        await zoe.says(words)
    rows = await world.rows(timeline, timeline.c.author_type == "visitor")
    expected = {row.id: set(indexed) for row in rows if (indexed := search_words.paired_words(row.body))}
    assert len(expected) == len(SAID) - 1 + len(texts)
    assert await paired_words_indexed(world) == expected


async def test_older_entries_are_indexed_newest_first_in_slices_that_go_on_after_a_kill(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await everything_said(world)
    await world.advance()  # runs the jobs of the new tickets
    expected = await paired_words_indexed(world)
    total = await world.app.read(search_index.newest)
    await world.app.write(lambda tx: tx.run(Statement(delete(table("timeline_fts_pairs")))))
    await world.app.write(lambda tx: tx.run(Statement(delete(job_rows))))  # others that are due
    assert await results(world, "订单") == []
    monkeypatch.setattr(search_index, "SLICE", 3)
    monkeypatch.setattr(search_index, "RUN_S", 0.0)  # each run indexes one slice

    def begin(tx: Tx) -> None:
        jobs.enqueue(tx, search_index.PAIRS_JOB, {"done": 0, "total": total}, run_at=tx.now, key=search_index.PAIRS_JOB)

    await world.app.write(begin)
    assert await world.worker.claim_batch() == 1
    await world.worker.idle()
    indexed_so_far = await paired_words_indexed(world)
    assert indexed_so_far == {number: words for number, words in expected.items() if number > total - 3}
    (progress,) = await world.app.read(jobs.progress, [search_index.PAIRS_JOB])
    assert progress == jobs.Progress(search_index.PAIRS_JOB, 3, total)
    # Killed after a slice and before its progress was stored: the next run repeats the slice.
    await world.app.write(search_index.index_pairs, total - 6, total - 3)
    zoe = await world.visitor()
    await zoe.says("新订单")
    await world.advance(seconds=1)
    assert await world.app.read(jobs.progress, [search_index.PAIRS_JOB]) == []
    indexed = await paired_words_indexed(world)
    assert {number: words for number, words in indexed.items() if number <= total} == expected
    assert await results(world, "订单") == ["新订单", SAID[11], SAID[2], SAID[0]]


async def test_an_erased_text_leaves_the_index_of_pairs(world: World) -> None:
    zoe, _ = await world.conversation("我的订单")
    await zoe.says("你的订单")
    assert await results(world, "订单") == ["你的订单", "我的订单"]
    blanked, deleted = [row.id for row in await world.rows(timeline, timeline.c.author_type == "visitor")]
    await world.app.write(lambda tx: tx.run(_BLANK, entry=blanked))
    await world.app.write(lambda tx: tx.run(_DELETE, entry=deleted))
    assert await paired_words_indexed(world) == {}
    await world.app.write(search_index.index_pairs, 0, deleted)
    assert await paired_words_indexed(world) == {}


# --- names

NAMES = ("Ольга Петрова", "Łukasz Żak", "José María", "ÉLODIE", "Ærø Strauß", "김민수", "Zoë_50%")


async def test_a_name_is_found_by_the_beginning_of_its_words_in_any_case_and_with_or_without_accents(
    world: World,
) -> None:
    guests = {}
    for name in NAMES:
        typed, signed = await world.visitor(), await world.visitor(identity=f"id {name}", name=name)
        guests[name] = [(await guest.says("Hello")).ticket for guest in (typed, signed)]
        await typed.introduces(name=name)
    ana = await world.agent("ana")
    contact = guests["José María"][0].contact
    await world.app.write(set_name, ana.agent, contact, "Łucja", None, "")  # the name that the team gives comes first

    async def called(query: str) -> set[str]:
        people, tickets = await world.app.read(palette.find, query)
        assert {person.name for person in people} <= {ticket.contact_name for ticket in tickets}
        return {ticket.contact_name for ticket in tickets}

    for query, names in {
        "Ольга": {"Ольга Петрова"},
        "ольга пе": {"Ольга Петрова"},
        "ПЕТРОВА": {"Ольга Петрова"},
        "Łu": {"Łukasz Żak", "Łucja"},
        "ŁUKASZ": {"Łukasz Żak"},
        "lukasz": {"Łukasz Żak"},
        "żak": {"Łukasz Żak"},
        "zak": {"Łukasz Żak"},
        "jose": {"José María"},
        "élodie": {"ÉLODIE"},
        "aero strauss": {"Ærø Strauß"},
        "김민": {"김민수"},
        "zoe_50%": {"Zoë_50%"},
        "льга": set(),
        "%": set(),
        "_": set(),
        "...": set(),
    }.items():
        assert await called(query) == names, query
    assert len((await world.app.read(palette.find, "jose"))[1]) == 1, "the other contact has a new name"
    # A customer whom another source has named signs in for the first time.
    await world.app.write(lambda tx: add_contact(tx, external="imported", name="Old Name"))
    await (await world.visitor(identity="imported", name="Жозе")).says("Hello")
    assert await called("жоз") == {"Жозе"} and await called("old name") == set()


async def test_a_nameless_ticket_is_found_by_its_number_and_among_the_nameless(world: World) -> None:
    for _ in range(5):  # so that ids of tickets and contacts differ
        await (await world.agent("ana")).notes(await world.sms_ticket(), "a note")
    nameless, ticket = await world.conversation("Hello")
    named, with_name = await world.conversation("Hello")
    await named.introduces(name="Zoe")
    emailed, with_email = await world.conversation("Hello")
    await emailed.introduces(email="zoe@shop.example")
    signed = await (await world.visitor(identity="77", name="Olga")).says("Hello")
    short = await world.texter("72345")
    await short.says("Your code")
    for typed in (str(ticket.id), f"#{ticket.id}", f" {ticket.id} "):
        assert (await world.app.read(palette.find, typed))[1][0].id == ticket.id, typed
    assert (await world.app.read(palette.find, "#99999")) == ([], [])
    assert (await world.app.read(palette.find, "Visitor"))[1] == []
    assert [item.id for item in (await world.app.read(palette.find, "Visitor", True))[1]] == [ticket.id]
    await nameless.introduces(name="Visitor Ann")
    assert [item.id for item in (await world.app.read(palette.find, "Visitor", True))[1]] == [ticket.id]
    assert {with_name.id, with_email.id, signed.ticket.id}.isdisjoint({ticket.id})


async def test_an_upgrade_gives_names_their_keys_and_indexes_pairs_later(tmp_path: Path, database: str) -> None:
    """Starts with a database of the previous revision and rows that were written with it."""
    async with open_world(tmp_path / "data", database) as world:
        settings = world.app.settings
        await everything_said(world)
        guest = await world.visitor()
        await guest.says("Hello")
        await guest.introduces(name="Ольга")
        signed = await (await world.visitor(identity="1", name="Łukasz")).says("Hello")
        indexed, total = await paired_words_indexed(world), await world.app.read(search_index.newest)
    engine = create_engine(settings.sqlalchemy_url())
    with engine.begin() as connection:  # the schema of revision 0009
        objects = _OBJECTS_SQLITE if database == "sqlite" else _OBJECTS_POSTGRES
        for statement in (
            *objects,
            "DROP INDEX ix_contacts_name",
            "ALTER TABLE contacts DROP COLUMN name_key",
            "ALTER TABLE visitors DROP COLUMN name_key",
        ):
            connection.execute(text(statement))
        connection.execute(text("UPDATE alembic_version SET version_num = '0009'"))
    command.upgrade(migrate.config(settings), "0010")
    with engine.begin() as connection:  # the database already has the changes of the later migrations
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{migrate.head()}'"))
    engine.dispose()
    async with open_world(tmp_path / "data", database, settings=settings) as world:
        assert [item.contact_name for item in (await world.app.read(palette.find, "ольга"))[1]] == ["Ольга"]
        assert [item.id for item in (await world.app.read(palette.find, "lukasz"))[1]] == [signed.ticket.id]
        assert await world.app.read(jobs.progress, [search_index.PAIRS_JOB]) == [
            jobs.Progress(search_index.PAIRS_JOB, 0, total)
        ]
        await world.app.write(
            lambda tx: tx.run(Statement(update(job_rows).values(run_at=bindparam("now"))), now=tx.now)
        )
        await world.advance(seconds=1)
        assert await world.app.read(jobs.progress, [search_index.PAIRS_JOB]) == []
        assert await paired_words_indexed(world) == indexed
        assert await results(world, "订单") == [SAID[11], SAID[2], SAID[0]]


_OBJECTS_SQLITE = (
    "DROP TRIGGER timeline_fts_pairs_update",
    "DROP TRIGGER timeline_fts_pairs_delete",
    "DROP TABLE timeline_fts_pairs",
)
_OBJECTS_POSTGRES = (
    "DROP TRIGGER timeline_pairs_insert ON timeline",
    "DROP TRIGGER timeline_pairs_change ON timeline",
    "DROP FUNCTION timeline_index_pairs()",
    "DROP FUNCTION timeline_paired_words(text)",
    "DROP TABLE timeline_fts_pairs",
)
