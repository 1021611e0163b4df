"""Child processes of the bench, and the CPU time and memory of whole process trees, read from /proc."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import psutil

ROOT = Path(__file__).parents[2]
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def family(pid: int) -> list[int]:
    """The process and all its living descendants."""
    try:
        parent = psutil.Process(pid)
        return [pid, *(child.pid for child in parent.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def cpu_s(pids: list[int]) -> float:
    """CPU seconds, user and system, used so far."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_S


def memory(pids: list[int], figure: str = "Pss") -> int:
    """Bytes. `Pss` counts a shared page once, divided among its users; `Rss` counts it whole."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{figure}:"))
    return total


class Child:
    """A server started by the bench in its own process group; the bench signals only that group."""

    def __init__(self, argv: list[str], *, port: int, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.port, self.log = port, log
        self.started = time.perf_counter()
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                argv, cwd=ROOT, env={**os.environ, **(env or {})}, stdout=out, stderr=out, start_new_session=True
            )

    def wait_until_listening(self, timeout_s: float = 60) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.process.args} ended early:\n{self.log.read_text()[-2000:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
                return
            except OSError:
                time.sleep(0.01)
        raise TimeoutError(f"nothing listens on port {self.port}")

    @property
    def pids(self) -> list[int]:
        return family(self.process.pid)

    def kill(self) -> None:
        """Sends SIGKILL, as in a crash: nothing is flushed, no connection is closed."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def __enter__(self) -> Self:
        self.wait_until_listening()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def drive(task: str, **spec: Any) -> dict[str, Any]:
    """Runs one load driver (load.py) in its own process and returns its result."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.bench.load", task, json.dumps(spec)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(f"the driver {task} failed:\n{finished.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return result
