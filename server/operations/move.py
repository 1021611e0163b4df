"""`threadline move`: copies the whole installation from the SQLite file into an empty PostgreSQL database.

The tables come from `server.schema`, so a new table is moved without a change here. Each table is copied in one
transaction with its note in `move_state`; after a kill the next run continues with the tables that have no note. Foreign
keys and indexes are dropped before the copy and created after it, which is several times as fast.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, LiteralString, cast

import psycopg
from psycopg import errors as pg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError

from server import migrate
from server.consent import chain, proof
from server.errors import Busy, Refused
from server.kernel import failpoints
from server.kernel.clock import SystemClock, rfc3339
from server.kernel.db import lock_data_dir
from server.kernel.ids import derive
from server.kernel.postgres import connect as connect_postgres
from server.kernel.sql import POSTGRES, SQLITE, Conn
from server.kernel.sqlite import connect as connect_sqlite
from server.migrate import MOVE_STATE
from server.operations import key
from server.operations.backup import Report, fingerprint, no_report
from server.operations.move_rows import LISTED, BadValue, Content, Lines, row_name, text_columns
from server.schema import metadata
from server.settings import Settings

LOCK = migrate.LOCK + 1  # PostgreSQL advisory lock: one move into a database at a time
LOCK_S = 15.0  # PostgreSQL may take this long to notice that a killed move's connection is dead
ROWS = 2_000  # read, and sent, at a time
AGAIN = "Then run the same command again. It continues where it stopped."

Source = sqlite3.Connection
Target = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Moved:
    """Describes a finished move."""

    rows: int
    tables: int
    not_moved: list[str]  # tables of the SQLite file that are not Threadline's
    ledger: proof.Verified
    seconds: float


def tables() -> list[Table]:
    """Every table, each after the tables that it refers to."""
    return list(metadata.sorted_tables)


def move(settings: Settings, address: str, *, report: Report = no_report) -> Moved:
    """Copies everything and compares both databases; the SQLite file is only read. Blocks.

    Raises `Refused` with what to do: `not_sqlite`, `no_database`, `server_running`, `migration_pending`,
    `secret_key_lost`, `database_damaged`, `bad_values`, `bad_address`, `not_empty`, `other_move`, `already_moved`,
    `postgres_failed`, `contents_differ`.
    """
    if settings.database_url is not None:
        raise Refused(
            "not_sqlite",
            "DATABASE_URL is set, so this installation already uses PostgreSQL. To move a SQLite file, run the command "
            "without DATABASE_URL.",
        )
    if not settings.sqlite_path().is_file():
        raise Refused(
            "no_database", f"There is no SQLite file in {settings.data_dir}. Set THREADLINE_DATA_DIR to its folder."
        )
    password = _password(address)
    try:
        release = lock_data_dir(settings.data_dir)
    except Busy:
        raise Refused(
            "server_running",
            f"A Threadline process is using the data in {settings.data_dir}. Stop it (systemctl stop threadline, or "
            "Ctrl-C), then run this command again.",
        ) from None
    try:
        return _Move(settings, address, report).run()
    except (psycopg.Error, DBAPIError) as error:
        raise _explained(error, password) from None
    except sqlite3.DatabaseError as error:
        raise Refused(
            "database_damaged",
            f"The SQLite file could not be read: {error}. Nothing was changed in it. `threadline doctor` checks it.",
        ) from None
    finally:
        release()


def _password(address: str) -> str:
    """The password in the address, "" if there is none. Raises `Refused` without repeating the address."""
    refused = Refused("bad_address", "The address must be like postgresql://user@host/database.")
    if not address.startswith(("postgres://", "postgresql://")):
        raise refused
    try:
        return str(conninfo_to_dict(address).get("password") or "")
    except psycopg.ProgrammingError:
        raise refused from None


def _explained(error: psycopg.Error | DBAPIError, password: str) -> Refused:
    """What went wrong at PostgreSQL, and what to do. Never contains the password."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    words = " ".join(str(cause).split())
    if isinstance(cause, psycopg.Error) and cause.diag.message_primary:
        words = " ".join(filter(None, (cause.diag.message_primary, cause.diag.message_detail)))
    if password:
        words = words.replace(password, "…")
    match cause:
        case pg.DiskFull():
            words = f"The disk of the PostgreSQL server is full ({words}). Free some space. {AGAIN}"
        case pg.InsufficientPrivilege():
            words = (
                f"PostgreSQL refused: {words}. Let this user own the database (ALTER DATABASE … OWNER TO …). {AGAIN}"
            )
        case pg.ReadOnlySqlTransaction():
            words = f"This PostgreSQL server is read-only ({words}). Give the address of the primary server."
        case psycopg.OperationalError():
            words = f"The connection to PostgreSQL failed: {words}. Check the server and the address. {AGAIN}"
        case _:
            words = f"PostgreSQL refused: {words}. Nothing was changed in the SQLite file."
    return Refused("postgres_failed", words)


