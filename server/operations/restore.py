"""`threadline restore PATH`: from a backup to a working data folder, or not at all.

Everything is verified and put beside the data first; only then, and by renames alone, does it take the place
of what was there, which is moved aside and never deleted.
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
from server.kernel.db import own_file
from server.operations import backup
from server.operations.key import stored
from server.settings import Settings

# What a manifest may name; anything else could point outside the folder.
NAMES = re.compile(r"threadline\.db|database\.dump|secret\.key|files/[A-Za-z0-9_-]{2}/[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True, slots=True)
class Restored:
    created_at: str
    revision: str  # that of the backup; migrated to this program's since
    attachments: int
    moved_aside: str | None
    key: str  # same | from_backup | missing | different


def restore(
    settings: Settings, source: Path, *, replace: bool = False, report: backup.Report = backup.silent
) -> Restored:
    """Raises `Refused` `server_running`, `not_empty`, `not_a_backup`, `backup_damaged`, `newer_backup`, `other_engine`."""
    source = source.absolute()
    manifest = _read(source)
    engine = "sqlite" if settings.database_url is None else "postgresql"
    if manifest["engine"] != engine:
        raise Refused(
            "other_engine",
            f"This is a backup of {manifest['engine']} and the settings name {engine}. "
            "Restore it where DATABASE_URL is as it was.",
        )
    if manifest["revision"] > migrate.head():
        raise Refused(
            "newer_backup",
            f"This backup is at revision {manifest['revision']}, this program knows {migrate.head()}. "
            f"Install Threadline {manifest['program']} or newer.",
        )
    _verify(source, manifest, report)
    release = _own(settings)
    try:
        return (_restore_sqlite if engine == "sqlite" else _restore_postgres)(settings, source, manifest, replace)
    finally:
        release()


def _own(settings: Settings) -> Callable[[], None]:
    """The data folder for ourselves. On PostgreSQL the server is refused by the emptiness of the database."""
    try:
        return own_file(settings.data_dir)
    except Busy as busy:
        raise Refused("server_running", f"{busy.message} A restore needs it to stand still.") from None


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
    done, of = 0, sum(entry["size"] for entry in manifest["files"])
    for entry in manifest["files"]:
        try:
            found = backup.describe(source, source / entry["path"])
        except OSError:
            raise Refused("backup_damaged", f"{entry['path']} is missing from this backup.") from None
        if found != entry:
            raise Refused("backup_damaged", f"{entry['path']} is not as it was when the backup was made.")
        done += entry["size"]
        report({"doing": "verifying", "done": done, "of": of})


def _restore_sqlite(settings: Settings, source: Path, manifest: dict[str, Any], replace: bool) -> Restored:
    data = settings.data_dir
    if not replace and _occupied(settings):
        raise Refused(
            "not_empty",
            f"There is data in {data} already. Name an empty folder in THREADLINE_DATA_DIR, or say --replace: "
            "what is there is then moved aside, not deleted.",
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
            raise Refused("backup_damaged", f"{entry['path']} could not be copied whole.")
    backup.check_sqlite(stage / backup.DATABASE)
    aside = _move_aside(settings, with_key=manifest["with_key"])
    for path in sorted(stage.iterdir()):
        path.rename(data / path.name)
    stage.rmdir()
    migrate.run(settings)
    return _done(settings, manifest, aside)


def _restore_postgres(settings: Settings, source: Path, manifest: dict[str, Any], replace: bool) -> Restored:
    from server.kernel.postgres import connect

    with closing(connect(settings.postgres_dsn(), prepare=False)) as db:
        taken = db.execute("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()").fetchone()
    if taken is None or taken[0]:
        advice = " --replace cannot move a database aside." if replace else ""
        raise Refused(
            "not_empty",
            f"The database has tables already.{advice} Create an empty one, name it in DATABASE_URL, and restore into that.",
        )
    command = ["pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]
    environment = backup.postgres_environment(settings)
    backup.run_tool(
        settings, [*command, f"--dbname={environment['PGDATABASE']}", str(source / backup.DUMP)], "restore_failed"
    )
    for entry in manifest["files"]:
        target = settings.data_dir / entry["path"]
        if entry["path"] == backup.DUMP or target.exists():
            continue  # a token names one content for ever
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = target.with_suffix(".part")
        shutil.copyfile(source / entry["path"], partial)
        partial.chmod(0o600)
        partial.rename(target)
    migrate.run(settings)
    return _done(settings, manifest, None)


def _done(settings: Settings, manifest: dict[str, Any], aside: Path | None) -> Restored:
    return Restored(
        created_at=manifest["created_at"],
        revision=manifest["revision"],
        attachments=sum(entry["path"].startswith("files/") for entry in manifest["files"]),
        moved_aside=str(aside) if aside else None,
        key=_key(settings, manifest),
    )


def _key(settings: Settings, manifest: dict[str, Any]) -> str:
    """Is the key here the one the backup was made with? A new one is not made up by looking."""
    key = stored(settings)
    if key is None:
        return "missing"
    if backup.fingerprint(key) != manifest["key"]:
        return "different"
    return "from_backup" if manifest["with_key"] else "same"


def _occupied(settings: Settings) -> bool:
    files = settings.files_dir()
    return settings.sqlite_path().exists() or (files.is_dir() and any(files.iterdir()))


def _move_aside(settings: Settings, *, with_key: bool) -> Path | None:
    """The database with its log, and the attachments; the key stays unless the backup brings one."""
    data = settings.data_dir
    names = [backup.DATABASE, f"{backup.DATABASE}-wal", f"{backup.DATABASE}-shm", "files"]
    if with_key:
        names.append(backup.KEY)
    there = [name for name in names if (data / name).exists()]
    if not there:
        return None
    aside = data / SystemClock().now().strftime("replaced-%Y%m%d-%H%M%S-%f")
    aside.mkdir(mode=0o700)
    for name in there:
        (data / name).rename(aside / name)
    return aside
