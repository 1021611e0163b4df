"""The writer and the readers: acknowledged data is stored, and one caller's error affects no other caller."""

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
from server.kernel.sql import Conn, LostRace, Statement, Tx
from server.kernel.writing import RERUNS, StatementFailed
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


class OccupiedWriter:
    """Occupies the writer until it is released, so that later writes wait and are processed together."""

    def __init__(self, world: World, lane: str | int = "held") -> None:
        self._world, self._lane = world, lane
        self._inside, self._go = threading.Event(), threading.Event()

    def _step(self, tx: Tx) -> None:
        self._inside.set()
        assert self._go.wait(20)

    async def __aenter__(self) -> OccupiedWriter:
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
    """The writer's own connection."""
    result: sqlite3.Connection = world.app.db._writer._db  # type: ignore[attr-defined]
    return result


@asynccontextmanager
async def batch(world: World, *steps: Callable[[Tx], Any]) -> AsyncIterator[list[Any]]:
    """Runs steps that wait together; yields their results."""
    results: list[Any] = []
    async with OccupiedWriter(world) as occupied:
        # The occupied lane; on PostgreSQL each lane belongs to one writer.
        waiting = [asyncio.ensure_future(world.app.write(step, lane="held")) for step in steps]
        await asyncio.sleep(0)  # lets each task put its step into the queue
        occupied.release()
        results += await at_once(*waiting)
    yield results


# --- joining --------------------------------------------------------------------------------------


async def test_steps_that_wait_together_share_one_commit(sqlite: World) -> None:
    commits: list[str] = []
    async with OccupiedWriter(sqlite) as occupied:
        connection(sqlite).set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        waiting = [asyncio.ensure_future(sqlite.app.write(put, f"n{n}")) for n in range(100)]
        await asyncio.sleep(0)
        occupied.release()
        await asyncio.gather(*waiting)
    connection(sqlite).set_trace_callback(None)
    assert len(await stored(sqlite)) >= 100
    assert len(commits) == 2, "expected one commit for the occupying step and one for the hundred"


async def test_a_writer_waits_until_the_loops_turn_ends_before_the_next_transaction(sqlite: World) -> None:
    """Without the wait the writer would begin a smaller transaction and compete with the loop for the interpreter."""
    commits: list[str] = []
    loop = asyncio.get_running_loop()
    async with OccupiedWriter(sqlite) as occupied:
        connection(sqlite).set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        early = asyncio.ensure_future(sqlite.app.write(put, "early"))
        await asyncio.sleep(0)
        # In one turn of the loop: the writer is released, the loop is busy for a while, another step is submitted.
        loop.call_soon(occupied.release)
        loop.call_soon(time.sleep, 0.05)
        late_write = asyncio.ensure_future(sqlite.app.write(put, "late"))
        await asyncio.gather(early, late_write)
    connection(sqlite).set_trace_callback(None)
    assert {"early", "late"} <= await stored(sqlite)
    assert len(commits) == 2, "expected one commit for the occupying step and one for the two"


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_on_postgres_steps_that_wait_together_share_a_transaction(world: World) -> None:
    def number(tx: Tx, name: str) -> Any:
        put(tx, name)
        return tx.value(text("SELECT pg_current_xact_id()::text"))

    async with batch(world, *((lambda tx, n=n: number(tx, f"n{n}")) for n in range(BATCH + 8))) as results:  # type: ignore[misc]
        pass
    assert [results.count(fromkey) for fromkey in dict.fromkeys(results)] == [BATCH, 8]
    assert {f"n{n}" for n in range(BATCH + 8)} <= await stored(world)


