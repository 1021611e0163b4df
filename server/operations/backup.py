"""`threadline backup`: copies the whole installation, as it is at one moment, into a folder while the server runs.

On SQLite the copy is one snapshot, read page by page while the writer continues; on PostgreSQL `pg_dump` makes it.
Attachments are copied afterwards: exactly those that the copied database refers to; a stored attachment never
changes. The folder gets its final name only when it is complete, checked and synced.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server import __version__
from server.errors import Refused, StorageFull
from server.kernel.clock import SystemClock, rfc3339
from server.kernel.ids import derive
from server.kernel.sqlite import connect
from server.kernel.sqlite_file import read_only
from server.settings import Settings

FORMAT = 1
DATABASE = "threadline.db"
DUMP = "database.dump"
KEY = "secret.key"
MANIFEST = "manifest.json"

PAGES_PER_STEP = 256  # 1 MB; the writer can use the disk between two steps
PAUSE_S = 0.002
SYNC_EVERY = 16  # steps; keeps the unsynced data small, so that the writer's own sync is not delayed
CHUNK = 1 << 20
DUMP_S = 6 * 3600.0

Report = Callable[[dict[str, Any]], None]  # {"doing": words, "done": bytes, "of": bytes}


@dataclass(frozen=True, slots=True)
class BackupResult:
    """Describes a finished backup."""

    path: str
    engine: str
    revision: str
    database_bytes: int
    attachments: int
    attachment_bytes: int
    missing: list[str]  # tokens of sent attachments whose bytes are not on disk
    with_key: bool
    seconds: float


def no_report(_progress: dict[str, Any]) -> None: ...


def default_target(settings: Settings) -> Path:
    return settings.data_dir / "backups" / SystemClock().now().strftime("threadline-%Y%m%d-%H%M%S")


def fingerprint(secret: bytes) -> str:
    """A hash that identifies a key without revealing it."""
    return derive(secret, "fingerprint").hex()[:16]


def _key_fingerprint(settings: Settings) -> str:
    """The key's fingerprint, or "" if there is no valid key: the data is backed up all the same."""
    try:
        key = settings.secret()
    except ValueError:
        key = None
    return fingerprint(key) if key else ""


def take_backup(
    settings: Settings, target: Path, *, with_key: bool = False, report: Report = no_report
) -> BackupResult:
    """Writes the backup to `target`, which must not exist. Blocks; call it in a thread.

    Raises `Refused` `exists`, `no_database`, `no_space`, `no_pg_dump`, `dump_failed`, `copy_damaged`; `StorageFull`.
    """
    started = time.monotonic()
    target = target.absolute()
    if target.exists():
        raise Refused("exists", f"{target} already exists. A backup never overwrites another one.")
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)  # left by a killed backup
        partial.mkdir(mode=0o700)
        try:
            description = _write_backup(settings, partial, with_key, report)
            _sync_folder(partial)
            partial.rename(target)
            _sync_folder(target.parent)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        raise Refused(
            "not_writable", f"The backup could not be written to {target.parent}: {error.strerror}."
        ) from error
    return BackupResult(path=str(target), seconds=round(time.monotonic() - started, 3), **description)


