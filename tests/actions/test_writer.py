"""The writer and the readers: what is acknowledged is stored, and nobody pays for a neighbour (DESIGN 6)."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from psycopg.errors import DeadlockDetected
from sqlalchemy import bindparam, delete, insert, select, text, update

from server.app import build
from server.errors import Busy, Refused, StorageFull
from server.kernel.bus import LocalBus
from server.kernel.clock import ManualClock
from server.kernel.postgres import BATCH
from server.kernel.sql import Clash, Conn, Statement, Tx
from server.kernel.writing import RERUNS
from server.schema import sessions
from server.schema import settings as table
from tests.world import START, World, at_once, lay_out, open_world


def put(tx: Tx, name: str, value: Any = 1) -> str:
    tx.run(insert(table).values(name=name, value=value, updated_at=tx.now))
    return name


def names(conn: Conn) -> set[str]:
    return {row.name for row in conn.all(select(table.c.name))}


async def stored(world: World) -> set[str]:
    return await world.app.read(names)


class Held:
    """A step that holds the writer until it is let go; what is written meanwhile waits together."""

    def __init__(self, world: World, lane: str | int = "held") -> None:
        self._world, self._lane = world, lane
        self._inside, self._go = threading.Event(), threading.Event()

    def _step(self, tx: Tx) -> None:
        self._inside.set()
        assert self._go.wait(20)

    async def __aenter__(self) -> Held:
        self._held = asyncio.ensure_future(self._world.app.write(self._step, lane=self._lane))
        await asyncio.to_thread(self._inside.wait, 20)
        return self

    def release(self) -> None:
        self._go.set()

    async def __aexit__(self, *_: object) -> None:
        self.release()
        await self._held


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path / "data") as world:
        yield world


def connection(world: World) -> sqlite3.Connection:
    """The writer's own."""
    found: sqlite3.Connection = world.app.db._writer._db  # type: ignore[attr-defined]
    return found


@asynccontextmanager
async def batch(world: World, *steps: Callable[[Tx], Any]) -> AsyncIterator[list[Any]]:
    """What became of steps that waited together."""
    told: list[Any] = []
    async with Held(world) as held:
        # The lane that is held: on PostgreSQL a lane is one writer's.
        waiting = [asyncio.ensure_future(world.app.write(step, lane="held")) for step in steps]
        await asyncio.sleep(0)  # each has put its step into the queue
        held.release()
        told += await at_once(*waiting)
    yield told


# --- together and apart ---------------------------------------------------------------------------


async def test_what_waits_together_is_committed_once(sqlite: World) -> None:
    commits: list[str] = []
    async with Held(sqlite) as held:
        connection(sqlite).set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        waiting = [asyncio.ensure_future(sqlite.app.write(put, f"n{n}")) for n in range(100)]
        await asyncio.sleep(0)
        held.release()
        await asyncio.gather(*waiting)
    connection(sqlite).set_trace_callback(None)
    assert len(await stored(sqlite)) >= 100
    assert len(commits) == 2, "one for the step that held them, one for the hundred"


async def test_a_writer_that_is_done_waits_for_the_turn_of_the_loop_to_end(sqlite: World) -> None:
    """It would take what is there and fight the loop for the interpreter, for a smaller transaction."""
    commits: list[str] = []
    loop = asyncio.get_running_loop()
    async with Held(sqlite) as held:
        connection(sqlite).set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        early = asyncio.ensure_future(sqlite.app.write(put, "early"))
        await asyncio.sleep(0)
        # One turn: the writer is let go, the loop is busy for a while, somebody else writes.
        loop.call_soon(held.release)
        loop.call_soon(time.sleep, 0.05)
        late = asyncio.ensure_future(sqlite.app.write(put, "late"))
        await asyncio.gather(early, late)
    connection(sqlite).set_trace_callback(None)
    assert {"early", "late"} <= await stored(sqlite)
    assert len(commits) == 2, "one for the step that held them, one for the two"


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_on_postgres_too_what_waits_together_shares_a_transaction(world: World) -> None:
    def number(tx: Tx, name: str) -> Any:
        put(tx, name)
        return tx.value(text("SELECT pg_current_xact_id()::text"))

    async with batch(world, *((lambda tx, n=n: number(tx, f"n{n}")) for n in range(BATCH + 8))) as told:  # type: ignore[misc]
        pass
    assert [told.count(one) for one in dict.fromkeys(told)] == [BATCH, 8]
    assert {f"n{n}" for n in range(BATCH + 8)} <= await stored(world)


