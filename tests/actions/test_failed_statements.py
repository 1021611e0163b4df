"""A failing statement, of every error class and at every place of a joined step, never causes a wrong
acknowledgement."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg import errors as pg
from sqlalchemy import text

from server.consent.settings import KEYWORDS
from server.errors import Busy, Refused
from server.kernel.sql import LostRace, Tx
from server.kernel.writing import Statements
from server.schema import carrier_inbound, timeline
from server.sms import receiving
from server.sms.receiving import Received
from server.sms.settings import INBOX
from server.threads.tickets import Written
from server.webchat import receiving as webchat_receiving
from server.webchat.actions import VisitorInfo
from server.webchat.receiving import Inbound
from tests.actions.test_writer import OccupiedWriter, put, stored
from tests.world import World, at_once, is_dense, numbered, open_world

# One error of each class that PostgreSQL can return (appendix A of its manual), raised by the server itself, so that
# the transaction really is in a failed state.
SQLSTATES = (
    "08006", "0A000", "21000", "22001", "23503", "23505", "25006", "25P03", "26000", "28000", "40001", "40P01", "42501",
    "42P01", "53100", "53200", "54000", "55P03", "57014", "57P01", "58030", "XX000",
)  # fmt: skip
CUT = "SELECT pg_terminate_backend(pg_backend_pid())"
Fails = Callable[[Callable[..., Any]], Any]


def _raise_sqlstate(code: str) -> Fails:
    return lambda execute: execute(f"DO $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '{code}'; END $$")


def _raise_here(error: Exception, *, rolls_back: bool = False) -> Fails:
    def fails(execute: Any) -> None:
        if rolls_back and execute.__self__.in_transaction:
            execute.__self__.rollback()
        raise error

    return fails


FAILURES: dict[str, list[Fails]] = {
    "postgres": [*map(_raise_sqlstate, SQLSTATES), lambda execute: execute(CUT)],
    "sqlite": [
        _raise_here(sqlite3.OperationalError("database is locked")),
        _raise_here(sqlite3.OperationalError("interrupted"), rolls_back=True),
        _raise_here(sqlite3.OperationalError("database or disk is full"), rolls_back=True),
        _raise_here(sqlite3.OperationalError("disk I/O error"), rolls_back=True),
        _raise_here(sqlite3.OperationalError("attempt to write a readonly database")),
        _raise_here(sqlite3.IntegrityError("UNIQUE constraint failed: timeline.dedupe")),
        _raise_here(sqlite3.IntegrityError("FOREIGN KEY constraint failed")),
        _raise_here(sqlite3.DatabaseError("database disk image is malformed")),
        _raise_here(sqlite3.DataError("string or blob too big")),
        _raise_here(MemoryError(), rolls_back=True),
    ],
}


class Saboteur:
    """Makes statement number `at` (from 0) of a function fail: first when the calls run together, then when the first
    of them runs alone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at, self.remaining, self.fails = 0, 0, _raise_here(AssertionError())
        begin = Statements.__init__

        def begins(statements: Statements, execute: Callable[..., Any], translate: Any) -> None:
            places = itertools.count()
            begin(statements, lambda sql, values: self._execute(next(places), execute, sql, values), translate)

        monkeypatch.setattr(Statements, "__init__", begins)

    def next(self, at: int, fails: Fails) -> None:
        self.at, self.remaining, self.fails = at, 2, fails

    def _execute(self, place: int, execute: Callable[..., Any], sql: str, values: Any) -> Any:
        if place == self.at and self.remaining:
            self.remaining -= 1
            self.fails(execute)
        return execute(sql, values)

    def failed_statements(self) -> int:
        """Number of failed statements since `next`; no later statement fails."""
        failed, self.remaining = 2 - self.remaining, 0
        return failed


@dataclass
class Call:
    step: Callable[..., Any]
    args: tuple[Any, ...]
    check: Callable[[Any], Awaitable[None]]  # receives the result; not called with an exception


async def together(world: World, calls: Sequence[Call]) -> list[Any]:
    async with OccupiedWriter(world) as occupied:
        waiting = [asyncio.ensure_future(world.app.write_joined(call.step, *call.args, lane="held")) for call in calls]
        await asyncio.sleep(0)
        occupied.release()
        return await at_once(*waiting)


