"""An installation that the version with revision 0010 wrote is upgraded with all its data, and goes on.

`data_at_0010.json` is what that version stored after chats, texts, consents, files, drafts and a reopened SMS ticket.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Engine, MetaData, create_engine, text

from server import migrate
from server.consent import chain, proof
from server.inbox import search
from server.kernel.ids import digest
from server.schema import addresses, metadata
from server.settings import Settings
from server.threads import episodes
from tests.services import create_database
from tests.world import Desk, Guest, open_world, settings_for, signed_in

DATA: dict[str, list[dict[str, Any]]] = json.loads((Path(__file__).parent / "data_at_0010.json").read_text())
TOKEN = "session-of-ana-in-the-tests"
ANA = next(row["id"] for row in DATA["users"] if row["name"] == "Ana")
# Columns whose values a migration changes on purpose.
CHANGED = {("tickets", "barred")}


@pytest.fixture
def old(tmp_path: Path, database: str) -> Settings:
    """The installation, not upgraded yet. Ana's session gets a token that the test knows."""
    from alembic import command

    url = create_database() if database == "postgres" else None
    settings = settings_for(tmp_path / "data", database_url=url)
    settings.data_dir.mkdir(mode=0o700)
    command.upgrade(migrate.config(settings), "0010")
    engine = create_engine(settings.sqlalchemy_url())
    old_metadata = MetaData()
    old_metadata.reflect(engine, only=list(DATA))
    with engine.begin() as connection:
        for table in old_metadata.sorted_tables:
            # The rows come from SQLite, which stores booleans as 0 and 1.
            booleans = [column.name for column in table.columns if isinstance(column.type, Boolean)]
            rows = [{**row, **{name: bool(row[name]) for name in booleans}} for row in DATA[table.name]]
            if table.name == "sessions":
                rows = [{**row, "token_hash": digest(TOKEN)} if row["user_id"] == ANA else row for row in rows]
            connection.execute(table.insert(), rows)
            if url and "id" in table.columns:
                connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) FROM {table.name}"))  # fmt: skip
    engine.dispose()
    return settings


def stored(engine: Engine, name: str, columns: list[str]) -> list[tuple[Any, ...]]:
    listed = ", ".join(f'"{column}"' for column in columns)
    with engine.connect() as connection:
        rows = connection.execute(text(f"SELECT {listed} FROM {name}")).all()
    # Compares booleans as numbers, because SQLite stores 0 and 1.
    return sorted(tuple(repr(int(value) if isinstance(value, bool) else value) for value in row) for row in rows)


def test_an_upgrade_keeps_every_row_and_value(old: Settings) -> None:
    engine = create_engine(old.sqlalchemy_url())
    rows_before = {
        name: [
            column for column in rows[0] if column in metadata.tables[name].columns and (name, column) not in CHANGED
        ]
        for name, rows in DATA.items()
    }
    before = {name: stored(engine, name, columns) for name, columns in rows_before.items()}
    migrate.run(old)
    after = {name: stored(engine, name, columns) for name, columns in rows_before.items()}
    engine.dispose()
    assert sum(map(len, before.values())) == sum(map(len, DATA.values())) >= 100
    assert after == before


async def test_the_upgraded_installation_goes_on(old: Settings) -> None:
    migrate.run(old)
    async with open_world(old.data_dir, settings=old) as world:
        ana = Desk(world, await signed_in(world.app, TOKEN), TOKEN)
        assert not (await world.app.read(proof.verify, world.app.key(chain.PURPOSE))).findings
        assert {ticket.preview for ticket in await ana.lists()} >= {"One more question", "I am signed in"}
        await world.advance()
        hits = [len(await search.find(world.app, query, None, 9)) for query in ("parcel", "订单")]
        assert hits == [1, 2]

        # A visitor's browser continues its chat, and a repeated client key is still known.
        visitor = next(row for row in DATA["visitors"] if row["name"] == "Zoë Łódź")
        zoe = Guest(world, visitor["key"], "")
        before = await zoe.ticket()
        written = await zoe.says("Back after the upgrade", key="after the upgrade")
        assert written.ticket.id == before.id and written.ticket.last_seq == before.last_seq + 1
        await ana.replies(zoe, "Welcome back", key="reply after the upgrade")

        # A customer's number leads to the same ticket, with its episodes and her consent.
        number = next(row["phone"] for row in DATA["contacts"] if row["id"] == DATA["consents"][0]["contact_id"])
        thread = next(row for row in DATA["threads"] if row["peer"] == number)
        maria = await world.texter(number)
        await maria.says("A text after the upgrade")
        ticket = await maria.ticket()
        assert ticket is not None and ticket.thread == thread["id"] and ticket.status == "open"
        assert await world.app.read(episodes.of_ticket, ticket.id)
        await ana.replies(ticket, "Hello again", key="text after the upgrade")

        values = {(row.kind, row.value) for row in await world.rows(addresses)}
        assert {("phone", number), ("external", "customer-77")} <= values
        signed = await world.visitor(identity="customer-77", name="Max Customer")
        entry = await signed.says("Signed in again", key="signed in after the upgrade")
        old_contact = next(row["id"] for row in DATA["contacts"] if row["external_id"] == "customer-77")
        assert entry.ticket.contact == old_contact
