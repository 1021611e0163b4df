"""Merging contacts and undoing it: what agents read, whom a STOP bars, and that undo restores (IDN-1, AMB-33, G15)."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from server.channels.shopify import Customer, Order
from server.consent import actions as consent
from server.consent import chain, opting_in, proof
from server.consent import queries as consents
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Purpose, Status
from server.contacts import actions as people
from server.contacts import merging, queries
from server.contacts.rules import Identifiers
from server.errors import Conflict, NotFound
from server.events.queries import activity
from server.events.recording import record
from server.events.rules import NewEvent
from server.inbox import details, palette
from server.inbox import merging as desk
from server.schema import audit, consent_ledger, contacts, events, merges, orders, outbound, threads, timeline
from server.shop import storing
from server.shop.queries import SHOWN, of_contact
from server.sms import threads as sms_threads
from server.threads import mails, tickets
from server.threads.tickets import Ticket
from server.webchat.visitors import visitor_view
from tests.sms import open_sms, queue
from tests.texters import Texter
from tests.world import Desk, Guest, World, is_dense, numbered, open_world


async def merge(ana: Desk, contact: int, other: int) -> int:
    return await ana.world.app.write(desk.merge, ana.agent, contact, other, "")


async def undo(ana: Desk, merge_id: int | None = None) -> int:
    if merge_id is None:
        merge_id = (await ana.world.rows(merges))[-1].id
    return await ana.world.app.write(desk.undo, ana.agent, merge_id, "")


async def ticket_of(texter: Texter) -> Ticket:
    ticket = await texter.ticket()
    assert ticket is not None
    return ticket


async def two_texters(world: World) -> tuple[Texter, Texter, int, int]:
    """Two people who agreed to texts and wrote; their contacts."""
    maria, bob = await world.texter(agreed=True), await world.texter(agreed=True)
    for texter in (maria, bob):
        await world.advance(minutes=1)
        await texter.says("Hello")
    return maria, bob, await maria.contact(), await bob.contact()


async def facts(world: World, contact: int, number: str) -> Any:
    return await world.app.read(consents.facts, contact, number)


# --- tickets and threads --------------------------------------------------------------------------


async def test_the_remaining_ticket_takes_over_what_was_open_and_the_other_closes(world: World) -> None:
    ana, (maria, bob, first, second) = await world.agent("ana"), await two_texters(world)
    await ana.closes(await ticket_of(maria))
    await ana.reads(await ticket_of(maria))
    await ana.assigns(await ticket_of(bob), ana)
    assert await merge(ana, first, second) == first
    remaining, other = await world.ticket(await ticket_of(maria)), await world.ticket(await ticket_of(bob))
    assert (remaining.status, remaining.unread, remaining.assignee) == ("open", True, ana.id)
    assert remaining.waiting_since == other.last_message_at == remaining.last_message_at
    assert (other.status, other.unread, other.waiting_since) == ("closed", False, None)
    assert other.continued_in == remaining.thread and remaining.continued_in is None


async def test_undo_restores_both_tickets(world: World) -> None:
    ana, (maria, bob, first, second) = await world.agent("ana"), await two_texters(world)
    await ana.closes(await ticket_of(maria))
    before = [_state(await ticket_of(texter)) for texter in (maria, bob)]
    await merge(ana, first, second)
    await undo(ana)
    assert [_state(await ticket_of(texter)) for texter in (maria, bob)] == before


async def test_what_somebody_changed_since_the_merge_stays_after_undo(world: World) -> None:
    ana, (maria, bob, first, second) = await world.agent("ana"), await two_texters(world)
    await ana.closes(await ticket_of(maria))
    await merge(ana, first, second)
    await world.advance(minutes=1)
    await bob.says("One more thing")
    await ana.assigns(await ticket_of(maria), ana)
    await undo(ana)
    ticket = await ticket_of(maria)
    assert (ticket.status, ticket.assignee) == ("open", ana.id)
    assert "One more thing" in [entry.body for entry in await maria.entries()], "what arrived stays where it is"
    assert (await ticket_of(bob)).status == "open"


async def test_texts_of_a_merged_number_continue_in_the_remaining_thread_and_return_after_undo(world: World) -> None:
    ana, (maria, bob, first, second) = await world.agent("ana"), await two_texters(world)
    await merge(ana, first, second)
    await bob.says("It is me")
    thread = await maria.thread()
    assert thread is not None
    entries = await world.entries(thread)
    assert [entry.body for entry in entries if entry.kind == "message"] == ["Hello", "It is me"]
    assert (await ticket_of(maria)).peer == bob.number, "the reply goes to the number that the person texted from"
    await undo(ana)
    assert (await ticket_of(maria)).peer == maria.number, "a reply must not reach somebody else"
    await bob.says("And on Sunday?")
    assert (await bob.entries())[-1].body == "And on Sunday?"
    assert is_dense(numbered(await world.entries(thread)))


async def test_a_remaining_contact_without_texts_gets_the_merged_contacts_thread(world: World) -> None:
    ana, zoe, bob = await world.agent("ana"), await world.visitor(), await world.texter()
    chat = (await zoe.says("Hello")).ticket
    await bob.says("Hello")
    await merge(ana, chat.contact, await bob.contact())
    await bob.says("Again")
    (thread,) = await world.rows(threads, threads.c.channel == "sms")
    assert thread.continued_in is None and thread.last_seq >= 2
    result = await world.app.read(tickets.tickets_of_contact, chat.contact)
    assert {item.id for item in result} == {(await ticket_of(bob)).id, chat.id}


async def test_an_agent_cannot_reply_in_the_ended_thread(world: World) -> None:
    await open_sms(world)
    ana, (_, bob, first, second) = await world.agent("ana"), await two_texters(world)
    await merge(ana, first, second)
    with pytest.raises(Conflict) as refused:
        await ana.replies(await ticket_of(bob), "Hello?")
    assert refused.value.code == "merged"
    await undo(ana)
    await ana.replies(await ticket_of(bob), "Hello?")


async def test_agents_read_the_whole_set(world: World) -> None:
    ana, (maria, bob, first, second) = await world.agent("ana"), await two_texters(world)
    await world.app.write(people.set_name, ana.agent, second, "Bob Stone", "bob@mail.example", "")
    await world.app.write(people.set_name, ana.agent, first, "Maria Silva", None, "")
    await merge(ana, first, second)
    assert (await ticket_of(bob)).contact_name == "Maria Silva"
    for contact in (first, second):
        result = {(row.kind, row.value) for row in await world.app.read(queries.addresses_of, contact)}
        assert result == {("phone", maria.number), ("phone", bob.number), ("email", "bob@mail.example")}
        assert len(await world.app.read(tickets.tickets_of_contact, contact)) == 2
        panel = await world.app.read(consents.contact_consents, contact)
        assert panel is not None and len(panel.history) == 2
    for words in ("bob stone", "bob@mail", bob.number):
        contacts_found, _ = await world.app.read(palette.find, words)
        assert [item.id for item in contacts_found] == [first]
    await world.app.write(people.set_name, ana.agent, second, "Maria S.", None, "")
    assert (await ticket_of(maria)).contact_name == "Maria S.", "the name of the set is the remaining contact's"
    await undo(ana)
    assert (await ticket_of(bob)).contact_name == "Bob Stone"
    assert [item.id for item in (await world.app.read(palette.find, "bob stone"))[0]] == [second]


async def test_merged_contacts_are_no_duplicates_of_each_other(world: World) -> None:
    ana, maria = await world.agent("ana"), await world.texter()
    await maria.says("Hello")
    first = await maria.contact()
    twin = Identifiers(shop="2", phone=maria.number)
    await world.app.write(people.find_or_create, Identifiers(shop="1", phone=maria.number), ana.agent.by)
    second = (await world.app.write(people.find_or_create, twin, ana.agent.by)).contact
    assert [item.id for item in await world.app.read(queries.same_number, first)] == [second]
    await merge(ana, first, second)
    assert await world.app.read(queries.same_number, first) == []
    panel = await world.app.read(details.sms_panel, (await ticket_of(maria)).thread)
    assert panel is not None and panel.others == []


async def test_a_repeated_merge_or_undo_changes_nothing(world: World) -> None:
    ana, (_, _, first, second) = await world.agent("ana"), await two_texters(world)
    await merge(ana, first, second)
    for pair in ((first, second), (second, first), (first, first)):
        assert await merge(ana, *pair) == first
    assert await world.count(merges) == 1
    for _ in range(2):
        assert await undo(ana) == first
    for call in (merge(ana, first, 999), merge(ana, 999, first), undo(ana, 999)):
        with pytest.raises(NotFound):
            await call
    assert [row.action for row in await world.rows(audit, audit.c.target == str(first))] == [
        "contact_merged", "contact_separated"
    ]  # fmt: skip


async def test_an_undo_in_the_middle_separates_only_what_that_merge_joined(world: World) -> None:
    ana = await world.agent("ana")
    ids = [
        (await world.app.write(people.find_or_create, Identifiers(crm=name), ana.agent.by)).contact for name in "abcd"
    ]
    a, b, c, d = ids
    await merge(ana, b, c)  # {b, c}
    await merge(ana, a, b)  # {a, b, c}
    await merge(ana, d, a)  # {d, a, b, c}
    assert {row.merged_into for row in await world.rows(contacts, contacts.c.id.in_(ids))} == {None, d}
    second = (await world.rows(merges))[1].id
    await undo(ana, second)
    roots = {row.id: row.merged_into for row in await world.rows(contacts, contacts.c.id.in_(ids))}
    assert roots == {a: d, b: None, c: b, d: None}
    assert await world.app.read(merging.members, c) == [b, c]


async def test_agents_read_events_orders_and_mail_of_the_whole_set(world: World) -> None:
    ana, (maria, bob, first, second) = await world.agent("ana"), await two_texters(world)
    for number, texter in enumerate((maria, bob)):
        await world.advance(minutes=1)
        await world.app.write(storing.store_order, order(number, texter, world))
    mailed = [await world.app.write(mails.mail_thread, contact) for contact in (first, second)]

    async def read(contact: int) -> tuple[list[str], list[str], list[int]]:
        events_read = [event.data["name"] for event in await world.app.read(activity, contact, "order_placed")]
        bought = [item.name for item in await world.app.read(of_contact, contact)]
        return events_read, bought, await world.app.read(mails.mail_threads, contact)

    assert await read(first) == (["#0"], ["#0"], mailed[:1])
    await merge(ana, first, second)
    for contact in (first, second):
        assert await read(contact) == (["#1", "#0"], ["#1", "#0"], mailed)
        assert [event.data["name"] for event in await world.app.read(activity, contact, "order_placed", None, 1)] == [
            "#1"
        ]
    await undo(ana)
    assert await read(second) == (["#1"], ["#1"], mailed[1:])


# --- consent --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stops", ["remaining", "merged"])
async def test_a_stop_of_one_bars_the_whole_set(world: World, stops: str) -> None:
    await open_sms(world)
    ana, (maria, bob, first, second) = await world.agent("ana"), await two_texters(world)
    await merge(ana, first, second)
    await (maria if stops == "remaining" else bob).says("STOP")
    for contact, number in ((first, maria.number), (first, bob.number), (second, maria.number), (second, bob.number)):
        result = await facts(world, contact, number)
        assert result.status(Purpose.SMS_TRANSACTIONAL) == "unsubscribed"
    sent = await queue(world, first, recipient=maria.number)
    await world.advance(minutes=1)
    (row,) = [row for row in await world.rows(outbound) if row.id == sent.id]
    assert (row.state, row.reason) == ("skipped", "opted_out")
    assert (await ticket_of(maria)).barred == "opted_out"
    await undo(ana)
    assert (await ticket_of(maria if stops == "remaining" else bob)).barred == "opted_out"


async def test_an_opt_out_from_before_the_merge_bars_the_set_until_the_undo(world: World) -> None:
    ana, (maria, bob, first, second) = await world.agent("ana"), await two_texters(world)
    await bob.says("STOP")
    assert (await ticket_of(maria)).barred is None
    await world.advance(minutes=1)
    await maria.agrees()
    await merge(ana, first, second)
    assert (await ticket_of(maria)).barred == "opted_out", "a newer yes of the other does not end somebody's own no"
    await undo(ana)
    assert (await ticket_of(maria)).barred is None
    assert (await ticket_of(bob)).barred == "opted_out"


async def test_without_a_refusal_by_text_the_newest_statement_of_the_set_counts(world: World) -> None:
    ana, (maria, _, first, second) = await world.agent("ana"), await two_texters(world)
    await merge(ana, first, second)

    async def entry(contact: int, status: Status) -> str:
        await world.advance(minutes=1)
        change = ConsentChange(contact, Purpose.SMS_MARKETING, status, Method.AGENT, f"user:{ana.id}")
        await world.app.write(consent.record, change)
        return str((await facts(world, first, maria.number)).status(Purpose.SMS_MARKETING))

    assert await entry(second, Status.SUBSCRIBED) == "subscribed"
    assert await entry(first, Status.UNSUBSCRIBED) == "unsubscribed"
    assert await entry(second, Status.SUBSCRIBED) == "subscribed"


async def test_keywords_by_text_stay_with_the_owner_of_the_number(world: World) -> None:
    ana, (maria, bob, first, second) = await world.agent("ana"), await two_texters(world)
    await merge(ana, first, second)
    await world.app.write(lambda tx: opting_in.ask_opt_in(tx, second, wording="Reply YES", source="form"))
    await bob.says("YES")
    assert (await facts(world, first, maria.number)).status(Purpose.SMS_MARKETING) == "subscribed"
    await undo(ana)
    assert (await facts(world, second, bob.number)).status(Purpose.SMS_MARKETING) == "subscribed"
    assert (await facts(world, first, maria.number)).status(Purpose.SMS_MARKETING) == "never_subscribed"


# --- G15 ------------------------------------------------------------------------------------------


async def test_g15_a_merge_changes_nothing_that_a_visitors_token_reaches(world: World) -> None:
    ana, maria = await world.agent("ana"), await world.texter()
    anonymous, signed = await world.visitor(), await world.visitor(identity="e-1", name="Signed")
    await maria.says("Hello")
    chats = [(await guest.says("Hello")).ticket for guest in (anonymous, signed)]
    before = [await _reach(world, guest) for guest in (anonymous, signed)]
    await merge(ana, await maria.contact(), chats[0].contact)
    await merge(ana, await maria.contact(), chats[1].contact)
    await world.app.write(people.set_name, ana.agent, await maria.contact(), "Maria", "maria@mail.example", "")
    assert [await _reach(world, guest) for guest in (anonymous, signed)] == before
    message_ticket = (await signed.says("Me again")).ticket
    assert message_ticket.thread == chats[1].thread and message_ticket.contact == chats[1].contact


async def _reach(world: World, guest: Guest) -> Any:
    view = await world.app.read(visitor_view, guest.key)
    assert view is not None and view.thread is not None
    visible = await world.rows(timeline, timeline.c.thread_id == view.thread, timeline.c.public_seq.is_not(None))
    return view, [(row.seq, row.body) for row in visible]


# --- any order of merges, undos, texts and opt-outs -----------------------------------------------

PEOPLE = 4  # two texters, an anonymous visitor and one who is signed in
_person = st.integers(0, PEOPLE - 1)
_step = st.one_of(
    st.tuples(st.just("text"), st.integers(0, 1), st.sampled_from(["Hello", "STOP", "START"])),
    st.tuples(st.just("chat"), st.integers(2, 3), st.just("")),
    st.tuples(st.just("merge"), _person, _person),
    st.tuples(st.just("undo"), st.integers(0, 5), st.just("")),
    st.tuples(st.just("order"), st.integers(0, 1), st.just("")),
    st.tuples(st.just("event"), _person, st.just("")),
    st.tuples(st.just("mail"), _person, st.just("")),
    st.tuples(st.just("consent"), _person, st.sampled_from([Status.SUBSCRIBED, Status.UNSUBSCRIBED])),
    st.tuples(st.just("desk"), st.integers(0, 1), st.sampled_from(["close", "assign", "read"])),
)


# A merge closes and opens tickets, which are events too.
_OF_MERGES = {"ticket_closed", "ticket_opened", "contact_changed"}


def order(number: int, texter: Texter, world: World) -> Order:
    """A paid order of the person with this number."""
    person = Customer(None, None, texter.number, "")
    moments = {"placed_at": world.now, "updated_at": world.now, "cancelled_at": None}
    states = {"financial": "paid", "fulfilment": "unfulfilled", "status_url": "", "test": False}
    return Order(str(number), f"#{number}", person, "EUR", 100, **states, **moments, lines=(), refunds=())  # type: ignore[arg-type]


class Story:
    """One world, and the expected result of its merges."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.edges: dict[int, tuple[int, int]] = {}  # merges that are not undone: contact, survivor
        self.entries: dict[int, list[Any]] = {}
        self.orders = 0

    async def begin(self) -> None:
        self.ana = await self.world.agent("ana")
        self.texters = [await self.world.texter(agreed=True) for _ in range(2)]
        self.guests = [await self.world.visitor(), await self.world.visitor(identity="e-1", name="Signed")]
        for texter in self.texters:
            await texter.says("Hi")
        chats = [(await guest.says("Hi")).ticket for guest in self.guests]
        self.contacts = [*[await texter.contact() for texter in self.texters], *[chat.contact for chat in chats]]

    def set_of(self, contact: int) -> set[int]:
        result = {contact}
        while new := {end for edge in self.edges.values() if result & {*edge} for end in edge} - result:
            result |= new
        return result

    async def take(self, step: tuple[str, int, Any]) -> None:
        await self.world.advance(seconds=1)
        match step:
            case ("text", who, word):
                await self.texters[who].says(word)
            case ("chat", who, _):
                await self.guests[who - 2].says("Hello")
            case ("desk", who, what):
                ticket = await ticket_of(self.texters[who])
                if what == "close":
                    await self.ana.closes(ticket)
                elif what == "assign":
                    await self.ana.assigns(ticket, self.ana)
                else:
                    await self.ana.reads(ticket)
            case ("order", who, _):
                self.orders += 1
                await self.world.app.write(storing.store_order, order(self.orders, self.texters[who], self.world))
            case ("event", who, _):
                await self.world.app.write(record, [NewEvent(self.contacts[who], "visited", "key:1")])
            case ("mail", who, _):
                await self.world.app.write(mails.append_mail, self.contacts[who], 0, "campaign", "News")
            case ("consent", who, status):
                change = ConsentChange(self.contacts[who], Purpose.EMAIL_MARKETING, status, Method.AGENT, "user:1")
                await self.world.app.write(consent.record, change)
            case ("merge", first, second):
                await self._merge(self.contacts[first], self.contacts[second])
            case ("undo", place, _) if self.edges:
                merge_id = sorted(self.edges)[place % len(self.edges)]
                await undo(self.ana, merge_id)
                del self.edges[merge_id]
        if step[0] not in ("chat", "desk"):
            await self.check()

    async def _merge(self, first: int, second: int) -> None:
        if second in self.set_of(first):
            before = await self.snapshot()
            await merge(self.ana, first, second)
            assert await self.snapshot() == before, "a repeated merge changes nothing"
            return
        reached = [await _reach(self.world, guest) for guest in self.guests]
        before = await self.snapshot()
        await merge(self.ana, first, second)
        await undo(self.ana)
        assert await self.snapshot() == before, "undo restores exactly"
        await merge(self.ana, first, second)
        row = (await self.world.rows(merges))[-1]
        self.edges[row.id] = (row.contact_id, row.survivor_id)
        assert [await _reach(self.world, guest) for guest in self.guests] == reached, "G15"

    async def snapshot(self) -> Any:
        gate = [
            (await facts(self.world, contact, texter.number)).statuses.get(purpose, "never_subscribed")
            for contact in self.contacts
            for texter in self.texters
            for purpose in (Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL)
        ]
        gate += [(await self._email(contact)) for contact in self.contacts]
        reads = [await self._reads(contact) for contact in self.contacts]
        return (
            reads,
            [row.merged_into for row in await self.world.rows(contacts)],
            [
                (row.id, row.contact_id, row.peer, row.sender, row.continued_in)
                for row in await self.world.rows(threads)
            ],
            [_state(await ticket_of(texter)) for texter in self.texters],
            gate,
            [(row.contact_id, row.n, row.mac) for row in await self.world.rows(consent_ledger)],
            [(row.contact_id, row.metric) for row in await self.world.rows(events) if row.metric not in _OF_MERGES],
        )

    async def _email(self, contact: int) -> str:
        found = await self.world.app.read(lambda conn: consents.facts(conn, contact, "a@mail.example", channel="email"))
        return str(found.statuses.get(Purpose.EMAIL_MARKETING, "never_subscribed"))

    async def _email_word(self, expected: set[int]) -> str:
        """The newest word of the set about mail. Agents wrote these down, so none is somebody's own no."""
        rows = await self.world.rows(consents.consents, consents.consents.c.purpose == Purpose.EMAIL_MARKETING)
        own = [row for row in rows if row.contact_id in expected]
        return max(own, key=lambda row: row.happened_at).status if own else "never_subscribed"

    async def _reads(self, contact: int) -> tuple[list[int], list[int], list[int]]:
        """The events, orders and mail threads that agents read of this contact."""
        read = self.world.app.read
        seen = [
            event.id for event in await read(activity, contact, None, None, 1_000) if event.metric not in _OF_MERGES
        ]
        return seen, [item.id for item in await read(of_contact, contact)], await read(mails.mail_threads, contact)

    async def _check_reads(self, contact: int, expected: set[int]) -> None:
        """Agents read what belongs to the whole set, newest first, whatever page by page."""
        world = self.world
        seen, bought, mailed = await self._reads(contact)
        rows = [row for row in await world.rows(events) if row.contact_id in expected and row.metric not in _OF_MERGES]
        assert seen == [row.id for row in sorted(rows, key=lambda row: (row.happened_at, row.id), reverse=True)]
        paged: list[int] = []
        before = None
        while page := await world.app.read(activity, contact, None, before, 3):
            paged += [event.id for event in page if event.metric not in _OF_MERGES]
            before = page[-1].happened_at, page[-1].id
        assert paged == seen
        own = [row for row in await world.rows(orders) if row.contact_id in expected]
        newest = sorted(own, key=lambda row: (row.placed_at, row.id), reverse=True)
        assert bought == [row.id for row in newest][: len(bought)] and len(bought) == min(len(own), SHOWN)
        assert mailed == [
            row.id for row in await world.rows(threads) if row.channel == "email" and row.contact_id in expected
        ]

    async def check(self) -> None:
        world = self.world
        rows = {row.id: row for row in await world.rows(contacts)}
        for contact in self.contacts:
            expected = self.set_of(contact)
            root = rows[contact].merged_into or contact
            assert rows[root].merged_into is None, "merged_into names the root"
            assert set(await world.app.read(merging.members, contact)) == expected
            await self._check_reads(contact, expected)
            own_threads = [thread for thread in await world.app.read(sms_threads.of_set, contact)]
            going_on = [thread for thread in own_threads if thread.continued_in is None]
            assert len(going_on) == (1 if own_threads else 0)
            assert {thread.continued_in for thread in own_threads} <= {None, *(thread.id for thread in own_threads)}
            bars = [await self._own_no(member) for member in expected]
            for texter in self.texters:
                status = (await facts(world, contact, texter.number)).status(Purpose.SMS_TRANSACTIONAL)
                assert status == ("unsubscribed" if any(bars) else status), "STOP on one bars the set"
                if not any(bars) and expected & {*self.contacts[:2]}:
                    assert status == "subscribed"
        for contact in self.contacts:
            assert await self._email(contact) == await self._email_word(self.set_of(contact)), "the newest word counts"
        for row in await world.rows(threads):
            entries = await world.entries(row.id)
            assert is_dense(numbered(entries))
            written = [(entry.seq, entry.kind, entry.body) for entry in entries]
            assert written[: len(self.entries.get(row.id, []))] == self.entries.get(row.id, []), "threads never move"
            self.entries[row.id] = written

    async def _own_no(self, member: int) -> bool:
        rows = await self.world.rows(consents.consents, consents.consents.c.contact_id == member)
        return any(
            row.purpose == Purpose.SMS_TRANSACTIONAL and row.status == "unsubscribed" and row.method == "keyword"
            for row in rows
        )