class Crossing:
    """Two writers that each lock their own row first, and the other's row once both are locked."""

    def __init__(self) -> None:
        self.started = {name: threading.Event() for name in ("left", "right")}
        self.errors: list[type[Exception]] = []

    def take(self, tx: Tx, *names: str) -> str:
        for name in names:
            try:
                assert tx.run(update(table).where(table.c.name == name).values(updated_at=tx.now)) == 1
            except Exception as error:
                self.errors.append(type(error))
                raise
            self.started[name].set()
            assert all(event.wait(20) for event in self.started.values())
        return " ".join(names)

    async def run(self, world: World, *steps: tuple[int, tuple[str, ...]]) -> list[Any]:
        """`steps`: a lane, which selects a writer, and the rows that one function locks."""
        for name in self.started:
            await world.app.write(put, name)
        async with OccupiedWriter(world, 0), OccupiedWriter(world, 1):
            waiting = [asyncio.ensure_future(world.app.write(self.take, *names, lane=lane)) for lane, names in steps]
            await asyncio.sleep(0)
        return await at_once(*waiting)


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_two_batches_that_deadlock_both_succeed_quickly(world: World) -> None:
    crossing = Crossing()
    results = await crossing.run(world, (0, ("left",)), (0, ("right",)), (1, ("right",)), (1, ("left",)))
    assert results == ["left", "right", "right", "left"]
    # Rolled back by their own short lock timeout, not by PostgreSQL, which looks for deadlocks only after a second.
    assert set(crossing.errors) == {StatementFailed}


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_two_functions_that_deadlock_both_succeed(world: World) -> None:
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
async def test_a_function_that_fails_does_not_fail_the_others(world: World, what: str, place: int) -> None:
    fails, error = FAILURES[what]
    succeeding: list[Callable[[Tx], Any]] = [lambda tx, n=n: put(tx, f"good {n}") for n in range(5)]  # type: ignore[misc]
    steps = [*succeeding[:place], fails, *succeeding[place:]]
    async with batch(world, *steps) as results:
        pass
    assert isinstance(results[place], error)
    assert [result for result in results if isinstance(result, str)] == [f"good {n}" for n in range(5)]
    assert {name for name in await stored(world) if name.startswith(("good", "bad"))} == {f"good {n}" for n in range(5)}
    await world.app.write(put, "after")


async def test_several_failing_functions_do_not_fail_the_others(world: World) -> None:
    steps: list[Callable[[Tx], Any]] = [
        (lambda tx, n=n: put(tx, f"good {n}")) if n % 4 else _fails_after_writing  # type: ignore[misc]
        for n in range(40)
    ]
    async with batch(world, *steps) as results:
        pass
    assert [isinstance(result, Refused) for result in results] == [n % 4 == 0 for n in range(40)]
    stored_names = await stored(world)
    assert len([name for name in stored_names if name.startswith("good")]) == 30 and "bad" not in stored_names


async def test_a_failed_call_publishes_nothing_and_the_calls_joined_with_it_do(world: World) -> None:
    topics: list[str] = []

    class Listener:
        def on_published(self, topic: str, hint: Any) -> None:
            topics.append(topic)

        def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...

    for topic in ("good", "bad"):
        world.app.bus.watch(topic, Listener())

    def publishes(tx: Tx) -> None:
        tx.publish("good")

    def publishes_and_fails(tx: Tx) -> None:
        tx.publish("bad")
        raise Refused("no", "No.")

    async with batch(world, publishes, publishes_and_fails, publishes):
        pass
    assert topics == ["good", "good"]


async def test_the_publications_of_a_cancelled_caller_are_still_sent(world: World) -> None:
    published = asyncio.Event()

    class Listener:
        def on_published(self, topic: str, hint: Any) -> None:
            published.set()

        def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...

    world.app.bus.watch("good", Listener())

    def publishes(tx: Tx) -> None:
        put(tx, "stored")
        tx.publish("good")

    async with OccupiedWriter(world):
        waiting = asyncio.ensure_future(world.app.write(publishes, lane="held"))
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.wait_for(published.wait(), 10)
    assert "stored" in await stored(world)


async def test_a_result_is_returned_only_after_the_commit(sqlite: World) -> None:
    """Another connection reads in the moment at which the caller gets the result."""
    outside = sqlite3.connect(sqlite.app.settings.sqlite_path())
    results: list[Any] = []
    answered = asyncio.Event()

    def done(result: Any, error: BaseException | None) -> None:
        results.extend(outside.execute("SELECT name FROM settings WHERE name = 'first'").fetchall())
        answered.set()

    sqlite.app.submit(put, "first", done=done)
    await asyncio.wait_for(answered.wait(), 10)
    outside.close()
    assert results == [("first",)]


