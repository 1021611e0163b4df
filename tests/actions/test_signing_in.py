"""AMB-37: an open chat goes along when its visitor signs in; nothing else is merged."""

from __future__ import annotations

from server.inbox import signing_in
from server.inbox.visitor_actions import VisitorInfo
from server.schema import attachments, contacts, timeline, visitors
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

    after = await customer.ticket()
    assert (after.id, after.status, after.rev > ticket.rev) == (ticket.id, "open", True)
    assert (after.contact_name, after.contact_email) == ("Zoe Shop", "zoe@shop.example")
    assert await customer.sees("Is it in stock?") and await customer.sees("It is.")
    assert not await guest.sees("It is."), "the browser without its sign-in has no chat any more"
    assert is_dense(numbered(await world.entries(ticket.thread)))
    told = (await world.entries(ticket.thread))[-1]
    assert (told.kind, told.public_seq) == ("contact", None)
    assert told.data == {"signed_in": True, "email": "zoe@shop.example", "name": "Zoe Shop"}

    # Both go on: the customer in this chat, who comes after them at this browser in a new one of their own.
    assert (await customer.says("Great")).ticket.id == ticket.id
    other = await guest.says("Somebody else")
    assert other.ticket.id != ticket.id and other.ticket.contact != after.contact


async def test_a_message_that_was_stored_and_not_acknowledged_is_still_known_after_signing_in(world: World) -> None:
    guest, _ = await world.conversation()
    first = await guest.says("Only once", key="key-0001")
    customer = await world.visitor(identity="c:17%")
    await carry(world, guest, customer)
    again = await customer.says("Only once", key="key-0001")
    assert again.repeated and again.entry is not None and first.entry is not None
    assert (again.entry.seq, again.entry.key) == (first.entry.seq, "key-0001")
    # Also where the customer used the same key before, in a chat of their own: theirs stays theirs.
    await customer.says("Theirs", key="key-0003")
    await customer.ends()
    await guest.says("Mine too", key="key-0003")
    assert await carry(world, guest, customer)
    kept = [row.body for row in await world.rows(timeline, timeline.c.dedupe.like("%key-0003"))]
    assert sorted(kept) == ["Mine too", "Theirs"]


async def test_who_has_an_open_chat_as_a_customer_keeps_that_one(world: World) -> None:
    guest, ticket = await world.conversation("Anonymous")
    customer = await world.visitor(identity="c-17")
    mine = (await customer.says("As a customer")).ticket
    assert not await carry(world, guest, customer)
    assert (await customer.ticket()).id == mine.id and (await guest.ticket()).id == ticket.id
    await customer.ends()
    assert await carry(world, guest, customer), "INB-23 forbids two open ones only"
    assert (await customer.ticket()).id == ticket.id


async def test_a_chat_that_has_ended_and_a_browser_without_one_carry_nothing(world: World) -> None:
    ana = await world.agent("ana")
    guest, ticket = await world.conversation()
    await ana.closes_for_good(ticket)
    customer = await world.visitor(identity="c-17")
    before = await world.count(contacts), await world.count(visitors)
    assert not await world.app.read(signing_in.has_open_chat, guest.key)
    assert not await carry(world, guest, customer)
    assert not await carry(world, await world.visitor(), customer)
    assert (await world.count(contacts), await world.count(visitors)) == before


async def test_ten_tabs_that_sign_in_at_once_carry_it_once(world: World) -> None:
    guest, ticket = await world.conversation()
    customer = await world.visitor(identity="c-17")
    carried = await at_once(*(carry(world, guest, customer) for _ in range(10)))
    assert sorted(carried) == [False] * 9 + [True]
    assert [entry.kind for entry in await world.entries(ticket.thread)].count("contact") == 1


async def test_what_was_typed_in_the_chat_and_what_was_uploaded_for_it_go_along(world: World) -> None:
    guest, ticket = await world.conversation()
    await guest.introduces(email="zoe@home.example")
    waiting = await guest.uploads(b"a picture", "p.txt")
    customer = await world.visitor(identity="c-17")
    await world.app.write(signing_in.carry_over, guest.key, customer.key, VisitorInfo())
    assert (await customer.ticket()).contact_email == "zoe@home.example"
    await customer.says("See", files=(waiting,))
    (row,) = await world.rows(attachments)
    assert (row.owner, row.thread_id) == (f"web:{customer.key}", ticket.thread)