class Crossing:
    """Two writers that each take their own row first, and the other's once both are taken."""

    def __init__(self) -> None:
        self.taken = {name: threading.Event() for name in ("left", "right")}
        self.errors: list[type[Exception]] = []

    def take(self, tx: Tx, *names: str) -> str:
        for name in names:
            try:
                assert tx.run(update(table).where(table.c.name == name).values(updated_at=tx.now)) == 1
            except Exception as error:
                self.errors.append(type(error))
                raise
            self.taken[name].set()
            assert all(taken.wait(20) for taken in self.taken.values())
        return " ".join(names)

    async def run(self, world: World, *steps: tuple[int, tuple[str, ...]]) -> list[Any]:
        """`steps`: a lane, which is a writer's, and the rows one function takes."""
        for name in self.taken:
            await world.app.write(put, name)
        async with Held(world, 0), Held(world, 1):
            waiting = [asyncio.ensure_future(world.app.write(self.take, *names, lane=lane)) for lane, names in steps]
            await asyncio.sleep(0)
        return await at_once(*waiting)


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_two_batches_that_want_each_others_rows_both_end_well_and_soon(world: World) -> None:
    crossing = Crossing()
    told = await crossing.run(world, (0, ("left",)), (0, ("right",)), (1, ("right",)), (1, ("left",)))
    assert told == ["left", "right", "right", "left"]
    # Undone by their own short patience, not by PostgreSQL, which looks for circles only after a second.
    assert set(crossing.errors) == {Busy}


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_two_functions_in_a_circle_both_end_well(world: World) -> None:
    crossing = Crossing()
    assert await crossing.run(world, (0, ("left", "right")), (1, ("right", "left"))) == ["left right", "right left"]
    assert crossing.errors == [DeadlockDetected]


def _fails_before_writing(tx: Tx) -> None:
    raise Refused("no", "No.")


def _fails_after_writing(tx: Tx) -> None:
    put(tx, "bad")
    raise Refused("no", "No.")


def _breaks_after_writing(tx: Tx) -> None:
    put(tx, "bad")
    raise ZeroDivisionError


def _breaks_the_database_rules(tx: Tx) -> None:
    put(tx, "bad")
    tx.run(
        insert(sessions).values(
            token_hash="x", user_id=4711, created_at=tx.now, seen_at=tx.now, expires_at=tx.now,
            user_agent="", address="",
        )
    )  # fmt: skip


def _speaks_no_sql(tx: Tx) -> None:
    put(tx, "bad")
    tx.run(text("SELEKT 1"))


FAILURES = {
    "refuses before it writes": (_fails_before_writing, Refused),
    "refuses after it wrote": (_fails_after_writing, Refused),
    "breaks after it wrote": (_breaks_after_writing, ZeroDivisionError),
    "names a row that is not there": (_breaks_the_database_rules, Exception),
    "speaks no SQL": (_speaks_no_sql, Exception),
}


@pytest.mark.parametrize("what", FAILURES)
@pytest.mark.parametrize("place", [0, 3, 5])
async def test_a_function_that_fails_takes_only_itself_along(world: World, what: str, place: int) -> None:
    fails, error = FAILURES[what]
    good: list[Callable[[Tx], Any]] = [lambda tx, n=n: put(tx, f"good {n}") for n in range(5)]  # type: ignore[misc]
    steps = [*good[:place], fails, *good[place:]]
    async with batch(world, *steps) as told:
        pass
    assert isinstance(told[place], error)
    assert [result for result in told if isinstance(result, str)] == [f"good {n}" for n in range(5)]
    assert {name for name in await stored(world) if name.startswith(("good", "bad"))} == {f"good {n}" for n in range(5)}
    await world.app.write(put, "after")


