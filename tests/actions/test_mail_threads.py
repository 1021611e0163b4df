"""The mail thread of a contact: one each, without a ticket, shown with the contact's other threads (HIS-2)."""

from __future__ import annotations

import asyncio
from html import escape
from typing import Any

import pytest
from sqlalchemy import func, select

from server.channels.base import NotSent, Rejected, Verdict
from server.delivery import actions, mail
from server.delivery.mail import Composed, Mailing, MailRow, Withdrawn
from server.delivery.mail_copies import find
from server.delivery.mail_settings import MailSettings
from server.delivery.pump import MailPump
from server.errors import Conflict
from server.inbox import merging as desk
from server.kernel.sql import Tx
from server.schema import mail_copies, merges, outbound, threads, tickets, timeline
from server.threads import entries, mails
from server.threads.timeline import SYSTEM, append
from tests.mails import FakeServer
from tests.sms import new_person
from tests.world import World

ANA = "ana@customer.example"
SETTINGS = MailSettings(mail_on=True, host="mail.example", from_address="care@shop.example")


def compose(tx: Tx, row: MailRow) -> Composed | Withdrawn:
    if row.data.get("withdrawn"):
        return Withdrawn("returned", "The visitor came back.")
    secret = f"https://shop.example/in?a=1&t={tx.token(18)}"
    html = f'<a href="{escape(secret)}">Sign in</a>' if row.data.get("link") else ""
    text = f"{row.data['subject']}\n\nDear Ana,\nsign in at {secret}\n"
    return Composed(str(row.data["subject"]), text, html, secrets=[secret])


async def connect_mail_server(world: World) -> FakeServer:
    fake = FakeServer()
    await world.app.part(MailPump).close()
    world.app.register(MailPump(world.app, lambda server: fake, {"news": compose}))
    await world.app.write(mail.configure, SETTINGS)
    return fake


async def send_mail(world: World, contact: int, subject: str, **data: Any) -> None:
    mailing = Mailing(f"m:{subject}", "follow_up", ANA, "news", {"subject": subject, **data}, contact=contact)
    await world.app.write(mail.queue_mail, mailing)
    await world.advance()


async def mail_page(world: World, limit: int = 50, before: int | None = None) -> entries.Page:
    [thread] = [row for row in await world.rows(threads) if row.channel == "email"]
    return await world.app.read(entries.mail_page, thread.id, limit, before)


async def test_a_mail_is_an_entry_with_its_delivery_and_changes_no_ticket(world: World) -> None:
    fake = await connect_mail_server(world)
    zoe, desk = await world.visitor(), await world.agent()
    ticket = await zoe.says("Where is my parcel?")
    before = await world.rows(tickets)
    contact = before[0].contact_id
    fake.answers.append(Rejected(550, "550 5.7.1 not wanted", Verdict.FAIL))
    await send_mail(world, contact, "First")
    await send_mail(world, contact, "Second")
    [row] = [row for row in await world.rows(threads) if row.channel == "email"]
    assert await world.rows(tickets) == before, "no ticket is made or changed"
    page = await mail_page(world)
    assert [(entry.kind, entry.body or entry.data["state"], entry.ref_seq) for entry in page.entries] == [
        ("mail", "First", None), ("delivery", "failed", 1), ("mail", "Second", None), ("delivery", "accepted", 3),
    ]  # fmt: skip
    first, failed, *_ = page.entries
    assert (first.data["mail"], first.data["to"], first.data["line"]) == ("follow_up", ANA, "Dear Ana,")
    assert "not wanted" in failed.data["words"] and failed.data["can_retry"] and row.contact_id == contact
    assert desk and ticket


async def test_a_campaigns_mail_is_not_offered_to_be_sent_again(world: World) -> None:
    fake = await connect_mail_server(world)
    contact = await world.app.write(new_person)
    fake.answers.append(Rejected(550, "550 5.7.1 not wanted", Verdict.FAIL))
    await world.app.write(mail.queue_mail, Mailing("c", "campaign", ANA, "news", {"subject": "News"}, contact=contact))
    await world.advance()
    assert "can_retry" not in (await mail_page(world)).entries[1].data


async def test_the_copy_of_a_mail_has_everything_but_the_links_that_sign_in(world: World) -> None:
    """Neither database nor timeline contains the link, plain or escaped (G18)."""
    fake = await connect_mail_server(world)
    contact = await world.app.write(new_person)
    fake.answers.append(NotSent("no connection"))
    await send_mail(world, contact, "Welcome", link=True)
    [entry] = (await mail_page(world)).entries
    await world.advance(minutes=3)
    assert len(fake.mails) == 2 and fake.mails[0].text != fake.mails[1].text, "each attempt has a new link"
    [stored] = await world.rows(mail_copies)
    copy = await world.app.read(find, entry.data["outbound"])
    assert copy is not None and (copy.recipient, copy.subject) == (ANA, "Welcome")
    assert copy.text == "Welcome\n\nDear Ana,\nsign in at …\n" and copy.html == '<a href="…">Sign in</a>'
    everything = repr(await world.rows(timeline)) + repr(await world.rows(outbound)) + repr(stored)
    assert "in?a=1" not in everything


