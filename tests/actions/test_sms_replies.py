"""Agents' replies by SMS: consent check, queue, pictures, links, the answer to a stop request, delivery ticks
(INB-8..12, AMB-1, 33, 34)."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from server.audit import queries
from server.consent import actions as consent
from server.consent import queries as consents
from server.consent import suppressing
from server.consent.rules import SMS_PURPOSES, Purpose, Status, Suppressed
from server.consent.settings import KEYWORDS, KeywordSettings, SubscribeKeyword
from server.delivery import senders as numbers
from server.delivery.rules import OutboundSettled, SenderKind, State
from server.delivery.senders import SenderInput
from server.errors import Conflict, Refused
from server.inbox import details, settings
from server.schema import audit as audit_lines
from server.schema import outbound, senders, tickets
from server.schema.short_links import short_links
from server.sms import reactions, replies
from server.sms.settings import INBOX, InboxSettings, ShowMedia
from server.threads.tickets import Ticket
from server.webchat.settings import WIDGET
from tests.texters import OURS, UK, Texter
from tests.world import Desk, World


def picture(kind: str = "PNG") -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, kind)
    return buffer.getvalue()


PNG = picture()


async def answerable_ticket(world: World) -> tuple[Desk, Texter, Ticket]:
    ana, maria = await world.agent("ana"), await world.texter(agreed=True)
    await maria.says("Where is my parcel?")
    ticket = await maria.ticket()
    assert ticket is not None
    return ana, maria, ticket


async def settle(world: World, state: State, reason: str = "", detail: str = "") -> None:
    """Gives the newest text a new state, as a delivery event does."""
    row = (await world.rows(outbound))[-1]
    event = OutboundSettled(row.id, row.thread_id, row.seq, row.contact_id, row.kind, state, reason, detail)
    await world.app.write(reactions.note_delivery, event)


async def test_a_reply_is_one_entry_and_one_queued_message(world: World) -> None:
    ana, maria, ticket = await answerable_ticket(world)
    result = await ana.replies(ticket, "It left today.", key="key-aaaa")
    repeat = await ana.replies(ticket, "It left today.", key="key-aaaa")
    assert repeat.repeated and repeat.entry == result.entry
    (row,) = await world.rows(outbound)
    assert (row.kind, row.purpose, row.recipient, row.sender, row.body) == (
        "reply",
        "conversation",
        maria.number,
        OURS,
        "It left today.",
    )
    assert result.entry is not None and (row.thread_id, row.seq) == (ticket.thread, result.entry.seq)
    assert result.entry.data == {"origin": "sms", "outbound": row.id, "segments": 1}
    assert (result.ticket.assignee, result.ticket.unread, result.ticket.waiting_since) == (ana.id, False, None)


async def test_a_reply_reopens_a_closed_ticket(world: World) -> None:
    ana, _, ticket = await answerable_ticket(world)
    await ana.closes(ticket)
    result = await ana.replies(ticket, "One more thing")
    assert (result.ticket.status, result.ticket.closed_at) == ("open", None)
    assert await world.ticket(ticket) == result.ticket
    kinds = [(entry.kind, entry.data.get("to")) for entry in await world.entries(ticket.thread)]
    assert kinds[-2:] == [("status", "open"), ("message", None)]


async def barred(world: World, ana: Desk, ticket: Ticket) -> str:
    await ana.drafts(ticket, "Do not lose this")
    state_before = await world.entries(ticket.thread), await world.count(outbound)
    with pytest.raises(Conflict) as refused:
        await ana.replies(ticket, "Do not lose this")
    assert (await world.entries(ticket.thread), await world.count(outbound)) == state_before
    assert (ticket.id, "Do not lose this") in [(draft.ticket, draft.body) for draft in await ana.my_drafts()]
    assert await world.shown_reason(ticket) == refused.value.code
    return refused.value.code


async def test_inb_8_9_agents_cannot_reply_without_consent_but_can_write_notes(world: World) -> None:
    ana, maria = await world.agent("ana"), await world.texter()
    await maria.says("Hello")
    ticket = await maria.ticket()
    assert ticket is not None and await barred(world, ana, ticket) == "not_subscribed"
    await ana.notes(ticket, "Ask for an e-mail address")
    await maria.agrees(Purpose.SMS_MARKETING)
    assert (await world.ticket(ticket)).barred is None
    await ana.replies(ticket, "Hello Maria")


async def test_a_stop_or_a_dead_number_bars_the_reply(world: World) -> None:
    ana, maria, ticket = await answerable_ticket(world)
    await maria.says("STOP")
    assert await barred(world, ana, ticket) == "opted_out"
    tom = await world.texter(agreed=True)
    await tom.says("Hi")
    toms_ticket = await tom.ticket()
    assert toms_ticket is not None
    await world.app.write(suppressing.suppress, "sms", tom.number, Suppressed.DEAD)
    assert await barred(world, ana, toms_ticket) == "unreachable"


async def test_a_consent_revoked_by_an_agent_is_not_shown_as_an_opt_out(world: World) -> None:
    """START does not restore a consent that a colleague revoked; a recorded consent restores it (AMB-32)."""
    ana, maria, ticket = await answerable_ticket(world)
    contact = await maria.contact()
    olga = (await world.agent("olga")).agent
    for purpose in SMS_PURPOSES:
        agent_entry = consent.AgentEntry(contact, purpose, Status.UNSUBSCRIBED, "she rang")
        await world.app.write(consent.record_agent_entry, ana.agent, agent_entry)
    assert await barred(world, ana, ticket) == "taken_off"
    await maria.says("START")
    assert await barred(world, ana, ticket) == "taken_off"
    agent_entry = consent.AgentEntry(contact, Purpose.SMS_TRANSACTIONAL, Status.SUBSCRIBED, "she rang again")
    await world.app.write(consent.record_agent_entry, olga, agent_entry)
    assert (await world.ticket(ticket)).barred is None


async def test_the_composer_names_a_keyword_that_exists(world: World) -> None:
    _, _, ticket = await answerable_ticket(world)
    panel = await world.app.read(details.sms_panel, ticket.thread)
    assert panel is not None and panel.keyword is None
    await world.app.write(
        KEYWORDS.save, KeywordSettings(subscribe=[SubscribeKeyword(word="TEA"), SubscribeKeyword(word="JOIN")])
    )
    panel = await world.app.read(details.sms_panel, ticket.thread)
    assert panel is not None and panel.keyword == "TEA"


async def test_inb_11_a_text_from_a_country_without_a_number_of_ours_cannot_be_answered(world: World) -> None:
    ana, hans = await world.agent("ana"), await world.texter("+4915123456789", agreed=True)
    hans.to = UK
    await hans.says("Hallo")
    ticket = await hans.ticket()
    assert ticket is not None and ticket.barred is None, "the number that the person texted can receive replies"
    await world.app.write(lambda tx: tx.run(senders.update().where(senders.c.address == UK).values(enabled=False)))
    with pytest.raises(Conflict) as refused:
        await ana.replies(ticket, "Hallo Hans")
    assert refused.value.code == "no_sender"


async def test_inb_11_who_is_served_follows_our_numbers_and_changes_no_ticket(world: World) -> None:
    hans = await world.texter("+4915123456789", agreed=True)
    await hans.says("Hallo")
    ticket = await hans.ticket()
    assert ticket is not None and await world.shown_reason(ticket) is None
    (first, *_) = await world.rows(senders)
    await world.app.write(numbers.remove, first.id)
    assert await world.shown_reason(ticket) == "no_sender"
    await world.app.write(numbers.add, SenderInput("+4915100000000", SenderKind.LONG_CODE, "DE"))
    assert await world.shown_reason(ticket) is None, "another number serves the country"
    await world.advance(minutes=1)
    assert await world.ticket(ticket) == ticket


async def test_a_reason_of_consent_is_shown_over_a_missing_number(world: World) -> None:
    _, maria, ticket = await answerable_ticket(world)
    for row in await world.rows(senders):
        await world.app.write(numbers.remove, row.id)
    assert await world.shown_reason(ticket) == "no_sender"
    await world.app.write(suppressing.suppress, "sms", maria.number, Suppressed.AGENT)
    assert await world.shown_reason(ticket) == "opted_out"


async def test_amb_33_a_suppressed_number_is_barred_for_every_contact_with_it(world: World) -> None:
    _, maria, ticket = await answerable_ticket(world)
    await world.app.write(suppressing.suppress, "sms", maria.number, Suppressed.LANDLINE)
    assert (await world.ticket(ticket)).barred == "unreachable"
    await world.app.write(suppressing.unsuppress, "sms", maria.number)
    assert (await world.ticket(ticket)).barred is None


async def test_set_2_links_are_shortened_unless_the_owner_turns_it_off(world: World) -> None:
    ana, _, ticket = await answerable_ticket(world)
    long = "https://shop.example/track/123456789?utm_source=sms"
    result = await ana.replies(ticket, f"See {long}")
    (link,) = await world.rows(short_links)
    assert result.entry is not None and link.code in result.entry.body and long not in result.entry.body
    (row,) = await world.rows(outbound)
    assert row.body == result.entry.body and link.outbound_id == row.id
    await world.app.write(INBOX.save, InboxSettings(shorten_links=False))
    assert (await ana.replies(ticket, f"See {long}")).entry.body == f"See {long}"  # type: ignore[union-attr]


async def test_a_text_with_a_picture_is_an_mms_if_country_and_number_support_it(world: World) -> None:
    ana, _, ticket = await answerable_ticket(world)
    token = await ana.uploads(PNG, "label.png")
    result = await ana.replies(ticket, "", files=(token,))
    (row,) = await world.rows(outbound)
    assert row.media == [token] and result.entry is not None and result.entry.data["mms"]
    britta = await world.texter("+447911123460", agreed=True)
    britta.to = UK
    await britta.says("Hi")
    brittas_ticket = await britta.ticket()
    assert brittas_ticket is not None
    for data, name in ((PNG, "label.png"), (b"just words", "words.txt")):
        with pytest.raises(Refused) as refused:
            await ana.replies(brittas_ticket if data is PNG else ticket, "Look", files=(await ana.uploads(data, name),))
        assert refused.value.code == ("mms_not_supported" if data is PNG else "mms_wrong_type")


async def test_cam_30_pictures_of_one_text_have_at_most_600_kb_together_and_three_formats(world: World) -> None:
    ana, _, ticket = await answerable_ticket(world)
    noise = BytesIO()
    Image.effect_noise((720, 500), 90).save(noise, "PNG")
    assert 300_000 < len(noise.getvalue()) < 600_000, "the test needs a picture that fits once but not twice"
    files = [await ana.uploads(noise.getvalue(), f"{n}.png") for n in "ab"]
    refusals = []
    for tokens in (files, [await ana.uploads(picture("WEBP"), "c.webp")], [await ana.uploads(b"%PDF-1.7", "d.pdf")]):
        with pytest.raises(Refused) as refused:
            await ana.replies(ticket, "Look", files=tuple(tokens))
        refusals.append(refused.value.code)
    assert refusals == ["mms_too_large", "mms_wrong_type", "mms_wrong_type"] and await world.count(outbound) == 0
    for token in (files[0], await ana.uploads(picture("GIF"), "e.gif"), await ana.uploads(picture("JPEG"), "f.jpg")):
        await ana.replies(ticket, "Look", files=(token,))
    assert await world.count(outbound) == 3


async def test_a_reply_too_long_for_a_text_is_refused_and_its_draft_is_kept(world: World) -> None:
    ana, _, ticket = await answerable_ticket(world)
    with pytest.raises(Refused) as refused:
        await ana.replies(ticket, "x" * 1_601)
    assert refused.value.code == "too_long" and await world.count(outbound) == 0


# --- ticks ----------------------------------------------------------------------------------------------


async def test_a_reply_gets_a_tick_when_sent_and_another_when_settled(world: World) -> None:
    ana, _, ticket = await answerable_ticket(world)
    result = await ana.replies(ticket, "Hi")
    for state in (State.ACCEPTED, State.SENT, State.DELIVERED):
        await settle(world, state)
    assert result.entry is not None
    ticks = [entry for entry in await world.entries(ticket.thread) if entry.kind == "delivery"]
    assert [(tick.data["state"], tick.ref_seq, tick.public_seq) for tick in ticks] == [
        ("accepted", result.entry.seq, None),
        ("delivered", result.entry.seq, None),
    ]


async def test_amb_34_a_failed_reply_shows_its_reason_and_can_be_retried(world: World) -> None:
    ana, _, ticket = await answerable_ticket(world)
    ticket_before = (await ana.replies(ticket, "Hi")).ticket
    await settle(world, State.ACCEPTED)
    await settle(world, State.FAILED, "30003", "The phone is switched off.")
    await settle(world, State.ACCEPTED)
    await settle(world, State.UNDELIVERED, "30005", "Unknown number.")
    ticks = [entry.data for entry in await world.entries(ticket.thread) if entry.kind == "delivery"]
    assert [tick["state"] for tick in ticks] == ["accepted", "failed", "accepted", "undelivered"]
    assert ticks[1] | {"outbound": 0} == {
        "state": "failed", "outbound": 0, "code": 30003, "words": "The phone is switched off.", "can_retry": True,
    }  # fmt: skip
    ticket_after = await world.ticket(ticket)
    assert (ticket_after.status, ticket_after.unread, ticket_after.waiting_since) == (
        ticket_before.status,
        ticket_before.unread,
        ticket_before.waiting_since,
    )


async def test_a_reply_that_is_not_yet_sent_shows_no_tick(world: World) -> None:
    ana, _, ticket = await answerable_ticket(world)
    await ana.replies(ticket, "Hi")
    for state in (State.QUEUED, State.CLAIMED, State.SENDING):
        await settle(world, state)
    assert not [entry for entry in await world.entries(ticket.thread) if entry.kind == "delivery"]


# --- the answer to a stop request (AMB-1) ---------------------------------------------------------------


async def stop_request(world: World) -> tuple[Desk, Texter, Ticket]:
    ana, maria = await world.agent("ana"), await world.texter("+447911123461")
    maria.to = UK
    await maria.agrees(Purpose.SMS_MARKETING)
    await maria.says("please stop texting me")
    ticket = await maria.ticket()
    assert ticket is not None and ticket.stop_asked
    return ana, maria, ticket


async def test_confirming_a_stop_request_opts_the_person_out_and_sends_one_confirmation(world: World) -> None:
    ana, maria, ticket = await stop_request(world)
    for _ in range(2):
        after: Any = await world.app.write(replies.decide_stop_request, ana.agent, ticket.id, True, "key-aaaa")
        assert (after.stop_asked, after.barred) == (False, "opted_out")
    assert len(await maria.texts_queued()) == 1
    consent_entries = [entry for entry in await maria.entries() if entry.kind == "consent" and entry.data.get("status")]
    assert {entry.author_name for entry in consent_entries} == {"Ana"}
    assert {entry.data["method"] for entry in consent_entries} == {"request"}, (
        "an agent recorded the opt-out at the person's request"
    )
    result = await world.app.read(consents.contact_consents, await maria.contact())
    assert result is not None and {each_consent.method for each_consent in result.consents[:2]} == {"request"}
    await maria.says("START")
    assert (await world.ticket(ticket)).barred is None, (
        "the person requested the opt-out, so the person's START undoes it"
    )
    [line] = await world.rows(audit_lines, audit_lines.c.action == "stop_confirmed")
    assert (line.user_id, line.target) == (ana.id, str(ticket.contact))


async def test_dismissing_a_stop_request_lifts_the_pause_and_sends_nothing(world: World) -> None:
    ana, maria, ticket = await stop_request(world)
    ticket_after = await world.app.write(replies.decide_stop_request, ana.agent, ticket.id, False, "key-aaaa")
    assert (ticket_after.stop_asked, ticket_after.barred) == (False, None) and await maria.texts_queued() == []
    result = await world.app.read(consents.facts, await maria.contact(), maria.number)
    assert not result.paused and result.status(Purpose.SMS_MARKETING) == "subscribed"
    assert len(await world.rows(audit_lines, audit_lines.c.action == "stop_declined")) == 1


async def test_the_persons_own_stop_answers_the_stop_request(world: World) -> None:
    ana, maria, ticket = await stop_request(world)
    await maria.says("STOP!")
    assert not (await world.ticket(ticket)).stop_asked
    texts_queued = await maria.texts_queued()
    await world.app.write(replies.decide_stop_request, ana.agent, ticket.id, True, "key-aaaa")
    assert await maria.texts_queued() == texts_queued


async def test_a_chat_has_no_stop_request(world: World) -> None:
    ana = await world.agent("ana")
    _, ticket = await world.conversation()
    with pytest.raises(Conflict):
        await world.app.write(replies.decide_stop_request, ana.agent, ticket.id, True, "key-aaaa")


# --- settings -------------------------------------------------------------------------------------------


async def test_saving_the_inbox_settings_changes_the_widget_and_the_audit_log(world: World) -> None:
    olga = await world.agent("olga")
    changed = InboxSettings(
        auto_response_on=True, auto_response=" Later. ", show_media=ShowMedia(sms=True, webchat=True)
    )
    version = (await world.app.read(settings.load_versioned)).version
    saved = await world.app.write(settings.change, olga.agent, changed, version, "203.0.113.7")
    assert saved.values.auto_response == "Later." and saved.values.show_media.webchat
    assert (await world.app.read(WIDGET.load)).visitor_files
    lines = await world.app.read(queries.page, 10)
    assert {line.action for line in lines} >= {"inbox_changed", "widget_changed"}
    with pytest.raises(Refused):
        await world.app.write(
            settings.change, olga.agent, InboxSettings(auto_response_on=True), saved.version, "203.0.113.7"
        )


async def test_reading_an_sms_ticket_adds_no_entry_to_its_thread(world: World) -> None:
    ana, _, ticket = await answerable_ticket(world)
    await ana.reads(ticket)
    assert [entry.kind for entry in await world.entries(ticket.thread)] == ["message"]
    (row,) = await world.rows(tickets)
    assert not row.unread
