"""`threadline doctor`: checks the installation and gives advice.

Each check returns findings: a state (ok, warn or fail), a message and advice. The checks run concurrently, each with a
timeout, and independently: one that fails does not stop the others. They write nothing but a temporary file.
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
from server.accounts.account_settings import ACCOUNT
from server.errors import Refused
from server.files import storage
from server.kernel import jobs, processes
from server.kernel.clock import Clock, rfc3339
from server.kernel.context import App
from server.kernel.sql import Statement
from server.kernel.sqlite_file import find_damage
from server.operations import first_steps, mail, network, shop, sms
from server.operations.findings import Finding, fail, ok, warn
from server.operations.key import STRONG_KEY_ADVICE
from server.schema import threads
from server.settings import Settings, patterned

log = structlog.get_logger()

CHECK_S = 8.0  # timeout of a check; shorter than the deadline of an HTTP response
QUICK_CHECK_S = 5.0
SYNC_SLOW_MS = 5.0
SYNC_ROUNDS = 20
DISK_LOW, DISK_EMPTY = 2 << 30, 256 << 20  # bytes
ROOM_LOW = 0.9
WAL_LARGE = 512 << 20
DRIFT_S = 2.0

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
    """Runs every check; findings in the order of `CHECKS`. `serving` False: no server runs, so network checks are left out."""

    checks = (
        CHECKS
        if serving
        else [
            ("server", report_no_server),
            *(
                c
                for c in CHECKS
                if c[1].__module__ not in (mail.__name__, network.__name__, shop.__name__, sms.__name__)
            ),
        ]
    )
    results = await asyncio.gather(*(_run_check(app, area, check) for area, check in checks))
    return diagnosis([finding for check_findings in results for finding in check_findings], app.clock)


async def examine_one(app: App, area: str) -> list[Finding]:
    """Runs one check."""
    return await _run_check(app, area, dict(CHECKS)[area])


async def _run_check(app: App, area: str, check: Check) -> list[Finding]:
    try:
        async with asyncio.timeout(CHECK_S):
            findings = await check(app)
    except TimeoutError:
        findings = [warn(f"No answer within {CHECK_S:.0f} s.", "Check the load of this machine, and this part first.")]
    except Refused as refusal:
        findings = [fail(refusal.message, "Fix this, then check again.")]
    except Exception as error:
        log.warning("doctor_check_failed", area=area, exc_info=True)
        findings = [fail(f"This check failed to run ({type(error).__name__}).", "See the server's log.")]
    return [replace(finding, area=area) for finding in findings]


def diagnosis(findings: list[Finding], clock: Clock) -> Diagnosis:
    states = {finding.state for finding in findings}
    worst: State = "fail" if "fail" in states else "warn" if "warn" in states else "ok"
    return Diagnosis(worst, __version__, rfc3339(clock.now()), findings)


def start_failed(message: str, advice: str, clock: Clock) -> Diagnosis:
    """A diagnosis with one finding: the application could not start, so nothing else was checked."""
    return diagnosis([replace(fail(message, advice), area="start")], clock)


async def report_no_server(app: App) -> list[Finding]:
    return [warn("No server is running here, so its address and sockets were not checked.", "threadline serve")]


def as_json(report: Diagnosis) -> dict[str, Any]:
    return asdict(report)


# --- database -----------------------------------------------------------------------------------


async def check_database(app: App) -> list[Finding]:
    if app.settings.database_url is None:
        return await asyncio.to_thread(_sqlite, app.settings)
    return await _postgres(app)


def _sqlite(settings: Settings) -> list[Finding]:
    path = settings.sqlite_path()
    size = path.stat().st_size
    findings = [ok(f"SQLite {sqlite3.sqlite_version}, {size / 1e6:.1f} MB in {path}.")]
    open_to = [str(readable) for readable in (settings.data_dir, path) if readable.stat().st_mode & 0o077]
    if settings.data_dir.stat().st_mode & 0o077 and open_to:
        findings.append(
            warn(f"Other users of this machine can read {open_to[0]}.", f"chmod 700 {settings.data_dir.resolve()}")
        )
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size > WAL_LARGE:
        findings.append(
            warn(
                f"The database's write-ahead log has grown to {wal.stat().st_size / 1e6:.0f} MB.",
                "A long backup or export keeps it. If it does not shrink afterwards, restart the server.",
            )
        )
    return [*findings, _quick_check(path)]


def _quick_check(path: Path) -> Finding:
    """Checks the file for at most `QUICK_CHECK_S`. The message says so if the file is too large for a complete check in
    that time."""
    match find_damage(path, QUICK_CHECK_S):
        case None:
            return ok(
                f"No damage found in {QUICK_CHECK_S:.0f} s. The file is too large to check completely here (a backup does)."
            )
        case "":
            return ok("The database file is intact.")
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
    findings = [ok(f"PostgreSQL {version}, answers in {median:.1f} ms.")]
    if median > 10:
        findings.append(
            warn(
                f"The database takes {median:.0f} ms to answer. Each message waits for it several times.",
                "Run it closer to this process, or check its load.",
            )
        )
    return findings


async def check_migrations(app: App) -> list[Finding]:
    try:
        await app.read(migrate.check_current)
    except Refused as refusal:
        return [fail(refusal.message, "threadline migrate")]
    return [ok(f"The database is at revision {migrate.head()}, which this version needs.")]


# --- disk ---------------------------------------------------------------------------------------


async def check_disk(app: App) -> list[Finding]:
    usage = shutil.disk_usage(app.settings.data_dir)
    if app.db.reserve.spent:
        needed_mb = 2 * app.db.reserve.size / 1e6
        return [
            fail(
                "The disk is full. Messages are refused and stay in the senders' outboxes. Only the owner and admins can still write.",
                f"Free some space. As soon as {needed_mb:.0f} MB are free, everything continues automatically.",
            )
        ]
    summary = f"{usage.free / 1e9:.1f} of {usage.total / 1e9:.1f} GB are free where {app.settings.data_dir} is."
    if usage.free < DISK_EMPTY:
        return [
            fail(
                summary,
                "Free some space now. When the disk is full, messages are refused and stay in the senders' outboxes.",
            )
        ]
    if usage.free < DISK_LOW or usage.free < usage.total // 20:
        return [warn(summary, "Free some space soon, or move old backups off this disk.")]
    return [ok(summary), *await _visitors_files(app)]


async def _visitors_files(app: App) -> list[Finding]:
    """Checks how much of the visitors' share of the disk is used (`files.uploads`)."""
    stored = await app.read_slowly(storage.visitors_bytes)
    share = storage.visitors_share(app.settings, stored, storage.free_bytes(app.settings))
    if stored <= share * ROOM_LOW:
        return []
    return [
        warn(
            f"Visitors' files take {stored / 1e6:.0f} MB of at most {share / 1e6:.0f} MB; above that no more are accepted.",
            "Free space, or raise THREADLINE_VISITOR_DISK_PERCENT; chat goes on without files meanwhile.",
        )
    ]


