"""Forks server processes from one process that has already imported the product, for the short form of the fault tests.

The short form starts servers a hundred and fifty times, and two thirds of a start are imports. Each fork is a process
with its own pid, environment and log, and can be killed like any other. The full form, and tests that need another
loader, start `python -m server` itself.

`python -m tests.faults.nursery` reads one order per line and answers with a pid.
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

# Modules that a server imports when it starts and later.
PRELOADED = (
    "aiosqlite", "httptools", "psycopg", "redis.asyncio", "server.__main__", "server.kernel.postgres", "server.kernel.sqlite",
    "server.serving", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.aiosqlite", "uvicorn.lifespan.on",
    "uvicorn.logging", "uvicorn.loops.uvloop", "uvicorn.protocols.http.httptools_impl", "uvloop",
)  # fmt: skip


def die_with_parent() -> None:
    """Kills this process when its parent dies (PR_SET_PDEATHSIG), so that no server outlives a killed test run."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class ForkedProcess:
    """A process that is no child of this one; has the methods of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._end: int | None = None
        with suppress(ProcessLookupError):  # the process is dead already
            self._end = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Returns None while the process runs, else 0, because only its parent knows the exit status."""
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

    def start(self, module: str, *words: str, folder: Path, env: dict[str, str], log: Path) -> ForkedProcess:
        order = {"module": module, "words": words, "folder": str(folder), "env": env, "log": str(log)}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return ForkedProcess(int(self._process.stdout.readline()))


@cache
def nursery() -> Nursery:
    return Nursery()


def run_forked(order: dict[str, Any]) -> None:
    """Runs `python -m module words…` in that folder with that environment."""
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
    importlib.reload(failpoints)  # failpoints reads the environment when it is imported
    sys.argv = [order["module"], *order["words"]]
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


def main() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    sys.modules.pop("server.__main__")  # `runpy` runs the module again as `__main__`
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # dead children are reaped at once, so that their pids disappear
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            code = 1
            try:
                run_forked(json.loads(line))
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
