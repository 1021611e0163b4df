"""Decodes pictures in child processes with limits, at most `CONCURRENT` at a time.

A decoder is C code that reads untrusted input. In a process of its own it cannot block the event loop or use unbounded
memory and time, and its crash does not stop the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

from server.errors import Busy, Refused, StorageFull
from server.files import pictures

log = structlog.get_logger()

CONCURRENT = 2
TIMEOUT_S = 30.0  # wall-clock; on a machine with free processors `pictures.CPU_S` ends the process sooner

_PROGRAM = str(Path(pictures.__file__).absolute())
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")  # no keys and no passwords
# Signals that the picture causes. Any other signal came from outside, and the caller may retry.
_CRASHES = {
    signal.SIGXCPU, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGKILL,
}  # fmt: skip

_children = ThreadPoolExecutor(CONCURRENT, "decoders")  # each thread waits for one child process


@dataclass(frozen=True, slots=True)
class Decoded:
    type: str
    width: int
    height: int


class _Child:
    """One run of the program."""

    def __init__(self, source: Path, target: Path) -> None:
        self._paths = (str(source.absolute()), str(target.absolute()))
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> Decoded:
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        command = [sys.executable, "-P", _PROGRAM, *self._paths]
        try:
            # In a session of its own, so that Ctrl-C in the terminal reaches only the server.
            self._process = subprocess.Popen(  # noqa: S603
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            log.warning("decoder_not_started", error=str(error))
            raise Busy() from None
        with self._process as process:
            try:
                output, errors = process.communicate(timeout=TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                log.warning("decoder_too_slow", after_s=TIMEOUT_S)
                raise Busy("The server is too busy to open this picture. Try again in a moment.", 10.0) from None
        return _result(process.returncode, output, errors)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()


def _result(status: int, output: bytes, errors: bytes) -> Decoded:
    if status == pictures.DONE:
        return Decoded(**json.loads(output))
    if status == pictures.REFUSED:
        raise Refused("bad_image", json.loads(output)["message"])
    if status == pictures.NOT_WRITTEN:
        raise StorageFull()
    if -status in _CRASHES:
        log.warning("decoder_died", signal=-status)
        raise Refused("bad_image", pictures.DAMAGED)
    if status < 0:
        raise Busy()
    raise RuntimeError(f"the decoder does not run: {errors.decode(errors='replace')[-500:]}")


async def decode(source: Path, target: Path) -> Decoded:
    """Decodes the picture in `source` and writes it to `target`. Raises `Refused` "bad_image", `StorageFull`, `Busy`.

    After a refusal the caller removes `target`, which may exist.
    """
    child = _Child(source, target)
    try:
        return await asyncio.get_running_loop().run_in_executor(_children, child.run)
    except asyncio.CancelledError:
        child.kill()
        raise
