"""`threadline restore PATH`: restores a backup completely or not at all.

The backup is verified and copied next to the data first. Then renames put it in place; the old data is moved aside and
never deleted.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server import migrate
from server.errors import Busy, Refused
from server.kernel.clock import SystemClock
from server.kernel.db import lock_data_dir
from server.operations import backup
from server.operations.key import load
from server.settings import Settings

# File names that a manifest may contain; other names could point outside the folder.
NAMES = re.compile(r"threadline\.db|database\.dump|secret\.key|files/[A-Za-z0-9_-]{2}/[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True, slots=True)
class Restored:
    created_at: str
    revision: str  # of the backup, before the migration
    attachments: int
    moved_aside: str | None
    key: str  # same | from_backup | missing | different


def restore(
    settings: Settings, source: Path, *, replace: bool = False, report: backup.Report = backup.no_report
) -> Restored:
    """Restores the backup in `source`. Raises `Refused` `server_running`, `not_empty`, `not_a_backup`, `backup_damaged`, `newer_backup`, `other_engine`."""
    source = source.absolute()
    manifest = _read(source)
    engine = "sqlite" if settings.database_url is None else "postgresql"
    if manifest["engine"] != engine:
        raise Refused(
            "other_engine",
            f"This is a {manifest['engine']} backup, but the settings use {engine}. "
            "Restore it with the DATABASE_URL it was made with.",
        )
    if manifest["revision"] > migrate.head():
        raise Refused(
            "newer_backup",
            f"This backup is at revision {manifest['revision']}, but this version knows only {migrate.head()}. "
            f"Install Threadline {manifest['program']} or newer.",
        )
    _verify(source, manifest, report)
    release = _lock_data_folder(settings)
    try:
        return (_restore_sqlite if engine == "sqlite" else _restore_postgres)(settings, source, manifest, replace)
    finally:
        release()


def _lock_data_folder(settings: Settings) -> Callable[[], None]:
    """Locks the data folder. On PostgreSQL a running server is detected by the tables in its database."""
    try:
        return lock_data_dir(settings.data_dir)
    except Busy as busy:
        raise Refused("server_running", f"{busy.message} Stop it before you restore.") from None


def _read(source: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((source / backup.MANIFEST).read_text())
        if manifest["format"] > backup.FORMAT:
            raise Refused(
                "newer_backup", f"This backup was made by Threadline {manifest['program']}. Install that or newer."
            )
        names = [entry["path"] for entry in manifest["files"]]
        if not all(isinstance(name, str) and NAMES.fullmatch(name) for name in names):
            raise KeyError
        return manifest
    except (OSError, ValueError, KeyError, TypeError):
        raise Refused(
            "not_a_backup", f"{source} is not a complete backup: it has no readable {backup.MANIFEST}."
        ) from None


def _verify(source: Path, manifest: dict[str, Any], report: backup.Report) -> None:
    verified_bytes, total_bytes = 0, sum(entry["size"] for entry in manifest["files"])
    for entry in manifest["files"]:
        try:
            actual = backup.describe(source, source / entry["path"])
        except OSError:
            raise Refused("backup_damaged", f"{entry['path']} is missing from this backup.") from None
        if actual != entry:
            raise Refused("backup_damaged", f"{entry['path']} has changed since the backup was made.")
        verified_bytes += entry["size"]
        report({"doing": "verifying", "done": verified_bytes, "of": total_bytes})


def _restore_sqlite(settings: Settings, source: Path, manifest: dict[str, Any], replace: bool) -> Restored:
    data = settings.data_dir
    if not replace and _has_data(settings):
        raise Refused(
            "not_empty",
            f"{data} already contains data. Set THREADLINE_DATA_DIR to an empty folder, or use --replace, "
            "which moves the existing data aside without deleting it.",
        )
    stage = data / "restore.partial"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    for entry in manifest["files"]:
        target = stage / entry["path"]
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(source / entry["path"], target)
        target.chmod(0o600)
        if backup.describe(stage, target) != entry:
            raise Refused("backup_damaged", f"{entry['path']} could not be copied completely.")
    backup.check_sqlite(stage / backup.DATABASE)
    old_data_folder = _move_aside(settings, with_key=manifest["with_key"])
    for path in sorted(stage.iterdir()):
        path.rename(data / path.name)
    stage.rmdir()
    migrate.run(settings)
    return _result(settings, manifest, old_data_folder)


def _restore_postgres(settings: Settings, source: Path, manifest: dict[str, Any], replace: bool) -> Restored:
    from server.kernel.postgres import connect

    with closing(connect(settings.postgres_dsn(), prepare=False)) as db:
        table_count = db.execute("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()").fetchone()
    if table_count is None or table_count[0]:
        advice = " --replace cannot move a database aside." if replace else ""
        raise Refused(
            "not_empty",
            f"The database already has tables.{advice} Create an empty one, set DATABASE_URL to it, and restore into that.",
        )
    command = ["pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]
    environment = backup.postgres_environment(settings)
    backup.run_tool(
        settings, [*command, f"--dbname={environment['PGDATABASE']}", str(source / backup.DUMP)], "restore_failed"
    )
    for entry in manifest["files"]:
        target = settings.data_dir / entry["path"]
        if entry["path"] == backup.DUMP or target.exists():
            continue  # the bytes of a token never change
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = target.with_suffix(".part")
        shutil.copyfile(source / entry["path"], partial)
        partial.chmod(0o600)
        partial.rename(target)
    migrate.run(settings)
    return _result(settings, manifest, None)


def _result(settings: Settings, manifest: dict[str, Any], old_data_folder: Path | None) -> Restored:
    return Restored(
        created_at=manifest["created_at"],
        revision=manifest["revision"],
        attachments=sum(entry["path"].startswith("files/") for entry in manifest["files"]),
        moved_aside=str(old_data_folder) if old_data_folder else None,
        key=_key_state(settings, manifest),
    )


def _key_state(settings: Settings, manifest: dict[str, Any]) -> str:
    """Compares the key here with the backup's key, without creating one."""
    key = load(settings)
    if key is None:
        return "missing"
    if backup.fingerprint(key) != manifest["key"]:
        return "different"
    return "from_backup" if manifest["with_key"] else "same"


def _has_data(settings: Settings) -> bool:
    files = settings.files_dir()
    return settings.sqlite_path().exists() or (files.is_dir() and any(files.iterdir()))


def _move_aside(settings: Settings, *, with_key: bool) -> Path | None:
    """Moves the database, its log and the attachments aside; the key too if the backup contains one."""
    data = settings.data_dir
    names = [backup.DATABASE, f"{backup.DATABASE}-wal", f"{backup.DATABASE}-shm", "files"]
    if with_key:
        names.append(backup.KEY)
    existing = [name for name in names if (data / name).exists()]
    if not existing:
        return None
    aside = data / SystemClock().now().strftime("replaced-%Y%m%d-%H%M%S-%f")
    aside.mkdir(mode=0o700)
    for name in existing:
        (data / name).rename(aside / name)
    return aside
