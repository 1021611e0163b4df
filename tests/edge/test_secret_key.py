"""F46: the secret key is made once; a lost one is refused with what to do, never silently replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from server import migrate
from server.app import build, close
from server.errors import Conflict, Refused
from server.kernel.bus import LocalBus
from server.operations import backup, key
from server.settings import Settings
from tests.running import threadline
from tests.world import lay_out


def fresh(folder: Path) -> Settings:
    return Settings(_env_file=None, data_dir=folder, secret_key=None)


async def start(settings: Settings) -> bytes:
    app = await build(settings, bus=LocalBus())
    await close(app)
    return app.secret


async def test_the_first_start_makes_a_key_also_after_a_migration_and_later_ones_keep_it(tmp_path: Path) -> None:
    settings = fresh(tmp_path)
    migrate.run(settings)
    made = await start(settings)
    assert settings.key_path().read_text().encode() == made and len(made) >= 32
    assert settings.key_path().stat().st_mode & 0o077 == 0
    assert await start(settings) == made


async def test_a_lost_key_beside_a_database_in_use_is_refused_and_none_is_made(tmp_path: Path) -> None:
    lay_out(tmp_path, "sqlite")
    settings = fresh(tmp_path)
    before = settings.sqlite_path().read_bytes()
    with pytest.raises(Refused) as refused:
        await build(settings, bus=LocalBus())
    assert refused.value.code == "secret_key_lost"
    assert all(word in refused.value.message for word in ("secret.key", "THREADLINE_SECRET_KEY", "threadline new-key"))
    assert not settings.key_path().exists() and settings.sqlite_path().read_bytes() == before
    # And the folder is free: the old key put back is all it takes.
    settings.key_path().write_text("the old key 0123456789 abcdefghijkl")
    assert await start(settings) == b"the old key 0123456789 abcdefghijkl"


@pytest.mark.parametrize("left", ["", "too weak", "a" * 64])
async def test_half_a_key_is_no_key(tmp_path: Path, left: str) -> None:
    lay_out(tmp_path, "sqlite")
    settings = fresh(tmp_path)
    settings.key_path().write_text(left)
    with pytest.raises(Refused) as refused:
        await build(settings, bus=LocalBus())
    assert refused.value.code == "weak_key" and str(settings.key_path()) in refused.value.message
    assert settings.key_path().read_text() == left


async def test_a_new_key_is_made_only_where_there_is_none(tmp_path: Path) -> None:
    lay_out(tmp_path, "sqlite")
    settings = fresh(tmp_path)
    key.replace(settings)
    made = await start(settings)
    with pytest.raises(Conflict) as refused:
        key.replace(settings)
    assert refused.value.code == "key_exists" and await start(settings) == made


def test_a_backup_works_without_a_key_and_makes_none(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", "sqlite")
    settings = fresh(tmp_path / "data")
    backup.take(settings, tmp_path / "copy")
    assert not settings.key_path().exists()
    assert '"key": ""' in (tmp_path / "copy" / "manifest.json").read_text()


def test_every_command_says_so_and_new_key_mends_it(tmp_path: Path) -> None:
    lay_out(tmp_path, "sqlite")
    for command in ("serve", "doctor", "signin-link"):
        told = threadline(tmp_path, command, THREADLINE_SECRET_KEY="")
        assert told.returncode, command
        assert "The secret key is missing" in told.stdout + told.stderr and "Traceback" not in told.stderr
    assert threadline(tmp_path, "new-key", THREADLINE_SECRET_KEY="").returncode == 0
    assert threadline(tmp_path, "signin-link", THREADLINE_SECRET_KEY="").returncode == 0
    again = threadline(tmp_path, "new-key", THREADLINE_SECRET_KEY="")
    assert again.returncode == 1 and "already" in again.stderr


def test_several_processes_are_told_to_set_one(tmp_path: Path) -> None:
    for command in ("serve", "worker", "new-key"):
        told = threadline(
            tmp_path, command, THREADLINE_SECRET_KEY="", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none"
        )
        assert told.returncode and "THREADLINE_SECRET_KEY" in told.stderr and "Traceback" not in told.stderr, (
            told.stderr
        )