def _write_backup(settings: Settings, folder: Path, with_key: bool, report: Report) -> dict[str, Any]:
    files: list[dict[str, Any]] = []
    if settings.database_url is None:
        engine, name = "sqlite", DATABASE
        _copy_sqlite(settings, folder / DATABASE, report)
        revision, file_rows = read_copy(folder / DATABASE)
    else:
        engine, name = "postgresql", DUMP
        _dump_postgres(settings, folder / DUMP, report)
        revision, file_rows = _read_postgres(settings)
    database_bytes = (folder / name).stat().st_size
    files.append(describe(folder, folder / name))
    missing: list[str] = []
    copied, copied_bytes, total_bytes = 0, 0, sum(size for _, size, _, _ in file_rows)
    for token, size, sha256, sent in file_rows:
        path = Path("files") / token[:2] / token
        if _copy_file(settings.data_dir / path, folder / path, sha256):
            files.append({"path": path.as_posix(), "size": size, "sha256": sha256})
            copied += 1
        elif sent:  # an unsent file may have been swept since the database was copied
            missing.append(token)
        copied_bytes += size
        report({"doing": "attachments", "done": copied_bytes, "of": total_bytes})
    if with_key:
        key = settings.data_dir / KEY
        if not key.is_file():
            raise Refused(
                "no_key_file",
                f"There is no {KEY} in {settings.data_dir}. The key is set in the environment. Keep it there.",
            )
        _copy_file(key, folder / KEY, None)
        files.append(describe(folder, folder / KEY))
    manifest = {
        "format": FORMAT,
        "program": __version__,
        "engine": engine,
        "revision": revision,
        "created_at": rfc3339(SystemClock().now()),
        "key": _key_fingerprint(settings),
        "with_key": with_key,
        "missing": missing,
        "files": files,
    }
    _write(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    return {
        "engine": engine,
        "revision": revision,
        "database_bytes": database_bytes,
        "attachments": copied,
        "attachment_bytes": sum(entry["size"] for entry in files if entry["path"].startswith("files/")),
        "missing": missing,
        "with_key": with_key,
    }


# --- SQLite -------------------------------------------------------------------------------------


def _copy_sqlite(settings: Settings, target: Path, report: Report) -> None:
    source_path = settings.sqlite_path()
    if not source_path.is_file():
        raise Refused("no_database", f"There is no database in {settings.data_dir}, so there is nothing to back up.")
    _check_space(target.parent, source_path.stat().st_size)
    _write(target, b"")
    with (
        closing(connect(source_path, sync="NORMAL", query_only=True)) as source,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
        target.open("rb") as handle,
    ):
        # A read transaction gives one snapshot for the whole copy. Without it SQLite restarts the copy after each commit
        # and never finishes under load. The writer is not blocked; only its WAL grows during the copy.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        copy.execute("PRAGMA synchronous=OFF")
        steps = 0

        def step(_status: int, remaining: int, total: int) -> None:
            nonlocal steps
            steps += 1
            if steps % SYNC_EVERY == 0:
                os.fdatasync(handle.fileno())
                report({"doing": "database", "done": total - remaining, "of": total})
            time.sleep(PAUSE_S)

        try:
            source.backup(copy, pages=PAGES_PER_STEP, progress=step)
        except sqlite3.OperationalError as error:
            if "full" in str(error):
                raise StorageFull() from error
            raise
        source.execute("ROLLBACK")
        # The copy must be a single file, without a WAL beside it.
        copy.execute("PRAGMA journal_mode=DELETE")
    check_sqlite(target)
    with target.open("rb") as handle:
        os.fsync(handle.fileno())


def check_sqlite(path: Path) -> None:
    """Raises `Refused` `copy_damaged` unless SQLite's integrity and foreign key checks pass."""
    try:
        with closing(read_only(path)) as db:
            problems = [str(row[0]) for row in db.execute("PRAGMA integrity_check(5)") if row[0] != "ok"]
            problems += [
                f"{row[0]} row {row[1]} names a missing {row[2]}" for row in db.execute("PRAGMA foreign_key_check")
            ][:5]
    except sqlite3.DatabaseError as error:
        problems = [str(error)]
    if problems:
        raise Refused("copy_damaged", f"{path.name} is damaged: {'; '.join(problems)}.")


FileRows = list[tuple[str, int, str, bool]]  # token, bytes, SHA-256, was it sent?
# A texted picture that was never downloaded has a row with size 0 and no bytes: it is not missing.
SELECT_FILES = "SELECT token, size, sha256, thread_id IS NOT NULL FROM attachments WHERE size > 0 ORDER BY id"


def read_copy(path: Path) -> tuple[str, FileRows]:
    """The revision of a copied database, and the attachments whose bytes must be on disk."""
    with closing(read_only(path)) as db:
        try:
            revision = str(db.execute("SELECT version_num FROM alembic_version").fetchone()[0])
            return revision, list(db.execute(SELECT_FILES))
        except (sqlite3.OperationalError, TypeError):
            raise Refused("no_database", "This file is not a migrated Threadline database.") from None


# --- PostgreSQL ---------------------------------------------------------------------------------


def postgres_environment(settings: Settings) -> dict[str, str]:
    """Environment for pg_dump and pg_restore. It carries the password, because every user can read a command line."""
    from psycopg.conninfo import conninfo_to_dict

    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "dbname": "PGDATABASE",
        "sslmode": "PGSSLMODE",
    }
    parts = conninfo_to_dict(settings.postgres_dsn())
    return os.environ | {variable: str(parts[name]) for name, variable in names.items() if parts.get(name)}


def run_tool(settings: Settings, command: list[str], failed: str) -> None:
    """Runs pg_dump or pg_restore. Raises `Refused` with the end of its error output if it fails."""
    program = shutil.which(command[0])
    if program is None:
        raise Refused(
            f"no_{command[0]}",
            f"{command[0]} is not installed. Install PostgreSQL's client programs in the server's version "
            f"(Debian: apt-get install postgresql-client), or use your provider's own snapshots.",
        )
    process = subprocess.run(  # noqa: S603 - a literal command, no shell
        [program, *command[1:]],
        env=postgres_environment(settings),
        capture_output=True,
        text=True,
        timeout=DUMP_S,
        check=False,
    )
    if process.returncode:
        error_output = " ".join(process.stderr.split())[-400:]
        raise Refused(failed, f"{command[0]} failed: {error_output}")


def _dump_postgres(settings: Settings, target: Path, report: Report) -> None:
    report({"doing": "database", "done": 0, "of": 0})
    _write(target, b"")
    run_tool(
        settings, ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}"], "dump_failed"
    )
    run_tool(settings, ["pg_restore", "--list", str(target)], "copy_damaged")
    with target.open("rb") as handle:
        os.fsync(handle.fileno())


def _read_postgres(settings: Settings) -> tuple[str, FileRows]:
    from server.kernel.postgres import connect as connect_postgres

    with closing(connect_postgres(settings.postgres_dsn(), prepare=False, read_only=True)) as db:
        revision = db.execute("SELECT version_num FROM alembic_version").fetchone()
        assert revision is not None
        return str(revision[0]), list(db.execute(SELECT_FILES))


# --- files --------------------------------------------------------------------------------------


def blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            yield block


def describe(folder: Path, path: Path) -> dict[str, Any]:
    """The manifest's entry for one file."""
    hasher = hashlib.sha256()
    for block in blocks(path):
        hasher.update(block)
    return {"path": path.relative_to(folder).as_posix(), "size": path.stat().st_size, "sha256": hasher.hexdigest()}


def _copy_file(source: Path, target: Path, sha256: str | None) -> bool:
    """Copies a file. Returns False and leaves nothing if it is missing or its hash differs from its row."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    hasher = hashlib.sha256()
    try:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for block in blocks(source):
                hasher.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError:
        target.unlink(missing_ok=True)
        return False
    if sha256 is not None and hasher.hexdigest() != sha256:
        target.unlink()
        return False
    return True


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size + size // 20:
        raise Refused("no_space", f"The backup needs {size >> 20} MB, and {folder} has {free >> 20} MB left.")
