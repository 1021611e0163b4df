"""`threadline move`: everything in the SQLite file is in PostgreSQL afterwards, or the command fails."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, select

from server import migrate
from server.errors import Refused
from server.inbox import search
from server.operations import move as moving
from server.operations.move import Moved, move
from server.schema import metadata, outbound, timeline, visitors
from server.settings import Settings
from tests.running import running, threadline
from tests.services import create_database
from tests.world import SECRET, World, open_world, settings_for

# Every character that COPY escapes, one that UTF-8 writes in four bytes, and text that looks like an escape.
AWKWARD = "tab\there \\N \\. back\\slash\nnext\r\f\v\b line 🙂 한국어 订单还没有到"


async def lived_in(world: World) -> None:
    """A world with chats, texts, consents, files, notes, drafts, closed and open tickets."""
    ana = await world.agent("ana")
    zoe, _ = await world.conversation("Where is my parcel?")
    await ana.replies(zoe, "Here is the label.", files=(await ana.uploads(b"bytes" * 99, "label.bin"),))
    await ana.notes(zoe, AWKWARD)
    await ana.drafts(zoe, "almost ready")
    await ana.assigns(zoe, ana)
    await zoe.introduces(email="zoe@shop.example", name="Zoë")
    await ana.closes_for_good(zoe)
    maria = await world.texter(agreed=True)
    await maria.says("Hi by SMS 안녕하세요")
    sms = await maria.ticket()
    assert sms is not None
    await ana.replies(sms, "Hello Maria")
    await maria.says("STOP")
    await maria.says("START")
    await world.conversation("An open chat")


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[Settings]:
    """A stopped installation on SQLite that was in use."""
    async with open_world(tmp_path / "data") as world:
        await lived_in(world)
        settings = world.app.settings
    yield settings


@pytest.fixture
def target() -> str:
    return create_database()


def contents(url: Any) -> dict[str, list[Any]]:
    """Every row of every table, as the product's own columns read it."""
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = {
            table.name: sorted(map(repr, connection.execute(select(table)).all())) for table in metadata.sorted_tables
        }
    engine.dispose()
    return rows


def on_postgres(settings: Settings, target: str) -> Settings:
    return settings.model_copy(update={"database_url": target})


async def test_every_table_is_moved_and_the_sqlite_file_is_not_changed(source: Settings, target: str) -> None:
    hash_before = hashlib.sha256(source.sqlite_path().read_bytes()).hexdigest()
    old_contents = contents(source.sqlalchemy_url())
    moved = move(source, target)
    assert contents(on_postgres(source, target).sqlalchemy_url()) == old_contents
    assert moved.rows == sum(map(len, old_contents.values())) > 60
    assert moved.ledger.rows >= 5 and not moved.ledger.findings
    filled = {name for name, rows in old_contents.items() if rows}
    assert {"timeline", "tickets", "episodes", "consent_ledger", "outbound", "attachments", "drafts", "users"} <= filled
    assert hashlib.sha256(source.sqlite_path().read_bytes()).hexdigest() == hash_before
    assert not moved.not_moved


async def test_the_moved_installation_goes_on(source: Settings, target: str, tmp_path: Path) -> None:
    move(source, target)
    async with open_world(tmp_path / "data", settings=on_postgres(source, target)) as world:
        await world.app.read(migrate.check_current)
        ana = await world.agent("ana")
        newest = max(row.id for row in await world.rows(timeline))
        ticket, _ = await world.conversation("After the move")
        await ana.replies(ticket, "Still here", key="after the move")
        assert min(row.id for row in await world.rows(timeline) if row.id > newest) == newest + 1
        assert len({row.id for row in await world.rows(visitors)}) == 3
        hits = [
            hit.ticket.preview
            for query in ("parcel", "订单", "안녕")
            for hit in await search.find(world.app, query, None, 9)
        ]
        assert len(hits) == 3, "old texts are found, those in scripts without spaces too"
        assert [row.body for row in await world.rows(outbound, outbound.c.kind == "reply")] == ["Hello Maria"]