def _state(ticket: Ticket) -> Any:
    names = (
        "status unread assignee waiting_since snoozed_until closed_at last_message_at stop_asked barred contact_name"
    )
    return [getattr(ticket, name) for name in names.split()]


@pytest.mark.timeout(420)
@pytest.mark.parametrize(("database", "examples"), [("sqlite", 10), ("postgres", 3)])
def test_any_sequence_of_merges_and_undos_keeps_the_rules(database: str, examples: int) -> None:
    async def tell(steps: list[tuple[str, int, Any]]) -> None:
        with tempfile.TemporaryDirectory(prefix="merging-") as folder:
            async with open_world(Path(folder) / "data", database) as world:
                story = Story(world)
                await story.begin()
                for step in steps:
                    await story.take(step)
                for merge_id in sorted(story.edges):
                    await undo(story.ana, merge_id)
                assert {row.merged_into for row in await world.rows(contacts)} == {None}
                assert {row.continued_in for row in await world.rows(threads)} == {None}
                assert (await world.app.read(proof.verify, world.app.key(chain.PURPOSE))).findings == ()

    # Without shrinking, which would run many more stories and take minutes.
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(_step, min_size=1, max_size=10))
    def check(steps: list[tuple[str, int, Any]]) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(tell(steps))

    check()
