"""Suppressed addresses: who suppresses them, which reason stays, and when soft bounces suppress (SUP-1..6)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select

from server.channels.base import Accepted, Rejected, Verdict
from server.channels.bounces import Bounce, Fate
from server.consent import actions, queries, rules, suppressing, suppression_queries
from server.consent.ledger import ConsentChange
from server.consent.rules import Blocked, Method, Purpose, SendPurpose, Status, Suppressed
from server.consent.suppressing import Wanted
from server.consent.suppression_queries import Filter
from server.delivery import bounces, mail, settling
from server.delivery.mail_settings import MailSettings
from server.delivery.settling import Outcome
from server.errors import Conflict, NotFound, Refused
from server.kernel.sql import Tx
from server.schema import audit, outbound, soft_bounces, suppressions
from tests.people import add_contact
from tests.world import World

EMAIL = "anna@mail.example"


async def may_mail(world: World, contact: int, purpose: SendPurpose) -> str:
    facts = (await world.app.read(lambda conn: queries.facts_of(conn, [(contact, EMAIL)], channel="email")))[0]
    verdict = rules.may_send(purpose, "email", facts, world.now)
    return verdict.reason if isinstance(verdict, Blocked) else "allowed"


async def reason_of(world: World, address: str = EMAIL) -> str | None:
    rows = await world.rows(suppressions, suppressions.c.address == address)
    return rows[0].reason if rows else None


async def test_a_suppressed_address_gets_no_marketing_and_keeps_its_consent(world: World) -> None:
    contact = await world.app.write(lambda tx: add_contact(tx, email=EMAIL))
    yes = ConsentChange(contact, Purpose.EMAIL_MARKETING, Status.SUBSCRIBED, Method.FORM, "form:1")
    await world.app.write(actions.record, yes)
    assert await may_mail(world, contact, SendPurpose.MARKETING) == "allowed"
    agent = (await world.agent("mona")).agent
    assert await world.app.write(suppressing.suppress_by_hand, agent, [EMAIL], "asked by telephone", "203.0.113.7") == [
        True
    ]
    assert await may_mail(world, contact, SendPurpose.MARKETING) == "opted_out"
    assert await may_mail(world, contact, SendPurpose.TRANSACTIONAL) == "allowed"
    facts = (await world.app.read(lambda conn: queries.facts_of(conn, [(contact, EMAIL)], channel="email")))[0]
    assert facts.status(Purpose.EMAIL_MARKETING) == Status.SUBSCRIBED
    (row,) = await world.rows(suppressions)
    assert (row.reason, row.detail, row.source) == ("agent", "asked by telephone", f"user:{agent.id}")


async def test_an_unknown_address_stays_suppressed_when_a_contact_gets_it(world: World) -> None:
    await world.app.write(suppressing.suppress_many, [Wanted("email", EMAIL, Suppressed.AGENT)], "import:3")
    contact = await world.app.write(lambda tx: add_contact(tx, email=EMAIL))
    assert await may_mail(world, contact, SendPurpose.MARKETING) == "opted_out"


@pytest.mark.parametrize(
    ("channel", "present", "new", "stays"),
    [
        ("email", Suppressed.AGENT, Suppressed.DEAD, Suppressed.DEAD),
        ("email", Suppressed.DEAD, Suppressed.AGENT, Suppressed.DEAD),
        ("email", Suppressed.AGENT, Suppressed.SOFT_BOUNCES, Suppressed.AGENT),
        ("email", Suppressed.SOFT_BOUNCES, Suppressed.AGENT, Suppressed.AGENT),
        ("sms", Suppressed.STOP, Suppressed.DEAD, Suppressed.STOP),
        ("sms", Suppressed.INVALID, Suppressed.DEAD, Suppressed.DEAD),
    ],
)
async def test_the_stronger_reason_stays(
    world: World, channel: rules.Channel, present: Suppressed, new: Suppressed, stays: Suppressed
) -> None:
    wanted = [Wanted(channel, "x", present), Wanted(channel, "x", new)]
    assert await world.app.write(suppressing.suppress_many, wanted) == [True, stays is new]
    assert await reason_of(world, "x") == stays
    assert await world.app.write(suppressing.suppress_many, wanted[1:]) == [False]


async def test_lifting_needs_a_reason_is_logged_and_never_lifts_an_opt_out_by_text(world: World) -> None:
    agent = (await world.agent("olga")).agent
    await world.app.write(suppressing.suppress, "email", EMAIL, Suppressed.DEAD, "5.1.1")
    await world.app.write(actions.stop, "+12025550123", [])
    with pytest.raises(Refused) as refused:
        await world.app.write(suppressing.lift, agent, "email", EMAIL, " \n ", "203.0.113.7")
    assert refused.value.code == "reason_needed" and await reason_of(world) == "dead"
    with pytest.raises(Conflict):
        await world.app.write(suppressing.lift, agent, "sms", "+12025550123", "please", "203.0.113.7")
    assert await reason_of(world, "+12025550123") == "stop"
    await world.app.write(suppressing.lift, agent, "email", EMAIL, "mailbox is back", "203.0.113.7")
    assert await reason_of(world) is None
    with pytest.raises(NotFound):
        await world.app.write(suppressing.lift, agent, "email", EMAIL, "again", "203.0.113.7")
    (line,) = await world.rows(audit, audit.c.action == "suppression_lifted")
    assert (line.target, line.detail) == (f"email:{EMAIL}", {"before": "dead", "reason": "mailbox is back"})


# --- soft bounces -------------------------------------------------------------------------------------


def queue_mail(tx: Tx, state: str) -> int:
    values: dict[str, Any] = {
        "token": tx.token(12), "channel": "email", "kind": "campaign", "purpose": "marketing", "recipient": EMAIL,
        "body": "", "media": [], "segments": 0, "lane": 4, "state": state, "attempts": 1, "turn": 1,
        "due_at": tx.now, "created_at": tx.now,
    }  # fmt: skip
    return int(tx.value(insert(outbound).values(**values).returning(outbound.c.id)))


async def accepted(world: World) -> int:
    """Sends a mail that the server accepts."""
    message = await world.app.write(queue_mail, "sending")
    await world.app.write(
        settling.settle_outcomes, [Outcome(message, 1, 1, Accepted(f"id{message}", "sent"), channel="email")]
    )
    return int(message)


async def returned(world: World, message: int, fate: Fate = Fate.SOFT) -> bool:
    document = MailSettings.model_construct(return_path="bounces@shop.example", from_address="shop@shop.example")
    address = mail.return_path(world.app.key(mail.PURPOSE), message, document)
    bounce = Bounce(fate, "4.2.2", False, "mailbox full", (address,))
    return bool((await world.app.write(bounces.apply_bounce, bounce)).suppressed)


async def test_the_eighth_soft_bounce_in_a_row_suppresses_the_address(world: World) -> None:
    for _ in range(7):
        assert not await returned(world, await accepted(world))
    assert await reason_of(world) is None
    last = await accepted(world)
    assert await returned(world, last) and await reason_of(world) == "soft_bounces"
    (row,) = await world.rows(suppressions)
    assert row.detail == "4.2.2 mailbox full" and row.source == ""


async def test_a_repeated_report_counts_once(world: World) -> None:
    message = await accepted(world)
    for _ in range(9):
        await returned(world, message)
    assert [row.run for row in await world.rows(soft_bounces)] == [1]


async def test_a_mail_that_arrives_in_between_ends_the_run(world: World) -> None:
    for _ in range(7):
        await returned(world, await accepted(world))
    await accepted(world)  # nobody returns it
    assert not await returned(world, await accepted(world))
    assert [row.run for row in await world.rows(soft_bounces)] == [1]
    for _ in range(6):
        await returned(world, await accepted(world))
    await returned(world, await accepted(world), Fate.DELIVERED)
    assert not await returned(world, await accepted(world)) and await reason_of(world) is None


async def test_only_refusals_of_the_recipients_server_count_when_a_mail_is_given_up(world: World) -> None:
    from server.channels.base import NotSent
    from server.delivery import rules as delivery_rules

    def last_attempt(tx: Tx) -> int:
        message = queue_mail(tx, "sending")
        tx.run(outbound.update().where(outbound.c.id == message).values(attempts=delivery_rules.MAX_MAIL_ATTEMPTS))
        return message

    async def give_up(sent: Any) -> None:
        message = await world.app.write(last_attempt)
        await world.app.write(
            settling.settle_outcomes, [Outcome(message, 1, delivery_rules.MAX_MAIL_ATTEMPTS, sent, channel="email")]
        )
        assert (await world.rows(outbound, outbound.c.id == message))[0].state == "failed"

    await give_up(NotSent("Our mail server did not answer."))
    assert await world.count(soft_bounces) == 0
    await give_up(Rejected(452, "mailbox full", Verdict.RETRY))
    assert [row.run for row in await world.rows(soft_bounces)] == [1]


async def test_lifting_starts_a_new_run(world: World) -> None:
    for _ in range(8):
        await returned(world, await accepted(world))
    agent = (await world.agent("olga")).agent
    await world.app.write(suppressing.lift, agent, "email", EMAIL, "mailbox is back", "203.0.113.7")
    assert not await returned(world, await accepted(world)) and await reason_of(world) is None


# --- the list -----------------------------------------------------------------------------------------


async def test_pages_show_every_suppression_once_in_both_directions(world: World) -> None:
    def fill(tx: Tx) -> None:
        wanted = [Wanted("email", f"p{n:02d}@mail.example", Suppressed.AGENT) for n in range(20)]
        wanted += [Wanted("sms", f"+1202555{n:04d}", Suppressed.INVALID) for n in range(20)]
        suppressing.suppress_many(tx, wanted)

    await world.app.write(fill)
    seen: list[str] = []
    after = None
    while rows := await world.app.read(
        lambda conn, place: suppression_queries.page(conn, Filter(), 7, after=place), after
    ):
        seen += [row.address for row in rows]
        after = rows[-1].at, rows[-1].channel, rows[-1].address
    assert len(seen) == len(set(seen)) == 40
    above = await world.app.read(lambda conn: suppression_queries.page(conn, Filter(), 100, before=after))
    assert [row.address for row in reversed(above)] == seen[:-1]
    found = await world.app.read(lambda conn: suppression_queries.page(conn, Filter("email", "agent", "p1"), 100))
    assert len(found) == 10 and await world.app.read(suppression_queries.count, Filter("sms")) == 20
    assert not await world.app.read(lambda conn: suppression_queries.page(conn, Filter(find="p%"), 10))
    assert await world.app.read(lambda conn: conn.value(select(suppressions.c.address).limit(1)))