async def test_the_moved_database_has_every_index_and_key_of_a_migrated_one(source: Settings, target: str) -> None:
    new_database = create_database()
    migrate.run(on_postgres(source, new_database))
    move(source, target)

    def structure(url: str) -> set[Any]:
        with psycopg.connect(url) as connection:
            rows = connection.execute(moving._STRUCTURE).fetchall()
            triggers = connection.execute("SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal").fetchall()
            return {*rows, *triggers}

    assert structure(target) == structure(new_database) and len(structure(new_database)) > 60


def test_the_command_says_what_was_moved_and_what_to_set(source: Settings, target: str) -> None:
    target = target.replace("postgres:@", "postgres:geheim-9@")
    done = threadline(source.data_dir, "move", target)
    assert done.returncode == 0, done.stderr
    assert "same content" in done.stdout and "DATABASE_URL" in done.stdout and "unchanged" in done.stdout
    assert "Copying …" in done.stderr, "the progress is shown without a terminal, too"
    second_run = threadline(source.data_dir, "move", target)
    assert second_run.returncode == 1 and "was moved into this database" in second_run.stderr
    assert "geheim-9" not in done.stdout + done.stderr + second_run.stdout + second_run.stderr


# --- refused -----------------------------------------------------------------------------------------


def refusal(settings: Settings, target: str, code: str) -> str:
    with pytest.raises(Refused) as refused:
        move(settings, target)
    assert refused.value.code == code, refused.value.message
    return refused.value.message


def test_a_move_while_the_server_runs_is_refused(tmp_path: Path, target: str) -> None:
    with running(tmp_path / "data"):
        done = threadline(tmp_path / "data", "move", target)
    assert done.returncode == 1 and "Stop it" in done.stderr
    with psycopg.connect(target) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_a_database_with_tables_of_others_is_refused_and_not_changed(source: Settings, target: str) -> None:
    with psycopg.connect(target) as connection:
        connection.execute("CREATE TABLE orders AS SELECT 7 AS id")
    assert "orders" in refusal(source, target, "not_empty")
    with psycopg.connect(target) as connection:
        assert connection.execute("SELECT id FROM orders").fetchone() == (7,)
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (1,)


def test_a_migrated_database_is_not_empty(source: Settings, target: str) -> None:
    migrate.run(on_postgres(source, target))
    refusal(source, target, "not_empty")


def stop_at(monkeypatch: pytest.MonkeyPatch, name: str, visit: int = 1) -> None:
    """Makes the move stop with an error at a failpoint."""
    visits = 0

    def reach(reached: str) -> None:
        nonlocal visits
        visits += reached == name
        if reached == name and visits == visit:
            raise KeyboardInterrupt

    monkeypatch.setattr(moving.failpoints, "reach", reach)


def interrupted(monkeypatch: pytest.MonkeyPatch, settings: Settings, target: str, name: str, visit: int = 1) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, name, visit)
        with pytest.raises(KeyboardInterrupt):
            move(settings, target)


