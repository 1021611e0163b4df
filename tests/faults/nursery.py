"""Server processes forked from one that has imported the product already, for the short form of the proofs.

It starts servers a hundred and fifty times, and two thirds of a start are imports. Each is a process of its own
with its own pid, environment and log, to be killed like any other. The full counts, and whatever needs another
loader, start `python -m server` itself.

`python -m tests.faults.nursery` reads one order a line and answers with a pid.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

# What a server imports at its start and later.
PRELOADED = (
    "aiosqlite", "httptools", "psycopg", "redis.asyncio", "server.__main__", "server.kernel.postgres", "server.kernel.sqlite",
    "server.serving", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.aiosqlite", "uvicorn.lifespan.on",
    "uvicorn.logging", "uvicorn.loops.uvloop", "uvicorn.protocols.http.httptools_impl", "uvloop",
)  # fmt: skip


def die_with_parent() -> None:
    """No server outlives a harness that was itself killed: PR_SET_PDEATHSIG."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Life:
    """A process that is nobody's child here; what `subprocess.Popen` is for those that are."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._end: int | None = None
        with suppress(ProcessLookupError):  # dead already
            self._end = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """None while it runs. How it ended only its parent knows."""
        return None if not self._ended(0) else 0

    def wait(self) -> int:
        self._ended(None)
        return 0

    def _ended(self, within_ms: int | None) -> bool:
        if self._end is not None:
            watch = select.poll()
            watch.register(self._end, select.POLLIN)
            if not watch.poll(within_ms):
                return False
            os.close(self._end)
            self._end = None
        return True


class Nursery:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[2], preexec_fn=die_with_parent,
        )  # fmt: skip
        atexit.register(self._process.kill)

    def start(self, module: str, *words: str, folder: Path, env: dict[str, str], log: Path) -> Life:
        order = {"module": module, "words": words, "folder": str(folder), "env": env, "log": str(log)}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Life(int(self._process.stdout.readline()))


@cache
def nursery() -> Nursery:
    return Nursery()


def live(order: dict[str, Any]) -> None:
    """As `python -m module words…` in that folder, with that environment."""
    from server.kernel import failpoints

    die_with_parent()
    os.setpgrp()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["env"])
    importlib.reload(failpoints)  # reads the environment as it is imported
    sys.argv = [order["module"], *order["words"]]
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


def main() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    sys.modules.pop("server.__main__")  # it is run anew, as a program
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are gone at once, so that their pid says it
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            code = 1
            try:
                live(json.loads(line))
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
