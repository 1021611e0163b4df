"""What both writers share: the work they are handed, and how its outcome gets back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import structlog

from server.errors import Busy, Refused
from server.kernel import failpoints
from server.kernel.sql import Tx

log = structlog.get_logger()

Step = Callable[..., Any]  # (tx, *args) -> result; where calls may be joined (tx, [args, ...]) -> [result, ...]
Done = Callable[[Any, BaseException | None], None]  # runs on the event loop, after COMMIT
Bells = list[tuple[str, Any]]

RERUNS = 4  # how often a function is run again after losing a race


@dataclass(slots=True)
class Work:
    """One function that waits for its transaction. `done` is called exactly once, on the loop."""

    step: Step
    args: tuple[Any, ...]
    done: Done
    lane: str | int | None = None
    joined: bool = False  # `step` takes the calls of several at once
    reruns: int = 0

    def run(self, tx: Tx) -> Any:
        """On its own."""
        return self.step(tx, [self.args])[0] if self.joined else self.step(tx, *self.args)


@dataclass(slots=True)
class Outcome:
    work: Work
    result: Any
    error: BaseException | None
    bells: Bells


class Writer(Protocol):
    """Runs steps in transactions and tells their outcome only once it is on disk."""

    def put(self, work: Work, *, bulk: bool = False) -> None:
        """Queues without waiting; raises `Busy` when the queue is full."""
        ...

    @property
    def waiting(self) -> int: ...

    @property
    def sound(self) -> bool:
        """False when writing has no point any more."""
        ...

    def close(self) -> None:
        """Finishes what is queued, then stops."""
        ...


class Completion:
    """Carries outcomes from the writer's thread to the loop, then rings what was committed.

    The bells are rung here, by the writer's own completion, whoever still waits: a caller that
    was cancelled must not silence them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[Bells], None]) -> None:
        self._loop = loop
        self._ring = ring

    def soon(self, call: Callable[[], None]) -> None:
        """On the loop, after what it is doing. For callers on the loop."""
        self._loop.call_soon(call)

    def turn_over(self, call: Callable[[], None]) -> None:
        """On the loop, after the turn that answers what was completed until now. For the writer's thread."""
        self._on_loop(self.soon, call)

    def __call__(self, outcomes: list[Outcome]) -> None:
        self._on_loop(self._settle, outcomes)

    def _on_loop(self, call: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:  # the loop is gone: everything is committed, nobody is left to tell or to ask for more
            return

    def _settle(self, outcomes: list[Outcome]) -> None:
        # Answers first, bells second, all in one turn of the loop: an author's own acknowledgement
        # is never slower than the same row on somebody else's screen.
        bells: Bells = []
        for outcome in outcomes:
            bells += outcome.bells
            try:
                outcome.work.done(outcome.result, outcome.error)
            except Exception:  # one caller's mistake must not cost the others their answer, nor anybody the bells
                log.exception("completion_failed", step=getattr(outcome.work.step, "__qualname__", ""))
        failpoints.reach("before_ring")
        if bells:
            self._ring(bells)


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
    behind: set[str | int]  # lanes with works after its first one that are not in it


def units(works: list[Work]) -> list[list[Work]]:
    """`works` of one transaction as they are run: those with the same joined step are one, where the first of them is.

    A lane keeps its order: a call behind something else of its lane is not drawn before it, but begins a new unit.
    """
    found: list[list[Work]] = []
    joined: dict[Step, _Unit] = {}
    for work in works:
        unit = joined.get(work.step) if work.joined else None
        if unit is not None and work.lane not in unit.behind:
            unit.works.append(work)
        else:
            unit = _Unit([work], set())
            found.append(unit.works)
            if work.joined:
                joined[work.step] = unit
        if work.lane is not None:
            for other in joined.values():
                if other is not unit:
                    other.behind.add(work.lane)
    return found


def run_unit(unit: list[Work], tx: Tx) -> list[Outcome]:
    """Every outcome of one unit. When one of several fails, all do: whose fault it is shows when each runs alone.

    A joined step may give a refusal as one call's result, where that call has written nothing.
    """
    if len(unit) == 1:
        results = [unit[0].run(tx)]
    else:
        results = unit[0].step(tx, [work.args for work in unit])
    outcomes = [
        Outcome(work, None, result, []) if isinstance(result, Refused) else Outcome(work, result, None, [])
        for work, result in zip(unit, results, strict=True)
    ]
    # Not with a refusal: that is told even when somebody else's failure undoes what the others wrote.
    for outcome in outcomes:
        if outcome.error is None:
            outcome.bells = tx.bells
            break
    return outcomes


def gave_up(work: Work) -> Outcome:
    return Outcome(work, None, Busy(), [])