async def test_a_move_that_another_installation_began_is_refused(
    source: Settings, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(monkeypatch, source, target, "move_copied", 9)
    other_settings = settings_for(tmp_path / "other", secret_key="another-" + SECRET)
    migrate.run(other_settings)
    assert "another installation" in refusal(other_settings, target, "other_move")
    assert move(source, target).rows > 60


POINTS = ["move_claimed", "move_prepared", "move_copying", "move_copied", "move_indexed", "move_comparing", "move_finishing"]  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
def test_an_interrupted_move_continues_and_no_server_starts_meanwhile(
    source: Settings, target: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(
        monkeypatch, source, target, point, 2 if point in ("move_copying", "move_copied", "move_indexed") else 1
    )
    with pytest.raises(Refused) as refused:
        migrate.run(on_postgres(source, target))
    assert refused.value.code == "move_unfinished"
    sent: list[str] = []
    original = moving._rows

    def recording(db: Any, table: Any) -> Any:
        sent.append(table.name)
        return original(db, table)

    monkeypatch.setattr(moving, "_rows", recording)
    move(source, target)
    copied = len(sent) - len(moving.tables())  # the first reading is the check of the values
    expected = {"move_indexed": 0, "move_comparing": 0, "move_finishing": 0, "move_copied": len(moving.tables()) - 2}
    assert copied == expected.get(point, len(moving.tables())) or point == "move_copying"
    assert contents(on_postgres(source, target).sqlalchemy_url()) == contents(source.sqlalchemy_url())


async def test_a_move_begins_again_if_the_server_ran_meanwhile(
    source: Settings, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(monkeypatch, source, target, "move_comparing")
    with psycopg.connect(target) as connection:
        connection.execute("CREATE TABLE of_the_operator AS SELECT 7 AS id")
    async with open_world(tmp_path / "data", settings=source) as world:
        await world.conversation("订单 between two moves")
    move(source, target)
    assert contents(on_postgres(source, target).sqlalchemy_url()) == contents(source.sqlalchemy_url())
    with psycopg.connect(target) as connection:
        assert connection.execute("SELECT id FROM of_the_operator").fetchone() == (7,)


def test_a_difference_between_the_databases_is_found_and_the_next_run_copies_again(
    source: Settings, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meddle(name: str) -> None:
        if name == "move_indexed":
            with psycopg.connect(target) as connection:
                connection.execute("UPDATE users SET name = 'Mallory' WHERE email LIKE 'ana@%'")

    with monkeypatch.context() as patch:
        patch.setattr(moving.failpoints, "reach", meddle)
        assert "users" in refusal(source, target, "contents_differ")
    move(source, target)
    assert contents(on_postgres(source, target).sqlalchemy_url()) == contents(source.sqlalchemy_url())


def test_an_altered_ledger_is_moved_as_it_is_and_the_command_says_so(source: Settings, target: str) -> None:
    change(source, "UPDATE consent_ledger SET reason = 'forged' WHERE id = 2")
    done = threadline(source.data_dir, "move", target)
    assert done.returncode == 0 and "same 1 errors as in SQLite" in done.stderr.replace("\n", " ")


def test_without_the_secret_key_nothing_is_moved(source: Settings, target: str) -> None:
    source.secret_key = None
    assert "secret.key" in refusal(source, target, "secret_key_lost")


def test_an_installation_on_postgresql_or_without_a_file_or_with_a_pending_migration_is_refused(
    source: Settings, target: str, tmp_path: Path
) -> None:
    assert "DATABASE_URL" in refusal(on_postgres(source, target), target, "not_sqlite")
    refusal(source.model_copy(update={"data_dir": tmp_path / "nothing"}), target, "no_database")
    assert not (tmp_path / "nothing").exists()
    change(source, "UPDATE alembic_version SET version_num = '0003'")
    assert "threadline migrate" in refusal(source, target, "migration_pending")


PASSWORD = "s3cret-w0rd"


@pytest.mark.parametrize(
    ("address", "code"),
    [
        (f"postgresql://mover:{PASSWORD}@127.0.0.1:1/db", "postgres_failed"),
        (f"postgresql://mover:{PASSWORD}@no-such-host.invalid/db", "postgres_failed"),
        (f"mysql://mover:{PASSWORD}@127.0.0.1/db", "bad_address"),
        (f"postgresql://mover:{PASSWORD}@[::1/db", "bad_address"),
        (f"postgresql://127.0.0.1/db?password={PASSWORD}&wrong=%zz", "bad_address"),
    ],
)
def test_a_bad_address_is_refused_without_the_password(source: Settings, address: str, code: str) -> None:
    assert PASSWORD not in refusal(source, address, code)


def test_the_command_does_not_print_the_password(source: Settings) -> None:
    done = threadline(source.data_dir, "move", f"postgresql://mover:{PASSWORD}@127.0.0.1:1/db")
    assert done.returncode == 1 and PASSWORD not in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_an_error_of_postgresql_is_explained_without_the_password(
    source: Settings, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(error: Exception) -> Callable[[str], None]:
        def reach(name: str) -> None:
            if name == "move_copying":
                raise error

        return reach

    target = target.replace("postgres:@", f"postgres:{PASSWORD}@")
    for error, words in (
        (psycopg.errors.DiskFull(f"could not extend file ({PASSWORD})"), "Free some space"),
        (psycopg.OperationalError("server closed the connection unexpectedly"), "Then run the same command again"),
        (psycopg.errors.InsufficientPrivilege("permission denied for schema public"), "own the database"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(moving.failpoints, "reach", fail(error))
            message = refusal(source, target, "postgres_failed")
        assert words in message and PASSWORD not in message


# --- values that PostgreSQL cannot store -------------------------------------------------------------


def change(settings: Settings, *statements: str) -> None:
    """Writes a value as a careless program might: SQLite stores any value in any column."""
    with closing(sqlite3.connect(settings.sqlite_path(), isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


BAD = [
    ("UPDATE timeline SET body = 'a' || char(0) || 'b' WHERE id = 2", "timeline, id = 2, body: has a NUL character"),
    ("UPDATE timeline SET body = CAST(x'ff41' AS TEXT) WHERE id = 1", "timeline, id = 1, body: is a text that is not UTF-8"),
    ("UPDATE timeline SET body = CAST(x'eda080' AS TEXT) WHERE id = 1", "timeline, id = 1, body: is a text that is not UTF-8"),
    ("UPDATE timeline SET body = x'4142' WHERE id = 1", "timeline, id = 1, body: is a blob"),
    ("UPDATE threads SET last_seq = 'many' WHERE id = 1", "threads, id = 1, last_seq: is the text 'many'"),
    ("UPDATE threads SET last_seq = 2.5 WHERE id = 1", "threads, id = 1, last_seq: is the fraction 2.5"),
    ("UPDATE attachments SET width = 3000000000 WHERE id = 1", "attachments, id = 1, width: is 3000000000. Store a number from"),
    ("UPDATE tickets SET opened_at = 999999999999999999 WHERE id = 1", "tickets, id = 1, opened_at: is 999999999999999999. Store a number of microseconds"),
    ("UPDATE tickets SET opened_at = '2026-11-21' WHERE id = 1", "tickets, id = 1, opened_at: is the text '2026-11-21'"),
    ("UPDATE tickets SET unread = 2 WHERE id = 1", "tickets, id = 1, unread: is the number 2. Store 0 or 1"),
    ("UPDATE drafts SET body = x'00'", "drafts, user_id = 7 and ticket_id = 1, body: is a blob"),
    ("UPDATE visitors SET contact_id = 4711 WHERE id = 1", "visitors, rowid = 1, contact_id: refers to a row of contacts that does not exist"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "found"), BAD, ids=[found for _, found in BAD])
def test_a_value_that_postgresql_cannot_store_is_named(
    source: Settings, target: str, statement: str, found: str
) -> None:
    change(source, statement)
    message = refusal(source, target, "bad_values")
    assert found in message and "Nothing was moved" in message
    with psycopg.connect(target) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (1,), (
            "only the state of the move"
        )


def test_all_bad_values_are_named_at_once_up_to_a_limit_and_a_corrected_file_is_moved(
    source: Settings, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "LISTED", 2)
    monkeypatch.setattr("server.operations.move_rows.LISTED", 2)
    change(source, "UPDATE timeline SET body = x'41', author_name = x'41'", "UPDATE users SET away = 9 WHERE id = 1")
    message = refusal(source, target, "bad_values")
    assert message.count("timeline,") == 2 and "users, id = 1, away" in message and "more" in message
    assert 'UPDATE users SET "away" = … WHERE id = 1' in message
    change(source, "UPDATE timeline SET body = 'x', author_name = 'y'", "UPDATE users SET away = 0 WHERE id = 1")
    assert isinstance(move(source, target), Moved)


def test_tables_of_others_in_the_sqlite_file_are_named(source: Settings, target: str) -> None:
    change(source, "CREATE TABLE notes_of_the_operator (id INTEGER)")
    assert move(source, target).not_moved == ["notes_of_the_operator"]
