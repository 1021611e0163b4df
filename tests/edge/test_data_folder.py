"""The data folder may have any name, and only its owner can read the files created in it."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from server import migrate
from server.__main__ import cli
from server.app import build, close
from server.kernel import control
from server.kernel.bus import LocalBus
from server.kernel.sqlite_file import find_damage
from server.operations import backup, restore
from server.settings import Settings
from tests.world import settings_for

NAMES = [
    "what?mode=memory", "per%2541cent", "has#hash", "file:x?mode=memory&cache=shared", ":memory:", "a[/]b", "-dash",
    "new\nline", "quo'te\"s;", "bytes\udcff", "müßig 🫖", "long" * 40,
]  # fmt: skip


@pytest.fixture(autouse=True)
def mask() -> Iterator[None]:
    """The usual umask: files are readable by everybody unless the server restricts them."""
    old_umask = os.umask(0o022)
    yield
    os.umask(old_umask)


def open_to_others(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*") if stat.S_IMODE(path.lstat().st_mode) & 0o077]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
async def test_every_command_works_with_a_data_folder_of_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in" / name
    folder.mkdir(parents=True)
    settings = settings_for(folder, secret_key=None)
    migrate.run(settings)
    assert find_damage(settings.sqlite_path(), 10.0) == ""
    app = await build(settings, bus=LocalBus())
    commands = await control.serve(app, {"revision": _revision})
    try:
        assert await control.run_command(settings, "revision", {}) == migrate.head()
        manifest = backup.take_backup(settings, folder / "copy", with_key=True)
    finally:
        await commands.close()
        await close(app)
    assert manifest.revision == migrate.head()
    restored = restore.restore(settings, folder / "copy", replace=True)
    assert restored.moved_aside and migrate.is_current(settings.sqlite_path())
    assert settings.sqlite_path() == folder / "threadline.db" and settings.sqlite_path().is_file()
    assert [path.name for path in (tmp_path / "in").iterdir()] == [name.partition("/")[0]], (
        "no command may write beside the folder"
    )
    assert not open_to_others(folder)


async def _revision(app: object) -> str:
    return migrate.head()


async def test_the_servers_files_in_a_readable_folder_are_made_private(tmp_path: Path) -> None:
    """The log and the shared-memory file of a database in use get the mode of the database file."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    settings = Settings(_env_file=None, data_dir=folder)
    migrate.run(settings)
    app = await build(settings, bus=LocalBus())
    try:
        await app.read(migrate.check_current)
        assert {"threadline.db", "threadline.db-wal", "threadline.db-shm"} <= {path.name for path in folder.iterdir()}
        assert not open_to_others(folder)
    finally:
        await close(app)


def test_a_relative_folder_is_the_one_under_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file:x?mode=memory").mkdir()
    settings = settings_for(Path("file:x?mode=memory"))
    migrate.run(settings)
    with closing(sqlite3.connect(tmp_path / "file:x?mode=memory" / "threadline.db")) as db:
        assert db.execute("SELECT version_num FROM alembic_version").fetchone() == (migrate.head(),)
    assert backup.read_copy(settings.sqlite_path())[0] == migrate.head()


def test_commands_print_the_folder_as_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THREADLINE_DATA_DIR", str(tmp_path / "a[/]b"))
    for command in (["migrate"], ["new-key"], ["backup", str(tmp_path / "copy[/]")], ["backup"]):
        with pytest.raises(SystemExit) as ended:
            cli(command)
        assert not ended.value.code, command
    printed = capsys.readouterr().out
    assert str(tmp_path / "copy[/]") in printed and str(tmp_path / "a[/]b" / "secret.key") in printed
