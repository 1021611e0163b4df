"""Double opt-in for lists: by a keyword that names its list, and by mail (CON-9..11)."""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import Any

import pytest

from server.accounts.rules import Agent
from server.audiences import lists
from server.consent import actions, opting_in
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Purpose, Status
from server.consent.settings import KEYWORDS, KeywordSettings, SubscribeKeyword
from server.contact_data import joining
from server.delivery.rules import Lane
from server.kernel.ids import digest
from server.schema import consent_ledger, consents, events, list_members, opt_ins, outbound
from tests.mails import FakeServer, connect_mail_server, token_in
from tests.people import add_contact
from tests.sms import open_sms
from tests.world import World

EMAIL = "anna@mail.example"


async def new_list(world: World, name: str = "News", *, double_opt_in: bool = True) -> int:
    by = (await olga(world)).by
    made = await world.app.write(functools.partial(lists.create, double_opt_in=double_opt_in), name, by)
    return int(made.id)


async def olga(world: World) -> Agent:
    return (await world.agent("olga")).agent  # type: ignore[no-any-return]


async def join(world: World, contact: int, list_id: int) -> str:
    return str(await world.app.write(joining.join, contact, list_id, await olga(world), "user:1"))


async def members(world: World, list_id: int) -> list[int]:
    return [row.contact_id for row in await world.rows(list_members, list_members.c.list_id == list_id)]


async def statuses(world: World, contact: int) -> dict[str, str]:
    return {row.purpose: row.status for row in await world.rows(consents, consents.c.contact_id == contact)}


async def asked(world: World) -> tuple[FakeServer, int, int, str]:
    """Somebody whom the mail has asked. Returns the mail server, the contact, the list and the link's token."""
    server = await connect_mail_server(world.app)
    contact = await world.app.write(lambda tx: add_contact(tx, email=EMAIL, language="pl"))
    news = await new_list(world)
    assert await join(world, contact, news) == "asked"
    await world.advance()
    return server, contact, news, token_in(server.mails[0])


async def test_con_9_somebody_joins_a_list_only_after_confirming_by_mail(world: World) -> None:
    server, contact, news, token = await asked(world)
    assert not await members(world, news) and not await world.rows(consent_ledger)
    assert not await world.rows(events, events.c.metric == "list_joined")
    (row,) = await world.rows(outbound)
    assert (row.kind, row.lane, server.mails[0].recipient) == ("opt_in", Lane.SERVICE, EMAIL)
    assert "subskrypcj" in server.mails[0].subject and token not in str(
        [tuple(row) for row in await world.rows(outbound)]
    )
    (question,) = await world.rows(opt_ins)
    assert question.link_hash == digest(token) and token not in question.wording and "Shop" not in token
    assert await world.app.write(opting_in.confirm_by_link, digest(token)) is not None
    assert await members(world, news) == [contact]
    (joined,) = await world.rows(events, events.c.metric == "list_joined")
    assert (joined.contact_id, joined.cause) == (contact, "opt_in")
    (line,) = await world.rows(consent_ledger)
    assert (line.purpose, line.status, line.method, line.source, line.address) == (
        "email_marketing", "subscribed", "double_opt_in", f"mail:{row.id}", EMAIL,
    )  # fmt: skip
    assert "subskrypcj" in line.wording, "the ledger must hold the words of the mail"
    assert await world.app.write(opting_in.confirm_by_link, digest(token)) is None, "a link works once"


async def test_a_link_expires_and_only_its_hash_confirms(world: World) -> None:
    _, _, news, token = await asked(world)
    assert await world.app.write(opting_in.confirm_by_link, token) is None
    world.clock.advance(opting_in.EXPIRES_AFTER)
    assert await world.app.write(opting_in.confirm_by_link, digest(token)) is None
    assert not await members(world, news) and not await world.rows(consent_ledger)


async def test_confirming_by_mail_never_confirms_texts(world: World) -> None:
    _, contact, _, token = await asked(world)

    def also_texts(tx: Any) -> None:
        both = [Purpose.EMAIL_MARKETING.value, Purpose.SMS_MARKETING.value]
        tx.run(opt_ins.update().values(purposes=both))

    await world.app.write(also_texts)
    await world.app.write(opting_in.confirm_by_link, digest(token))
    assert await statuses(world, contact) == {"email_marketing": "subscribed"}