async def check_sync_time(app: App) -> list[Finding]:
    """Measures a synced write: no message is acknowledged faster than that."""
    findings = []
    if app.settings.database_url is None and app.settings.sqlite_sync != "FULL":
        findings.append(
            warn(
                "THREADLINE_SQLITE_SYNC is NORMAL: a power cut can lose acknowledged messages.",
                "Set it to FULL, unless the disk is far too slow for that.",
            )
        )
    times = await asyncio.to_thread(measure_sync, app.settings.data_dir)
    median, worst = statistics.median(times), max(times)
    summary = f"A write reaches the disk in {median:.2f} ms (slowest of {len(times)}: {worst:.1f} ms)."
    if median > SYNC_SLOW_MS:
        findings.append(
            warn(summary, "Each acknowledgement waits for this. Put the data folder on an SSD, not on a network disk.")
        )
    else:
        findings.append(ok(summary))
    return findings


def measure_sync(folder: Path) -> list[float]:
    """Milliseconds of each of up to `SYNC_ROUNDS` small synced writes; takes two seconds at most."""
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


async def check_clocks(app: App) -> list[Finding]:
    findings = []
    if app.settings.database_url is not None:
        before = app.clock.now()
        database_us: int = await app.read(lambda conn: conn.value(_CLOCK))
        middle = before + (app.clock.now() - before) / 2
        drift = database_us / 1e6 - middle.timestamp()
        if abs(drift) > DRIFT_S:
            findings.append(
                warn(
                    f"This machine's clock and the database server's differ by {abs(drift):.1f} s.",
                    "Run a time service (chrony, systemd-timesyncd) on both.",
                )
            )
    newest = await app.read(lambda conn: conn.value(_NEWEST))
    if newest is not None and (ahead := (newest - app.clock.now()).total_seconds()) > 60:
        findings.append(
            warn(
                f"The newest message is dated {ahead / 60:.0f} minutes in the future, so a clock was set back.",
                "Run a time service (chrony, systemd-timesyncd). The order of messages is safe. It does not depend on clocks.",
            )
        )
    wall, steady = app.clock.now(), app.clock.monotonic()
    await asyncio.sleep(0.2)
    if abs((app.clock.now() - wall).total_seconds() - (app.clock.monotonic() - steady)) > 0.1:
        findings.append(warn("The clock is being moved right now.", "Let the time service slew instead of step."))
    return findings or [ok("The clock agrees with the database and runs evenly.")]