async def try_everywhere(world: World, saboteur: Saboteur, prepare: Callable[[int], Awaitable[list[Call]]]) -> None:
    """Makes each statement of the calls fail with each error, one statement per run."""
    refused = 0
    for number, fails in enumerate(FAILURES[world.database]):
        for place in itertools.count():
            calls = await prepare(number * 1000 + place)
            first = place % len(calls)
            calls = calls[first:] + calls[:first]
            saboteur.next(place, fails)
            outcomes = await together(world, calls)
            failed = saboteur.failed_statements()
            exceptions = sum(isinstance(outcome, BaseException) for outcome in outcomes)
            refused += exceptions
            assert exceptions <= max(failed - 1, 0), (
                "calls that share a transaction with a failed one must be run alone"
            )
            for call, outcome in zip(calls, outcomes, strict=True):
                if not isinstance(outcome, BaseException):
                    await call.check(outcome)
            if not failed:
                assert place > 3
                break
    assert refused


async def test_a_visitors_message_is_acknowledged_only_where_it_is_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    saboteur = Saboteur(monkeypatch)
    other_person, repeats = await world.visitor(), await world.visitor()
    await other_person.says("Hello")
    first = await repeats.says("Only once", key="key-once")
    welcome = VisitorInfo()

    async def is_stored(written: Written) -> None:
        rows = await world.rows(
            timeline, timeline.c.thread_id == written.entry.thread, timeline.c.seq == written.entry.seq
        )
        assert [row.body for row in rows] == [written.entry.body], "the message was acknowledged but is not stored"

    async def is_the_first(written: Written) -> None:
        assert written.repeated and written.entry.seq == first.entry.seq and written.entry.body == "Only once"

    async def prepare(trial: int) -> list[Call]:
        new = await world.visitor()
        messages = [
            (other_person.key, f"key-{trial:06d}", f"Parcel {trial}?", is_stored),
            (repeats.key, "key-once", "Only once", is_the_first),
            (new.key, f"key-{trial:06d}", f"Hi {trial}", is_stored),
        ]
        return [
            Call(webchat_receiving.receive, (Inbound(visitor, key, words, (), "", welcome),), check)
            for visitor, key, words, check in messages
        ]

    await try_everywhere(world, saboteur, prepare)
    for guest in (other_person, repeats):
        entries = await guest.entries()
        assert is_dense(numbered(entries)) and len({entry.body for entry in entries}) == len(entries)


async def test_a_text_is_acknowledged_only_where_it_is_stored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    saboteur = Saboteur(monkeypatch)
    other_person, repeats = await world.texter(agreed=True), await world.texter(agreed=True)
    await other_person.says("Hello")
    repeated_text = repeats.text("Only once")
    await repeats.sends(repeated_text)
    words, inbox = await KEYWORDS.latest(world.app), await INBOX.latest(world.app)

    async def is_stored(received: Received) -> None:
        rows = await world.rows(timeline, timeline.c.thread_id == received.thread, timeline.c.seq == received.seq)
        assert len(rows) == 1, "the text was acknowledged but is not stored"
        sid = rows[0].data["sid"]
        assert len(await world.rows(carrier_inbound, carrier_inbound.c.sid == sid)) == 1

    async def is_a_repeat(received: Received) -> None:
        assert received.outcome is receiving.Outcome.REPEATED

    async def prepare(trial: int) -> list[Call]:
        texts = [(other_person.text(f"Parcel {trial}?"), is_stored), (repeated_text, is_a_repeat)]
        return [Call(receiving.receive_texts, (text, words, inbox), check) for text, check in texts]

    await try_everywhere(world, saboteur, prepare)
    entries = await other_person.entries()
    assert is_dense(numbered(entries)) and len({entry.body for entry in entries}) == len(entries)
    assert [entry.body for entry in await repeats.entries()] == ["Only once"]


# --- a step that continues after a failure ---------------------------------------------------------


def _fails_here(tx: Tx) -> None:
    """Runs a statement that the database refuses with an error that is no lost race."""
    tx.run(text("SELECT * FROM no_such_table"))


def _swallows(tx: Tx, calls: Sequence[tuple[str, str]]) -> list[Any]:
    """Stores each name. For a failing call, a statement fails, and the step catches the error and raises, refuses or
    answers as `how` says."""
    results: list[Any] = []
    for name, how in calls:
        if how == "stores":
            results.append(put(tx, name))
            continue
        try:
            _fails_here(tx)
        except Exception:
            if how == "raises":
                raise Refused("no", "No.") from None
            results.append(Refused("no", "No.") if how == "refuses" else name)
    return results


@pytest.mark.parametrize("how", ["refuses", "raises", "answers"])
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_step_cannot_turn_a_failed_statement_into_a_result(world: World, how: str, place: int) -> None:
    calls = [("one", "stores"), ("two", "stores")]
    calls.insert(place, ("bad", how))
    async with OccupiedWriter(world) as occupied:
        waiting = [asyncio.ensure_future(world.app.write_joined(_swallows, *call, lane="held")) for call in calls]
        await asyncio.sleep(0)
        occupied.release()
        results = await at_once(*waiting)
    # Whatever the step does, every caller gets the database's error.
    assert isinstance(results.pop(place), sqlite3.OperationalError | pg.UndefinedTable)
    assert results == ["one", "two"] and {"one", "two"} <= await stored(world) and "bad" not in await stored(world)


