"""Erasing a person: no table holds their name, addresses or words afterwards, the ledger stays valid, and nobody texts them
again (G14)."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert

from server.audiences import lists
from server.audit.actions import record as record_audit
from server.consent import actions, chain, opting_in, proof, queries, rules, suppressing
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Purpose, SendPurpose, Status, Suppressed
from server.contact_data import commands, erasing, joining
from server.contacts import properties
from server.delivery import actions as delivery
from server.delivery.actions import Send
from server.errors import Conflict, NotFound, Refused
from server.events.recording import record as record_events
from server.events.rules import NewEvent
from server.inbox.search_index import index_new_entries
from server.kernel.ids import digest
from server.kernel.sql import Tx
from server.schema import (
    attachments,
    audit,
    carts,
    contacts,
    drafts,
    events,
    import_rows,
    imports,
    litigators,
    order_lines,
    orders,
    outbound,
    receipts,
    short_links,
    suppressions,
    tickets,
    timeline,
    visitors,
)  # fmt: skip
from tests.mails import connect_mail_server, token_in
from tests.people import add_address, add_contact
from tests.sms import open_sms
from tests.world import World

NAME, EMAIL, SECRET = "Annabella Kowalczyk", "annabella.k@mail.example", "purplezebra"
PHONE = "+12025550188"


async def a_life(world: World) -> tuple[int, Any]:
    """A person who left traces in every table, and their texting phone."""
    await open_sms(world)
    await connect_mail_server(world.app)
    ana = await world.agent("ana")
    anna = await world.texter(PHONE, agreed=True)
    await anna.says(f"I want the {SECRET} kettle")
    contact = await anna.contact()
    ticket = await anna.ticket()
    by = ana.agent.by
    await world.app.write(lambda tx: add_address(tx, contact, "email", EMAIL))
    await world.app.write(lambda tx: tx.run(contacts.update().where(contacts.c.id == contact).values(
        name=NAME, name_key=NAME.lower(), email=EMAIL)))  # fmt: skip
    chat, _ = await world.conversation(f"My {SECRET} is broken")
    visitor_contact = await chat.contact() if hasattr(chat, "contact") else None
    news = await world.app.write(lists.create, "News", by)
    plan = await world.app.write(properties.define, "plan", "Plan", "text", by)

    def fill(tx: Tx) -> None:
        lists.add_members(tx, news.id, [contact], by)
        properties.set_values(tx, [(contact, {plan.id: f"{SECRET} gold"})], by)
        statements = [
            ConsentChange(
                contact, Purpose.EMAIL_MARKETING, Status.SUBSCRIBED, Method.AGENT, "user:1", SECRET, reason=NAME
            ),
            ConsentChange(contact, Purpose.SMS_MARKETING, Status.SUBSCRIBED, Method.KEYWORD, "sms:SM7", SECRET),
        ]
        actions.record_many(tx, statements)
        suppressing.suppress(tx, "email", EMAIL, Suppressed.AGENT, "asked")
        record_events(tx, [NewEvent(contact, "bought", "key:1", data={"what": SECRET})])
        record_audit(tx, by, "suppression_lifted", f"email:{EMAIL}", "", reason=NAME)
        delivery.queue(tx, Send("k1", "reply", "conversation", contact, PHONE, f"About your {SECRET}"))
        tx.run(insert(receipts).values(
            cause="campaign:1", contact_id=contact, address=PHONE, state="waiting", detail=NAME, at=tx.now))  # fmt: skip
        tx.run(insert(litigators).values(phone=PHONE, added_at=tx.now))
        order = tx.value(insert(orders).values(
            shop_id="9001", contact_id=contact, name=f"#{SECRET}", currency="USD", total=1, financial="paid", fulfilment="",
            status_url="", test=False, placed_at=tx.now, updated_at=tx.now, recorded_at=tx.now).returning(orders.c.id))  # fmt: skip
        tx.run(
            insert(order_lines).values(
                order_id=order, shop_id="1", title=SECRET, variant="", sku="", quantity=1, price=1
            )
        )
        tx.run(
            insert(visitors).values(
                key="hash-of-anna", contact_id=contact, email=EMAIL, name=NAME, name_key="x", created_at=tx.now
            )
        )
        tx.run(insert(attachments).values(
            token="file-of-anna", owner="web:hash-of-anna", name=f"{SECRET}.png", type="image/png", size=1, sha256="",
            created_at=tx.now))  # fmt: skip
        tx.run(insert(drafts).values(user_id=ana.agent.id, ticket_id=ticket.id, mode="reply", body=SECRET, at=tx.now))
        job = tx.value(insert(imports).values(
            kind="contacts", state="done", reading={}, counts={}, created_at=tx.now, ended_at=tx.now, file_name="people.csv",
            described={"columns": [{"header": "Email", "samples": [EMAIL]}], "preview": [{"cells": [NAME]}]},
            rehearsal={"samples": {"new": [EMAIL]}}).returning(imports.c.id))  # fmt: skip
        tx.run(
            insert(import_rows).values(
                import_id=job, n=0, file=0, line=2, verdict="new", contact_id=contact, detail={"name": NAME}
            )
        )

    await world.app.write(fill)
    await world.app.write(
        joining.join, contact, (await world.app.write(lists.create, "Later", by)).id, ana.agent, "user:1"
    )
    await world.advance()
    await index_new_entries(world.app)
    assert visitor_contact != contact
    return contact, anna


def needles() -> Iterator[str]:
    yield from (NAME, EMAIL, SECRET, PHONE, PHONE.removeprefix("+"), "Annabella", "annabella")


async def found(world: World) -> list[tuple[str, str]]:
    """Every column of every table, whatever its type, that holds one of the person's words: (table, column)."""

    def scan(conn: Any) -> list[tuple[str, str]]:
        result = []
        names = (
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            if conn.postgres
            else "SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table'"
        )
        for table, column in conn._execute(names, ()).fetchall():
            for (value,) in conn._execute(f'SELECT "{column}" FROM "{table}"', ()).fetchall():
                data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
                plain = data.decode("utf-8", "replace")
                unescaped = json.loads(f'"{plain}"') if "\\u" in plain and '"' not in plain else plain
                if any(needle.lower() in text.lower() for needle in needles() for text in (plain, unescaped)):
                    result.append((table, column))
                    break
        return result

    return await world.app.read(scan)  # type: ignore[no-any-return]


