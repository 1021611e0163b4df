"""Named places where a test may stop, slow, break or kill the process. Inert unless `THREADLINE_FAILPOINTS` is set.

The variable holds `name=action` pairs, comma-separated; actions: `kill` (SIGKILL to itself), `error`,
`sleep:ms` or `sleep:from-to` (a random time between). Each may end in `@n` (only at the n-th visit) or `%p`
(at p percent of the visits). Every action that runs is appended to `THREADLINE_FAILPOINT_LOG`, so that a test can check it.
`THREADLINE_FAILPOINT_SEED` makes the random choices repeatable.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import time

# Tests check that no response contains this text or similar internals (G25).
ERROR_TEXT = "failpoint {name}: SELECT token_hash FROM sessions; /srv/secret.key"

_SHAPE = re.compile(r"(kill|error|sleep)(?::([0-9.]+)(?:-([0-9.]+))?)?(?:@(\d+))?(?:%([0-9.]+))?")

_actions: dict[str, str] = dict(
    pair.split("=", 1) for pair in os.environ.get("THREADLINE_FAILPOINTS", "").split(",") if "=" in pair
)
_log = os.environ.get("THREADLINE_FAILPOINT_LOG")
_visits: dict[str, int] = {}
_random = random.Random(os.environ.get("THREADLINE_FAILPOINT_SEED"))  # noqa: S311 - repeatable on purpose


def active(name: str) -> bool:
    """Whether an action is set here. For failpoints whose preparation costs time."""
    return name in _actions


def reach(name: str) -> None:
    """Runs the action; a sleep blocks the thread."""
    if _actions and (pause_s := _run_action(name)):
        time.sleep(pause_s)


async def pause(name: str) -> None:
    """Runs the action on the event loop: during a sleep other tasks run, so that a race becomes more likely."""
    if _actions and (pause_s := _run_action(name)):
        await asyncio.sleep(pause_s)


def _run_action(name: str) -> float:
    """Kills the process or raises; else returns the seconds to sleep."""
    action = _actions.get(name)
    if action is None:
        return 0.0
    shape = _SHAPE.fullmatch(action)
    if shape is None:
        raise ValueError(f"THREADLINE_FAILPOINTS: {action!r} is not an action")
    kind, least, most, only_visit, percent = shape.groups()
    _visits[name] = visit = _visits.get(name, 0) + 1
    if (only_visit and visit != int(only_visit)) or (percent and _random.uniform(0, 100) >= float(percent)):
        return 0.0
    if _log:
        with open(_log, "a") as file:
            file.write(name + "\n")
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "error":
        raise RuntimeError(ERROR_TEXT.format(name=name))
    low = float(least or 0)
    return _random.uniform(low, float(most or low)) / 1000
