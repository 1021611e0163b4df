"""The parts of both writers: queued work, its outcome, and the return of the outcome to the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import structlog

from server.errors import Busy, Refused, Unconfirmed
from server.kernel import failpoints, metrics
from server.kernel.sql import LostRace, Tx

log = structlog.get_logger()

Step = Callable[..., Any]  # (tx, *args) -> result; a joined step: (tx, [args, ...]) -> [result, ...]
Done = Callable[[Any, BaseException | None], None]  # runs on the event loop, after COMMIT
Publications = list[tuple[str, Any]]

RERUNS = 4  # retries of a function after lost races


@dataclass(slots=True)
class Work:
    """A function that waits for its transaction. `done` is called exactly once, on the loop."""

    step: Step
    args: tuple[Any, ...]
    done: Done
    lane: str | int | None = None
    joined: bool = False  # `step` takes a list of calls; a call alone is a list of one
    reruns: int = 0
    seconds: float = 0.0  # of its transaction, from BEGIN to COMMIT; set before `done` is called


@dataclass(slots=True)
class Outcome:
    work: Work
    result: Any
    error: BaseException | None
    publications: Publications


def observe(outcomes: list[Outcome], started: float) -> None:
    """Counts one transaction that began at `started` (`time.perf_counter`) and notes its duration in its works."""
    seconds = time.perf_counter() - started
    metrics.WRITER_BATCH.observe(len(outcomes))
    metrics.WRITER_SECONDS.observe(seconds)
    for outcome in outcomes:
        outcome.work.seconds = seconds


class StatementFailed(Exception):
    """The database did not execute a statement, so the whole transaction fails. The caller gets `refusal`.

    It is not a `Refused`, because a step may catch or return those and continue.
    """

    def __init__(self, refusal: Refused) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Statements:
    """Executes the statements of one function. After a failure, every further statement raises the same error.

    SQLite would execute statements after an error that rolled back, outside any transaction. `failure` stays set if the
    function catches the exception.
    """

    __slots__ = ("_execute", "_translate", "failure", "wrote")

    def __init__(self, execute: Callable[[str, Any], Any], translate: Callable[[Exception], Exception]) -> None:
        self._execute, self._translate = execute, translate
        self.failure: Exception | None = None
        self.wrote = False

    def __call__(self, sql: str, values: Any) -> Any:
        if self.failure is not None:
            raise self.failure
        if not sql.startswith("SELECT"):
            self.wrote = True
        try:
            return self._execute(sql, values)
        except Exception as error:
            self.failure = self._translate(error)
            if self.failure is error:
                raise
            raise self.failure from error


def shutting_down() -> Busy:
    """The refusal while the database is being closed."""
    return Busy("The server is shutting down. Try again in a moment.")


class Writer(Protocol):
    """Runs steps in transactions and reports an outcome only when it is on disk."""

    def put(self, work: Work, *, bulk: bool = False) -> None:
        """Queues without waiting. Raises `Busy` if the queue is full or closed."""
        ...

    @property
    def waiting(self) -> int: ...

    @property
    def healthy(self) -> bool:
        """Whether data written now can be read after a restart."""
        ...

    def close(self) -> None:
        """Finishes queued work, then stops."""
        ...


class Completion:
    """Passes outcomes from the writer's thread to the event loop and publishes the committed changes.

    Publishing happens here and not in the callers, because a caller may have been cancelled.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, publish: Callable[[Publications], None]) -> None:
        self._loop = loop
        self._publish = publish

    def call_soon(self, call: Callable[[], None]) -> None:
        """Schedules `call` on the loop. For callers on the loop."""
        self._loop.call_soon(call)

    def call_after_outcomes(self, call: Callable[[], None]) -> None:
        """Schedules `call` on the loop after all outcomes so far are delivered. For the writer's thread."""
        self._on_loop(self.call_soon, call)

    def __call__(self, outcomes: list[Outcome]) -> None:
        self._on_loop(self._settle, outcomes)

    def _on_loop(self, call: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:  # the loop is closed, so no caller waits
            return

    def _settle(self, outcomes: list[Outcome]) -> None:
        # Complete the callers before publishing, so that an author's acknowledgement comes before other screens get the
        # row.
        publications: Publications = []
        for outcome in outcomes:
            publications += outcome.publications
            try:
                outcome.work.done(outcome.result, outcome.error)
            except Exception:  # one caller's error must not affect the others or the publications
                log.exception("completion_failed", step=getattr(outcome.work.step, "__qualname__", ""))
        failpoints.reach("before_publish")
        if publications:
            self._publish(publications)


def future_done(future: asyncio.Future[Any]) -> Done:
    def done(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    return done


class _Unit(NamedTuple):
    works: list[Work]
    blocked_lanes: set[str | int]  # lanes with later work outside this unit; joining them would reorder the lane


def units(works: list[Work]) -> list[list[Work]]:
    """Groups the `works` of one transaction: works with the same joined step form one unit at the first one's position.

    A lane keeps its order: a work that follows a different step of its lane begins a new unit.
    """
    grouped: list[list[Work]] = []
    joined: dict[Step, _Unit] = {}
    for work in works:
        unit = joined.get(work.step) if work.joined else None
        if unit is not None and work.lane not in unit.blocked_lanes:
            unit.works.append(work)
        else:
            unit = _Unit([work], set())
            grouped.append(unit.works)
            if work.joined:
                joined[work.step] = unit
        if work.lane is not None:
            for other_unit in joined.values():
                if other_unit is not unit:
                    other_unit.blocked_lanes.add(work.lane)
    return grouped


def run_unit(unit: list[Work], tx: Tx, statements: Statements) -> list[Outcome]:
    """Returns the outcomes of one unit. If the unit fails, the writer runs each of its works alone.

    A joined step may return a refusal as the result of a call that wrote nothing. A failed statement fails the unit,
    whatever the step returned or raised afterwards.
    """
    first = unit[0]
    try:
        results = first.step(tx, [work.args for work in unit]) if first.joined else [first.step(tx, *first.args)]
    except Exception as error:
        if statements.failure is not None and statements.failure is not error:
            raise statements.failure from error
        raise
    if statements.failure is not None:
        raise statements.failure
    outcomes = [
        Outcome(work, None, result, []) if isinstance(result, Refused) else Outcome(work, result, None, [])
        for work, result in zip(unit, results, strict=True)
    ]
    # Not on a refusal, which is reported even if the transaction is rolled back for another work.
    for outcome in outcomes:
        if outcome.error is None:
            outcome.publications = tx.publications
            break
    return outcomes


def failed(work: Work, error: Exception) -> Outcome:
    """The outcome of a function that raised `error` and was rolled back."""
    if isinstance(error, StatementFailed):
        error = error.refusal
    elif not isinstance(error, Refused | LostRace):
        log.error("step_failed", step=getattr(work.step, "__qualname__", str(work.step)), exc_info=error)
    return Outcome(work, None, error, [])


def not_stored(work: Work) -> Outcome:
    """The outcome of work that was certainly not stored."""
    return Outcome(work, None, Busy(), [])


def unconfirmed(work: Work) -> Outcome:
    """The outcome of work that may have been stored."""
    return Outcome(work, None, Unconfirmed(), [])
