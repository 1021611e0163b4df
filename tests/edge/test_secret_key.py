"""F46: the secret key is created once; a lost key is reported with advice and never silently replaced."""

from __future__ import annotations

import random
import string
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from server import migrate
from server.accounts.commands import create_owner
from server.app import build, close
from server.errors import Conflict, Refused
from server.kernel.bus import LocalBus
from server.operations import backup, key
from server.settings import Settings, patterned
from tests.running import threadline
from tests.services import create_database
from tests.world import PASSWORD, SECRET, lay_out


def fresh_settings(folder: Path) -> Settings:
    return Settings(_env_file=None, data_dir=folder, secret_key=None)


async def start(settings: Settings) -> bytes:
    app = await build(settings, bus=LocalBus())
    await close(app)
    return app.secret


async def test_the_first_start_creates_a_key_and_later_starts_keep_it(tmp_path: Path) -> None:
    settings = fresh_settings(tmp_path)
    migrate.run(settings)
    created_key = await start(settings)
    assert settings.key_path().read_text().encode() == created_key and len(created_key) >= 32
    assert settings.key_path().stat().st_mode & 0o077 == 0
    assert await start(settings) == created_key


async def test_a_lost_key_of_a_used_database_is_refused_and_not_replaced(tmp_path: Path) -> None:
    lay_out(tmp_path, "sqlite")
    settings = fresh_settings(tmp_path)
    bytes_before = settings.sqlite_path().read_bytes()
    with pytest.raises(Refused) as refused:
        await build(settings, bus=LocalBus())
    assert refused.value.code == "secret_key_lost"
    assert all(word in refused.value.message for word in ("secret.key", "THREADLINE_SECRET_KEY", "threadline new-key"))
    assert not settings.key_path().exists() and settings.sqlite_path().read_bytes() == bytes_before
    # The folder is not locked: restoring the old key is enough.
    settings.key_path().write_text("the old key 0123456789 abcdefghijkl")
    assert await start(settings) == b"the old key 0123456789 abcdefghijkl"


@pytest.mark.parametrize("content", ["", "too weak", "a" * 64])
async def test_a_truncated_key_is_refused(tmp_path: Path, content: str) -> None:
    lay_out(tmp_path, "sqlite")
    settings = fresh_settings(tmp_path)
    settings.key_path().write_text(content)
    with pytest.raises(Refused) as refused:
        await build(settings, bus=LocalBus())
    assert refused.value.code == "weak_key" and str(settings.key_path()) in refused.value.message
    assert settings.key_path().read_text() == content


async def test_new_key_refuses_to_replace_an_existing_key(tmp_path: Path) -> None:
    lay_out(tmp_path, "sqlite")
    settings = fresh_settings(tmp_path)
    key.replace_lost(settings)
    created_key = await start(settings)
    with pytest.raises(Conflict) as refused:
        key.replace_lost(settings)
    assert refused.value.code == "key_exists" and await start(settings) == created_key


def test_a_backup_works_without_a_key_and_creates_none(tmp_path: Path) -> None:
    lay_out(tmp_path / "data", "sqlite")
    settings = fresh_settings(tmp_path / "data")
    backup.take_backup(settings, tmp_path / "copy")
    assert not settings.key_path().exists()
    assert '"key": ""' in (tmp_path / "copy" / "manifest.json").read_text()


def test_every_command_reports_a_lost_key_and_new_key_creates_one(tmp_path: Path) -> None:
    lay_out(tmp_path, "sqlite")
    for command in ("serve", "doctor", "signin-link"):
        result = threadline(tmp_path, command, THREADLINE_SECRET_KEY="")
        assert result.returncode, command
        assert "The secret key is missing" in result.stdout + result.stderr and "Traceback" not in result.stderr
    assert threadline(tmp_path, "new-key", THREADLINE_SECRET_KEY="").returncode == 0
    assert threadline(tmp_path, "signin-link", THREADLINE_SECRET_KEY="").returncode == 0
    repeated = threadline(tmp_path, "new-key", THREADLINE_SECRET_KEY="")
    assert repeated.returncode == 1 and "already" in repeated.stderr


def test_with_postgres_a_missing_key_must_be_configured(tmp_path: Path) -> None:
    for command in ("serve", "worker", "new-key"):
        result = threadline(
            tmp_path, command, THREADLINE_SECRET_KEY="", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none"
        )
        assert result.returncode and "THREADLINE_SECRET_KEY" in result.stderr and "Traceback" not in result.stderr, (
            result.stderr
        )


PATTERNS = [
    "abcdefghij" * 4,
    "0123456789abcdef" * 2,
    "correct horse battery!" * 2,
    "x" + "k3y-Secret" * 4 + "!",
    "change-me_now1" * 3,
]


@pytest.mark.parametrize(
    ("key", "location", "database"),
    [
        *((key, "setting", "sqlite") for key in PATTERNS),
        (PATTERNS[0], "file", "sqlite"),
        (PATTERNS[0], "setting", "postgres"),
    ],
)
async def test_a_key_that_repeats_a_pattern_is_refused_until_something_was_signed_with_it(
    tmp_path: Path, key: str, location: str, database: str
) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, secret_key=key if location == "setting" else None)
    if database == "postgres":
        settings.database_url = create_database()
    if location == "file":
        settings.key_path().write_text(key)
    for _ in ("empty", "migrated"):
        with pytest.raises(Refused, match="repeats a pattern") as refused:
            await build(settings, bus=LocalBus())
        assert refused.value.code == "weak_key" and "token_urlsafe" in refused.value.message
        migrate.run(settings)
    right_key = settings.model_copy(update={"secret_key": SECRET})
    app = await build(right_key, bus=LocalBus())
    await create_owner(app, "olga@shop.example", "Olga", PASSWORD)
    await close(app)
    with capture_logs() as logs:
        assert await start(settings) == key.encode(), "a weak key that is in use must be kept"
    assert [(line["event"], line["log_level"]) for line in logs] == [("weak_key", "warning")]


def test_random_keys_and_passphrases_have_no_repeated_pattern() -> None:
    for seed in range(300):
        draw = random.Random(seed)
        for letters in (string.ascii_letters + string.digits + "-_", "0123456789abcdef", string.digits):
            for length in (32, 40, 64, 128):
                assert not patterned("".join(draw.choices(letters, k=length)))
    assert not patterned(SECRET) and not patterned("the old key 0123456789 abcdefghijkl")
    assert not patterned("we sell the kettles, the teapots and the cups that the harbour master likes")
