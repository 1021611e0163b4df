"""Named places where a test may stop, break or kill the process. Inert unless `THREADLINE_FAILPOINTS` is set.

The variable holds `name=action` pairs, comma-separated; actions: `kill` (SIGKILL to itself),
`kill@n` (at the n-th visit), `sleep:ms`, `error`. Each visit under the flag is appended to
`THREADLINE_FAILPOINT_LOG`, so a test can show that it got there.
"""

from __future__ import annotations

import os
import signal
import time

_actions: dict[str, str] = dict(
    pair.split("=", 1) for pair in os.environ.get("THREADLINE_FAILPOINTS", "").split(",") if "=" in pair
)
_log = os.environ.get("THREADLINE_FAILPOINT_LOG")
_visits: dict[str, int] = {}


def reach(name: str) -> None:
    if _actions:
        _act(name)


def _act(name: str) -> None:
    action = _actions.get(name)
    if action is None:
        return
    _visits[name] = visit = _visits.get(name, 0) + 1
    kind, _, rest = action.partition("@")
    if rest and visit != int(rest):
        return
    if _log:
        with open(_log, "a") as file:
            file.write(name + "\n")
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind.startswith("sleep:"):
        time.sleep(float(kind[6:]) / 1000)
    elif kind == "error":
        raise RuntimeError(f"failpoint {name}")
