"""The mail thread of a contact: one each, without a ticket, read together with the contact's other threads (HIS-2)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from server.channels.base import NotSent, Rejected, Verdict
from server.delivery import mail
from server.delivery.mail import Composed, Mailing, MailRow, Withdrawn
from server.delivery.mail_settings import MailSettings
from server.delivery.pump import MailPump
from server.kernel.sql import Tx
from server.schema import outbound, threads, tickets
from server.threads import mails
from server.threads.timeline import append, by
from tests.mails import FakeServer
from tests.sms import new_person
from tests.world import World

ANA = "ana@customer.example"
SETTINGS = MailSettings(mail_on=True, host="mail.example", from_address="care@shop.example")


def compose(tx: Tx, row: MailRow) -> Composed | Withdrawn:
    if row.data.get("withdrawn"):
        return Withdrawn("returned", "The visitor came back.")
    return Composed(str(row.data["subject"]), "text")


async def open_mail(world: World) -> FakeServer:
    fake = FakeServer()
    await world.app.part(MailPump).close()
    world.app.register(MailPump(world.app, lambda server: fake, {"news": compose}))
    await world.app.write(mail.configure, SETTINGS)
    return fake


async def send(world: World, contact: int, subject: str, **data: Any) -> None:
    mailing = Mailing(f"m:{subject}", "follow_up", ANA, "news", {"subject": subject, **data}, contact=contact)
    await world.app.write(mail.queue_mail, mailing)
    await world.advance()


async def mail_history(world: World, thread: int, **cursors: Any) -> mails.History:
    return await world.app.read(
        mails.history, thread, cursors.pop("limit", 50), cursors.get("before"), cursors.get("mail_before")
    )


async def test_a_mail_is_an_entry_with_its_delivery_and_changes_no_ticket(world: World) -> None:
    fake = await open_mail(world)
    zoe, desk = await world.visitor(), await world.agent()
    ticket = await zoe.says("Where is my parcel?")
    before = await world.rows(tickets)
    contact = before[0].contact_id
    fake.answers.append(Rejected(550, "550 5.7.1 not wanted", Verdict.FAIL))
    await send(world, contact, "First")
    await send(world, contact, "Second")
    [row] = [row for row in await world.rows(threads) if row.channel == "email"]
    assert await world.rows(tickets) == before, "no ticket is made or changed"
    history = await mail_history(world, before[0].thread_id)
    assert [(one.subject, one.kind, one.state) for one in history.mails] == [
        ("First", "follow_up", "failed"), ("Second", "follow_up", "accepted"),
    ]  # fmt: skip
    assert "not wanted" in history.mails[0].words and row.contact_id == contact
    assert desk and ticket


async def test_a_withdrawn_mail_is_no_entry_and_a_retried_one_is_one(world: World) -> None:
    """A skipped message is not shown in the thread (HIS-3)."""
    fake = await open_mail(world)
    contact = await world.app.write(new_person)
    await send(world, contact, "Never", withdrawn=True)
    assert [row for row in await world.rows(threads) if row.channel == "email"] == []
    fake.answers.append(NotSent("no connection"))
    await send(world, contact, "Later")
    await world.advance(minutes=3)
    [row] = [row for row in await world.rows(outbound) if row.thread_id is not None]
    assert (row.state, row.attempts, row.seq) == ("accepted", 2, 1)


async def test_mail_to_a_user_is_in_no_thread(world: World) -> None:
    await open_mail(world)
    await world.app.write(mail.queue_mail, Mailing("u:1", "account", ANA, "news", {"subject": "Hello"}))
    await world.advance()
    assert [row.channel for row in await world.rows(threads)] == []


async def test_two_mails_at_once_share_one_thread(world: World) -> None:
    contact = await world.app.write(new_person)
    thread_ids = await asyncio.gather(*(world.app.write(mails.mail_thread, contact) for _ in range(6)))
    assert len(set(thread_ids)) == 1
    assert await world.app.read(lambda conn: conn.value(select(func.count()).select_from(threads))) == 1


async def test_pages_over_both_sequences_miss_and_repeat_nothing(world: World) -> None:
    """Messages and mails in turns, in bursts of every length; each page is a stretch of time without gaps."""
    zoe, ana = await world.visitor(), await world.agent()
    await zoe.says("0")
    [ticket] = await world.rows(tickets)
    bursts = [1, 7, 2, 0, 9, 1, 1, 4, 12, 0, 3]
    written: list[str] = []
    for number, length in enumerate(bursts):
        for n in range(length):
            world.clock.advance(timedelta(seconds=1))
            text = f"{number}.{n}"
            written.append(text)
            if number % 2:
                await world.app.write(lambda tx, t=text: append(tx, ticket.thread_id, "message", by(ana.agent), body=t))
            else:
                await world.app.write(lambda tx, t=text: mails.append_mail(tx, ticket.contact_id, 1, "campaign", t))
    for limit in (1, 2, 3, 5, 50):
        read_texts: list[str] = []
        cursors: dict[str, int] = {}
        newest_of_the_page_before = None
        for _ in range(80):
            page = await mail_history(world, ticket.thread_id, limit=limit, **cursors)
            both = [(entry.at, entry.body) for entry in page.entries if entry.kind == "message"]
            both += [(one.at, one.subject) for one in page.mails]
            both.sort()
            if both and newest_of_the_page_before is not None:
                assert both[-1][0] <= newest_of_the_page_before, "a page is older than the one after it"
            read_texts = [text for _, text in both if text in written] + read_texts
            newest_of_the_page_before = both[0][0] if both else newest_of_the_page_before
            cursors = {"before": page.first, "mail_before": page.first_mail}
            if not page.more:
                break
        assert read_texts == written, limit