async def test_several_failures_among_many_cost_the_others_nothing(world: World) -> None:
    steps: list[Callable[[Tx], Any]] = [
        (lambda tx, n=n: put(tx, f"good {n}")) if n % 4 else _fails_after_writing  # type: ignore[misc]
        for n in range(40)
    ]
    async with batch(world, *steps) as told:
        pass
    assert [isinstance(result, Refused) for result in told] == [n % 4 == 0 for n in range(40)]
    kept = await stored(world)
    assert len([name for name in kept if name.startswith("good")]) == 30 and "bad" not in kept


async def test_bells_of_what_failed_are_not_rung_and_those_of_its_neighbours_are(world: World) -> None:
    heard: list[str] = []

    class Ear:
        def heard(self, topic: str, hint: Any) -> None:
            heard.append(topic)

        def whispered(self, topic: str, payload: dict[str, Any]) -> None: ...

    for topic in ("good", "bad"):
        world.app.bus.watch(topic, Ear())

    def rings(tx: Tx) -> None:
        tx.ring("good")

    def rings_and_fails(tx: Tx) -> None:
        tx.ring("bad")
        raise Refused("no", "No.")

    async with batch(world, rings, rings_and_fails, rings):
        pass
    assert heard == ["good", "good"]


async def test_a_caller_that_was_cancelled_silences_no_bell(world: World) -> None:
    rung = asyncio.Event()

    class Ear:
        def heard(self, topic: str, hint: Any) -> None:
            rung.set()

        def whispered(self, topic: str, payload: dict[str, Any]) -> None: ...

    world.app.bus.watch("good", Ear())

    def rings(tx: Tx) -> None:
        put(tx, "stored")
        tx.ring("good")

    async with Held(world):
        waiting = asyncio.ensure_future(world.app.write(rings, lane="held"))
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.wait_for(rung.wait(), 10)
    assert "stored" in await stored(world)


async def test_an_answer_comes_only_after_the_commit(sqlite: World) -> None:
    """Seen from outside, by another connection, at the very moment the caller is told."""
    outside = sqlite3.connect(sqlite.app.settings.sqlite_path())
    found: list[Any] = []
    told = asyncio.Event()

    def done(result: Any, error: BaseException | None) -> None:
        found.extend(outside.execute("SELECT name FROM settings WHERE name = 'first'").fetchall())
        told.set()

    sqlite.app.submit(put, "first", done=done)
    await asyncio.wait_for(told.wait(), 10)
    outside.close()
    assert found == [("first",)]


async def test_when_the_commit_itself_fails_nobody_is_acknowledged(sqlite: World) -> None:
    def poisons(tx: Tx) -> None:
        tx.run(text("PRAGMA defer_foreign_keys = ON"))
        _breaks_the_database_rules(tx)

    async with batch(sqlite, lambda tx: put(tx, "one"), poisons, lambda tx: put(tx, "two")) as told:
        pass
    assert all(isinstance(result, Busy) for result in told)
    assert not {"one", "two", "bad"} & await stored(sqlite)
    await sqlite.app.write(put, "after")


async def test_one_callers_mistake_costs_the_others_neither_answer_nor_bell(world: World) -> None:
    def done(result: Any, error: BaseException | None) -> None:
        raise ZeroDivisionError

    async with Held(world):
        world.app.submit(put, "first", done=done, lane="held")
        second = asyncio.ensure_future(world.app.write(put, "second", lane="held"))
        await asyncio.sleep(0)
    assert await second == "second" and {"first", "second"} <= await stored(world)


# --- lost races -----------------------------------------------------------------------------------


async def test_who_lost_a_race_runs_again_and_finds_the_winners_row(world: World) -> None:
    runs: list[int] = []

    def races(tx: Tx) -> str:
        runs.append(1)
        if len(runs) < 3:
            put(tx, f"lost {len(runs)}")
            raise Clash("somebody was first")
        return "found it"

    assert await world.app.write(races) == "found it" and len(runs) == 3
    assert not {"lost 1", "lost 2"} & await stored(world)


async def test_a_race_that_is_never_won_ends_as_busy(world: World) -> None:
    runs: list[int] = []

    def races(tx: Tx) -> None:
        runs.append(1)
        raise Clash("again")

    with pytest.raises(Busy):
        await world.app.write(races)
    assert len(runs) == RERUNS + 1