# --- workers and jobs ---------------------------------------------------------------------------


async def check_workers(app: App) -> list[Finding]:
    if app.settings.database_url is None:
        return [ok("The worker runs inside the one server process.")]
    processes_of_hour: list[processes.Process] = await app.read(processes.list_recent)
    alive = [process for process in processes_of_hour if process.silent_s <= processes.DEAD_AFTER_S]
    web, work = sum(p.web for p in alive), sum(p.worker for p in alive)
    findings = []
    if not work:
        findings.append(fail("No worker is running, so background jobs wait.", "threadline worker"))
    versions = sorted({process.version for process in alive})
    if len(versions) > 1:
        findings.append(
            warn(
                f"Processes of several versions run: {', '.join(versions)}.",
                "Finish the upgrade by restarting the older ones.",
            )
        )
    if web > 1 and not app.settings.redis_url:
        findings.append(
            warn(
                f"{web} web processes run without Redis, so they see each other's messages only every 20 s.",
                "Set REDIS_URL for all of them.",
            )
        )
    return findings or [ok(f"{web} web and {work} worker processes are alive.")]


async def check_dead_jobs(app: App) -> list[Finding]:
    count: int = await app.read(jobs.dead_count)
    if not count:
        return [ok("No job has failed for good.")]
    newest: list[jobs.DeadJob] = await app.read(jobs.list_dead, 1)
    summary = (
        f"{count} {'job has' if count == 1 else 'jobs have'} failed for good. The newest is of kind {newest[0].kind}."
    )
    return [
        warn(
            summary,
            "Fix the cause (see the log), then retry them under Settings → System, or with POST /api/jobs/{id}/retry.",
        )
    ]


async def check_time_zone(app: App) -> list[Finding]:
    document = await app.read(ACCOUNT.load)
    if document.time_zone:
        return [ok(f"The account's time zone is {document.time_zone}.")]
    return [warn("The account's time zone is not chosen, so UTC is used.", "Choose it under Settings → General.")]


# --- this process -------------------------------------------------------------------------------


async def check_secret_key(app: App) -> list[Finding]:
    settings = app.settings
    if len(app.secret) < 32 or len(set(app.secret)) < 10:
        return [
            fail(
                "The secret key is short or simple, so visitors' tokens could be forged.",
                'Create one: python -c "import secrets; print(secrets.token_urlsafe(48))". Every visitor then starts a new chat.',
            )
        ]
    if patterned(app.secret.decode()):
        return [
            warn(
                "The secret key repeats a pattern, so somebody who guesses it could forge visitors' tokens.",
                f"{STRONG_KEY_ADVICE} With another key, every visitor starts a new chat, and you have to enter the SMS secrets again.",
            )
        ]
    path = settings.data_dir / "secret.key"
    if not settings.secret_key and path.stat().st_mode & 0o077:
        return [fail(f"Other users of this machine can read {path}.", f"chmod 600 {path.resolve()}")]
    return [ok("The secret key is strong and private.")]


async def check_this_process(app: App) -> list[Finding]:
    findings = []
    if os.geteuid() == 0:
        findings.append(
            warn("Threadline runs as root.", "Give it an account of its own (docs/operations.md has the systemd unit).")
        )
    if app.settings.mode == "development":
        findings.append(
            warn(
                "The mode is development: the demo shop is public.", "Set THREADLINE_MODE=production on a real server."
            )
        )
    if app.settings.failpoints or os.environ.get("THREADLINE_FAILPOINTS"):
        findings.append(fail("Failpoints are set, so this server fails on purpose.", "Unset THREADLINE_FAILPOINTS."))
    return findings or [ok(f"Threadline {__version__} runs as an ordinary user.")]


CHECKS: list[tuple[str, Check]] = [
    ("database", check_database),
    ("migrations", check_migrations),
    ("disk", check_disk),
    ("sync", check_sync_time),
    ("clock", check_clocks),
    ("public_url", network.check_public_url),
    ("websocket", network.check_websocket),
    ("addresses", network.check_addresses),
    ("redis", network.check_redis),
    ("sms", sms.check_sms),
    ("mail", mail.check_mail),
    ("shop", shop.check_shop),
    ("workers", check_workers),
    ("jobs", check_dead_jobs),
    ("time_zone", check_time_zone),
    ("secret_key", check_secret_key),
    ("process", check_this_process),
    ("set_up", first_steps.set_up),
]
