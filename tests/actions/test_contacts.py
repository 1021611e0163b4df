"""An agent names the person behind a number that texts (ROL-8, IDN-1)."""

from __future__ import annotations

from typing import Any

import pytest

from server.contacts import actions as people
from server.errors import Conflict, NotFound, Refused
from server.inbox import details
from server.schema import audit, contacts
from server.threads.tickets import INBOX_TOPIC
from tests.world import Desk, World, at_once, is_dense, numbered, publicly_numbered


class Listening:
    """A console with the list open: records every summary."""

    def __init__(self) -> None:
        self.heard_of: list[Any] = []

    def on_published(self, topic: str, hint: Any) -> None:
        self.heard_of.append(hint)

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...


async def set_details(desk: Desk, contact: int, name: str | None = None, email: str | None = None) -> None:
    await desk.world.app.write(people.set_name, desk.agent, contact, name, email, "127.0.0.1")


async def test_a_contact_gets_a_name_that_every_list_shows_and_the_audit_log_says_who_wrote_it(
    world: World,
) -> None:
    ana, maria = await world.agent("ana"), await world.texter()
    await maria.says("Is the shop open?")
    ticket = await maria.ticket()
    assert ticket is not None and ticket.contact_name == ""
    await set_details(ana, ticket.contact, "  Maria\nSilva ", "Maria@Shop.example")
    moved_ticket = await world.ticket(ticket)
    assert (moved_ticket.contact_name, moved_ticket.contact_email, moved_ticket.verified) == (
        "Maria Silva",
        "maria@shop.example",
        False,
    )
    assert moved_ticket.rev > ticket.rev, "a list ignores a summary whose rev has not risen"
    assert (moved_ticket.status, moved_ticket.unread, moved_ticket.last_message_at) == (
        ticket.status,
        ticket.unread,
        ticket.last_message_at,
    )
    line = (await maria.entries())[-1]
    assert (line.kind, line.author_name, line.public_seq) == ("contact", "Ana", None)
    assert line.data == {"name": "Maria Silva", "email": "maria@shop.example"}
    [logged] = await world.rows(audit, audit.c.action == "contact_changed")
    assert (logged.user_id, logged.target, logged.detail) == (
        ana.id,
        str(ticket.contact),
        {"settings": ["name", "email"]},
    )

    # The same values again change nothing; an omitted field stays, and "" deletes it.
    await set_details(ana, ticket.contact, "Maria Silva")
    await set_details(ana, ticket.contact, email="")
    moved_ticket = await world.ticket(ticket)
    assert (moved_ticket.contact_name, moved_ticket.contact_email) == ("Maria Silva", None)
    assert [entry.data for entry in (await maria.entries())[-2:]] == [line.data, {"email": ""}]
    await maria.says("And on Sunday?")
    assert (await maria.entries())[-1].author_name == "Maria Silva"
    assert is_dense(numbered(await maria.entries()))


async def test_idn_1_an_email_of_another_contact_does_not_merge_the_two(world: World) -> None:
    ana, maria, jo = await world.agent("ana"), await world.texter(), await world.texter()
    for texter in (maria, jo):
        await texter.says("Hello?")
    marias_ticket, jos_ticket = await maria.ticket(), await jo.ticket()
    assert marias_ticket is not None and jos_ticket is not None
    await at_once(
        set_details(ana, marias_ticket.contact, "Maria", "m@shop.example"),
        set_details(ana, jos_ticket.contact, "Jo", "m@shop.example"),
    )
    assert await world.count(contacts) == 2
    assert (await world.ticket(marias_ticket)).contact != (await world.ticket(jos_ticket)).contact
    _, maybe, _ = await world.app.read(details.details, await world.ticket(marias_ticket))
    assert [item.name for item in maybe] == ["Jo"], "the agent sees which contact has the same email"


async def test_a_name_that_an_agent_gives_a_visitor_is_not_sent_to_the_visitor(world: World) -> None:
    ana = await world.agent("ana")
    guest, ticket = await world.conversation()
    entries_before = await world.public_entries(ticket.thread)
    await set_details(ana, ticket.contact, "The one with the teapot")
    assert (await world.ticket(ticket)).contact_name == "The one with the teapot"
    entries_after = await world.public_entries(ticket.thread)
    assert [entry.seq for entry in entries_after] == [entry.seq for entry in entries_before]
    await guest.says("Still there?")
    assert is_dense(publicly_numbered(await world.public_entries(ticket.thread)))


async def test_a_customer_with_a_signed_identity_or_without_contact_cannot_be_renamed(world: World) -> None:
    ana = await world.agent("ana")
    nora = await world.visitor(identity="1042", name="Nora Lind")
    await nora.says("Hello?")
    ticket = await nora.ticket()
    with pytest.raises(Conflict, match="The shop provides these details"):
        await set_details(ana, ticket.contact, "Somebody Else")
    await set_details(ana, ticket.contact, "Nora Lind")  # the same name again changes nothing
    with pytest.raises(Refused, match="Enter a readable name"):
        await set_details(ana, ticket.contact, "\u202e\u200f")
    with pytest.raises(NotFound):
        await set_details(ana, 999_999, "Nobody")


async def test_renaming_a_contact_updates_each_of_their_tickets_in_every_list(world: World) -> None:
    ana = await world.agent("ana")
    _, ticket = await world.conversation()
    listening = Listening()
    world.app.bus.watch(INBOX_TOPIC, listening)
    await set_details(ana, ticket.contact, "Kim")
    await set_details(ana, ticket.contact, "Kim")
    assert [hint.contact_name for hint in listening.heard_of] == ["Kim"]