async def test_a_unique_key_that_is_taken_is_a_lost_race_on_both_databases(world: World) -> None:
    await world.app.write(put, "taken")
    runs: list[int] = []

    def writes_or_finds(tx: Tx) -> str:
        runs.append(1)
        if len(runs) > 1:
            return "found"
        return put(tx, "taken")

    assert await world.app.write(writes_or_finds) == "found"


async def test_functions_of_one_lane_keep_their_order(world: World) -> None:
    order: list[tuple[str, int]] = []

    def step(tx: Tx, lane: str, n: int) -> None:
        order.append((lane, n))

    await asyncio.gather(*(world.app.write(step, lane, n, lane=lane) for n in range(30) for lane in "abc"))
    for lane in "abc":
        assert [n for of, n in order if of == lane] == list(range(30))


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_when_the_queue_is_full_the_answer_is_busy_at_once_and_what_waits_is_done(
    tmp_path: Path, database: str
) -> None:
    async with open_world(tmp_path / "data", database, writer_queue=5, pg_writers=1) as world:
        async with Held(world):
            waiting = [asyncio.ensure_future(world.app.write(put, f"n{n}")) for n in range(4)]
            await asyncio.sleep(0)
            with pytest.raises(Busy) as refused:
                for n in range(5):
                    world.app.submit(put, f"late {n}", done=lambda result, error: None)
            assert refused.value.retry_after
        assert [await one for one in waiting] == ["n0", "n1", "n2", "n3"]
        await world.app.write(put, "after")


