"""The real server in a process of its own, behind a `Line`; console and shop are two sites on it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from server.kernel.ids import derive
from tests.browser.line import Line
from tests.services import free_port
from tests.world import SECRET, lay_out

PATIENCE_S = 60.0  # time for a server to start on a busy machine


class Site:
    """A server and its addresses. `console` and `shop` go through the line, so that a test can cut them."""

    def __init__(self, folder: Path, line: Line, port: int, *, demo: bool) -> None:
        self.folder, self.line, self._port, self._demo = folder, line, port, demo
        self.console = f"http://localhost:{line.port}"
        self.shop = f"http://127.0.0.1:{line.port}/demo"
        self.phone = f"http://127.0.0.1:{line.port}/phone"
        self.mail = f"http://127.0.0.1:{line.port}/mail"
        self.log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Starts the server and waits until it prints that it is ready."""
        before = self.log.stat().st_size if self.log.exists() else 0
        process = self._spawn()
        async with asyncio.timeout(PATIENCE_S):
            while b"Demo shop  http" not in self.log.read_bytes()[before:]:
                assert process.poll() is None, f"the server ended: {self.log.read_text()[-2000:]}"
                await asyncio.sleep(0.05)

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "THREADLINE_PORT": str(self._port),
            "THREADLINE_PUBLIC_URL": self.console,
            "THREADLINE_DEMO_URL": self.shop.removesuffix("/demo"),
            "THREADLINE_TWILIO_URL": f"{self.console}/simulator/twilio",
            "THREADLINE_DATA_DIR": str(self.folder / "data"),
            "THREADLINE_SECRET_KEY": SECRET,
            "THREADLINE_VISITOR_MESSAGES_PER_MINUTE": "1000",
            "THREADLINE_LOGIN_ATTEMPTS": "1000",
            "THREADLINE_ADDRESS_MESSAGES_PER_MINUTE": "100000",
            "THREADLINE_ADDRESS_CONNECTS_PER_MINUTE": "100000",
            "PYTHONUNBUFFERED": "1",
        }
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "server", "up", "--demo" if self._demo else "--no-demo"],
                cwd=self.folder,  # a folder without a .env file
                env=environment,
                stdout=output,
                stderr=output,
            )
        return self._process

    def kill(self) -> None:
        """Kills the server without warning, like a power loss."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(30)

    def signin_link(self) -> str:
        """The sign-in link that the server printed last."""
        return self._printed("signin")

    def setup_link(self) -> str:
        """The set-up link that the server printed last; it prints one while there is no owner."""
        return self._printed("setup")

    def _printed(self, kind: str) -> str:
        result = re.findall(rf"http://localhost:\d+/{kind}#[\w-]+", self.log.read_text())
        assert result, f"the server printed no {kind} link"
        return str(result[-1])

    def carrier_account(self) -> tuple[str, str]:
        """SID and token at the simulated carrier, which the server derives from its key."""
        sid, token = (derive(SECRET.encode(), purpose).hex()[:32] for purpose in ("simulator", "simulator token"))
        return f"AC{sid}", token

    def stored(self, like: str) -> list[str]:
        """The stored messages whose text begins with `like`, in order."""
        return [body for (body,) in self._rows("SELECT body FROM timeline WHERE body LIKE ? ORDER BY id", f"{like}%")]

    async def has_stored(self, *texts: str) -> None:
        """Waits until messages with these texts are stored, by polling the database."""
        async with asyncio.timeout(PATIENCE_S):
            while not all(self.stored(text) for text in texts):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def has_started(self) -> None:
        """Waits until the jobs that run once after a start are done."""
        async with asyncio.timeout(PATIENCE_S):
            while self.counts()["jobs"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def counts(self) -> dict[str, int]:
        """Row counts of every table, without SQLite's own tables and the periodic jobs."""
        tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        result = {name: self._rows(f'SELECT count(*) FROM "{name}"')[0][0] for (name,) in self._rows(tables)}
        one_time_jobs = "SELECT count(*) FROM jobs WHERE kind NOT LIKE 'delivery.%' AND kind NOT LIKE 'inbox.sweep%' AND kind NOT IN ('events.delete_expired', 'notifications.remind')"
        return result | {"jobs": self._rows(one_time_jobs)[0][0]}

    def _rows(self, sql: str, *values: str) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.folder / 'data' / 'threadline.db'}?mode=ro", uri=True)) as db:
            return db.execute(sql, values).fetchall()


@asynccontextmanager
async def open_site(folder: Path, *, empty: bool = False, demo: bool = False) -> AsyncIterator[Site]:
    """A running site with the team of `tests.world`; `empty`: without users; `demo`: with the demo's data."""
    if not (empty or demo):
        lay_out(folder / "data", "sqlite")
    port = free_port()
    async with Line(port) as line:
        site = Site(folder, line, port, demo=demo)
        await site.start()
        try:
            yield site
        finally:
            site.stop()