# --- the source -----------------------------------------------------------------------------------


@contextmanager
def _source(settings: Settings) -> Iterator[Source]:
    """The SQLite file in one snapshot, read-only, with texts as bytes."""
    with closing(connect_sqlite(settings.sqlite_path(), sync="NORMAL", query_only=True)) as db:
        db.execute("BEGIN")
        migrate.check_current(Conn(db.execute, SQLITE))
        db.text_factory = bytes
        yield db


def _columns(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)


def _select(table: Table) -> str:
    return f'SELECT {_columns(table)} FROM "{table.name}"'  # noqa: S608 - names of our schema


def _rows(source: Source, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    cursor = source.execute(_select(table))
    while rows := cursor.fetchmany(ROWS):
        yield rows


def _count(source: Source) -> int:
    return sum(int(source.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()[0]) for table in tables())  # noqa: S608


def read_source(source: Source, seen: Callable[[int], None] = lambda rows: None) -> dict[str, Content]:
    """The content of every table. Raises `Refused` `bad_values` that names each value that PostgreSQL cannot store.

    `seen` is called with the number of rows that were read."""
    contents: dict[str, Content] = {}
    bad: list[BadValue] = []
    count = 0
    for table in tables():
        lines, content = Lines(table), Content()
        for rows in _rows(source, table):
            for row in rows:
                if (line := lines.line(row)) is not None:
                    content.add(line)
            seen(len(rows))
        contents[table.name] = content
        bad += lines.bad
        count += lines.bad_count
        for found in (_blobs(source, table), _orphans(source, table)):
            listed = list(islice(found, LISTED))
            bad += listed
            count += len(listed) + sum(1 for _ in found)
    if bad:
        _refuse(bad, count)
    return contents


def _blobs(source: Source, table: Table) -> Iterator[BadValue]:
    """Blobs in columns of texts. They are read as `bytes`, like texts."""
    names = text_columns(table)
    kinds = ", ".join(f'typeof("{name}")' for name in names)
    if not names:
        return
    statement = f"SELECT {_columns(table)}, {kinds} FROM \"{table.name}\" WHERE 'blob' IN ({kinds})"  # noqa: S608
    width = len(table.columns)
    for row in source.execute(statement):
        for name, kind in zip(names, row[width:], strict=True):
            if kind == b"blob":
                yield BadValue(table.name, row_name(table, row[:width]), name, "is a blob. Store a text.")


def _orphans(source: Source, table: Table) -> Iterator[BadValue]:
    """Rows that refer to a missing row. SQLite accepts them from a program that does not switch foreign keys on."""
    for _, rowid, parent, place in source.execute(f'PRAGMA foreign_key_check("{table.name}")'):
        keys = source.execute(f'PRAGMA foreign_key_list("{table.name}")')
        column = next(row[3].decode() for row in keys if row[0] == place)
        problem = f"refers to a row of {parent.decode()} that does not exist. Correct it, or delete this row."
        yield BadValue(table.name, f"rowid = {rowid}", column, problem)


def _refuse(bad: list[BadValue], count: int) -> None:
    first = bad[0]
    more = [f"… and {count - len(bad)} more"] if count > len(bad) else []
    example = f'UPDATE {first.table} SET "{first.column}" = … WHERE {first.row}'  # noqa: S608 - shown, not run
    raise Refused(
        "bad_values",
        "\n".join(
            [
                f"PostgreSQL cannot store {'this value' if count == 1 else f'these {count} values'} of the SQLite file:",
                *map(str, bad),
                *more,
                f"Nothing was moved. Make a backup, correct them (sqlite3: {example}), and run this command again.",
            ]
        ),
    )


def _foreign_tables(source: Source) -> list[str]:
    """Tables that Threadline did not create. The search index consists of virtual tables and their shadows."""
    rows = source.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    ours = {*metadata.tables, "alembic_version"}
    names = [row[0].decode() for row in rows]
    return sorted(name for name in names if name not in ours and not name.startswith("sqlite_"))


# --- the target -----------------------------------------------------------------------------------

# Everything in the schema that does not belong to an extension.
_OBJECTS: LiteralString = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = ANY(%s)
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
"""
TABLES = ["r", "p"]
ANYTHING = [*TABLES, "v", "m", "f", "S"]
# What is dropped before the copy, in an order in which it can be created again: indexes, unique keys, foreign keys.
_STRUCTURE: LiteralString = """
SELECT name, remove, make FROM (
SELECT c.relname AS name, format('DROP INDEX IF EXISTS %I', c.relname) AS remove, pg_get_indexdef(c.oid) AS make
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = current_schema()::regnamespace
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
UNION ALL
SELECT conname, format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', conrelid::regclass, conname),
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND contype IN ('u', 'f')
) AS parts ORDER BY make LIKE '% FOREIGN KEY %', make LIKE '% UNIQUE %', name
"""


@dataclass(slots=True)
class _Progress:
    """Counts rows and reports them."""

    report: Report
    doing: str
    total: int
    done: int = 0

    def add(self, rows: int) -> None:
        self.done += rows
        self.report({"doing": self.doing, "done": self.done, "of": self.total})


@dataclass(slots=True)
class _Move:
    settings: Settings
    address: str
    report: Report
    state: dict[str, str] = field(default_factory=dict)  # `move_state`

    def run(self) -> Moved:
        started = time.monotonic()
        secret = key.load(self.settings)
        if secret is None:
            raise Refused("secret_key_lost", key.lost_message(self.settings))
        with (
            _source(self.settings) as source,
            closing(connect_postgres(self.address, prepare=False, limits=False)) as target,
        ):
            self._claim(target, fingerprint(secret))
            total, not_moved = _count(source), _foreign_tables(source)
            contents = read_source(source, _Progress(self.report, "reading SQLite", total).add)
            self._prepare(target)
            self._forget_if_changed(target, contents)
            self._copy(source, target, contents, total)
            self._finish_structure(target)
            self._compare(target, contents, total)
            ledger = self._verify(source, target, derive(secret, chain.PURPOSE))
            failpoints.reach("move_finishing")
            self._store_state(target, "finished_at", rfc3339(SystemClock().now()))
        return Moved(total, len(contents), not_moved, ledger, time.monotonic() - started)

    # --- the state in the target

    def _claim(self, target: Target, installation: str) -> None:
        """Locks the target, and checks that it is empty or an unfinished move of this installation."""
        with suppress(psycopg.Error):  # PostgreSQL 14 or newer, on Linux
            # Without this a killed move's statement runs, and keeps the lock, until it ends.
            target.execute("SET client_connection_check_interval = 1000")
        encoding = _value(target, "SHOW server_encoding")
        if encoding != "UTF8":
            raise Refused(
                "not_utf8",
                f"This PostgreSQL database has the encoding {encoding}. Create one in UTF-8: "
                "createdb --encoding=UTF8 --template=template0 NAME",
            )
        deadline = time.monotonic() + LOCK_S
        while not _value(target, "SELECT pg_try_advisory_lock(%s)", LOCK):
            if time.monotonic() > deadline:
                raise Refused("move_running", "Another `threadline move` is filling this database. Wait for it.")
            time.sleep(0.2)
        names = _names(target, ANYTHING)
        revision = migrate.head()
        if not names:
            with target.transaction():
                target.execute(
                    sql.SQL("CREATE TABLE {} (name text PRIMARY KEY, value text NOT NULL)").format(
                        sql.Identifier(MOVE_STATE)
                    )
                )
                self._store_state(target, "installation", installation)
                self._store_state(target, "revision", revision)
        elif MOVE_STATE not in names:
            raise Refused(
                "not_empty",
                f"The PostgreSQL database is not empty: it has {', '.join(names[:3])}{' …' if len(names) > 3 else ''}. "
                "Nothing was changed in it. Create an empty database and give its address.",
            )
        self.state = dict(target.execute(_select_state()).fetchall())
        if self.state.get("installation") != installation:
            raise Refused(
                "other_move",
                "The PostgreSQL database contains a move of another installation (it has another secret key). Nothing "
                "was changed in it. Create an empty database and give its address.",
            )
        if finished := self.state.get("finished_at"):
            raise Refused(
                "already_moved",
                f"This installation was moved into this database at {finished}. Set DATABASE_URL to it and start the "
                "server. To move again, give an empty database.",
            )
        if self.state["revision"] != revision:
            raise Refused(
                "other_move",
                f"This move was begun with database revision {self.state['revision']}, but this version has {revision}. "
                "Create an empty database and give its address.",
            )
        failpoints.reach("move_claimed")

    def _store_state(self, target: Target, name: str, value: str) -> None:
        target.execute(
            sql.SQL(
                "INSERT INTO {} (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            ).format(sql.Identifier(MOVE_STATE)),
            [name, value],
        )
        self.state[name] = value

    # --- tables and structure

    def _prepare(self, target: Target) -> None:
        """Creates the tables, then drops foreign keys, unique keys and indexes, and notes how to create them again."""
        if "structure" in self.state:
            return
        migrate.run(self.settings.model_copy(update={"database_url": self.address}), moving=True)
        with target.transaction():
            names = [name for name in _names(target, TABLES) if name not in (MOVE_STATE, "alembic_version")]
            self._store_state(target, "tables", json.dumps(names))
            self._store_state(target, "structure", json.dumps(target.execute(_STRUCTURE).fetchall()))
            self._empty(target)
        failpoints.reach("move_prepared")

    def _empty(self, target: Target) -> None:
        """Empties the tables that the migrations created, also those that triggers fill, and drops their structure."""
        for _, drop, _ in reversed(json.loads(self.state["structure"])):
            target.execute(cast(LiteralString, drop))
        names = map(sql.Identifier, json.loads(self.state["tables"]))
        target.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(names)))

    def _forget_if_changed(self, target: Target, contents: dict[str, Content]) -> None:
        """Begins again if the SQLite file has changed since tables were copied: the server ran meanwhile."""
        copied = {
            name.removeprefix("table:"): digest for name, digest in self.state.items() if name.startswith("table:")
        }
        if all(name in contents and contents[name].digest == digest for name, digest in copied.items()):
            return
        with target.transaction():
            self._empty(target)
            target.execute(sql.SQL("DELETE FROM {} WHERE name LIKE 'table:%'").format(sql.Identifier(MOVE_STATE)))
        self.state = {name: value for name, value in self.state.items() if not name.startswith("table:")}

    def _copy(self, source: Source, target: Target, contents: dict[str, Content], total: int) -> None:
        progress = _Progress(self.report, "copying", total)
        for table in tables():
            if f"table:{table.name}" in self.state:
                progress.add(contents[table.name].rows)
                continue
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), sql.SQL(_columns(table)))
            lines = Lines(table)
            with target.transaction():
                with target.cursor().copy(statement) as copy:
                    for rows in _rows(source, table):
                        copy.write(b"".join([line for row in rows if (line := lines.line(row)) is not None]))
                        progress.add(len(rows))
                        failpoints.reach("move_copying")
                self._store_state(target, f"table:{table.name}", contents[table.name].digest)
            failpoints.reach("move_copied")

    def _finish_structure(self, target: Target) -> None:
        """Sets the sequences, and creates indexes and keys that do not exist yet. PostgreSQL checks every row."""
        for table in tables():
            for column in table.columns:
                _set_sequence(target, table.name, column.name)
        structure = json.loads(self.state["structure"])
        progress = _Progress(self.report, "indexing", len(structure))
        existing = {name for name, _, _ in target.execute(_STRUCTURE).fetchall()}
        for name, _, create in structure:
            if name not in existing:
                target.execute(cast(LiteralString, create))
                failpoints.reach("move_indexed")
            progress.add(1)
        created = [[*row] for row in target.execute(_STRUCTURE).fetchall()]
        if missing := [name for name, *rest in structure if [name, *rest] not in created]:
            raise Refused("contents_differ", f"PostgreSQL lacks {', '.join(missing)}. Create an empty database.")
        for table in tables():
            target.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table.name)))

    # --- checks

    def _compare(self, target: Target, contents: dict[str, Content], total: int) -> None:
        """Reads every table back. A table that differs is copied again by the next run."""
        progress = _Progress(self.report, "comparing", total)
        for table in tables():
            failpoints.reach("move_comparing")
            found = Content()
            statement = sql.SQL("COPY ({}) TO STDOUT").format(sql.SQL(_select(table)))
            with target.cursor().copy(statement) as copy:
                for line in copy:  # PostgreSQL sends each row by itself
                    found.add(bytes(line))
                    if found.rows % ROWS == 0:
                        progress.add(ROWS)
            progress.add(found.rows % ROWS)
            if found.digest != contents[table.name].digest:
                self._store_state(target, f"table:{table.name}", "different")
                raise Refused(
                    "contents_differ",
                    f"The table {table.name} has {contents[table.name].rows} rows in SQLite and {found.rows} in PostgreSQL, "
                    f"or their contents differ: another program wrote to the database. {AGAIN}",
                )

    def _verify(self, source: Source, target: Target, ledger_key: bytes) -> proof.Verified:
        """Verifies the consent ledger in PostgreSQL. Errors are those of the SQLite file, or the move has failed."""
        self.report({"doing": "verifying consent", "done": 0, "of": 0})
        found = proof.verify(Conn(target.execute, POSTGRES), ledger_key)
        if found.findings:
            source.text_factory = str
            if proof.verify(Conn(source.execute, SQLITE), ledger_key) != found:
                raise Refused(
                    "contents_differ", f"The consent ledger in PostgreSQL has other errors than in SQLite. {AGAIN}"
                )
        return found


def _value(target: Target, statement: LiteralString, *values: Any) -> Any:
    row = target.execute(statement, values).fetchone()
    return None if row is None else row[0]


def _names(target: Target, kinds: list[str]) -> list[str]:
    return [row[0] for row in target.execute(_OBJECTS, [kinds]).fetchall()]


def _select_state() -> sql.Composed:
    return sql.SQL("SELECT name, value FROM {}").format(sql.Identifier(MOVE_STATE))


def _set_sequence(target: Target, table: str, column: str) -> None:
    """The next id follows the greatest one, if the column is numbered by a sequence."""
    sequence = _value(target, "SELECT pg_get_serial_sequence(%s, %s)", f'"{table}"', column)
    if sequence is None:
        return
    statement = sql.SQL("SELECT setval(%s, coalesce(max({0}), 1), max({0}) IS NOT NULL) FROM {1}")
    target.execute(statement.format(sql.Identifier(column), sql.Identifier(table)), [sequence])
