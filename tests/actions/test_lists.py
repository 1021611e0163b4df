"""Lists: who joins and leaves, the events of it, and merged contacts."""

from __future__ import annotations

from typing import Any

import pytest

from server.audiences import lists
from server.audiences.lists import ContactList
from server.audit.rules import ActedBy, ActorType
from server.contacts import merging
from server.errors import Conflict, NotFound, Refused
from server.schema import audit, events, list_members
from tests.people import add_contact
from tests.world import World

BY = ActedBy(ActorType.AGENT, 1, "Olga")


async def contact(world: World, **values: Any) -> int:
    return await world.app.write(lambda tx: add_contact(tx, **values))


async def create(world: World, name: str = "News") -> ContactList:
    return await world.app.write(lists.create, name, BY)


async def members(world: World, list_id: int) -> int:
    return (await world.app.read(lists.by_id, list_id)).members


async def test_joining_and_leaving_are_events_with_their_cause(world: World) -> None:
    news = await create(world)
    maria, tom = await contact(world), await contact(world)
    assert news.double_opt_in  # CON-9: by default
    assert await world.app.write(lists.add_members, news.id, [maria, tom, maria, 999], BY, "import:7") == [maria, tom]
    assert await world.app.write(lists.add_members, news.id, [maria], BY) == []  # in the list already
    assert await world.app.write(lists.remove_members, news.id, [tom, 999], BY) == [tom]
    assert await world.app.write(lists.remove_members, news.id, [tom], BY) == []
    told = [(row.contact_id, row.metric, row.source, row.cause, row.data) for row in await world.rows(events)]
    data = {"list": news.id}
    assert told == [
        (maria, "list_joined", "agent:1", "import:7", data),
        (tom, "list_joined", "agent:1", "import:7", data),
        (tom, "list_left", "agent:1", None, data),
    ]
    assert await members(world, news.id) == 1
    assert [row.name for row in await world.app.read(lists.lists_of, maria)] == ["News"]


async def test_merged_contacts_are_one_member(world: World) -> None:
    olga = (await world.agent("olga")).agent
    news = await create(world)
    maria, other, third = await contact(world), await contact(world), await contact(world)
    await world.app.write(lists.add_members, news.id, [maria, other], BY)
    merge = await world.app.write(merging.merge, olga, maria, other, "")
    assert await members(world, news.id) == 1
    page = await world.app.read(lists.members_page, news.id, 10**9, 10)
    assert [(row.id, row.repeated) for row in page] == [(maria, True), (maria, False)]
    assert await world.app.write(lists.add_members, news.id, [other], BY) == []  # the person is in it
    await world.app.write(merging.merge, olga, third, maria, "")
    assert await world.app.write(lists.add_members, news.id, [third], BY) == []
    assert [row.id for row in await world.app.read(lists.lists_of, third)] == [news.id]
    assert await world.app.write(lists.remove_members, news.id, [third], BY) == [third]
    assert (await world.rows(list_members), await members(world, news.id)) == ([], 0)
    assert merge is not None


async def test_undoing_a_merge_gives_each_contact_its_own_lists(world: World) -> None:
    olga = (await world.agent("olga")).agent
    news = await create(world)
    maria, other = await contact(world), await contact(world)
    await world.app.write(lists.add_members, news.id, [other], BY)
    merge = await world.app.write(merging.merge, olga, maria, other, "")
    assert [row.id for row in await world.app.read(lists.lists_of, maria)] == [news.id]
    await world.app.write(merging.undo, olga, merge.id, "")
    assert await world.app.read(lists.lists_of, maria) == []
    assert [row.id for row in await world.app.read(lists.lists_of, other)] == [news.id]


async def test_names_are_unique_without_case_and_free_again_after_deletion(world: World) -> None:
    news = await create(world, "News")
    maria = await contact(world)
    await world.app.write(lists.add_members, news.id, [maria], BY)
    with pytest.raises(Conflict, match="with this name"):
        await create(world, "  NEWS ")
    with pytest.raises(Refused, match="1 to 80"):
        await create(world, "\u200b")
    await world.app.write(lambda tx: lists.change(tx, news.id, BY, name="news", double_opt_in=False))
    changed = await world.app.read(lists.by_id, news.id)
    assert (changed.name, changed.double_opt_in) == ("news", False)
    await world.app.write(lists.remove, news.id, BY)
    with pytest.raises(NotFound):
        await world.app.write(lists.add_members, news.id, [maria], BY)
    with pytest.raises(NotFound):
        await world.app.write(lists.remove_members, news.id, [maria], BY)
    assert await world.app.read(lists.lists_of, maria) == []
    await create(world, "News")
    await world.advance()
    assert await world.rows(list_members) == []
    assert [each.name for each in await world.app.read(lists.every)] == ["News"]
    actions = [row.action for row in await world.rows(audit) if row.action.startswith("list_")]
    assert actions == ["list_added", "list_changed", "list_deleted", "list_added"]


async def test_there_is_a_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_LISTS_AND_SEGMENTS", 2)
    await create(world, "One")
    await create(world, "Two")
    with pytest.raises(Conflict, match="at most 2"):
        await create(world, "Three")