async def test_a_second_wish_sends_no_second_mail_for_a_day(world: World) -> None:
    server, contact, news, _ = await asked(world)
    assert await join(world, contact, news) == "asked"
    await world.advance()
    assert len(server.mails) == 1
    world.clock.advance(opting_in.ASKED_AGAIN_AFTER)
    assert await join(world, contact, news) == "asked"
    await world.advance()
    assert len(server.mails) == 2 and token_in(server.mails[1]) != token_in(server.mails[0])


async def test_a_mail_that_waited_too_long_is_withdrawn(world: World) -> None:
    server = await connect_mail_server(world.app)
    contact = await world.app.write(lambda tx: add_contact(tx, email=EMAIL))
    await join(world, contact, await new_list(world))
    await world.app.write(lambda tx: tx.run(opt_ins.delete()))
    await world.advance()
    assert not server.mails and [row.state for row in await world.rows(outbound)] == ["skipped"]


async def test_a_list_without_double_opt_in_is_joined_at_once(world: World) -> None:
    contact = await world.app.write(lambda tx: add_contact(tx, phone="+12025550123"))
    single, double = await new_list(world, "Shop", double_opt_in=False), await new_list(world, "News")
    assert await join(world, contact, single) == "joined" and await join(world, contact, single) == "already"
    assert await join(world, contact, double) == "no_email" and not await world.rows(opt_ins)
    assert await members(world, single) == [contact]


async def keyword(world: World, **values: Any) -> None:
    await open_sms(world)
    words = KeywordSettings(brand="Kettle", gateway="off", subscribe=[SubscribeKeyword(word="JOIN", **values)])
    await world.app.write(KEYWORDS.save, words)
    KEYWORDS.cached(world.app).on_published("", None)


async def test_con_9_a_keyword_joins_its_list_after_yes_which_confirms_the_mail_too(world: World) -> None:
    texts, news = await new_list(world, "Texts", double_opt_in=False), await new_list(world, "News")
    await keyword(world, list=texts)
    await connect_mail_server(world.app)
    maria = await world.texter()
    await maria.says("join")
    contact = await maria.contact()

    def add_email(tx: Any) -> None:
        from server.schema import contacts

        tx.run(contacts.update().where(contacts.c.id == contact).values(email=EMAIL))

    await world.app.write(add_email)
    assert await join(world, contact, news) == "asked"
    assert not await members(world, texts) and not await members(world, news), "the keyword's own opt-in counts"
    await maria.says("YES")
    assert await members(world, texts) == [contact] and await members(world, news) == [contact]
    current = await statuses(world, contact)
    assert (current["sms_marketing"], current["email_marketing"]) == ("subscribed", "subscribed")
    assert not await world.rows(opt_ins)


async def test_con_10_a_keyword_with_single_opt_in_overrides_the_lists_double_opt_in(world: World) -> None:
    news = await new_list(world)
    await keyword(world, opt_in="single", list=news)
    maria = await world.texter()
    await maria.says("join")
    assert await members(world, news) == [await maria.contact()]


async def test_a_stop_ends_the_question_by_text_and_a_deleted_list_hurts_nobody(world: World) -> None:
    news = await new_list(world)
    await keyword(world, list=news)
    maria, ben = await world.texter(), await world.texter()
    await maria.says("join")
    await maria.says("STOP")
    await maria.says("YES")
    assert not await members(world, news) and not await world.rows(opt_ins)
    await ben.says("join")
    await world.app.write(lists.remove, news, (await olga(world)).by)
    await ben.says("YES")
    assert (await statuses(world, await ben.contact()))["sms_marketing"] == "subscribed"


@pytest.mark.parametrize("channel", ["sms", "email"])
async def test_con_11_a_file_asks_nobody(world: World, channel: str) -> None:
    contact = await world.app.write(lambda tx: add_contact(tx, email=EMAIL, phone="+12025550123"))
    news = await new_list(world)
    purpose = Purpose.SMS_MARKETING if channel == "sms" else Purpose.EMAIL_MARKETING
    said = ConsentChange(contact, purpose, Status.SUBSCRIBED, Method.IMPORT, "import:1")
    await world.app.write(actions.record_many, [said], "import:1")
    await world.app.write(lists.add_members, news, [contact], (await olga(world)).by, "import:1")
    await world.advance(hours=1)
    assert await members(world, news) == [contact]
    assert not await world.rows(opt_ins) and not await world.rows(outbound)
    assert timedelta() < opting_in.ASKED_AGAIN_AFTER < opting_in.EXPIRES_AFTER