async def test_a_failed_commit_acknowledges_nobody(sqlite: World) -> None:
    def poisons(tx: Tx) -> None:
        tx.run(text("PRAGMA defer_foreign_keys = ON"))
        _breaks_the_database_rules(tx)

    async with batch(sqlite, lambda tx: put(tx, "one"), poisons, lambda tx: put(tx, "two")) as results:
        pass
    assert all(isinstance(result, Busy) for result in results)
    assert not {"one", "two", "bad"} & await stored(sqlite)
    await sqlite.app.write(put, "after")


async def test_one_callers_error_loses_no_result_or_publication_of_others(world: World) -> None:
    def done(result: Any, error: BaseException | None) -> None:
        raise ZeroDivisionError

    async with OccupiedWriter(world):
        world.app.submit(put, "first", done=done, lane="held")
        second = asyncio.ensure_future(world.app.write(put, "second", lane="held"))
        await asyncio.sleep(0)
    assert await second == "second" and {"first", "second"} <= await stored(world)


# --- lost races -----------------------------------------------------------------------------------


async def test_a_function_that_lost_a_race_runs_again_and_finds_the_winners_row(world: World) -> None:
    runs: list[int] = []

    def races(tx: Tx) -> str:
        runs.append(1)
        if len(runs) < 3:
            put(tx, f"lost {len(runs)}")
            raise LostRace("somebody was first")
        return "found it"

    assert await world.app.write(races) == "found it" and len(runs) == 3
    assert not {"lost 1", "lost 2"} & await stored(world)


async def test_a_race_that_is_always_lost_ends_as_busy(world: World) -> None:
    runs: list[int] = []

    def races(tx: Tx) -> None:
        runs.append(1)
        raise LostRace("again")

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
        assert [n for call_lane, n in order if call_lane == lane] == list(range(30))


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_a_full_queue_answers_busy_immediately_and_finishes_waiting_steps(tmp_path: Path, database: str) -> None:
    async with open_world(tmp_path / "data", database, writer_queue=5, pg_writers=1) as world:
        async with OccupiedWriter(world):
            waiting = [asyncio.ensure_future(world.app.write(put, f"n{n}")) for n in range(4)]
            await asyncio.sleep(0)
            with pytest.raises(Busy) as refused:
                for n in range(5):
                    world.app.submit(put, f"late {n}", done=lambda result, error: None)
            assert refused.value.retry_after
        assert [await item for item in waiting] == ["n0", "n1", "n2", "n3"]
        await world.app.write(put, "after")