async def test_a_lost_race_that_a_step_swallows_is_run_again(world: World) -> None:
    await world.app.write(put, "taken")
    runs: list[int] = []

    def swallows(tx: Tx) -> str:
        runs.append(1)
        if len(runs) > 1:
            return "found"
        put(tx, "written before")
        try:
            put(tx, "taken")
        except LostRace:
            return "lost"
        raise AssertionError

    assert await world.app.write(swallows) == "found" and "written before" not in await stored(world)


async def test_after_a_failed_statement_all_later_statements_of_the_step_fail(world: World) -> None:
    """SQLite may already have rolled back: the next statement would be committed by itself."""
    errors: list[BaseException] = []

    def goes_on(tx: Tx) -> None:
        for step in (_fails_here, lambda tx: put(tx, "bad")):
            try:
                step(tx)
            except Exception as error:
                errors.append(error)

    assert await at_once(world.app.write(goes_on)) == [errors[0]] and errors[1] is errors[0]
    assert "bad" not in await stored(world)


# --- a transaction that the database has rolled back without an error ------------------------------


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
@pytest.mark.parametrize("company", [0, 2])
async def test_a_transaction_that_postgres_would_roll_back_is_not_committed(world: World, company: int) -> None:
    """For a failed transaction COMMIT returns ROLLBACK and no error."""

    def breaks(tx: Tx) -> str:
        put(tx, "bad")
        with pytest.raises(pg.UndefinedTable):
            tx._execute._execute("SELECT * FROM no_such_table", None)  # type: ignore[attr-defined]
        return "bad"

    async with OccupiedWriter(world) as occupied:
        steps = [breaks, *[lambda tx, n=n: put(tx, f"good {n}") for n in range(company)]]
        waiting = [asyncio.ensure_future(world.app.write(step, lane="held")) for step in steps]
        await asyncio.sleep(0)
        occupied.release()
        results = await at_once(*waiting)
    assert isinstance(results[0], Busy) and results[1:] == [f"good {n}" for n in range(company)]
    assert {name for name in await stored(world) if name.startswith(("good", "bad"))} == set(results[1:])


@pytest.mark.parametrize("company", [0, 2])
async def test_a_transaction_that_sqlite_has_rolled_back_is_not_committed(tmp_path: Path, company: int) -> None:
    async with open_world(tmp_path / "data") as world:

        def breaks(tx: Tx) -> str:
            put(tx, "bad")
            tx._execute._execute("ROLLBACK")  # type: ignore[attr-defined]
            return "bad"

        async with OccupiedWriter(world) as occupied:
            steps = [breaks, *[lambda tx, n=n: put(tx, f"good {n}") for n in range(company)]]
            waiting = [asyncio.ensure_future(world.app.write(step)) for step in steps]
            await asyncio.sleep(0)
            occupied.release()
            results = await at_once(*waiting)
        assert isinstance(results[0], Busy) and results[1:] == [f"good {n}" for n in range(company)]
        assert {name for name in await stored(world) if name.startswith(("good", "bad"))} == set(results[1:])


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_a_cancelled_select_of_one_call_loses_no_entry_of_another(world: World) -> None:
    """Before the check, the other caller was acknowledged although its entry was rolled back."""
    other_person, repeats = await world.visitor(), await world.visitor()
    await other_person.says("Hello")
    await repeats.says("Only once", key="key-once")
    caught: list[Refused] = []

    def receive(tx: Tx, calls: Sequence[Any]) -> list[Any]:
        if len(calls) > 1:
            tx.run(text("SET LOCAL statement_timeout = 20"))
            try:
                tx.first(text("SELECT pg_sleep(5)"))
            except Refused as refusal:
                caught.append(refusal)
                return [refusal, *webchat_receiving.receive(tx, calls[1:])]
        return list(webchat_receiving.receive(tx, calls))

    def call(who: Any, key: str, words: str) -> Call:
        async def check(_: Any) -> None: ...

        return Call(receive, (Inbound(who.key, key, words, (), "", VisitorInfo()),), check)

    results = await together(
        world, [call(repeats, "key-once", "Only once"), call(other_person, "key-new", "Still there?")]
    )
    assert [type(result) for result in results] == [Written, Written]
    assert not caught, "inside a step a database failure must not look like a refusal"
    assert [entry.body for entry in await other_person.entries()] == ["Hello", "Still there?"]