async def erase(world: World, contact: int, confirm: str | None = None) -> Any:
    olga = (await world.agent("olga")).agent
    return await world.app.write(erasing.erase, contact, olga.by, f"user:{olga.id}", confirm, "203.0.113.7")


async def test_no_table_holds_the_persons_addresses_or_words_after_an_erasure(world: World) -> None:
    contact, _ = await a_life(world)
    before = {table for table, _ in await found(world)}
    assert before >= {
        "contacts", "addresses", "timeline", "outbound", "consent_ledger", "events", "audit", "orders", "order_lines", "visitors",
        "attachments", "drafts", "property_values", "suppressions", "litigators", "imports", "import_rows", "opt_ins",
        "mail_copies" if "mail_copies" in before else "contacts",
    }  # fmt: skip
    shown = await world.app.read(erasing.preview, contact)
    assert shown.confirm == EMAIL and shown.removes["orders"] == 1 and shown.removes["messages"] >= 1
    await erase(world, contact)
    others = [row.body for row in await world.rows(timeline) if SECRET in row.body]
    assert len(others) == 1, "another person's chat keeps its words"
    await world.app.write(lambda tx: tx._execute("UPDATE timeline SET body = '' WHERE kind <> 'redacted'", ()))
    await world.app.write(lambda tx: tx._execute("UPDATE tickets SET preview = ''", ()))
    await world.advance(hours=2)
    assert await found(world) == []
    assert (await world.app.read(proof.verify, world.app.key(chain.PURPOSE))).findings == ()
    (receipt,) = await world.rows(receipts)
    assert (receipt.state, receipt.reason, receipt.address) == ("skipped", "opted_out", f"erased:{contact}")
    (line,) = await world.rows(audit, audit.c.action == "contact_erased")
    assert (line.target, line.detail["contacts"]) == (str(contact), 1)
    assert not await world.rows(attachments, attachments.c.token == "file-of-anna")
    assert not await world.rows(events, events.c.contact_id == contact) and not await world.rows(carts)
    (ticket,) = await world.rows(tickets, tickets.c.contact_id == contact)
    assert (ticket.status, ticket.preview) == ("closed", "")
    kinds = {row.kind for row in await world.rows(timeline, timeline.c.thread_id == ticket.thread_id)}
    assert kinds == {"redacted"} and not await world.rows(short_links)


async def verdict(world: World, contact: int, purpose: SendPurpose, channel: rules.Channel = "sms") -> str:
    address = PHONE if channel == "sms" else EMAIL
    facts = (await world.app.write(functools.partial(queries.facts_of, channel=channel), [(contact, address)]))[0]
    result = rules.may_send(purpose, channel, facts, world.now)
    return result.reason if isinstance(result, rules.Blocked) else "allowed"


