"""The table of contacts: every contact once in each order, the nameless and addressless, and quick search (CIM-40)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from server.accounts.rules import Role
from server.contacts import actions as people
from server.contacts.rules import Identifiers
from server.inbox import merging
from server.people import table
from server.people.rules import Search, Sort, search_for
from server.people.table import Filters
from server.schema import contacts
from tests.world import World


async def add(world: World, **known: Any) -> int:
    world.clock.advance(timedelta(seconds=1))
    found = await world.app.write(people.find_or_create, Identifiers(**known), people.BY_CONTACT)
    return int(found.contact)


async def set_columns(world: World, contact: int, **values: Any) -> None:
    await world.app.write(lambda tx: tx.run(update(contacts).where(contacts.c.id == contact).values(**values)))


async def read_all(world: World, filters: Filters, sort: Sort, descending: bool, limit: int) -> list[int]:
    ids: list[int] = []
    after = None
    while True:
        rows, after = await world.app.read(table.page, filters, sort, descending, after, limit)
        assert len(rows) <= limit
        ids += [row.id for row in rows]
        if after is None:
            return ids


@pytest.mark.parametrize("sort", list(Sort))
async def test_each_order_has_every_contact_once_and_those_without_a_value_last(world: World, sort: Sort) -> None:
    names = ["Zoe", "Anna", "", "Anna", "", "Émile", "Bo"]
    everyone = [
        await add(world, name=name, email=f"p{n}@x.example" if n % 3 else None, phone=f"+1202555{n:04}")
        for n, name in enumerate(names)
    ]
    for n, contact in enumerate(everyone[:4]):
        at = world.now - timedelta(days=n // 2)
        await set_columns(world, contact, date_added=at, last_open=at, last_click=at)
    rows, _ = await world.app.read(table.page, Filters(), sort, True, None, 100)
    by_id = {row.id: row for row in rows}
    for descending in (True, False):
        for limit in (1, 2, 3, 100):
            ids = await read_all(world, Filters(), sort, descending, limit)
            assert sorted(ids) == everyone
            keys = [table.key_of(by_id[one], sort) for one in ids]
            filled = [key for key in keys if key[0] is not None]
            assert keys[: len(filled)] == filled == sorted(filled, reverse=descending)
            assert keys[len(filled) :] == sorted(keys[len(filled) :], key=lambda key: key[1], reverse=descending)


async def test_contacts_without_any_address_are_hidden_unless_asked_for_and_merged_ones_are_folded(
    world: World,
) -> None:
    _, ticket = await world.conversation("Hello")  # a visitor without name and address
    crm, jo, mary = (
        await add(world, crm="c-1"),
        await add(world, name="Jo", email="jo@x.example"),
        await add(world, email="mary@x.example"),
    )
    ana = await world.agent("ana")

    async def listed(**filters: Any) -> list[int]:
        ids = await read_all(world, Filters(**filters), Sort.CREATED, False, 50)
        assert await world.app.read(table.count, Filters(**filters)) == len(ids)
        return ids

    assert await listed() == [crm, jo, mary]
    assert await listed(hidden=True) == [ticket.contact, crm, jo, mary]
    assert await listed(as_of=world.now - timedelta(seconds=1)) == [crm, jo]
    await world.app.write(merging.merge, ana.agent, jo, mary, "")
    assert await listed() == [crm, jo]
    assert await listed(search=search_for("mary@")) == [jo], "an address of a merged contact finds the one that remains"
    # The address of the merged contact counts: the nameless visitor is no longer without one.
    await world.app.write(merging.merge, ana.agent, ticket.contact, crm, "")
    assert await listed() == [ticket.contact, jo]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("maria.s", ["maria"]),
        ("MARIA.SILVA@SHOP.example", ["maria"]),
        ("maria_", []),  # no wildcards
        ("%", []),
        ("silv", ["maria"]),
        ("SÍLVA", ["maria"]),
        ("ria", []),
        ("+1 (202) 555-0150", ["bob"]),
        ("5550150", ["bob"]),
        ("bo", ["bob"]),
        ("", ["bob", "maria"]),
    ],
)
async def test_a_typed_text_finds_by_email_name_and_number(world: World, text: str, found: list[str]) -> None:
    ids = {
        "maria": await add(world, name="Maria Silva", email="maria.silva@shop.example"),
        "bob": await add(world, name="Bob", phone="+12025550150"),
    }
    result = await read_all(world, Filters(search_for(text)), Sort.CREATED, True, 50)
    assert result == [ids[name] for name in found]


def test_a_text_is_searched_as_what_it_looks_like() -> None:
    assert search_for("Ana@x.example ") == Search(email="ana@x.example")
    assert search_for("+48 601 100 200") == Search(digits="48601100200")
    assert search_for("ana") == Search(email="ana", name="ana")
    assert search_for("Ana Maria") == Search(name="ana maria")
    assert search_for("  ").empty


async def test_a_row_has_consents_and_the_last_activity_of_all_merged_contacts(world: World) -> None:
    maria, bob = await world.texter(agreed=True), await world.texter()
    await maria.says("Hello")
    tickets = [await maria.ticket()]
    world.clock.advance(timedelta(hours=1))
    await bob.says("Hi")
    tickets.append(await bob.ticket())
    marias, bobs = (ticket.contact for ticket in tickets if ticket is not None)
    active = await world.app.read(table.last_active, [marias, bobs])
    assert active[marias] < active[bobs] == world.now
    ana = await world.agent("ana", Role.SUPPORT)
    await world.app.write(merging.merge, ana.agent, marias, bobs, "")
    assert (await world.app.read(table.last_active, [marias]))[marias] == world.now
    assert (await world.app.read(table.statuses, [marias]))[marias]["sms_transactional"] == "subscribed"
