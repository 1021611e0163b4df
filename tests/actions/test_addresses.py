"""Which contact the identifiers of a person mean, and what becomes of the contact (IDN-1, IDN-2, AMB-33)."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import create_engine, text

from server import migrate
from server.audit.rules import ActedBy, ActorType
from server.contacts import actions as people
from server.contacts.actions import Found
from server.contacts.rules import AddressKind, ContactChanged, ContactCreated, Identifiers
from server.kernel.sql import Tx
from server.schema import addresses, contacts
from server.settings import Settings
from tests.people import add_contact
from tests.services import create_database
from tests.world import SECRET, World, at_once

SHOP = ActedBy(ActorType.SYSTEM, name="Shop")
MAIL, PHONE = "maria@mail.example", "+12025550142"


async def find(world: World, **values: Any) -> Found:
    options = {name: values.pop(name) for name in ("verified", "overwrite", "find_by") if name in values}
    return await world.app.write(lambda tx: people.find_or_create(tx, Identifiers(**values), SHOP, **options))


async def identifiers_of(world: World, contact: int) -> set[tuple[str, str]]:
    return {(row.kind, row.value) for row in await world.rows(addresses, addresses.c.contact_id == contact)}


async def contact_row(world: World, contact: int) -> Any:
    (row,) = await world.rows(contacts, contacts.c.id == contact)
    return row


async def test_an_unknown_person_becomes_a_contact_with_all_identifiers_and_a_guid(world: World) -> None:
    result = await find(world, shop="77", email=MAIL, phone=PHONE, name="Maria Silva", country="US")
    assert result.created and result.others == []
    row = await contact_row(world, result.contact)
    assert (row.name, row.name_key, row.email, row.phone, row.country) == (
        "Maria Silva",
        "maria silva",
        MAIL,
        PHONE,
        "US",
    )
    assert UUID(row.guid).version == 4 and not row.verified
    assert await identifiers_of(world, result.contact) == {("shop", "77"), ("email", MAIL), ("phone", PHONE)}
    other = await find(world, crm="1")
    assert (await contact_row(world, other.contact)).guid != row.guid


@pytest.mark.parametrize(
    "known", [{"shop": "77"}, {"crm": "c-1"}, {"email": MAIL}, {"phone": PHONE}, {"peer": "72345"}]
)
async def test_each_identifier_finds_its_contact_which_gets_the_ones_it_lacks(
    world: World, known: dict[str, str]
) -> None:
    first = await find(world, **known)
    result = await find(world, **{"external": "e-1", "email": MAIL, "phone": PHONE, "name": "Maria"}, **{k: v for k, v in known.items() if k not in ("email", "phone")})  # fmt: skip
    assert (result.contact, result.created) == (first.contact, False)
    row = await contact_row(world, first.contact)
    assert (row.email, row.phone, row.name, row.verified) == (MAIL, PHONE, "Maria", True)
    assert await identifiers_of(world, first.contact) == {
        ("external", "e-1"),
        ("email", MAIL),
        ("phone", PHONE),
        *known.items(),
    }


async def test_the_strongest_identifier_decides_and_the_answer_names_the_others(world: World) -> None:
    by_mail, by_phone = await find(world, email=MAIL), await find(world, phone=PHONE)
    by_crm = await find(world, crm="c-1")
    assert await find(world, email=MAIL, phone=PHONE) == (by_mail.contact, False, [by_phone.contact])
    assert await find(world, phone=PHONE, crm="c-1") == (by_crm.contact, False, [by_mail.contact, by_phone.contact])
    assert ("phone", PHONE) in await identifiers_of(world, by_crm.contact)


async def test_a_shared_address_means_the_contact_that_was_active_with_it_last(world: World) -> None:
    """AMB-33, for every source."""
    parents, child = await find(world, shop="1", email=MAIL), await find(world, shop="2", email=MAIL)
    assert child.created and child.others == [parents.contact], "another shop id is another person"
    for last in ("1", "2", "1"):
        await world.advance(minutes=1)
        await find(world, shop=last, email=MAIL)
        await world.advance(minutes=1)
        expected = (parents if last == "1" else child).contact
        result = await find(world, email=MAIL)
        assert result.contact == expected and set(result.all_contacts) == {parents.contact, child.contact}


async def test_an_email_of_a_contact_with_another_shop_id_creates_a_second_contact(world: World) -> None:
    first = await find(world, shop="1", email=MAIL, phone=PHONE)
    second = await find(world, shop="2", email=MAIL, phone=PHONE)
    assert second.created and second.others == [first.contact]
    assert (await find(world, crm="c", email=MAIL)).contact == second.contact, "a CRM id contradicts no shop id"
    third = await find(world, crm="d", email=MAIL)
    assert third.contact == first.contact, "the first contact has no CRM id that contradicts"


async def test_an_id_of_another_contact_stays_there(world: World) -> None:
    first, second = await find(world, crm="c-1"), await find(world, shop="77")
    result = await find(world, shop="77", crm="c-1")
    assert result == (second.contact, False, [first.contact])
    assert await identifiers_of(world, first.contact) == {("crm", "c-1")}


async def test_kinds_with_equal_values_are_different_identifiers(world: World) -> None:
    assert (await find(world, crm="1001")).contact != (await find(world, shop="1001")).contact


async def test_a_phone_number_fills_a_gap_and_replaces_nothing(world: World) -> None:
    first = await find(world, shop="1", email=MAIL, phone=PHONE, name="Maria", country="US")
    await find(world, shop="1", email="new@mail.example", phone="+442071838750", name="Mary", country="GB")
    row = await contact_row(world, first.contact)
    assert (row.name, row.email, row.phone, row.country) == ("Maria", MAIL, PHONE, "US")
    for address in ({"email": "new@mail.example"}, {"phone": "+442071838750"}, {"email": MAIL}):
        assert (await find(world, **address)).contact == first.contact


async def test_a_signed_identity_replaces_name_and_email_and_the_old_address_no_longer_identifies(world: World) -> None:
    first = await find(world, external="e", email=MAIL, name="Maria", overwrite=True, verified=True)
    await find(world, external="e", email="new@mail.example", name="Mary", overwrite=True, verified=True)
    row = await contact_row(world, first.contact)
    assert (row.name, row.email) == ("Mary", "new@mail.example")
    assert await identifiers_of(world, first.contact) == {("external", "e"), ("email", "new@mail.example")}
    assert (await find(world, email=MAIL)).created


async def test_idn_1_a_signed_email_leads_to_no_contact_of_another_source(world: World) -> None:
    """A shop lets people register with any address, so only the id of a signed identity identifies."""
    victim = await find(world, email=MAIL)
    mallory = await world.visitor(identity="mallory")
    mallory.info = mallory.info.__class__(name="Mallory", email=MAIL)
    written = await mallory.says("Where is my parcel?")
    assert written.ticket.contact != victim.contact and written.ticket.verified
    assert (await find(world, external="mallory")).others == []
    second_tab = await world.visitor(identity="mallory")
    assert (await second_tab.says("Hello?")).ticket.contact == written.ticket.contact


async def test_idn_1_what_is_typed_into_the_widget_is_no_address(world: World) -> None:
    zoe = await world.visitor()
    await zoe.introduces(name="Zoe", email=MAIL)
    await zoe.says("Hello")
    assert await world.rows(addresses) == []
    assert (await find(world, email=MAIL)).created


async def test_an_agents_email_identifies_until_it_is_replaced(world: World) -> None:
    ana, maria = await world.agent("ana"), await world.texter()
    contact = await maria.contact()
    for email in ("wrong@mail.example", MAIL):
        await world.app.write(people.set_name, ana.agent, contact, None, email, "")
        assert (await find(world, email=email)).contact == contact
    assert (await find(world, email="wrong@mail.example")).created
    rows = await world.rows(addresses, addresses.c.contact_id == contact)
    assert {row.kind: row.verified for row in rows} == {"phone": True, "email": False}
    await world.app.write(people.set_name, ana.agent, contact, None, "", "")
    assert (await find(world, email=MAIL)).created


async def test_a_verified_address_stays_verified(world: World) -> None:
    result = await find(world, phone=PHONE)
    for verified in (False, True, False):
        await find(world, phone=PHONE, verified=verified)
        (row,) = await world.rows(addresses, addresses.c.contact_id == result.contact)
    assert row.verified


async def test_a_merged_contacts_addresses_mean_the_survivor(world: World) -> None:
    survivor = await find(world, shop="1")
    await world.app.write(lambda tx: add_contact(tx, email=MAIL, shop="2", merged_into=survivor.contact))
    assert await find(world, email=MAIL) == (survivor.contact, False, [])
    assert await find(world, shop="2", email=MAIL) == (survivor.contact, False, [])
    assert await find(world, shop="1", email=MAIL) == (survivor.contact, False, [])
    assert await identifiers_of(world, survivor.contact) == {("shop", "1")}, "the set has the address already"
    assert (await find(world, shop="3", email=MAIL)).others == [survivor.contact]


async def test_simultaneous_orders_of_a_new_person_create_one_contact(world: World) -> None:
    result = await at_once(*(find(world, email=MAIL, phone=PHONE) for _ in range(8)))
    assert not [item for item in result if isinstance(item, Exception)]
    assert len({item.contact for item in result}) == 1 and sum(item.created for item in result) == 1
    ids = await at_once(*(find(world, shop="9") for _ in range(8)))
    assert not [item for item in ids if isinstance(item, Exception)]
    assert len({item.contact for item in ids}) == 1


async def test_one_call_for_many_people_gives_what_single_calls_give(world: World) -> None:
    await find(world, email="known@mail.example")
    batch = [
        Identifiers(email="known@mail.example", phone=PHONE),
        Identifiers(email=MAIL, name="Maria"),
        Identifiers(phone=PHONE),
        Identifiers(email=MAIL, crm="c-1"),
        Identifiers(crm="c-1"),
        Identifiers(crm="c-2", email=MAIL),
        *(Identifiers(email=f"{n}@mail.example") for n in range(150)),
    ]
    first, maria, by_phone, second_tab, by_crm, second, *rest = await world.app.write(
        people.find_or_create_many, batch, SHOP
    )
    assert first.contact == by_phone.contact and not first.created and maria.created
    assert maria.contact == second_tab.contact == by_crm.contact and not second_tab.created
    assert second.created and second.others == [maria.contact]
    assert len({item.contact for item in rest}) == 150 and all(item.created for item in rest)
    assert [item.contact for item in await world.app.write(people.find_or_create_many, batch[6:], SHOP)] == [
        item.contact for item in rest
    ]


async def test_the_maker_announces_what_changed(world: World) -> None:
    announced: list[Any] = []

    def step(tx: Tx, person: Identifiers, **options: Any) -> Found:
        services = tx._services
        tx._services = services.__class__(lambda _, event: announced.append(event), services.ids, services.key)
        return people.find_or_create(tx, person, SHOP, **options)

    created = await world.app.write(step, Identifiers(shop="1", email=MAIL))
    await world.app.write(step, Identifiers(shop="1", email=MAIL))
    await world.app.write(step, Identifiers(shop="1", phone=PHONE, name="Maria"))
    await world.app.write(
        lambda tx: step(tx, Identifiers(shop="1", email="b@mail.example", name="Mary"), overwrite=True)
    )
    mail, shop = (AddressKind.EMAIL, MAIL), (AddressKind.SHOP, "1")
    assert announced == [
        ContactCreated(created.contact, SHOP, (shop, mail)),
        ContactChanged(created.contact, SHOP, "Maria", None, ((AddressKind.PHONE, PHONE),)),
        ContactChanged(created.contact, SHOP, "Mary", "b@mail.example", ((AddressKind.EMAIL, "b@mail.example"),)),
    ]


async def test_a_change_by_the_shop_reaches_the_lists_and_writes_no_line(world: World) -> None:
    maria = await world.texter()
    await maria.says("Hello")
    ticket, before = await maria.ticket(), len(await maria.entries())
    assert ticket is not None
    await find(world, phone=maria.number, name="Maria")
    after = await world.ticket(ticket)
    assert after.contact_name == "Maria" and after.rev > ticket.rev
    assert len(await maria.entries()) == before


# --- data from before -----------------------------------------------------------------------------

OLD_CONTACT = """
INSERT INTO contacts (id, external_id, name, email, phone, peer, country, language, active_at, created_at)
VALUES (:id, :external_id, :name, :email, :phone, :peer, '', '', :active_at, :created_at)
"""
OLD = [
    {"id": 3, "name": "Texts", "phone": PHONE, "active_at": 900, "created_at": 5},
    {"id": 4, "name": "Same number", "phone": PHONE, "active_at": 950, "email": MAIL, "created_at": 6},
    {"id": 7, "name": "Signed in", "external_id": "e-1", "email": MAIL, "created_at": 7},
    {"id": 8, "name": "Short code", "peer": "72345", "active_at": 8, "created_at": 8},
    {"id": 9, "name": "", "created_at": 9},
]


def test_the_migration_moves_identifiers_of_existing_contacts(tmp_path: Path, database: str) -> None:
    url = create_database() if database == "postgres" else None
    settings = Settings(_env_file=None, data_dir=tmp_path, secret_key=SECRET, database_url=url)  # type: ignore[call-arg]
    settings.data_dir.mkdir(exist_ok=True)
    command.upgrade(migrate.config(settings), import_module(MIGRATION).down_revision)
    engine = create_engine(settings.sqlalchemy_url())
    empty = dict.fromkeys(("external_id", "email", "phone", "peer", "active_at"))
    with engine.begin() as connection:
        for row in OLD:
            connection.execute(text(OLD_CONTACT), {**empty, **row})
        connection.execute(text("INSERT INTO threads (token, channel, contact_id, changed_at, created_at) VALUES ('t', 'sms', 3, 0, 0)"))  # fmt: skip
    migrate.run(settings)
    with engine.begin() as connection:
        stored = connection.execute(
            text("SELECT contact_id, kind, value, verified, created_at, active_at FROM addresses")
        )
        assert {tuple(row) for row in stored} == {
            (3, "phone", PHONE, True, 5, 900),
            (4, "phone", PHONE, True, 6, 950),
            (4, "email", MAIL, False, 6, 950),
            (7, "external", "e-1", True, 7, 7),
            (7, "email", MAIL, True, 7, 7),
            (8, "peer", "72345", True, 8, 8),
        }
        rows = connection.execute(text("SELECT id, guid, name, email, phone, verified FROM contacts ORDER BY id")).all()
        assert [(row.id, row.name, row.email, row.phone, bool(row.verified)) for row in rows] == [
            (old["id"], old["name"], old.get("email"), old.get("phone"), "external_id" in old) for old in OLD
        ]
        assert len({UUID(row.guid) for row in rows}) == len(OLD) and {UUID(row.guid).version for row in rows} == {4}
        assert connection.execute(text("SELECT contact_id FROM threads")).scalar() == 3
        if database == "sqlite":
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
    engine.dispose()


MIGRATION = "migrations.versions.0017_addresses"
