"""Properties of contacts: definitions, values, and what a merge means for them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from server.audit.rules import ActedBy, ActorType
from server.contacts import merging, properties
from server.contacts.property_rules import FIXED, Definition, PropertiesChanged, ValueChange
from server.errors import Conflict, NotFound, Refused
from server.kernel.sql import Tx
from server.schema import audit, property_values
from tests.people import add_contact
from tests.world import World

BY = ActedBy(ActorType.SYSTEM)
ADDED, OPENED, CLICKED = (fixed.id for fixed in FIXED)
JUNE, JULY = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)


async def define(world: World, key: str, type: str = "text") -> Definition:
    return await world.app.write(properties.define, key, key.title(), type, BY)


async def contact(world: World, **values: Any) -> int:
    return await world.app.write(lambda tx: add_contact(tx, **values))


async def put(world: World, contact: int, values: dict[int, Any], **options: Any) -> list[ValueChange]:
    return await world.app.write(lambda tx: properties.set_values(tx, [(contact, values)], BY, **options))


async def values(world: World, contact: int) -> dict[int, Any]:
    return (await world.app.read(properties.values_of, [contact]))[contact]


async def test_values_of_every_type_are_stored_changed_and_removed(world: World) -> None:
    types = ("text", "number", "boolean", "date", "list")
    plan, orders, member, renewal, tags = [(await define(world, f"p_{type}", type)).id for type in types]
    maria = await contact(world, name="Maria")
    first: dict[int, Any] = {plan: "Gold", orders: Decimal("3.5"), member: False, renewal: JUNE, tags: ("a", "b", "c")}
    assert len(await put(world, maria, first)) == 5
    assert await values(world, maria) == first
    assert await put(world, maria, first) == []  # nothing changed, nothing is written or announced
    changes = await put(world, maria, {plan: None, orders: Decimal(4), member: True, renewal: JULY, tags: ("c",)})
    assert {change.property: change.before for change in changes} == first
    assert await values(world, maria) == {orders: 4, member: True, renewal: JULY, tags: ("c",)}
    assert len(await world.rows(property_values)) == 4


async def test_a_slice_of_contacts_with_different_properties_is_one_call(world: World) -> None:
    plan, orders = (await define(world, "plan")).id, (await define(world, "orders", "number")).id
    people = [await contact(world) for _ in range(150)]
    wanted: list[tuple[int, dict[int, Any]]] = [
        (person, {plan: f"plan {n}"} if n % 2 else {orders: Decimal(n), plan: None}) for n, person in enumerate(people)
    ]
    await world.app.write(lambda tx: properties.set_values(tx, [*wanted, (10**9, {plan: "nobody"})], BY))
    stored = await world.app.read(properties.values_of, people)
    assert [stored[person] for person in people] == [
        {plan: f"plan {n}"} if n % 2 else {orders: n} for n in range(len(people))
    ]


async def test_an_older_import_hides_no_newer_open_or_click(world: World) -> None:
    maria = await contact(world)
    await put(world, maria, {ADDED: JULY, OPENED: JULY, CLICKED: JULY})
    await put(world, maria, {ADDED: JUNE, OPENED: JUNE, CLICKED: JUNE})
    assert await values(world, maria) == {ADDED: JUNE, OPENED: JULY, CLICKED: JULY}
    await put(world, maria, {OPENED: JUNE, CLICKED: None}, keep_later=False)
    assert await values(world, maria) == {ADDED: JUNE, OPENED: JUNE}


async def test_a_change_is_announced_with_its_cause(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = (await define(world, "plan")).id
    maria = await contact(world)
    announced: list[Any] = []
    monkeypatch.setattr(Tx, "announce", lambda tx, event: announced.append(event))
    await put(world, maria, {plan: "gold"}, cause="import:7")
    assert announced == [PropertiesChanged((ValueChange(maria, plan, None, "gold"),), "import:7")]


async def test_merged_contacts_complete_each_other_and_undo_separates_them(world: World) -> None:
    olga = (await world.agent("olga")).agent
    plan, city = (await define(world, "plan")).id, (await define(world, "city")).id
    maria, other = await contact(world), await contact(world)
    await put(world, maria, {plan: "gold", ADDED: JULY, OPENED: JUNE})
    await put(world, other, {plan: "free", city: "Kraków", ADDED: JUNE, OPENED: JULY})
    merge = await world.app.write(merging.merge, olga, maria, other, "")
    assert await values(world, maria) == {plan: "gold", city: "Kraków", ADDED: JUNE, OPENED: JULY}
    await put(world, other, {plan: "silver"})  # goes to the contact that remains
    assert (await values(world, maria))[plan] == "silver"
    await world.app.write(merging.undo, olga, merge.id, "")
    assert (await values(world, other))[plan] == "free"
    assert (await values(world, maria))[plan] == "silver"


async def test_a_key_is_defined_once_and_free_again_after_deletion(world: World) -> None:
    plan = await define(world, "plan")
    maria = await contact(world)
    await put(world, maria, {plan.id: "gold"})
    with pytest.raises(Conflict) as refused:
        await define(world, "plan", "number")
    assert refused.value.code == "key_taken"
    renamed = await world.app.write(properties.rename, plan.id, "Tariff", BY)
    assert (renamed.key, renamed.name) == ("plan", "Tariff")
    await world.app.write(properties.remove, plan.id, BY)
    assert plan.id not in await values(world, maria)  # at once, before the job has deleted the row
    again = await define(world, "plan", "number")
    await world.advance()
    assert await world.rows(property_values) == []
    await put(world, maria, {again.id: Decimal(2), plan.id: "gold"})  # a deleted property is left out
    assert await values(world, maria) == {again.id: 2}
    actions = [row.action for row in await world.rows(audit) if row.action.startswith("property_")]
    assert actions == ["property_added", "property_renamed", "property_deleted", "property_added"]


async def test_fixed_properties_cannot_be_changed_and_unknown_ones_do_not_exist(world: World) -> None:
    for step in (properties.rename, properties.remove):
        arguments = ("New", BY) if step is properties.rename else (BY,)
        with pytest.raises(Conflict, match="fixed property"):
            await world.app.write(step, ADDED, *arguments)
        with pytest.raises(NotFound):
            await world.app.write(step, 999, *arguments)


async def test_there_is_a_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(properties, "MAX_PROPERTIES", 2)
    await define(world, "one")
    await define(world, "two")
    with pytest.raises(Conflict, match="at most 2"):
        await define(world, "three")


async def test_a_program_names_properties_by_key(world: World) -> None:
    plan = (await define(world, "plan")).id
    parsed = await world.app.read(
        properties.parse_values, {"plan": "Gold", "last_open": "2026-06-01", "date_added": ""}
    )
    assert parsed == {plan: "Gold", OPENED: JUNE, ADDED: None}
    for key, value, words in (
        ("nothing", 1, "Define it under"),
        ("__proto__", 1, "There is no property"),
        ("last_active", "2026-06-01", "computes last_active itself"),
        ("plan", 5, "Plan: Send a text"),
    ):
        with pytest.raises(Refused, match=words) as refused:
            await world.app.read(properties.parse_values, {key: value})
        assert refused.value.field == key