async def test_interactive_work_waits_for_at_most_one_slice_of_bulk_work(sqlite: World) -> None:
    order: list[str] = []

    def step(tx: Tx, name: str) -> None:
        order.append(name)

    async with OccupiedWriter(sqlite):
        waiting = [asyncio.ensure_future(sqlite.app.write(step, f"bulk {n}", bulk=True)) for n in range(3)]
        waiting += [asyncio.ensure_future(sqlite.app.write(step, f"quick {n}")) for n in range(3)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == ["bulk 0", "quick 0", "quick 1", "quick 2", "bulk 1", "bulk 2"]


async def test_a_full_disk_refuses_writes_that_do_not_fit_and_recovers(sqlite: World) -> None:
    """SQLite rolls back the whole transaction by itself: no caller may get an acknowledgement."""
    app = sqlite.app
    limit = connection(sqlite).execute("PRAGMA page_count").fetchone()[0] + 12
    await app.write(lambda tx: tx.run(text(f"PRAGMA max_page_count = {limit}")))
    big = "x" * 200_000
    steps: list[Callable[[Tx], Any]] = [
        lambda tx: put(tx, "small 1"),
        lambda tx: put(tx, "big", big),
        lambda tx: put(tx, "small 2"),
    ]
    async with batch(sqlite, *steps) as results:
        pass
    assert isinstance(results[1], StorageFull) and results[0] == "small 1" and results[2] == "small 2"
    assert {"small 1", "small 2"} <= await stored(sqlite) and "big" not in await stored(sqlite)

    zoe = await sqlite.visitor()
    with pytest.raises(StorageFull):
        for n in range(50):
            await zoe.says(f"{n} " + "x" * 7_000)
    bodies = [entry.body for entry in await zoe.entries()]
    await app.write(lambda tx: tx.run(delete(table).where(table.c.name == "small 1")))

    await app.write(lambda tx: tx.run(text("PRAGMA max_page_count = 1000000")))
    await app.write(put, "big", big)
    await zoe.says("There is room again")
    assert [entry.body for entry in await zoe.entries()] == [*bodies, "There is room again"]


async def test_closing_finishes_queued_steps_and_refuses_later_ones(tmp_path: Path, database: str) -> None:
    settings = lay_out(tmp_path / "data", database)
    app = await build(settings, clock=ManualClock(START), bus=LocalBus())
    waiting = [asyncio.ensure_future(app.write(put, f"n{n}")) for n in range(20)]
    await asyncio.sleep(0)
    await app.db.close()
    assert [await item for item in waiting] == [f"n{n}" for n in range(20)]
    async with asyncio.timeout(5):  # closing must not wait for threads that have already ended
        with pytest.raises(Busy):
            await app.write(put, "too late")
        with pytest.raises(Busy):
            await app.write(put, "too late", bulk=True)
        with pytest.raises(Busy):
            app.submit(put, "too late", done=lambda result, error: None)
        for read in (app.read, app.read_slowly):
            with pytest.raises(Busy):
                await read(names)


# --- readers --------------------------------------------------------------------------------------


async def test_a_read_sees_one_snapshot_despite_concurrent_writes(world: World) -> None:
    began, may_continue = threading.Event(), threading.Event()

    def reads_twice(conn: Conn) -> tuple[bool, bool]:
        row_exists = "meanwhile" in names(conn)
        began.set()
        assert may_continue.wait(20)
        return row_exists, "meanwhile" in names(conn)

    reading = asyncio.ensure_future(world.app.read(reads_twice))
    await asyncio.to_thread(began.wait, 20)
    await world.app.write(put, "meanwhile")
    may_continue.set()
    assert await reading == (False, False)
    assert "meanwhile" in await stored(world)


async def test_a_reader_cannot_write(world: World) -> None:
    for read in (world.app.read, world.app.read_slowly):
        with pytest.raises(Exception):  # noqa: B017 - each driver has its own
            await read(lambda conn: conn.run(text("DELETE FROM settings")))


async def test_a_slow_read_does_not_delay_a_fast_one(world: World) -> None:
    began, may_continue = threading.Event(), threading.Event()

    def slow(conn: Conn) -> None:
        began.set()
        assert may_continue.wait(20)

    waiting = asyncio.ensure_future(world.app.read_slowly(slow))
    await asyncio.to_thread(began.wait, 20)
    async with asyncio.timeout(5):
        await stored(world)
    may_continue.set()
    await waiting


async def test_a_failed_read_leaves_the_reader_usable(world: World) -> None:
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            await world.app.read(lambda conn: 1 // 0)
        with pytest.raises(Exception):  # noqa: B017
            await world.app.read(lambda conn: conn.all(text("SELEKT 1")))
    await stored(world)


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_dropped_database_connections_are_opened_again(world: World) -> None:
    """An idle connection cut by a proxy or by a restart of PostgreSQL causes no error."""
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


async def test_a_second_process_is_told_which_process_has_the_sqlite_file(sqlite: World) -> None:
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


async def test_sqlite_is_opened_with_the_settings_that_the_guarantees_need(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data", sqlite_sync="FULL") as world:
        wanted_settings = {
            name: connection(world).execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert wanted_settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_a_statement_with_a_list_uses_the_list_of_each_call(world: World) -> None:
    statement_in = Statement(
        select(table.c.name)
        .where(table.c.name.in_(bindparam("wanted", expanding=True)), table.c.updated_at <= bindparam("now"))
        .order_by(table.c.name)
    )
    for name in ("a", "b", "c"):
        await world.app.write(put, name)

    def matching(conn: Conn, *wanted: str) -> list[str]:
        return [row.name for row in conn.all(statement_in, wanted=list(wanted), now=world.app.clock.now())]

    for wanted in (("a", "b"), ("b", "c"), ("c",), (), ("a", "b"), ("c", *[str(n) for n in range(100)])):
        assert await world.app.read(matching, *wanted) == sorted(set(wanted) & {"a", "b", "c"})