async def test_mail_to_a_user_has_no_copy(world: World) -> None:
    await connect_mail_server(world)
    await world.app.write(mail.queue_mail, Mailing("u:1", "account", ANA, "news", {"subject": "Hello"}))
    await world.advance()
    [row] = await world.rows(outbound)
    assert (row.state, await world.rows(mail_copies)) == ("accepted", [])
    assert await world.app.read(find, row.id) is None


async def test_a_failed_mail_is_sent_again_once(world: World) -> None:
    """To a user as well as to a contact: composed anew, for the same entry (AMB-34)."""
    fake = await connect_mail_server(world)
    contact = await world.app.write(new_person)
    fake.answers.extend([Rejected(550, "550 5.7.1 not wanted", Verdict.FAIL)] * 2)
    await world.app.write(mail.queue_mail, Mailing("u:1", "account", ANA, "news", {"subject": "For a user"}))
    await world.advance()
    await send_mail(world, contact, "For a contact")
    first = await world.rows(outbound)
    for row in first:
        queued = await world.app.write(actions.retry, row.id)
        assert (await world.app.write(actions.retry, row.id)).id == queued.id
    await world.advance()
    again = (await world.rows(outbound))[len(first) :]
    names = "channel kind purpose contact_id thread_id seq recipient sender template data lane".split()
    assert [[getattr(row, name) for name in names] for row in again] == [
        [getattr(row, name) for name in names] for row in first
    ]
    assert [row.state for row in again] == ["accepted", "accepted"]
    with pytest.raises(Conflict, match="already sent"):
        await world.app.write(actions.retry, again[0].id)
    assert [message.subject for message in fake.mails] == ["For a user", "For a contact"] * 2
    assert [entry.kind for entry in (await mail_page(world)).entries] == ["mail", "delivery", "delivery"]


async def test_a_withdrawn_mail_is_no_entry_and_a_retried_one_is_one(world: World) -> None:
    """A skipped message is not shown in the thread (HIS-3)."""
    fake = await connect_mail_server(world)
    contact = await world.app.write(new_person)
    await send_mail(world, contact, "Never", withdrawn=True)
    assert [row for row in await world.rows(threads) if row.channel == "email"] == []
    fake.answers.append(NotSent("no connection"))
    await send_mail(world, contact, "Later")
    await world.advance(minutes=3)
    [row] = [row for row in await world.rows(outbound) if row.thread_id is not None]
    assert (row.state, row.attempts, row.seq) == ("accepted", 2, 1)


async def test_mail_to_a_user_is_in_no_thread(world: World) -> None:
    await connect_mail_server(world)
    await world.app.write(mail.queue_mail, Mailing("u:1", "account", ANA, "news", {"subject": "Hello"}))
    await world.advance()
    assert [row.channel for row in await world.rows(threads)] == []


async def test_two_mails_at_once_share_one_thread(world: World) -> None:
    contact = await world.app.write(new_person)
    thread_ids = await asyncio.gather(*(world.app.write(mails.mail_thread, contact) for _ in range(6)))
    assert len(set(thread_ids)) == 1
    assert await world.app.read(lambda conn: conn.value(select(func.count()).select_from(threads))) == 1


async def test_pages_of_mail_miss_and_repeat_nothing(world: World) -> None:
    """A page counts mails, and has all deliveries of its mails, also those that came later."""
    contact = await world.app.write(new_person)
    for number in range(7):
        thread, seq = await world.app.write(mails.append_mail, contact, number, "campaign", f"{number}")
        states = ["accepted", "delivered"][: number % 3]
        for state in states:
            await world.app.write(
                lambda tx, t=thread, s=seq, st=state: append(
                    tx, t, "delivery", SYSTEM, data={"state": st}, public=False, ref=s
                )
            )
    late = await world.app.write(
        lambda tx: append(tx, thread, "delivery", SYSTEM, data={"state": "undelivered"}, public=False, ref=1)
    )
    last = late[0].seq
    for limit in (1, 2, 3, 50):
        seen: list[int] = []
        before = None
        while True:
            page = await mail_page(world, limit, before)
            assert len([entry for entry in page.entries if entry.kind == "mail"]) <= limit
            assert page.last_seq == last
            own = [entry.seq for entry in page.entries if entry.seq <= page.last]
            assert own == list(range(page.first, page.last + 1))
            if page.first == 1:
                assert late[0].seq in [entry.seq for entry in page.entries]
            seen = own + seen
            if not page.more:
                break
            before = page.first
        assert seen == list(range(1, last + 1)), limit


async def test_the_mail_threads_of_merged_contacts_are_listed_together(world: World) -> None:
    one, other, third = [await world.app.write(new_person) for _ in range(3)]
    ids = [await world.app.write(mails.mail_thread, person) for person in (one, other, third)]
    assert await world.app.read(mails.mail_threads, one) == [ids[0]]
    ana = await world.agent()
    await world.app.write(desk.merge, ana.agent, one, other, "")
    for person in (one, other):
        assert await world.app.read(mails.mail_threads, person) == ids[:2]
    [made] = await world.rows(merges)
    await world.app.write(desk.undo, ana.agent, made.id, "")
    assert await world.app.read(mails.mail_threads, one) == [ids[0]]
