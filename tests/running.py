"""Runs `threadline` as a separate process, to test the command line, signals and memory."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

from tests.services import free_port
from tests.world import SECRET, lay_out

QUIET = {"THREADLINE_LOG_LEVEL": "warning", "THREADLINE_SQLITE_SYNC": "NORMAL"}


def environment(folder: Path, **more: str) -> dict[str, str]:
    """An environment without the tests' own settings and `.env`."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("THREADLINE_", "DATABASE_URL", "REDIS"))
    }
    return inherited | QUIET | {"THREADLINE_DATA_DIR": str(folder), "THREADLINE_SECRET_KEY": SECRET} | more


def threadline(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs one command and waits until it ends."""
    return subprocess.run(
        [sys.executable, "-m", "server", *words], env=environment(folder, **more), capture_output=True, text=True,
        timeout=90, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


class Running:
    """A running server. `address`: host and port."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
        self.process, self.port, self._log = process, port, log
        self.url = f"http://127.0.0.1:{port}"
        self.address = ("127.0.0.1", port)

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def terminate(self, within: float) -> tuple[int, float]:
        """Sends SIGTERM; returns the exit code and the seconds it took. Fails after `within` seconds."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still there {within} s after SIGTERM\n{self.log()[-3000:]}") from None
        return code, time.monotonic() - started

    def memory(self) -> int:
        """Bytes of memory that this process does not share."""
        return int(psutil.Process(self.process.pid).memory_full_info().uss)


@contextmanager
def running(
    folder: Path, *, laid_out: bool = True, words: tuple[str, ...] = ("serve",), **more: str
) -> Iterator[Running]:
    """A server process on a folder that has the team in it, ready to respond; killed at the end."""
    if laid_out:
        lay_out(folder, "sqlite")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    more = {"THREADLINE_PORT": str(port), "THREADLINE_PUBLIC_URL": url} | more
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "server", *words], env=environment(folder, **more), stdout=log, stderr=log
        )
        server = Running(process, port, log)
        try:
            _wait(server)
            yield server
        finally:
            process.kill()
            process.wait()


def _wait(server: Running) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise AssertionError(f"the server ended with {server.process.returncode}\n{server.log()}")
        try:
            with urllib.request.urlopen(server.url + "/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the server did not answer in 30 s\n{server.log()}")


async def threadline_later(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(threadline, folder, *words, **more)
