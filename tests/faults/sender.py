"""Forks sending processes, which a test kills, from one process that has imported everything (G11, G20).

`python -m tests.faults.sender` reads its orders and then one line per process from standard input, and prints pids.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp  # noqa: F401 - imported once for all forked processes
import phonenumbers  # noqa: F401
import twilio.http.async_http_client
import twilio.rest

from server import serving
from server.accounts import rules as account_rules
from server.campaigns import preparing
from server.channels import smtp, twilio_sms
from server.chat_mail import rules as chat_rules
from server.delivery import rules
from server.kernel import failpoints, jobs, processes
from server.kernel.clock import SystemClock
from server.settings import Settings


def run_server(orders: dict[str, Any], start_order: dict[str, Any]) -> None:
    """Runs one server (web and worker) until it is killed."""
    failpoints._actions.update(pair.split("=", 1) for pair in start_order["failpoints"].split(",") if pair)
    failpoints._log = orders["log"]
    if not orders["full"]:
        # The product's own code with shorter timeouts, because the short form runs for seconds.
        twilio_sms.TOTAL_S = 1.5
        rules.LOST_AFTER = timedelta(seconds=3)
        rules.LEASE = timedelta(seconds=2)
        preparing.WINDOW = 50  # several windows in a small audience
        processes.HEARTBEAT_S, processes.DEAD_AFTER_S = 0.5, 2.0  # the jobs of a killed process run again soon
    if orders.get("mail"):
        # Retries of mail take hours, and a mail server has minutes to answer.
        smtp.COMMAND_S = smtp.FINAL_S = 1.0
        smtp.TOTAL_S = 3.0
        rules.MAIL_LOST_AFTER = timedelta(seconds=5)
        rules.LEASE = timedelta(seconds=2)
        mail_retry_delay = rules.mail_retry_delay
        rules.mail_retry_delay = lambda attempt, jitter: min(
            timedelta(seconds=2), mail_retry_delay(attempt, jitter) / 240
        )
    if shift := timedelta(hours=start_order.get("clock_h", 0)):
        SystemClock.now = lambda self: datetime.now(UTC) + shift  # type: ignore[method-assign]
    if orders.get("follow_ups"):
        account_rules.ONLINE_FOR = timedelta(seconds=5)
        chat_rules.CONFIRM = chat_rules.LOOK_AGAIN = timedelta(seconds=2)
    settings = Settings(
        _env_file=None,
        data_dir=Path(orders["folder"]),
        database_url=orders["url"],
        secret_key=orders["secret"],
        public_url=orders["public_url"],
        twilio_url=orders["twilio_url"],
        port=start_order["port"],
        sqlite_sync="NORMAL",
        log_level="error",
        metrics=True,
    )
    serving.serve(settings, worker=True)


def main() -> None:
    orders = json.loads(sys.stdin.readline())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # dead children are reaped at once, so that their pids disappear
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.setpgrp()
            devnull = os.open(os.devnull, os.O_RDONLY)
            os.dup2(devnull, 0)
            os.dup2(os.open(orders["log"] + ".err", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                run_server(orders, json.loads(line))
            finally:
                os._exit(1)
        print(pid, flush=True)


class Nursery:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, port: int, points: str = "", *, clock_h: int = 0) -> int:
        """Starts a process; returns its pid. `clock_h`: how many hours its wall clock is ahead."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"port": port, "failpoints": points, "clock_h": clock_h}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def nursery(**orders: Any) -> Iterator[Nursery]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.sender"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps(orders) + "\n")
        process.stdin.flush()
        yield Nursery(process)
    finally:
        process.stdin.close()
        process.kill()
        process.wait()
        process.stdout.close()


__all__ = ["jobs", "nursery", "processes", "twilio"]

if __name__ == "__main__":
    main()