async def test_interactive_work_waits_for_at_most_one_slice_of_bulk_work(sqlite: World) -> None:
    order: list[str] = []

    def step(tx: Tx, name: str) -> None:
        order.append(name)

    async with Held(sqlite):
        waiting = [asyncio.ensure_future(sqlite.app.write(step, f"bulk {n}", bulk=True)) for n in range(3)]
        waiting += [asyncio.ensure_future(sqlite.app.write(step, f"quick {n}")) for n in range(3)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == ["bulk 0", "quick 0", "quick 1", "quick 2", "bulk 1", "bulk 2"]


async def test_a_full_disk_refuses_what_does_not_fit_and_recovers(sqlite: World) -> None:
    """SQLite rolls the whole transaction back by itself: nobody may be acknowledged by accident (GUARANTEES 7)."""
    app = sqlite.app
    limit = connection(sqlite).execute("PRAGMA page_count").fetchone()[0] + 12
    await app.write(lambda tx: tx.run(text(f"PRAGMA max_page_count = {limit}")))
    big = "x" * 200_000
    steps: list[Callable[[Tx], Any]] = [
        lambda tx: put(tx, "small 1"),
        lambda tx: put(tx, "big", big),
        lambda tx: put(tx, "small 2"),
    ]
    async with batch(sqlite, *steps) as told:
        pass
    assert isinstance(told[1], StorageFull) and told[0] == "small 1" and told[2] == "small 2"
    assert {"small 1", "small 2"} <= await stored(sqlite) and "big" not in await stored(sqlite)

    zoe = await sqlite.visitor()
    with pytest.raises(StorageFull):
        for n in range(50):
            await zoe.says(f"{n} " + "x" * 7_000)
    kept = [entry.body for entry in await zoe.entries()]
    await app.write(lambda tx: tx.run(delete(table).where(table.c.name == "small 1")))

    await app.write(lambda tx: tx.run(text("PRAGMA max_page_count = 1000000")))
    await app.write(put, "big", big)
    await zoe.says("There is room again")
    assert [entry.body for entry in await zoe.entries()] == [*kept, "There is room again"]


async def test_closing_finishes_what_is_queued(tmp_path: Path) -> None:
    settings = lay_out(tmp_path / "data", "sqlite")
    app = await build(settings, clock=ManualClock(START), bus=LocalBus())
    waiting = [asyncio.ensure_future(app.write(put, f"n{n}")) for n in range(20)]
    await asyncio.sleep(0)
    await app.db.close()
    assert [await one for one in waiting] == [f"n{n}" for n in range(20)]
    with pytest.raises(Busy):
        await app.write(put, "too late")


# --- readers --------------------------------------------------------------------------------------


async def test_a_read_sees_one_moment_whatever_is_written_meanwhile(world: World) -> None:
    began, go_on = threading.Event(), threading.Event()

    def reads_twice(conn: Conn) -> tuple[bool, bool]:
        before = "meanwhile" in names(conn)
        began.set()
        assert go_on.wait(20)
        return before, "meanwhile" in names(conn)

    reading = asyncio.ensure_future(world.app.read(reads_twice))
    await asyncio.to_thread(began.wait, 20)
    await world.app.write(put, "meanwhile")
    go_on.set()
    assert await reading == (False, False)
    assert "meanwhile" in await stored(world)


async def test_a_reader_cannot_write(world: World) -> None:
    for read in (world.app.read, world.app.read_slowly):
        with pytest.raises(Exception):  # noqa: B017 - each driver has its own
            await read(lambda conn: conn.run(text("DELETE FROM settings")))


async def test_a_slow_read_does_not_delay_a_fast_one(world: World) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(conn: Conn) -> None:
        began.set()
        assert go_on.wait(20)

    waiting = asyncio.ensure_future(world.app.read_slowly(slow))
    await asyncio.to_thread(began.wait, 20)
    async with asyncio.timeout(5):
        await stored(world)
    go_on.set()
    await waiting


async def test_a_read_that_breaks_leaves_the_reader_usable(world: World) -> None:
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            await world.app.read(lambda conn: 1 // 0)
        with pytest.raises(Exception):  # noqa: B017
            await world.app.read(lambda conn: conn.all(text("SELEKT 1")))
    await stored(world)


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_connections_that_the_database_dropped_are_opened_again(world: World) -> None:
    """An idle connection cut by a proxy or a restart of PostgreSQL costs nobody an error."""
    await world.app.write(put, "before")
    await stored(world)

    def cuts(tx: Tx) -> int:
        return len(
            tx.all(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    " AND datname = current_database()"
                )
            )
        )

    await world.app.write(cuts, lane="cut")
    for n in range(8):
        await world.app.write(put, f"after {n}", lane=n)
    assert {f"after {n}" for n in range(8)} <= await stored(world)


# --- one process, one file ------------------------------------------------------------------------


async def test_a_second_process_is_told_who_has_the_sqlite_file_and_what_to_do(sqlite: World) -> None:
    import os

    with pytest.raises(Busy) as refused:
        await build(sqlite.app.settings, clock=ManualClock(START), bus=LocalBus())
    words = refused.value.message
    assert f"pid {os.getpid()}" in words and "DATABASE_URL" in words and str(sqlite.app.settings.data_dir) in words
    await sqlite.app.write(put, "unharmed")


async def test_the_file_is_free_again_when_its_owner_has_closed_it(tmp_path: Path) -> None:
    settings = lay_out(tmp_path / "data", "sqlite")
    for n in range(2):
        async with open_world(tmp_path / "data", settings=settings) as world:
            await world.app.write(put, f"round {n}")
            assert len([name for name in await stored(world) if name.startswith("round")]) == n + 1


async def test_sqlite_is_opened_as_the_guarantees_need_it(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data", sqlite_sync="FULL") as world:
        asked = {
            name: connection(world).execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert asked == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_a_statement_with_a_list_finds_what_is_in_the_list_of_this_call(world: World) -> None:
    some = Statement(
        select(table.c.name)
        .where(table.c.name.in_(bindparam("wanted", expanding=True)), table.c.updated_at <= bindparam("now"))
        .order_by(table.c.name)
    )
    for name in ("a", "b", "c"):
        await world.app.write(put, name)

    def found(conn: Conn, *wanted: str) -> list[str]:
        return [row.name for row in conn.all(some, wanted=list(wanted), now=world.app.clock.now())]

    for wanted in (("a", "b"), ("b", "c"), ("c",), (), ("a", "b"), ("c", *[str(n) for n in range(100)])):
        assert await world.app.read(found, *wanted) == sorted(set(wanted) & {"a", "b", "c"})
