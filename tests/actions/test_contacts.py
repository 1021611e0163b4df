"""An agent writes down who somebody is: a number that texts gets a name (SPEC ROL-8, IDN-1)."""

from __future__ import annotations

from typing import Any

import pytest

from server.contacts import actions as people
from server.errors import Conflict, NotFound, Refused
from server.inbox import queries
from server.inbox.timeline import INBOX_TOPIC
from server.schema import audit, contacts
from tests.world import Desk, World, at_once, is_dense, numbered, publicly_numbered


class Listening:
    """A screen with the list open."""

    def __init__(self) -> None:
        self.heard_of: list[Any] = []

    def heard(self, topic: str, hint: Any) -> None:
        self.heard_of.append(hint)

    def whispered(self, topic: str, payload: dict[str, Any]) -> None: ...


async def names(desk: Desk, contact: int, name: str | None = None, email: str | None = None) -> None:
    await desk.world.app.write(people.name, desk.agent, contact, name, email, "127.0.0.1")


async def test_a_number_that_texts_gets_a_name_which_every_list_shows_and_the_log_tells_who_wrote_it(
    world: World,
) -> None:
    ana, maria = await world.agent("ana"), await world.texter()
    await maria.says("Is the shop open?")
    ticket = await maria.ticket()
    assert ticket is not None and ticket.contact_name == ""
    await names(ana, ticket.contact, "  Maria\nSilva ", "Maria@Shop.example")
    after = await world.ticket(ticket)
    assert (after.contact_name, after.contact_email, after.verified) == ("Maria Silva", "maria@shop.example", False)
    assert after.rev > ticket.rev, "or a list would keep what it has"
    assert (after.status, after.unread, after.last_message_at) == (ticket.status, ticket.unread, ticket.last_message_at)
    line = (await maria.entries())[-1]
    assert (line.kind, line.author_name, line.public_seq) == ("contact", "Ana", None)
    assert line.data == {"name": "Maria Silva", "email": "maria@shop.example"}
    [logged] = await world.rows(audit, audit.c.action == "contact_changed")
    assert (logged.user_id, logged.target, logged.detail) == (
        ana.id,
        str(ticket.contact),
        {"settings": ["name", "email"]},
    )

    # The same again is nothing; what is left out stays, and "" takes away.
    await names(ana, ticket.contact, "Maria Silva")
    await names(ana, ticket.contact, email="")
    after = await world.ticket(ticket)
    assert (after.contact_name, after.contact_email) == ("Maria Silva", None)
    assert [entry.data for entry in (await maria.entries())[-2:]] == [line.data, {"email": ""}]
    await maria.says("And on Sunday?")
    assert (await maria.entries())[-1].author_name == "Maria Silva"
    assert is_dense(numbered(await maria.entries()))


async def test_idn_1_an_address_that_somebody_else_has_makes_nobody_one_with_them(world: World) -> None:
    ana, maria, jo = await world.agent("ana"), await world.texter(), await world.texter()
    for who in (maria, jo):
        await who.says("Hello?")
    hers, theirs = await maria.ticket(), await jo.ticket()
    assert hers is not None and theirs is not None
    await at_once(
        names(ana, hers.contact, "Maria", "m@shop.example"), names(ana, theirs.contact, "Jo", "m@shop.example")
    )
    assert await world.count(contacts) == 2
    assert (await world.ticket(hers)).contact != (await world.ticket(theirs)).contact
    _, maybe, _ = await world.app.read(queries.details, await world.ticket(hers))
    assert [one.name for one in maybe] == ["Jo"], "the agent sees who it may be"


async def test_what_the_desk_calls_a_visitor_is_not_told_to_the_visitor(world: World) -> None:
    ana = await world.agent("ana")
    guest, ticket = await world.conversation()
    before = await world.public_entries(ticket.thread)
    await names(ana, ticket.contact, "The one with the teapot")
    assert (await world.ticket(ticket)).contact_name == "The one with the teapot"
    shown = await world.public_entries(ticket.thread)
    assert [entry.seq for entry in shown] == [entry.seq for entry in before]
    await guest.says("Still there?")
    assert is_dense(publicly_numbered(await world.public_entries(ticket.thread)))


async def test_whom_the_shop_vouches_for_is_not_renamed_and_nobody_cannot_be(world: World) -> None:
    ana = await world.agent("ana")
    nora = await world.visitor(identity="1042", name="Nora Lind")
    await nora.says("Hello?")
    ticket = await nora.ticket()
    with pytest.raises(Conflict, match="The shop says who this is"):
        await names(ana, ticket.contact, "Somebody Else")
    await names(ana, ticket.contact, "Nora Lind")  # says nothing new
    with pytest.raises(Refused, match="Nobody could read"):
        await names(ana, ticket.contact, "\u202e\u200f")
    with pytest.raises(NotFound):
        await names(ana, 999_999, "Nobody")


async def test_every_list_is_rung_for_each_of_their_conversations(world: World) -> None:
    ana = await world.agent("ana")
    _, ticket = await world.conversation()
    listening = Listening()
    world.app.bus.watch(INBOX_TOPIC, listening)
    await names(ana, ticket.contact, "Kim")
    await names(ana, ticket.contact, "Kim")
    assert [hint.contact_name for hint in listening.heard_of] == ["Kim"]
