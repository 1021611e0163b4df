"""Two spellings of one phone line are one number for consent, suppressions and threads (IDN-2, AMB-33); a migration
rewrites old rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import BigInteger, Column, Connection, Text, create_engine, text

from server import migrate
from server.consent import chain, proof
from server.consent import queries as consents
from server.consent.rules import Purpose, Suppressed
from server.contacts import lines
from server.contacts import rules as phones
from server.contacts.lines import canonical
from server.schema import addresses, consent_ledger, contacts, jobs, litigators, outbound, suppressions, threads
from server.sms import receiving
from tests.texters import Texter
from tests.world import World, at_once, open_world

LINES = [("+5215512345678", "+525512345678"), ("+541123456789", "+5491123456789"), ("+551187654321", "+5511987654321")]


async def status(world: World, contact: int, number: str) -> tuple[str, str | None]:
    result = await world.app.read(consents.facts, contact, number)
    return result.status(Purpose.SMS_MARKETING), result.suppressed


@pytest.mark.parametrize(("other", "stored_spelling"), LINES)
@pytest.mark.parametrize("stops_by", ["other", "stored"])
async def test_a_stop_in_either_spelling_applies_to_the_line(
    world: World, other: str, stored_spelling: str, stops_by: str
) -> None:
    maria = await world.texter(stored_spelling)
    other_spelling = Texter(world, other)
    await maria.agrees(Purpose.SMS_MARKETING)
    await (other_spelling if stops_by == "other" else maria).says("STOP")
    (row,) = await world.rows(contacts, contacts.c.phone.is_not(None))
    assert row.phone == stored_spelling
    assert {(row.kind, row.value) for row in await world.rows(addresses)} == {("phone", stored_spelling)}
    assert await status(world, row.id, stored_spelling) == ("unsubscribed", "stop")
    await (maria if stops_by == "other" else other_spelling).says("START")
    assert await status(world, row.id, stored_spelling) == ("subscribed", None)


@pytest.mark.parametrize(("other", "stored_spelling"), LINES)
async def test_concurrent_texts_in_both_spellings_create_one_contact(
    world: World, other: str, stored_spelling: str
) -> None:
    first, second = await world.texter(other), Texter(world, stored_spelling)
    failed = [
        result
        for result in await at_once(first.says("Hello"), second.says("Hello again"))
        if isinstance(result, Exception)
    ]
    assert not failed
    (row,) = await world.rows(contacts, contacts.c.phone.is_not(None))
    (thread,) = await world.rows(threads, threads.c.channel == "sms")
    assert row.phone == thread.peer == stored_spelling and row.country


@pytest.mark.parametrize(("other", "stored_spelling"), LINES)
async def test_texts_are_sent_to_the_spelling_that_the_provider_accepts(
    world: World, other: str, stored_spelling: str
) -> None:
    maria = await world.texter(other)
    await maria.says("HELP", opt_out=None)
    assert {row.recipient for row in await world.rows(outbound)} == {stored_spelling}


def _without_addresses(connection: Connection) -> None:
    """The tables as they were before migration 0017."""
    op = Operations(MigrationContext.configure(connection))
    for name in ("external_id", "peer"):
        op.add_column("contacts", Column(name, Text))
    op.add_column("contacts", Column("active_at", BigInteger))
    peer = "SELECT value FROM addresses WHERE kind = 'peer' AND contact_id = contacts.id"
    connection.execute(text(f"UPDATE contacts SET peer = ({peer}), active_at = created_at"))
    op.drop_table("addresses")
    for name in ("guid", "merged_into"):
        op.drop_index(f"ix_contacts_{name}", table_name="contacts")
    with op.batch_alter_table("contacts") as batch:
        batch.create_unique_constraint("uq_contacts_external_id", ["external_id"])
        for name in ("guid", "verified"):
            batch.drop_column(name)
    op.create_index("ix_contacts_peer", "contacts", ["peer"])


async def test_old_rows_are_rewritten_and_the_ledger_is_not(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, stored_spelling = LINES[0]
    async with open_world(tmp_path / "data", database) as world:
        settings = world.app.settings
        for module in (lines, phones, receiving):  # as in versions before line spellings
            monkeypatch.setattr(module, "canonical", lambda number: number)
        known_texter, nameless = await world.texter(stored_spelling), Texter(world, other)
        await known_texter.agrees(Purpose.SMS_MARKETING)
        await known_texter.says("Hi")
        await nameless.says("Hello")
        await nameless.says("STOP")
        assert {row.value for row in await world.rows(addresses, addresses.c.kind == "peer")} == {other}
        for old, new in LINES[1:]:
            await world.texter(new)
            await Texter(world, old).says("Hello")
            assert await world.app.write(_suppress_both_spellings, old, new) is None
        ledger = await world.rows(consent_ledger)
        assert other in {row.address for row in ledger}
        contacts_before = await world.count(contacts)
    monkeypatch.undo()
    engine = create_engine(settings.sqlalchemy_url())
    with engine.begin() as connection:
        _without_addresses(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0008'"))
        connection.execute(text("DELETE FROM jobs"))
    for _ in range(2):
        command.upgrade(migrate.config(settings), "0009")
    with engine.begin() as connection:  # 0010 to 0012, and those after 0013, have run: the world was made with them
        (job,) = connection.execute(text("SELECT kind, payload FROM jobs")).all()
        assert tuple(job) == ("inbox.numbers", '{"after":0}')
        connection.execute(text("UPDATE alembic_version SET version_num = '0012'"))
    command.upgrade(migrate.config(settings), "0013")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0016'"))
    command.upgrade(migrate.config(settings), "0017")
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{migrate.head()}'"))
    engine.dispose()
    async with open_world(tmp_path / "data", database, settings=settings) as world:
        assert await world.count(contacts) == contacts_before, "the migration must not merge contacts"
        for table, column in (
            (contacts, "phone"),
            (addresses, "value"),
            (threads, "peer"),
            (outbound, "recipient"),
            (suppressions, "address"),
            (litigators, "phone"),
        ):
            stored_numbers = {getattr(row, column) for row in await world.rows(table)} - {None}
            assert {number for number in stored_numbers if canonical(number) != number} == set(), (table.name, column)
        twice = await world.rows(contacts, contacts.c.phone == stored_spelling)
        assert len(twice) == 2 and {row.country for row in twice} <= {"MX", ""}
        assert {row.reason for row in await world.rows(suppressions, suppressions.c.address == stored_spelling)} == {
            Suppressed.STOP
        }
        for row in twice:
            assert (await status(world, row.id, stored_spelling))[1] == Suppressed.STOP
        reason_by_address = {row.address: row.reason for row in await world.rows(suppressions)}
        assert reason_by_address[LINES[1][1]] == "stop" and reason_by_address[LINES[2][1]] == "stop"
        assert await world.rows(consent_ledger) == ledger
        verified = await world.app.read(proof.verify, world.app.key(chain.PURPOSE))
        assert verified.findings == () and verified.rows == len(ledger)
        assert not await world.rows(jobs, jobs.c.kind == "inbox.numbers")
        ticket = await Texter(world, stored_spelling).ticket()
        assert ticket is not None and ticket.barred == "opted_out", (
            "a STOP in one spelling also bars the other spelling"
        )


def _suppress_both_spellings(tx: Any, old: str, new: str) -> None:
    """Stores the line as suppressed and listed in both spellings: the stronger reason once on the old spelling, once on
    the new."""
    reasons = ("stop", "dead") if old.startswith("+54") else ("dead", "stop")
    for address, reason in zip((old, new), reasons, strict=True):
        tx.run(suppressions.insert().values(channel="sms", address=address, reason=reason, detail="", at=tx.now))
        tx.run(litigators.insert().values(phone=address, added_at=tx.now))
