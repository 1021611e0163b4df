"""Runs `child` in processes of their own, at most `CONCURRENT` at a time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import structlog

from server.errors import Busy, Refused, StorageFull
from server.imports import child
from server.settings import Settings

log = structlog.get_logger()

CONCURRENT = 2
TIMEOUT_S = 50.0  # a job must end before its lease does
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")  # no keys and no passwords
# Signals that the file causes. Any other signal came from outside, and the caller may try again.
_CRASHES = {
    signal.SIGXCPU, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGKILL,
}  # fmt: skip
_STATUS = {"not_a_table": 415, "too_large_unpacked": 413}
UNREADABLE = "This file cannot be read: it is damaged, or built to take too much memory or time. Export it again, as CSV if you can."

_children = ThreadPoolExecutor(CONCURRENT, "imports")


class Unreadable(Refused):
    """Why a file is refused. `params`: for the sentence in another language."""

    def __init__(self, code: str, message: str, params: dict[str, Any] | None = None) -> None:
        super().__init__(code, message, field="file", fault=code, params=params or {})
        self.status = _STATUS.get(code, 422)


class _Child:
    def __init__(self, task: str, arguments: dict[str, Any]) -> None:
        self._task, self._arguments = task, arguments
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> dict[str, Any]:
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        command = [sys.executable, "-P", "-m", child.__name__, self._task]
        try:
            # In a session of its own: Ctrl-C in the terminal reaches only the server, and `kill` reaches its children.
            self._process = subprocess.Popen(  # noqa: S603
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            log.warning("import_reader_not_started", error=str(error))
            raise Busy() from None
        with self._process as process:
            try:
                output, errors = process.communicate(json.dumps(self._arguments).encode(), timeout=TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
                log.warning("import_reader_too_slow", after_s=TIMEOUT_S)
                raise Unreadable("cannot_read", UNREADABLE) from None
        return _result(process.returncode, output, errors)

    def kill(self) -> None:
        if self._process is not None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return


def _result(status: int, output: bytes, errors: bytes) -> dict[str, Any]:
    if status == child.DONE:
        return dict(json.loads(output))
    if status == child.REFUSED:
        refusal = json.loads(output)
        raise Unreadable(refusal["code"], refusal["message"], refusal["params"])
    if status == child.NOT_WRITTEN:
        raise StorageFull()
    if -status in _CRASHES:
        log.warning("import_reader_died", signal=-status)
        raise Unreadable("cannot_read", UNREADABLE)
    if status < 0:
        raise Busy()
    raise RuntimeError(f"the reader of imports does not run: {errors.decode(errors='replace')[-800:]}")


async def run(settings: Settings, task: str, **arguments: Any) -> dict[str, Any]:
    """Runs one task of `child`. Raises `Unreadable`, `StorageFull`, `Busy`."""
    arguments |= {"memory_mb": settings.import_memory_mb, "cpu_s": int(TIMEOUT_S)}
    process = _Child(task, arguments)
    try:
        return await asyncio.get_running_loop().run_in_executor(_children, process.run)
    except asyncio.CancelledError:
        process.kill()
        raise


def folder(settings: Settings, import_id: int) -> Path:
    """Where the rows, people and verdicts of an import are while it is being worked on."""
    return settings.data_dir / "imports" / str(import_id)
