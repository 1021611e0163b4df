"""`threadline doctor`: looks at everything a healthy installation rests on, and says what to do.

Each check returns findings: ok, warn or fail, one sentence, and what to do about it. Checks run side by side, each
under a time-out, change nothing but a temporary file, and outlive each other's failures.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import structlog
from sqlalchemy import BigInteger, func, literal_column, select

from server import __version__, migrate
from server.errors import Refused
from server.kernel import jobs, processes
from server.kernel.clock import Clock, rfc3339
from server.kernel.context import App
from server.kernel.sql import Statement
from server.kernel.sqlite_file import damage
from server.operations import network, sms
from server.operations.findings import Finding, fail, ok, warn
from server.schema import threads
from server.settings import Settings

log = structlog.get_logger()

CHECK_S = 12.0  # one check at most
QUICK_CHECK_S = 5.0
SYNC_SLOW_MS = 5.0
SYNC_ROUNDS = 20
DISK_LOW, DISK_EMPTY = 2 << 30, 256 << 20  # bytes
WAL_LARGE = 512 << 20
DRIFT_S = 2.0
WAL_BUG_FIXED = (3, 51, 3)

State = Literal["ok", "warn", "fail"]
Check = Callable[[App], Awaitable[list[Finding]]]

_NEWEST = Statement(select(func.max(threads.c.changed_at, type_=threads.c.changed_at.type).label("at")))
_CLOCK = Statement(
    select(literal_column("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint", BigInteger).label("at"))
)
_PG_VERSION = Statement(select(literal_column("current_setting('server_version')").label("version")))


@dataclass(frozen=True, slots=True)
class Diagnosis:
    worst: State
    version: str
    checked_at: str
    findings: list[Finding]


async def examine(app: App, *, serving: bool = True) -> Diagnosis:
    """Every check, in the order of `CHECKS`. `serving` False: no server runs, so its address is not tried."""

    checks = (
        CHECKS
        if serving
        else [("server", no_server), *(c for c in CHECKS if c[1].__module__ not in (network.__name__, sms.__name__))]
    )
    parts = await asyncio.gather(*(_one(app, area, check) for area, check in checks))
    return diagnosis([finding for part in parts for finding in part], app.clock)


async def examine_one(app: App, area: str) -> list[Finding]:
    """One of the checks alone."""
    return await _one(app, area, dict(CHECKS)[area])


async def _one(app: App, area: str, check: Check) -> list[Finding]:
    try:
        async with asyncio.timeout(CHECK_S):
            found = await check(app)
    except TimeoutError:
        found = [warn(f"No answer within {CHECK_S:.0f} s.", "Look at the load of the machine, and at this part first.")]
    except Refused as refusal:
        found = [fail(refusal.message, "Mend this, then look again.")]
    except Exception as error:
        log.warning("doctor_check_failed", area=area, exc_info=True)
        found = [fail(f"This could not be looked at ({type(error).__name__}).", "The server's log says more.")]
    return [replace(finding, area=area) for finding in found]


def diagnosis(findings: list[Finding], clock: Clock) -> Diagnosis:
    states = {finding.state for finding in findings}
    worst: State = "fail" if "fail" in states else "warn" if "warn" in states else "ok"
    return Diagnosis(worst, __version__, rfc3339(clock.now()), findings)


def hopeless(message: str, advice: str, clock: Clock) -> Diagnosis:
    """What keeps everything else from being looked at."""
    return diagnosis([replace(fail(message, advice), area="start")], clock)


async def no_server(app: App) -> list[Finding]:
    return [warn("No server is running here, so its address and sockets were not tried.", "threadline serve")]


def as_json(found: Diagnosis) -> dict[str, Any]:
    return asdict(found)


# --- database -----------------------------------------------------------------------------------


async def database(app: App) -> list[Finding]:
    if app.settings.database_url is None:
        return await asyncio.to_thread(_sqlite, app.settings)
    return await _postgres(app)


def _sqlite(settings: Settings) -> list[Finding]:
    path = settings.sqlite_path()
    size = path.stat().st_size
    found = [ok(f"SQLite {sqlite3.sqlite_version}, {size / 1e6:.1f} MB in {path}.{_wal_bug()}")]
    open_to = [str(place) for place in (settings.data_dir, path) if place.stat().st_mode & 0o077]
    if settings.data_dir.stat().st_mode & 0o077 and open_to:
        found.append(
            warn(f"Other users of this machine can read {open_to[0]}.", f"chmod 700 {settings.data_dir.resolve()}")
        )
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size > WAL_LARGE:
        found.append(
            warn(
                f"The log beside the database has grown to {wal.stat().st_size / 1e6:.0f} MB.",
                "A long backup or export holds it; if it does not shrink afterwards, restart the server.",
            )
        )
    return [*found, _quick_check(path)]


def _wal_bug() -> str:
    if sqlite3.sqlite_version_info >= WAL_BUG_FIXED:
        return ""
    return (
        " (Before 3.51.3 SQLite can damage a file when two connections write or checkpoint at once; "
        "here one alone does, so this does not apply.)"
    )


def _quick_check(path: Path) -> Finding:
    """On a large file it says how far it looked, not nothing."""
    match damage(path, QUICK_CHECK_S):
        case None:
            return ok(
                f"No damage found in {QUICK_CHECK_S:.0f} s; the file is too large to read whole here (a backup does)."
            )
        case "":
            return ok("The database file is whole.")
        case problem:
            return fail(
                f"The database is damaged: {problem}.",
                "Stop the server, copy the whole data folder, and restore the newest backup (docs/operations.md).",
            )


async def _postgres(app: App) -> list[Finding]:
    version = await app.read_slowly(lambda conn: conn.value(_PG_VERSION))
    times = []
    for _ in range(5):
        started = time.perf_counter()
        await app.read(lambda conn: conn.value(_CLOCK))
        times.append((time.perf_counter() - started) * 1000)
    median = statistics.median(times)
    found = [ok(f"PostgreSQL {version}, answers in {median:.1f} ms.")]
    if median > 10:
        found.append(
            warn(
                f"The database takes {median:.0f} ms to answer; each message waits for it several times.",
                "Run it nearer to this process, or look at its load.",
            )
        )
    return found


async def migrations(app: App) -> list[Finding]:
    try:
        await app.read(migrate.check_current)
    except Refused as refusal:
        return [fail(refusal.message, "threadline migrate")]
    return [ok(f"The database is at revision {migrate.head()}, this program's.")]


# --- disk ---------------------------------------------------------------------------------------


async def disk(app: App) -> list[Finding]:
    usage = shutil.disk_usage(app.settings.data_dir)
    if app.db.reserve.spent:
        wanted = 2 * app.db.reserve.size / 1e6
        return [
            fail(
                "The disk is full. Messages are refused (they stay in the senders' outboxes); only owner and admins can still write.",
                f"Free space: as soon as {wanted:.0f} MB are free, everything goes on by itself.",
            )
        ]
    words = f"{usage.free / 1e9:.1f} of {usage.total / 1e9:.1f} GB are free where {app.settings.data_dir} is."
    if usage.free < DISK_EMPTY:
        return [
            fail(words, "Free space now: when it is full, messages are refused (they stay in the senders' outboxes).")
        ]
    if usage.free < DISK_LOW or usage.free < usage.total // 20:
        return [warn(words, "Free space soon, or move old backups off this disk.")]
    return [ok(words)]


async def sync(app: App) -> list[Finding]:
    """A message is acknowledged after one sync, so this is the floor under every acknowledgement."""
    found = []
    if app.settings.database_url is None and app.settings.sqlite_sync != "FULL":
        found.append(
            warn(
                "THREADLINE_SQLITE_SYNC is NORMAL: a power cut can lose acknowledged messages.",
                "Set it to FULL unless the disk is far too slow for that.",
            )
        )
    times = await asyncio.to_thread(measure_sync, app.settings.data_dir)
    median, worst = statistics.median(times), max(times)
    words = f"A write reaches the disk in {median:.2f} ms (slowest of {len(times)}: {worst:.1f} ms)."
    if median > SYNC_SLOW_MS:
        found.append(
            warn(words, "Each acknowledgement waits for this. Put the data folder on an SSD, not on a network disk.")
        )
    else:
        found.append(ok(words))
    return found


def measure_sync(folder: Path) -> list[float]:
    """Milliseconds of up to `SYNC_ROUNDS` small synced writes, in two seconds at most."""
    times: list[float] = []
    until = time.monotonic() + 2
    with tempfile.TemporaryFile(dir=folder, prefix="doctor-") as file:
        while len(times) < SYNC_ROUNDS and (not times or time.monotonic() < until):
            file.write(b"\0" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return times


# --- clock --------------------------------------------------------------------------------------


async def clocks(app: App) -> list[Finding]:
    found = []
    if app.settings.database_url is not None:
        before = app.clock.now()
        at: int = await app.read(lambda conn: conn.value(_CLOCK))
        middle = before + (app.clock.now() - before) / 2
        drift = at / 1e6 - middle.timestamp()
        if abs(drift) > DRIFT_S:
            found.append(
                warn(
                    f"This machine's clock and the database server's differ by {abs(drift):.1f} s.",
                    "Run a time service (chrony, systemd-timesyncd) on both.",
                )
            )
    newest = await app.read(lambda conn: conn.value(_NEWEST))
    if newest is not None and (ahead := (newest - app.clock.now()).total_seconds()) > 60:
        found.append(
            warn(
                f"The newest message is dated {ahead / 60:.0f} minutes in the future: a clock was put back.",
                "Run a time service (chrony, systemd-timesyncd). Order is safe, it does not follow clocks.",
            )
        )
    wall, steady = app.clock.now(), app.clock.monotonic()
    await asyncio.sleep(0.2)
    if abs((app.clock.now() - wall).total_seconds() - (app.clock.monotonic() - steady)) > 0.1:
        found.append(warn("The clock is being moved right now.", "Let the time service slew instead of step."))
    return found or [ok("The clock agrees with the database and runs evenly.")]


# --- later work ---------------------------------------------------------------------------------


async def workers(app: App) -> list[Finding]:
    if app.settings.database_url is None:
        return [ok("The worker runs inside the one server process.")]
    there: list[processes.Process] = await app.read(processes.seen)
    alive = [process for process in there if process.silent_s <= processes.LOST_S]
    web, work = sum(p.web for p in alive), sum(p.worker for p in alive)
    found = []
    if not work:
        found.append(
            fail(
                "No worker runs: what happens later (a held close, soon mails and texts) does not.", "threadline worker"
            )
        )
    versions = sorted({process.version for process in alive})
    if len(versions) > 1:
        found.append(
            warn(
                f"Processes of several versions run: {', '.join(versions)}.",
                "Finish the upgrade: restart the older ones.",
            )
        )
    if web > 1 and not app.settings.redis_url:
        found.append(
            warn(
                f"{web} web processes run without Redis: they see each other's messages only every 20 s.",
                "Set REDIS_URL for all of them.",
            )
        )
    return found or [ok(f"{web} web and {work} worker processes are alive.")]


async def dead_jobs(app: App) -> list[Finding]:
    count: int = await app.read(jobs.dead_count)
    if not count:
        return [ok("No job has given up.")]
    newest: list[jobs.DeadJob] = await app.read(jobs.dead_ones, 1)
    words = f"{count} {'job has' if count == 1 else 'jobs have'} given up; the newest is of kind {newest[0].kind}."
    return [
        warn(
            words,
            "Mend the cause (the log has it), then try them again: Settings → System, or POST /api/jobs/{id}/retry.",
        )
    ]


# --- this process -------------------------------------------------------------------------------


async def secret_key(app: App) -> list[Finding]:
    settings = app.settings
    if len(app.secret) < 32 or len(set(app.secret)) < 10:
        return [
            fail(
                "The secret key is short or simple: visitors' tokens could be forged.",
                'Make one: python -c "import secrets; print(secrets.token_urlsafe(48))". Every visitor then starts a new chat.',
            )
        ]
    path = settings.data_dir / "secret.key"
    if not settings.secret_key and path.stat().st_mode & 0o077:
        return [fail(f"Other users of this machine can read {path}.", f"chmod 600 {path.resolve()}")]
    return [ok("The secret key is strong and private.")]


async def process(app: App) -> list[Finding]:
    found = []
    if os.geteuid() == 0:
        found.append(
            warn("Threadline runs as root.", "Give it an account of its own (docs/operations.md has the systemd unit).")
        )
    if app.settings.mode == "development":
        found.append(
            warn(
                "The mode is development: the demo shop is public.", "Set THREADLINE_MODE=production on a real server."
            )
        )
    if app.settings.failpoints or os.environ.get("THREADLINE_FAILPOINTS"):
        found.append(fail("Failpoints are set: this server breaks on purpose.", "Unset THREADLINE_FAILPOINTS."))
    return found or [ok(f"Threadline {__version__} runs as an ordinary user.")]


CHECKS: list[tuple[str, Check]] = [
    ("database", database),
    ("migrations", migrations),
    ("disk", disk),
    ("sync", sync),
    ("clock", clocks),
    ("public_url", network.public_url),
    ("websocket", network.websocket),
    ("redis", network.redis),
    ("sms", sms.sms),
    ("workers", workers),
    ("jobs", dead_jobs),
    ("secret_key", secret_key),
    ("process", process),
]
