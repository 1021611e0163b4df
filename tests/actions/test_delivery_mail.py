"""Delivery of mail: it is composed when it is sent, retried for hours, never sent twice, and stopped if the server
refuses our account."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from server.channels.base import Accepted, NotSent, Rejected, Sent, Unclear, Verdict
from server.channels.mail import Mail, MailServer
from server.consent import suppressing
from server.consent.rules import Suppressed
from server.delivery import claiming, jobs, mail, mail_settings, pump, rules, settling
from server.delivery.actions import Queued
from server.delivery.mail import Composed, Composer, Mailing, MailRow, Withdrawn
from server.delivery.mail_settings import MAIL, MailSettings
from server.delivery.rules import Lane, State
from server.errors import Refused
from server.kernel.sql import Tx
from server.schema import credits, outbound, suppressions
from server.schema import jobs as jobs_table
from tests.mails import FakeServer
from tests.sms import of, open_sms, person
from tests.world import World

PASSWORD = "canary-password-of-mail"
SETTINGS = MailSettings(
    mail_on=True, host="mail.example", user="shop", from_address="care@shop.example", from_name="Shop",
    return_path="bounces@shop.example",
)  # fmt: skip
ANA = "Ana@Customer.example"


minted: list[str] = []


def greet(tx: Tx, row: MailRow) -> Composed | Withdrawn:
    """Composes a mail with a new sign-in link, as a composer of the product does."""
    if row.data.get("expired"):
        return Withdrawn("expired", "The invitation was revoked.")
    if row.data.get("broken"):
        raise KeyError("name")
    if row.data.get("refused"):
        raise Refused("gone", "This user was removed.")
    link = tx.token(18)
    minted.append(link)
    return Composed(f"Hello {row.data.get('name', '')}", f"Sign in: {link}", f"<p>{link}</p>")


COMPOSERS: dict[str, Composer] = {"greeting": greet}


async def open_mail(world: World, settings: MailSettings = SETTINGS) -> FakeServer:
    fake = FakeServer()

    def connect(server: MailServer) -> FakeServer:
        fake.servers.append(server)
        return fake

    await world.app.part(pump.MailPump).close()
    world.app.register(pump.MailPump(world.app, connect, COMPOSERS))
    await world.app.write(mail.configure, settings, PASSWORD)
    return fake


async def queue(world: World, key: str = "account:1", **values: Any) -> Queued:
    fields = {"kind": "account", "recipient": ANA, "template": "greeting", "data": {"name": "Ana"}, **values}
    return await world.app.write(mail.queue_mail, Mailing(key, **fields))


async def test_a_mail_is_sent_immediately_with_a_unique_id_and_return_path(world: World) -> None:
    fake = await open_mail(world)
    sent, other = await queue(world), await queue(world, "account:2")
    await world.advance()
    row = await of(world, sent)
    assert (row.state, row.contact, row.lane) == (State.ACCEPTED, None, Lane.SERVICE)
    first, second = fake.mails
    assert (first.recipient, first.sender, first.subject) == (ANA, "care@shop.example", "Hello Ana")
    assert row.sid == first.message_id and first.message_id.endswith("@shop.example")
    assert len({first.message_id, second.message_id, first.return_path, second.return_path}) == 4
    key = world.app.key(mail.PURPOSE)
    for message, id_ in ((first, sent.id), (second, other.id)):
        assert mail.bounced(key, message.return_path) == mail.bounced(key, message.return_path.upper()) == id_
    local, _, domain = first.return_path.rpartition("@")
    changed = "0" if local[-1] != "0" else "1"
    for forged in (f"{local[:-1]}{changed}@{domain}", f"bounces+{other.id}-{local.rpartition('-')[2]}@{domain}", "bounces@shop.example", "bounces+x-y@z", ""):  # fmt: skip
        assert mail.bounced(key, forged) is None


async def test_a_queued_mail_contains_no_link_and_each_attempt_creates_one(world: World) -> None:
    fake = await open_mail(world)
    fake.answers.append(NotSent("no connection"))
    minted.clear()
    sent = await queue(world)
    assert not minted, "no link is created before the mail is sent"
    await world.advance()
    await world.advance(minutes=2)
    assert [message.text for message in fake.mails] == [f"Sign in: {link}" for link in minted] and len(set(minted)) == 2
    stored = repr(await world.rows(outbound))
    assert not [link for link in minted if link in stored]
    assert fake.mails[0].message_id == fake.mails[1].message_id
    assert (await of(world, sent)).attempts == 2


async def test_a_retry_keeps_its_message_id_although_the_sender_changed(world: World) -> None:
    fake = await open_mail(world)
    fake.answers.append(NotSent("no connection"))
    await queue(world)
    await world.advance()
    await world.app.write(mail.configure, SETTINGS.model_copy(update={"from_address": "hello@other.example"}))
    await world.advance(minutes=2)
    first, second = fake.mails
    assert second.sender == "hello@other.example" and second.message_id == first.message_id


async def test_the_password_is_sealed_and_shown_nowhere(world: World) -> None:
    fake = await open_mail(world)
    await queue(world)
    await world.advance()
    [server] = fake.servers
    assert server.password == PASSWORD and PASSWORD not in repr(server)
    document = await world.app.read(MAIL.load)
    assert PASSWORD not in document.model_dump_json()
    saved = await world.app.write(mail.configure, document.model_copy(update={"from_name": "New"}))
    assert saved.password_sealed == document.password_sealed


async def test_a_temporarily_refused_mail_is_retried_for_hours_with_growing_pauses(world: World) -> None:
    fake = await open_mail(world)
    fake.answers.extend([Rejected(451, "451 later", Verdict.RETRY)] * 40)
    sent = await queue(world)
    sent_at = []
    for _ in range(16 * 60):
        mails_before = len(fake.mails)
        await world.advance(minutes=1)
        if len(fake.mails) > mails_before:
            sent_at.append(world.now)
    row = await of(world, sent)
    assert (row.state, row.reason, len(fake.mails)) == (State.FAILED, "451", rules.MAX_MAIL_ATTEMPTS)
    assert timedelta(hours=5) < sent_at[-1] - sent_at[0] < timedelta(hours=11)
    assert sent_at[2] - sent_at[1] < timedelta(minutes=5) < sent_at[-1] - sent_at[-2]
    assert {message.message_id for message in fake.mails} == {row.sid}


async def test_an_unclear_mail_is_never_sent_again_and_waits_for_a_person(world: World) -> None:
    fake = await open_mail(world)
    fake.answers.append(Unclear("no answer after the dot"))
    sent = await queue(world)
    for _ in range(6):
        await world.advance(hours=2)
    row = await of(world, sent)
    assert (row.state, row.reason, len(fake.mails)) == (State.UNKNOWN, "unclear", 1)
    assert not [job for job in await world.rows(jobs_table) if job.kind == settling.RECONCILE]
    olga = await world.agent("olga")
    decided = await world.app.write(settling.decide_unknown, olga.agent, sent.id, "sent")
    assert decided.state is State.SENT and not await world.rows(credits)


async def test_a_mail_becomes_unclear_after_its_process_died_but_not_too_early(world: World) -> None:
    fake = await open_mail(world)
    sent = await queue(world)
    claims = (await world.app.write(mail.claim, 10)).claims
    assert len(await world.app.write(mail.begin, claims, COMPOSERS, "https://desk.example")) == 1
    await world.advance(seconds=100)
    assert (await of(world, sent)).state is State.SENDING, "a slow server may still accept the mail"
    await world.advance(seconds=130)
    await world.advance(seconds=10)
    assert ((await of(world, sent)).state, fake.mails) == (State.UNKNOWN, [])


async def test_a_mail_claimed_by_a_dead_process_is_claimed_again_and_sent_once(world: World) -> None:
    await open_mail(world)
    await queue(world)
    paused_claims = (await world.app.write(mail.claim, 10)).claims
    assert (await world.app.write(mail.claim, 10)).claims == []
    world.clock.advance(rules.LEASE + timedelta(seconds=1))
    second_claims = (await world.app.write(mail.claim, 10)).claims
    assert await world.app.write(mail.begin, paused_claims, COMPOSERS, "https://desk.example") == []
    assert len(await world.app.write(mail.begin, second_claims, COMPOSERS, "https://desk.example")) == 1
    assert await world.app.write(mail.begin, second_claims, COMPOSERS, "https://desk.example") == []


async def test_an_address_that_does_not_exist_is_remembered_and_not_tried_again(world: World) -> None:
    fake = await open_mail(world)
    fake.answers.append(Rejected(550, "550 5.1.1 no such user", Verdict.INVALID))
    first = await queue(world)
    await world.advance()
    assert (await of(world, first)).state is State.FAILED
    assert [(row.channel, row.address, row.reason) for row in await world.rows(suppressions)] == [
        ("email", ANA.lower(), "dead")
    ]
    second = await queue(world, "account:2")
    await world.advance()
    row = await of(world, second)
    assert (row.state, row.reason, len(fake.mails)) == (State.SKIPPED, "unreachable", 1)
    assert "e-mail" in row.detail


async def test_a_full_mailbox_fails_only_this_mail(world: World) -> None:
    fake = await open_mail(world)
    fake.answers.append(Rejected(552, "552 5.2.2 full", Verdict.FAIL))
    first = await queue(world)
    await world.advance()
    second = await queue(world, "account:2")
    await world.advance()
    assert [(await of(world, queued)).state for queued in (first, second)] == [State.FAILED, State.ACCEPTED]


async def test_a_refused_sign_in_stops_mail_once_and_fails_no_mail(world: World) -> None:
    fake = await open_mail(world)
    fake.answers.extend([Rejected(535, "535: refused", Verdict.STOP_ALL)] * 2)
    sent = [await queue(world, f"account:{n}") for n in range(5)]
    await world.advance()
    await world.advance(hours=1)
    assert {(await of(world, queued)).state for queued in sent} <= {State.QUEUED, State.ACCEPTED}
    attempts = len(fake.mails)
    assert attempts <= pump.MailPump.connections and (await world.app.read(MAIL.load)).stopped == "535: refused"
    await world.app.write(mail.configure, SETTINGS, "the new password")
    await world.advance()
    assert {(await of(world, queued)).state for queued in sent} == {State.ACCEPTED}
    assert fake.servers[-1].password == "the new password" and fake.closed == 1


async def test_a_late_refusal_of_an_old_password_does_not_stop_mail_with_a_new_one(world: World) -> None:
    fake = await open_mail(world)

    async def refuses_late(message: Mail) -> Rejected:
        await world.app.write(mail_settings.save, SETTINGS, "the new password")
        return Rejected(535, "535: refused", Verdict.STOP_ALL)

    fake.answers.append(refuses_late)
    sent = await queue(world)
    await world.advance()
    assert not (await world.app.read(MAIL.load)).stopped
    await world.advance(minutes=2)
    assert (await of(world, sent)).state is State.ACCEPTED


@pytest.mark.parametrize(
    ("data", "state", "reason"),
    [
        ({"expired": True}, State.SKIPPED, "expired"),
        ({"refused": True}, State.SKIPPED, "gone"),
        ({"broken": True}, State.FAILED, "not_composed"),
    ],
)
async def test_a_mail_that_cannot_be_composed_fails_and_the_others_are_sent(
    world: World, data: dict[str, Any], state: State, reason: str
) -> None:
    fake = await open_mail(world)
    ends, unknown, good = (
        await queue(world, data=data),
        await queue(world, "u", template="nowhere"),
        await queue(world, "g"),
    )
    await world.advance()
    row = await of(world, ends)
    assert (row.state, row.reason) == (state, reason)
    assert [(await of(world, queued)).state for queued in (unknown, good)] == [State.FAILED, State.ACCEPTED]
    assert len(fake.mails) == 1


async def test_marketing_mail_asks_the_gate_and_account_mail_needs_no_consent(world: World) -> None:
    fake = await open_mail(world)
    contact = await person(world, subscribed=False)
    await world.app.write(lambda tx: suppressing.suppress(tx, "email", ANA.lower(), Suppressed.AGENT, "asked"))
    marketing = await queue(world, "m", kind="campaign", purpose="marketing", contact=contact)
    account = await queue(world, "a")
    await world.advance()
    assert [(await of(world, queued)).state for queued in (marketing, account)] == [State.SKIPPED, State.ACCEPTED]
    assert len(fake.mails) == 1


async def test_urgent_mail_is_marked_and_sent_first(world: World) -> None:
    fake = await open_mail(world)
    contact = await person(world)
    for n in range(3):
        await queue(world, f"c{n}", kind="campaign", purpose="marketing", contact=contact)
    await queue(world)
    claims = (await world.app.write(mail.claim, 2)).claims
    assert [item.lane for item in claims] == [Lane.SERVICE, Lane.CAMPAIGN]
    world.clock.advance(timedelta(seconds=16))
    await world.advance()
    assert sorted(item.urgent for item in fake.mails) == [False, False, False, True]


async def test_texts_and_mail_do_not_wait_for_each_other(world: World) -> None:
    texts = await open_sms(world)
    fake = await open_mail(world)
    both_sending = asyncio.Event()

    async def waits(message: Mail) -> Sent:
        await both_sending.wait()
        return Accepted(message.message_id, "accepted")

    def released(text: Any) -> Sent:
        both_sending.set()
        return Accepted("SM1", "queued")

    fake.answers.append(waits)
    texts.answers.append(released)
    sent = await queue(world)
    await world.worker.claim_batch()
    from tests.sms import queue as queue_text

    await queue_text(world, await person(world))
    async with asyncio.timeout(10):
        await world.worker.claim_batch()
        await world.worker.idle()
    assert (await of(world, sent)).state is State.ACCEPTED


async def test_mail_waits_while_it_is_off_and_is_sent_after_setup(world: World) -> None:
    fake = await open_mail(world, MailSettings())
    sent = await queue(world)
    await world.advance()
    assert ((await of(world, sent)).state, fake.mails) == (State.QUEUED, [])
    await world.app.write(mail.configure, SETTINGS, PASSWORD)
    await world.advance()
    assert (await of(world, sent)).state is State.ACCEPTED


async def test_a_restart_sends_waiting_mail_and_marks_mail_in_progress_as_unclear(world: World) -> None:
    fake = await open_mail(world)
    sending = await queue(world)
    [claim] = (await world.app.write(mail.claim, 1)).claims
    waits = await queue(world, "account:2")
    await world.app.write(mail.begin, [claim], COMPOSERS, "https://desk.example")
    if world.database == "postgres":
        world.clock.advance(rules.MAIL_LOST_AFTER + timedelta(seconds=1))
        await world.app.write(claiming.mark_lost)
    await world.app.write(jobs.start)
    await world.advance()
    assert [(await of(world, queued)).state for queued in (sending, waits)] == [State.UNKNOWN, State.ACCEPTED]
    assert len(fake.mails) == 1


async def test_a_key_is_queued_once_and_a_row_changed_by_hand_stays_unchanged(world: World) -> None:
    fake = await open_mail(world)
    first, repeated = await queue(world), await queue(world)
    assert repeated.repeated and first.id == repeated.id
    await world.app.write(lambda tx: tx.run(update(outbound).values(state="cancelled")))
    await world.advance()
    assert fake.mails == []
