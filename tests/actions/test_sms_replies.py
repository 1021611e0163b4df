"""Agents answer by SMS: the gate, the one door, pictures, links, the tap, ticks (SPEC INB-8..12, AMB-1, 33, 34)."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from server.accounts import audit
from server.consent import actions as consent
from server.consent import queries as consents
from server.consent.rules import SMS_PURPOSES, Purpose, Status, Suppressed
from server.consent.settings import KEYWORDS, KeywordSettings, SubscribeKeyword
from server.delivery import senders as numbers
from server.delivery.rules import OutboundSettled, SenderKind, SendersChanged, State
from server.delivery.senders import Wanted
from server.errors import Conflict, Refused
from server.inbox import jobs as inbox_jobs
from server.inbox import reactions, replies, settings, standing, widget
from server.inbox.queries import Ticket
from server.inbox.settings import INBOX, InboxSettings, ShowMedia
from server.kernel import jobs
from server.schema import audit as audit_lines
from server.schema import outbound, senders, short_links, tickets
from tests.texters import OURS, UK, Texter
from tests.world import Desk, World


def picture(kind: str = "PNG") -> bytes:
    out = BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, kind)
    return out.getvalue()


PNG = picture()


async def answerable(world: World) -> tuple[Desk, Texter, Ticket]:
    ana, maria = await world.agent("ana"), await world.texter(agreed=True)
    await maria.says("Where is my parcel?")
    ticket = await maria.ticket()
    assert ticket is not None
    return ana, maria, ticket


async def settle(world: World, state: State, reason: str = "", detail: str = "") -> None:
    """The newest message moves on, as delivery announces it."""
    row = (await world.rows(outbound))[-1]
    event = OutboundSettled(row.id, row.thread_id, row.seq, row.contact_id, row.kind, state, reason, detail)
    await world.app.write(reactions.note_delivery, event)


async def test_a_reply_is_one_entry_and_one_message_at_the_door(world: World) -> None:
    ana, maria, ticket = await answerable(world)
    done = await ana.replies(ticket, "It left today.", key="key-aaaa")
    again = await ana.replies(ticket, "It left today.", key="key-aaaa")
    assert again.repeated and again.entry == done.entry
    (row,) = await world.rows(outbound)
    assert (row.kind, row.purpose, row.recipient, row.sender, row.body) == (
        "reply",
        "conversation",
        maria.number,
        OURS,
        "It left today.",
    )
    assert done.entry is not None and (row.thread_id, row.seq) == (ticket.thread, done.entry.seq)
    assert done.entry.data == {"origin": "sms", "outbound": row.id, "segments": 1}
    assert (done.ticket.assignee, done.ticket.unread, done.ticket.waiting_since) == (ana.id, False, None)


async def test_a_reply_reopens_a_closed_ticket(world: World) -> None:
    ana, _, ticket = await answerable(world)
    await ana.closes(ticket)
    done = await ana.replies(ticket, "One more thing")
    assert (done.ticket.status, done.ticket.closed_at) == ("open", None)
    assert await world.ticket(ticket) == done.ticket
    kinds = [(entry.kind, entry.data.get("to")) for entry in await world.entries(ticket.thread)]
    assert kinds[-2:] == [("status", "open"), ("message", None)]


async def barred(world: World, ana: Desk, ticket: Ticket) -> str:
    await ana.drafts(ticket, "Do not lose this")
    before = await world.entries(ticket.thread), await world.count(outbound)
    with pytest.raises(Conflict) as refused:
        await ana.replies(ticket, "Do not lose this")
    assert (await world.entries(ticket.thread), await world.count(outbound)) == before
    assert (ticket.id, "Do not lose this") in [(draft.ticket, draft.body) for draft in await ana.my_drafts()]
    assert (await world.ticket(ticket)).barred == refused.value.code
    return refused.value.code


async def test_inb_8_9_who_never_agreed_cannot_be_answered_and_notes_can_be_written(world: World) -> None:
    ana, maria = await world.agent("ana"), await world.texter()
    await maria.says("Hello")
    ticket = await maria.ticket()
    assert ticket is not None and await barred(world, ana, ticket) == "not_subscribed"
    await ana.notes(ticket, "Ask for an e-mail address")
    await maria.agrees(Purpose.SMS_MARKETING)
    assert (await world.ticket(ticket)).barred is None
    await ana.replies(ticket, "Hello Maria")


async def test_a_stop_bars_the_reply_and_a_dead_number_too(world: World) -> None:
    ana, maria, ticket = await answerable(world)
    await maria.says("STOP")
    assert await barred(world, ana, ticket) == "opted_out"
    tom = await world.texter(agreed=True)
    await tom.says("Hi")
    other = await tom.ticket()
    assert other is not None
    await world.app.write(consent.suppress, "sms", tom.number, Suppressed.DEAD)
    assert await barred(world, ana, other) == "unreachable"


async def test_who_was_taken_off_by_hand_is_not_said_to_have_opted_out(world: World) -> None:
    """START leaves what a colleague took; a yes that is written down brings it back (AMB-32)."""
    ana, maria, ticket = await answerable(world)
    contact = await maria.known()
    olga = (await world.agent("olga")).agent
    for purpose in SMS_PURPOSES:
        wish = consent.Wish(contact, purpose, Status.UNSUBSCRIBED, "she rang")
        await world.app.write(consent.decide, ana.agent, wish)
    assert await barred(world, ana, ticket) == "taken_off"
    await maria.says("START")
    assert await barred(world, ana, ticket) == "taken_off"
    wish = consent.Wish(contact, Purpose.SMS_TRANSACTIONAL, Status.SUBSCRIBED, "she rang again")
    await world.app.write(consent.decide, olga, wish)
    assert (await world.ticket(ticket)).barred is None


async def test_the_composer_names_a_keyword_that_exists(world: World) -> None:
    _, _, ticket = await answerable(world)
    panel = await world.app.read(standing.panel, ticket.thread)
    assert panel is not None and panel.keyword is None
    await world.app.write(
        KEYWORDS.save, KeywordSettings(subscribe=[SubscribeKeyword(word="TEA"), SubscribeKeyword(word="JOIN")])
    )
    panel = await world.app.read(standing.panel, ticket.thread)
    assert panel is not None and panel.keyword == "TEA"


async def test_inb_11_a_country_that_no_number_of_ours_hears_cannot_be_answered(world: World) -> None:
    ana, hans = await world.agent("ana"), await world.texter("+4915123456789", agreed=True)
    hans.to = UK
    await hans.says("Hallo")
    ticket = await hans.ticket()
    assert ticket is not None and ticket.barred is None, "the number they texted hears them"
    await world.app.write(lambda tx: tx.run(senders.update().where(senders.c.address == UK).values(enabled=False)))
    with pytest.raises(Conflict) as refused:
        await ana.replies(ticket, "Hallo Hans")
    assert refused.value.code == "no_sender"


async def test_a_number_that_is_added_for_a_country_makes_its_people_answerable(world: World) -> None:
    hans = await world.texter("+4915123456789", agreed=True)
    await hans.says("Hallo")
    ticket = await hans.ticket()
    assert ticket is not None and ticket.barred is None
    (first, *_) = await world.rows(senders)
    await world.app.write(numbers.remove, first.id)
    await world.advance()
    assert (await world.ticket(ticket)).barred == "no_sender"
    await world.app.write(numbers.add, Wanted("+4915100000000", SenderKind.LONG_CODE, "DE"))
    await world.advance()
    assert (await world.ticket(ticket)).barred is None


async def test_amb_33_a_number_that_is_barred_is_barred_for_everybody_who_has_it(world: World) -> None:
    _, maria, ticket = await answerable(world)
    await world.app.write(consent.suppress, "sms", maria.number, Suppressed.LANDLINE)
    assert (await world.ticket(ticket)).barred == "unreachable"
    await world.app.write(consent.unsuppress, "sms", maria.number)
    assert (await world.ticket(ticket)).barred is None


async def test_set_2_links_are_shortened_by_default_and_not_when_the_owner_says_so(world: World) -> None:
    ana, _, ticket = await answerable(world)
    long = "https://shop.example/track/123456789?utm_source=sms"
    done = await ana.replies(ticket, f"See {long}")
    (link,) = await world.rows(short_links)
    assert done.entry is not None and link.code in done.entry.body and long not in done.entry.body
    (row,) = await world.rows(outbound)
    assert row.body == done.entry.body and link.outbound_id == row.id
    await world.app.write(INBOX.save, InboxSettings(shorten_links=False))
    assert (await ana.replies(ticket, f"See {long}")).entry.body == f"See {long}"  # type: ignore[union-attr]


async def test_a_picture_makes_it_an_mms_where_country_and_number_can(world: World) -> None:
    ana, _, ticket = await answerable(world)
    token = await ana.uploads(PNG, "label.png")
    done = await ana.replies(ticket, "", files=(token,))
    (row,) = await world.rows(outbound)
    assert row.media == [token] and done.entry is not None and done.entry.data["mms"]
    britta = await world.texter("+447911123460", agreed=True)
    britta.to = UK
    await britta.says("Hi")
    other = await britta.ticket()
    assert other is not None
    for data, name in ((PNG, "label.png"), (b"just words", "words.txt")):
        with pytest.raises(Refused) as refused:
            await ana.replies(other if data is PNG else ticket, "Look", files=(await ana.uploads(data, name),))
        assert refused.value.code == ("mms_not_supported" if data is PNG else "mms_wrong_type")


async def test_cam_30_pictures_of_one_text_are_under_600_kb_together_and_of_three_kinds(world: World) -> None:
    ana, _, ticket = await answerable(world)
    noise = BytesIO()
    Image.effect_noise((720, 500), 90).save(noise, "PNG")
    assert 300_000 < len(noise.getvalue()) < 600_000, "one goes, two do not"
    heavy = [await ana.uploads(noise.getvalue(), f"{n}.png") for n in "ab"]
    refusals = []
    for tokens in (heavy, [await ana.uploads(picture("WEBP"), "c.webp")], [await ana.uploads(b"%PDF-1.7", "d.pdf")]):
        with pytest.raises(Refused) as refused:
            await ana.replies(ticket, "Look", files=tuple(tokens))
        refusals.append(refused.value.code)
    assert refusals == ["mms_too_large", "mms_wrong_type", "mms_wrong_type"] and await world.count(outbound) == 0
    for token in (heavy[0], await ana.uploads(picture("GIF"), "e.gif"), await ana.uploads(picture("JPEG"), "f.jpg")):
        await ana.replies(ticket, "Look", files=(token,))
    assert await world.count(outbound) == 3


async def test_too_long_for_a_text_is_refused_and_nothing_is_lost(world: World) -> None:
    ana, _, ticket = await answerable(world)
    with pytest.raises(Refused) as refused:
        await ana.replies(ticket, "x" * 1_601)
    assert refused.value.code == "too_long" and await world.count(outbound) == 0


# --- ticks ----------------------------------------------------------------------------------------------


async def test_one_tick_when_it_left_and_one_when_it_ended(world: World) -> None:
    ana, _, ticket = await answerable(world)
    done = await ana.replies(ticket, "Hi")
    for state in (State.ACCEPTED, State.SENT, State.DELIVERED):
        await settle(world, state)
    assert done.entry is not None
    ticks = [entry for entry in await world.entries(ticket.thread) if entry.kind == "delivery"]
    assert [(tick.data["state"], tick.ref_seq, tick.public_seq) for tick in ticks] == [
        ("accepted", done.entry.seq, None),
        ("delivered", done.entry.seq, None),
    ]


async def test_amb_34_a_failure_says_why_can_be_tried_again_and_leaves_the_ticket(world: World) -> None:
    ana, _, ticket = await answerable(world)
    before = (await ana.replies(ticket, "Hi")).ticket
    await settle(world, State.ACCEPTED)
    await settle(world, State.FAILED, "30003", "The phone is switched off.")
    await settle(world, State.ACCEPTED)
    await settle(world, State.UNDELIVERED, "30005", "Unknown number.")
    ticks = [entry.data for entry in await world.entries(ticket.thread) if entry.kind == "delivery"]
    assert [tick["state"] for tick in ticks] == ["accepted", "failed", "accepted", "undelivered"]
    assert ticks[1] | {"outbound": 0} == {
        "state": "failed", "outbound": 0, "code": 30003, "words": "The phone is switched off.", "can_retry": True,
    }  # fmt: skip
    after = await world.ticket(ticket)
    assert (after.status, after.unread, after.waiting_since) == (before.status, before.unread, before.waiting_since)


async def test_what_is_still_ours_alone_shows_no_tick(world: World) -> None:
    ana, _, ticket = await answerable(world)
    await ana.replies(ticket, "Hi")
    for state in (State.QUEUED, State.CLAIMED, State.SENDING):
        await settle(world, state)
    assert not [entry for entry in await world.entries(ticket.thread) if entry.kind == "delivery"]


# --- the tap (AMB-1) ------------------------------------------------------------------------------------


async def asked(world: World) -> tuple[Desk, Texter, Ticket]:
    ana, maria = await world.agent("ana"), await world.texter("+447911123461")
    maria.to = UK
    await maria.agrees(Purpose.SMS_MARKETING)
    await maria.says("please stop texting me")
    ticket = await maria.ticket()
    assert ticket is not None and ticket.stop_asked
    return ana, maria, ticket


async def test_yes_takes_them_off_the_texts_with_the_one_confirmation(world: World) -> None:
    ana, maria, ticket = await asked(world)
    for _ in range(2):
        after: Any = await world.app.write(replies.answer_stop_wish, ana.agent, ticket.id, True, "key-aaaa")
        assert (after.stop_asked, after.barred) == (False, "opted_out")
    assert len(await maria.told()) == 1
    grey = [entry for entry in await maria.entries() if entry.kind == "consent" and entry.data.get("status")]
    assert {entry.author_name for entry in grey} == {"Ana"}
    assert {entry.data["method"] for entry in grey} == {"request"}, "they asked, and somebody here did it"
    found = await world.app.read(consents.contact_consents, await maria.known())
    assert found is not None and {one.method for one in found.consents[:2]} == {"request"}
    await maria.says("START")
    assert (await world.ticket(ticket)).barred is None, "it was their wish, so their START undoes it"
    [line] = await world.rows(audit_lines, audit_lines.c.action == "stop_confirmed")
    assert (line.user_id, line.target) == (ana.id, str(ticket.contact))


async def test_no_lifts_the_pause_and_says_nothing_to_them(world: World) -> None:
    ana, maria, ticket = await asked(world)
    after = await world.app.write(replies.answer_stop_wish, ana.agent, ticket.id, False, "key-aaaa")
    assert (after.stop_asked, after.barred) == (False, None) and await maria.told() == []
    found = await world.app.read(consents.facts, await maria.known(), maria.number)
    assert not found.paused and found.status(Purpose.SMS_MARKETING) == "subscribed"
    assert len(await world.rows(audit_lines, audit_lines.c.action == "stop_declined")) == 1


async def test_their_own_stop_answers_the_question(world: World) -> None:
    ana, maria, ticket = await asked(world)
    await maria.says("STOP!")
    assert not (await world.ticket(ticket)).stop_asked
    told = await maria.told()
    await world.app.write(replies.answer_stop_wish, ana.agent, ticket.id, True, "key-aaaa")
    assert await maria.told() == told


async def test_a_chat_has_no_such_question(world: World) -> None:
    ana = await world.agent("ana")
    _, ticket = await world.conversation()
    with pytest.raises(Conflict):
        await world.app.write(replies.answer_stop_wish, ana.agent, ticket.id, True, "key-aaaa")


async def test_numbers_that_change_while_tickets_are_looked_at_are_looked_at_from_the_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "look_again", lambda tx, after: after + 500)
    change = SendersChanged()
    await world.app.write(reactions.note_numbers, change)
    (first,) = await world.app.write(jobs.claim, 20)
    await inbox_jobs.look_at_numbers(world.app, first)
    await world.app.write(jobs.finish, first)
    (second,) = await world.app.write(jobs.claim, 20)
    assert second.payload == {"after": 500}
    await world.app.write(reactions.note_numbers, change)
    await inbox_jobs.look_at_numbers(world.app, second)
    await world.app.write(jobs.finish, second)
    (third,) = await world.app.write(jobs.claim, 20)
    assert third.payload == {"after": 0}


# --- settings -------------------------------------------------------------------------------------------


async def test_the_inboxs_settings_write_the_widgets_switch_and_the_audit_log(world: World) -> None:
    olga = await world.agent("olga")
    wanted = InboxSettings(
        auto_response_on=True, auto_response=" Later. ", show_media=ShowMedia(sms=True, webchat=True)
    )
    saved = await world.app.write(settings.change, olga.agent, wanted, "203.0.113.7")
    assert saved.auto_response == "Later." and saved.show_media.webchat
    assert (await world.app.read(widget.load)).visitor_files
    lines = await world.app.read(audit.page, 2**53, 10)
    assert {line.action for line in lines} >= {"inbox_changed", "widget_changed"}
    with pytest.raises(Refused):
        await world.app.write(settings.change, olga.agent, InboxSettings(auto_response_on=True), "203.0.113.7")


async def test_reading_an_sms_ticket_leaves_no_mark_in_a_thread_nobody_else_sees(world: World) -> None:
    ana, _, ticket = await answerable(world)
    await ana.reads(ticket)
    assert [entry.kind for entry in await world.entries(ticket.thread)] == ["message"]
    (row,) = await world.rows(tickets)
    assert not row.unread