async def test_an_erased_person_is_never_texted_again_unless_they_write(world: World) -> None:
    contact, anna = await a_life(world)
    await world.app.write(lambda tx: tx.run(litigators.delete()))
    await erase(world, contact)
    rows = await world.rows(suppressions)
    assert {row.reason for row in rows} == {"erased"} and len(rows) == 2
    again = await world.app.write(lambda tx: add_contact(tx, phone=PHONE, email=EMAIL))
    for method in (Method.IMPORT, Method.API, Method.AGENT, Method.FORM):
        yes = ConsentChange(again, Purpose.SMS_MARKETING, Status.SUBSCRIBED, method, "import:2")
        assert (await world.app.write(actions.record, yes)).reason_not_applied == "opted_out"
    yes = ConsentChange(again, Purpose.EMAIL_MARKETING, Status.SUBSCRIBED, Method.IMPORT, "import:2")
    await world.app.write(actions.record, yes)
    assert await verdict(world, again, SendPurpose.MARKETING) == "opted_out"
    assert await verdict(world, again, SendPurpose.CONVERSATION) == "opted_out"
    assert await verdict(world, again, SendPurpose.MARKETING, "email") == "opted_out"
    assert await verdict(world, again, SendPurpose.TRANSACTIONAL, "email") == "allowed"
    await anna.says("START")
    assert {row.channel for row in await world.rows(suppressions)} == {"email"}, "their own text lifts it"


async def test_confirming_a_mail_ends_the_suppression_of_an_erased_address(world: World) -> None:
    contact, _ = await a_life(world)
    await erase(world, contact)
    server = await connect_mail_server(world.app)
    again = await world.app.write(lambda tx: add_contact(tx, email=EMAIL))
    agent = (await world.agent("olga")).agent
    again_list = (await world.app.write(lists.create, "Again", agent.by)).id
    assert await world.app.write(joining.join, again, again_list, agent, "user:1") == "asked"
    await world.advance()
    await world.app.write(opting_in.confirm_by_link, digest(token_in(server.mails[-1])))
    assert await verdict(world, again, SendPurpose.MARKETING, "email") == "allowed"


async def test_an_address_that_somebody_else_has_keeps_working_for_them(world: World) -> None:
    anna = await world.app.write(lambda tx: add_contact(tx, phone=PHONE, name="Anna"))
    ben = await world.app.write(lambda tx: add_contact(tx, phone=PHONE, name="Ben"))
    yes = ConsentChange(ben, Purpose.SMS_MARKETING, Status.SUBSCRIBED, Method.FORM, "form:1")
    await world.app.write(actions.record, yes)
    await erase(world, anna)
    assert await verdict(world, ben, SendPurpose.MARKETING) == "allowed"


async def test_merged_contacts_are_erased_together_and_nobody_is_erased_twice(world: World) -> None:
    anna = await world.app.write(lambda tx: add_contact(tx, email=EMAIL, name=NAME))
    other = await world.app.write(lambda tx: add_contact(tx, phone=PHONE, name=NAME))
    await world.app.write(lambda tx: tx.run(contacts.update().where(contacts.c.id == other).values(merged_into=anna)))
    with pytest.raises(Refused) as refused:
        await erase(world, other, "yes")
    assert refused.value.code == "not_confirmed" and await found(world)
    erased = await erase(world, other, EMAIL.upper())
    assert erased.contacts == (anna, other) and await found(world) == []
    for contact in (anna, other):
        with pytest.raises(Conflict):
            await erase(world, contact)
    with pytest.raises(NotFound):
        await erase(world, 999_999)


async def test_waiting_messages_to_an_erased_person_are_not_sent(world: World) -> None:
    fake = await open_sms(world)
    anna = await world.texter(PHONE, agreed=True)
    await anna.says("Hello")
    contact = await anna.contact()
    later = Send("k2", "campaign", "marketing", contact, PHONE, "Offer", due_at=world.now.replace(year=2027))
    await world.app.write(delivery.queue, later)
    sent = len(fake.texts)
    await erase(world, contact)
    (row,) = await world.rows(outbound, outbound.c.kind == "campaign")
    assert (row.state, row.reason, row.recipient, row.body) == ("skipped", "erased", "", "")
    await world.advance(hours=24 * 60)
    assert len(fake.texts) == sent


async def test_the_command_finds_a_person_by_id_address_or_number(world: World) -> None:
    anna = await world.app.write(lambda tx: add_contact(tx, phone=PHONE, email=EMAIL))
    for who in (str(anna), f"#{anna}", EMAIL.upper(), "+1 202 555 0188"):
        assert await world.app.read(commands.find, who) == anna
    await world.app.write(lambda tx: add_contact(tx, phone=PHONE))
    with pytest.raises(Refused) as refused:
        await world.app.read(commands.find, PHONE)
    assert refused.value.code == "ambiguous"
    with pytest.raises(NotFound):
        await world.app.read(commands.find, "nobody@mail.example")
    preview = await commands.erase_preview(world.app, EMAIL)
    assert (await commands.erase(world.app, preview["contact"]))["contact"] == anna
