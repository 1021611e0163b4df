"""Named places where a test may stop, slow, break or kill the process. Inert unless `THREADLINE_FAILPOINTS` is set.

The variable holds `name=action` pairs, comma-separated; actions: `kill` (SIGKILL to itself), `error`,
`sleep:ms` or `sleep:from-to` (a random time between). Each may end in `@n` (at the n-th visit only) or `%p`
(at p visits in a hundred). Each act is appended to `THREADLINE_FAILPOINT_LOG`, so a test can show that it got
there. `THREADLINE_FAILPOINT_SEED` makes chance repeatable.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import time

# What a forced error says: a test looks for it, and for words like these, in every answer (G25).
ERROR_TEXT = "failpoint {name}: SELECT token_hash FROM sessions; /srv/secret.key"

_SHAPE = re.compile(r"(kill|error|sleep)(?::([0-9.]+)(?:-([0-9.]+))?)?(?:@(\d+))?(?:%([0-9.]+))?")

_actions: dict[str, str] = dict(
    pair.split("=", 1) for pair in os.environ.get("THREADLINE_FAILPOINTS", "").split(",") if "=" in pair
)
_log = os.environ.get("THREADLINE_FAILPOINT_LOG")
_visits: dict[str, int] = {}
_random = random.Random(os.environ.get("THREADLINE_FAILPOINT_SEED"))  # noqa: S311 - repeatable on purpose


def active(name: str) -> bool:
    """Is there anything to do at this place? For places that cost something to reach."""
    return name in _actions


def reach(name: str) -> None:
    """Acts here and now; a sleep holds the thread."""
    if _actions and (pause_s := _act(name)):
        time.sleep(pause_s)


async def pause(name: str) -> None:
    """As `reach`, on the event loop: a sleep lets others run, which is what makes a gap wide enough to fall into."""
    if _actions and (pause_s := _act(name)):
        await asyncio.sleep(pause_s)


def _act(name: str) -> float:
    """Kills or raises; else how many seconds to wait."""
    action = _actions.get(name)
    if action is None:
        return 0.0
    shape = _SHAPE.fullmatch(action)
    if shape is None:
        raise ValueError(f"THREADLINE_FAILPOINTS: {action!r} is not an action")
    kind, least, most, at, percent = shape.groups()
    _visits[name] = visit = _visits.get(name, 0) + 1
    if (at and visit != int(at)) or (percent and _random.uniform(0, 100) >= float(percent)):
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
