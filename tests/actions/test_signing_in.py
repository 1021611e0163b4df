"""AMB-37: an open chat moves to the customer when its visitor signs in; nothing else is merged."""

from __future__ import annotations

from server.schema import attachments, contacts, timeline, visitors
from server.webchat import signing_in
from server.webchat.actions import VisitorInfo
from tests.world import Guest, World, at_once, is_dense, numbered

ZOE = VisitorInfo(name="Zoe Shop", email="zoe@shop.example")


async def carry(world: World, anonymous: Guest, customer: Guest) -> bool:
    carried: bool = await world.app.write(signing_in.carry_over, anonymous.key, customer.key, ZOE)
    return carried


async def test_an_open_chat_becomes_the_customers(world: World) -> None:
    ana = await world.agent("ana")
    guest, ticket = await world.conversation("Is it in stock?")
    await ana.replies(ticket, "It is.")
    await ana.notes(ticket, "A note")
    customer = await world.visitor(identity="c-17")
    assert await world.app.read(signing_in.has_open_chat, guest.key)
    assert await carry(world, guest, customer)

    customer_ticket = await customer.ticket()
    assert (customer_ticket.id, customer_ticket.status, customer_ticket.rev > ticket.rev) == (ticket.id, "open", True)
    assert (customer_ticket.contact_name, customer_ticket.contact_email) == ("Zoe Shop", "zoe@shop.example")
    assert await customer.sees("Is it in stock?") and await customer.sees("It is.")
    assert not await guest.sees("It is."), "without the sign-in the browser must no longer see the chat"
    assert is_dense(numbered(await world.entries(ticket.thread)))
    contact_entry = (await world.entries(ticket.thread))[-1]
    assert (contact_entry.kind, contact_entry.public_seq) == ("contact", None)
    assert contact_entry.data == {"signed_in": True, "email": "zoe@shop.example", "name": "Zoe Shop"}

    # The customer continues in this chat; the next anonymous visitor in this browser begins a new one.
    assert (await customer.says("Great")).ticket.id == ticket.id
    other = await guest.says("Somebody else")
    assert other.ticket.id != ticket.id and other.ticket.contact != customer_ticket.contact


async def test_an_unacknowledged_message_can_be_repeated_after_signing_in(world: World) -> None:
    guest, _ = await world.conversation()
    first = await guest.says("Only once", key="key-0001")
    customer = await world.visitor(identity="c:17%")
    await carry(world, guest, customer)
    repeat = await customer.says("Only once", key="key-0001")
    assert repeat.repeated and repeat.entry is not None and first.entry is not None
    assert (repeat.entry.seq, repeat.entry.key) == (first.entry.seq, "key-0001")
    # A client key that the customer used before, in a chat of their own, still names that entry.
    await customer.says("Theirs", key="key-0003")
    await customer.ends()
    await guest.says("Mine too", key="key-0003")
    assert await carry(world, guest, customer)
    bodies = [row.body for row in await world.rows(timeline, timeline.c.dedupe.like("%key-0003"))]
    assert sorted(bodies) == ["Mine too", "Theirs"]


async def test_a_customer_with_an_open_chat_keeps_it(world: World) -> None:
    guest, ticket = await world.conversation("Anonymous")
    customer = await world.visitor(identity="c-17")
    own_ticket = (await customer.says("As a customer")).ticket
    assert not await carry(world, guest, customer)
    assert (await customer.ticket()).id == own_ticket.id and (await guest.ticket()).id == ticket.id
    await customer.ends()
    assert await carry(world, guest, customer), (
        "a closed chat must not block the move: INB-23 forbids a second open one"
    )
    assert (await customer.ticket()).id == ticket.id


async def test_an_ended_or_missing_chat_is_not_carried_over(world: World) -> None:
    ana = await world.agent("ana")
    guest, ticket = await world.conversation()
    await ana.closes_for_good(ticket)
    customer = await world.visitor(identity="c-17")
    counts_before = await world.count(contacts), await world.count(visitors)
    assert not await world.app.read(signing_in.has_open_chat, guest.key)
    assert not await carry(world, guest, customer)
    assert not await carry(world, await world.visitor(), customer)
    assert (await world.count(contacts), await world.count(visitors)) == counts_before


async def test_ten_tabs_that_sign_in_at_once_carry_the_chat_over_once(world: World) -> None:
    guest, ticket = await world.conversation()
    customer = await world.visitor(identity="c-17")
    carried = await at_once(*(carry(world, guest, customer) for _ in range(10)))
    assert sorted(carried) == [False] * 9 + [True]
    assert [entry.kind for entry in await world.entries(ticket.thread)].count("contact") == 1


async def test_the_typed_name_and_the_uploaded_files_are_carried_over(world: World) -> None:
    guest, ticket = await world.conversation()
    await guest.introduces(email="zoe@home.example")
    waiting = await guest.uploads(b"a picture", "p.txt")
    customer = await world.visitor(identity="c-17")
    await world.app.write(signing_in.carry_over, guest.key, customer.key, VisitorInfo())
    assert (await customer.ticket()).contact_email == "zoe@home.example"
    await customer.says("See", files=(waiting,))
    (row,) = await world.rows(attachments)
    assert (row.owner, row.thread_id) == (f"web:{customer.key}", ticket.thread)
