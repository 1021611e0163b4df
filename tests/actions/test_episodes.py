"""A ticket keeps its episodes: one for each time it was open, with the first reply and the close."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import create_engine, select

from server.schema import episodes as table
from server.threads import episodes
from server.threads.episodes import Episode
from tests.world import World


async def episodes_of(world: World, ticket: int) -> list[Episode]:
    return await world.app.read(episodes.of_ticket, ticket)


async def test_a_reopened_sms_ticket_keeps_its_first_episode(world: World) -> None:
    ana, ben, maria = await world.agent("ana"), await world.agent("ben"), await world.texter(agreed=True)
    opened = world.now
    await maria.says("Where is my parcel?")
    ticket = await maria.ticket()
    assert ticket is not None
    await world.advance(minutes=2)
    replied = world.now
    await ana.replies(ticket, "On its way")
    await world.advance(minutes=1)
    await ben.replies(ticket, "Tomorrow")
    await ana.assigns(ticket, ben)
    closed = world.now
    await ben.closes(ticket)
    await world.advance(hours=5)
    reopened = world.now
    await maria.says("It is not here")
    now, first = await episodes_of(world, ticket.id)
    assert first == Episode(
        opened, "contact", None, None, replied, ana.id, "Ana", closed, "agent", ben.id, "Ben", ben.id, "Ben"
    )
    assert now == Episode(reopened, "contact", *[None] * 11)
    await ben.replies(ticket, "Sorry!")
    assert (await episodes_of(world, ticket.id))[0].first_reply_by == ben.id


async def test_an_agent_reopens_a_ticket_with_the_button_or_with_a_reply(world: World) -> None:
    ana, ticket = await world.agent("ana"), await world.sms_ticket()
    await ana.closes(ticket)
    await ana.reopens(ticket)
    await ana.closes(ticket)
    await ana.replies(ticket, "One more thing")
    by_reply, by_button, first = await episodes_of(world, ticket.id)
    assert (by_reply.opened_by, by_reply.opened_by_id) == ("agent", ana.id)
    assert (by_reply.first_reply_at, by_reply.first_reply_by) == (world.now, ana.id), (
        "the reply that reopened the ticket is its first reply"
    )
    assert (by_button.opened_by_id, by_button.first_reply_at, by_button.closed_by_id) == (ana.id, None, ana.id)
    assert first.first_reply_at is None and first.closed_at is not None


async def test_a_chat_has_one_episode_ended_by_whoever_closes_it(world: World) -> None:
    ana = await world.agent("ana")
    _, ticket = await world.conversation()
    await ana.notes(ticket, "A note is no reply")
    await ana.closes(ticket)
    (episode,) = await episodes_of(world, ticket.id)
    assert (episode.first_reply_at, episode.closed_at) == (None, None), (
        "a close that can still be undone must not end the episode"
    )
    await world.advance(seconds=5)
    (closed,) = await episodes_of(world, ticket.id)
    assert (closed.opened_by, closed.closed_by, closed.closed_by_id) == ("visitor", "agent", ana.id)
    other_guest, second = await world.conversation()
    await other_guest.ends()
    (ended,) = await episodes_of(world, second.id)
    assert (ended.closed_by, ended.closed_by_id, ended.assignee) == ("visitor", None, None)


async def test_messages_to_an_open_ticket_begin_no_episode(world: World) -> None:
    ana, maria = await world.agent("ana"), await world.texter(agreed=True)
    for text in ("Hello", "Hello?", "Anybody?"):
        await maria.says(text)
    ticket = await maria.ticket()
    assert ticket is not None and await ana.marks_unread(ticket)
    assert len(await episodes_of(world, ticket.id)) == 1


async def test_the_migration_reads_the_same_episodes_from_the_timeline(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, ben, maria = await world.agent("ana"), await world.agent("ben"), await world.texter(agreed=True)
    await maria.says("Where is my parcel?")
    ticket = await maria.ticket()
    assert ticket is not None
    for text in ("On its way", "Tomorrow"):
        await world.advance(minutes=2)
        await ana.replies(ticket, text)
        await ana.assigns(ticket, ben)
        await ben.closes(ticket)
        await world.advance(minutes=2)
        await maria.says("It is not here")
    await ana.closes(ticket)
    await ana.reopens(ticket)
    zoe, _ = await world.conversation()
    await ana.closes_for_good(zoe)
    ella, _ = await world.conversation()
    await ella.ends()
    await world.conversation("Nobody answered")

    def rows(conn: Any) -> list[tuple[Any, ...]]:
        migrated = conn.all(select(table).order_by(table.c.ticket_id, table.c.id))
        return [tuple(row)[1:] for row in migrated]

    recorded = await world.app.read(rows)
    assert len(recorded) == 7
    await world.app.write(lambda tx: tx.run(table.delete()))
    from importlib import import_module

    migration = import_module("migrations.versions.0014_episodes")
    monkeypatch.setattr(migration, "SLICE", 2)
    engine = create_engine(world.app.settings.sqlalchemy_url())
    with engine.begin() as connection:
        migration.fill(connection)
    engine.dispose()
    assert await world.app.read(rows) == recorded
