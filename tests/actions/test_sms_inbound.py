"""Inbound texts: threads, tickets, keywords, automatic replies (INB-3..9, 20, 21, KEY-1..15, AMB-1, 2, 33,
SET-5..7)."""

from __future__ import annotations

from typing import Any

import pytest

from server.consent import queries as consents
from server.consent.rules import Purpose
from server.consent.settings import KEYWORDS, KeywordSettings, SubscribeKeyword
from server.schema import carrier_inbound, contacts, outbound, threads, timeline
from server.sms import receiving
from server.sms.receiving import Outcome
from server.sms.settings import INBOX, InboxSettings
from server.threads import tickets
from server.threads.tickets import INBOX_TOPIC
from tests.people import add_contact
from tests.texters import UK, Texter
from tests.world import World, at_once, is_dense, numbered

ROBOT = "This number is not read all the time. Write to help@shop.example."


async def set_up(world: World, **words: Any) -> None:
    await world.app.write(KEYWORDS.save, KeywordSettings(**words))
    KEYWORDS.cached(world.app).on_published("", None)


async def automatic_texts(world: World, to: str = "non_consented") -> None:
    inbox_settings = InboxSettings(auto_response_on=True, auto_response=ROBOT, auto_response_to=to)  # type: ignore[arg-type]
    await world.app.write(INBOX.save, inbox_settings)
    INBOX.cached(world.app).on_published("", None)


async def marketing_status(who: Texter) -> str:
    result = await who.world.app.read(consents.facts, await who.contact(), who.number)
    return result.status(Purpose.SMS_MARKETING)


# --- tickets and threads ------------------------------------------------------------------------------


async def test_inb_3_7_a_text_from_an_unknown_number_makes_a_contact_and_an_open_unread_ticket(world: World) -> None:
    maria = await world.texter()
    result = await maria.says("Is the shop open today?")
    ticket = await maria.ticket()
    assert result.outcome is Outcome.STORED and ticket is not None
    assert (ticket.channel, ticket.status, ticket.unread) == ("sms", "open", True)
    assert (ticket.contact_phone, ticket.peer, ticket.sender) == (maria.number, maria.number, maria.to)
    assert (ticket.preview, ticket.preview_by, ticket.waiting_since) == (
        "Is the shop open today?",
        "contact",
        world.now,
    )
    (entry,) = await maria.entries()
    assert entry.for_agents()["author"]["type"] == "contact"
    assert entry.for_agents()["data"] == {"origin": "sms"} and entry.data["sid"], (
        "agents must not receive the carrier's message id"
    )
    assert ticket.barred == "not_subscribed", "a text to us is not a consent"
    assert await maria.texts_queued() == []


async def test_inb_33_a_late_read_mark_of_another_window_does_not_undo_mark_unread_of_a_text(world: World) -> None:
    ana, maria = await world.agent("ana"), await world.texter()
    await maria.says("Is the shop open today?")
    ticket = await maria.ticket()
    assert ticket is not None
    assert not (await ana.reads(ticket, rev=ticket.rev)).unread
    marked = await ana.marks_unread(ticket)
    assert (await ana.reads(ticket, rev=ticket.rev)).unread, "the other window had not seen that it was marked"
    assert not (await ana.reads(ticket, rev=marked.rev)).unread
    assert [entry.kind for entry in await maria.entries()] == ["message"], "texts have no read receipts"


async def test_inb_21_every_later_text_joins_the_one_thread_and_reopens_a_closed_or_snoozed_ticket(
    world: World,
) -> None:
    ana, maria = await world.agent("ana"), await world.texter()
    await maria.says("One")
    first = await maria.ticket()
    assert first is not None
    await ana.reads(first)
    await ana.closes(first)
    await maria.says("Two")
    same_ticket = await maria.ticket()
    assert same_ticket is not None and (same_ticket.id, same_ticket.thread) == (first.id, first.thread)
    assert (same_ticket.status, same_ticket.unread, same_ticket.closed_at, same_ticket.preview) == (
        "open",
        True,
        None,
        "Two",
    )
    entries = await maria.entries()
    assert is_dense(numbered(entries))
    kinds = [(entry.kind, entry.data.get("to")) for entry in entries]
    assert kinds == [("message", None), ("status", "closed"), ("status", "open"), ("message", None)]
    assert entries[2].author_type == "contact"


async def test_a_text_is_stored_as_it_was_written(world: World) -> None:
    maria = await world.texter()
    words = "€5 “smart” {{name}} =HYPERLINK(1) <b>x</b> https://evil.example 👋🏽 \n" + "é" * 1_500
    await maria.says(words)
    assert (await maria.entries())[0].body == words


async def test_a_text_of_a_shared_number_goes_to_the_last_active_contact_and_stop_applies_to_both(world: World) -> None:
    """AMB-33."""
    maria = await world.texter()
    await maria.agrees(Purpose.SMS_MARKETING)
    first = await maria.contact()
    await world.advance(minutes=1)

    def twin(tx: Any) -> int:
        return add_contact(tx, phone=maria.number)

    second = await world.app.write(twin)
    await maria.says("Hello")
    (thread,) = await world.rows(threads)
    assert thread.contact_id == second != first
    await maria.says("STOP")
    result = await world.app.read(consents.facts, first, maria.number)
    assert result.status(Purpose.SMS_MARKETING) == "unsubscribed" and result.suppressed == "stop"


async def test_replies_come_from_the_number_that_the_person_texted(world: World) -> None:
    maria = await world.texter(agreed=True)
    await maria.says("Hi")
    maria.to = UK
    await maria.says("Hi again")
    ticket = await maria.ticket()
    assert ticket is not None and ticket.sender == UK and len(await world.rows(threads)) == 1


class Lists:
    """Records every summary that lists receive."""

    def __init__(self) -> None:
        self.last: Any = None

    def on_published(self, topic: str, hint: Any) -> None:
        self.last = hint

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...


async def test_the_published_summary_of_a_text_equals_the_stored_ticket(world: World) -> None:
    """The summary is built from the rows that were read and written, without another read."""
    ana, maria, lists = await world.agent("ana"), await world.texter(agreed=True), Lists()
    world.app.bus.watch(INBOX_TOPIC, lists)
    for body in ("First", "Second, to the same open ticket", "", "To another of our numbers", "After it was closed"):
        ticket = await maria.ticket()
        if body.startswith("To another"):
            maria.to = UK
        if body.startswith("After") and ticket is not None:
            await ana.closes(ticket)
        await world.advance(minutes=1)
        await maria.says(body)
        assert lists.last is not None and lists.last == await maria.ticket(), body


# --- exactly once ---------------------------------------------------------------------------------------


async def test_a_repeat_by_id_or_by_idempotency_token_does_nothing(world: World) -> None:
    maria = await world.texter()
    text = maria.text("STOP", idempotency_token="tok-1")
    assert (await maria.sends(text)).outcome is Outcome.STORED
    state_before = await maria.entries(), await maria.texts_queued()
    other_id = maria.text("STOP", idempotency_token="tok-1")
    for repeat in (text, other_id, maria.text("STOP", sid=text.sid, idempotency_token="tok-2")):
        assert (await maria.sends(repeat)).outcome is Outcome.REPEATED
    assert (await maria.entries(), await maria.texts_queued()) == state_before


async def test_a_repeat_leaves_the_thread_at_the_number_they_texted_last(world: World) -> None:
    ana, maria = await world.agent("ana"), await world.texter(agreed=True)
    first = maria.text("Hello")
    await maria.sends(first)
    maria.to = UK
    await maria.says("Hello, other number")
    assert (await maria.sends(first)).outcome is Outcome.REPEATED
    ticket = await maria.ticket()
    assert ticket is not None and ticket.sender == UK
    await ana.replies(ticket, "Hello Maria")
    assert [row.sender for row in await world.rows(outbound)] == [UK]


async def test_a_text_that_is_listed_late_leaves_the_thread_at_the_number_they_texted_since(world: World) -> None:
    maria = await world.texter(agreed=True)
    late_text = maria.text("Hello")._replace(superseded=True)
    maria.to = UK
    await maria.says("Hello, other number")
    await world.app.write(receiving.receive_listed, late_text)
    ticket = await maria.ticket()
    assert ticket is not None and (ticket.sender, ticket.preview) == (UK, "Hello")


async def test_one_text_delivered_five_times_concurrently_is_stored_once(world: World) -> None:
    for repetition in range(6):
        maria = await world.texter()
        text = maria.text(f"Only once {repetition}", idempotency_token=f"t{repetition}")
        results = await at_once(*(maria.sends(text) for _ in range(5)))
        assert sorted(result.outcome for result in results) == ["repeated"] * 4 + ["stored"]
        assert [entry.body for entry in await maria.entries()] == [f"Only once {repetition}"]
    assert await world.count(contacts) == await world.count(threads) == await world.count(carrier_inbound) == 6


async def test_concurrent_texts_of_a_stranger_create_one_contact_one_thread_and_one_ticket(world: World) -> None:
    maria = await world.texter()
    await at_once(*(maria.sends(maria.text(f"n{n}")) for n in range(12)))
    entries = await maria.entries()
    assert sorted(entry.body for entry in entries) == sorted(f"n{n}" for n in range(12)) and is_dense(numbered(entries))
    assert await world.count(threads) == await world.count(contacts) == 1


async def test_a_text_to_a_number_that_is_not_ours_is_refused(world: World) -> None:
    maria = await world.texter()
    maria.to = "+12025550199"
    assert (await maria.says("Hi")).outcome is Outcome.NOT_OURS
    assert await world.count(contacts) == await world.count(timeline) == 0


async def test_a_known_contacts_text_to_a_number_that_is_not_ours_changes_nothing(world: World) -> None:
    maria = await world.texter()
    await maria.says("Hi")
    rows_before = await world.rows(contacts), await world.rows(threads), await world.rows(timeline)
    await world.advance(minutes=1)
    maria.to = "+12025550199"
    assert (await maria.says("Hi again")).outcome is Outcome.NOT_OURS
    assert (await world.rows(contacts), await world.rows(threads), await world.rows(timeline)) == rows_before


async def test_the_number_of_a_merged_contact_leads_to_the_remaining_contact(world: World) -> None:
    maria = await world.texter()
    await maria.says("Hi")
    survivor = await maria.contact()
    await world.advance(minutes=1)

    def merged(tx: Any) -> None:
        add_contact(tx, phone=maria.number, merged_into=survivor)

    await world.app.write(merged)
    await maria.says("It is me")
    (thread,) = await world.rows(threads)
    assert thread.contact_id == survivor and thread.last_seq == 2


# --- keywords -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["STOP", " Stop. ", "Ｓｔｏｐ", "stop stop", "ARRET", "opt-out"])
async def test_key_1_stop_revokes_consent_is_stored_in_the_thread_and_opens_no_ticket(world: World, word: str) -> None:
    maria = await world.texter(agreed=True)
    await maria.says(word)
    assert await maria.ticket() is None
    kinds = [(entry.kind, entry.data.get("keyword")) for entry in await maria.entries()]
    assert kinds[0] == ("message", "stop") and ("consent", None) in kinds
    result = await world.app.read(consents.facts, await maria.contact(), maria.number)
    assert result.suppressed == "stop"


async def test_stop_is_confirmed_once_and_bars_the_composer_immediately(world: World) -> None:
    maria = await world.texter("+447911123456", agreed=True)
    maria.to = UK
    await maria.says("Question")
    ticket = await maria.ticket()
    assert ticket is not None and ticket.barred is None
    await maria.says("STOP!")
    await maria.says("STOP")
    ticket_after = await world.ticket(ticket)
    assert ticket_after.barred == "opted_out" and ticket_after.rev > ticket.rev and ticket_after.status == "open"
    rows = await world.rows(outbound)
    assert [(row.kind, row.purpose, row.sender, row.recipient) for row in rows] == [
        ("keyword", "compliance", UK, maria.number)
    ]
    answers = [entry for entry in await maria.entries() if entry.author_type == "system" and entry.kind == "message"]
    (answer,) = answers
    assert answer.data["origin"] == "keyword" and answer.data["keyword"] == "stop"
    assert (rows[0].thread_id, rows[0].seq) == (answer.thread, answer.seq) and answer.data["outbound"] == rows[0].id
    assert ticket_after.preview == "Question", "a keyword must not change the ticket's preview"


async def test_key_13_no_reply_is_sent_where_the_carrier_replies_itself(world: World) -> None:
    maria = await world.texter(agreed=True)  # our number is toll-free, so the carrier answers STOP and START
    await maria.says("STOP")
    await maria.says("START")
    assert await maria.texts_queued() == []
    assert await world.app.read(consents.suppression, "sms", maria.number) is None


async def test_the_carriers_own_opt_out_is_recorded_as_the_gateways(world: World) -> None:
    maria = await world.texter(agreed=True)
    await maria.says("basta", opt_out="STOP")
    result = await world.app.read(consents.facts, await maria.contact(), maria.number)
    assert result.suppressed == "gateway" and await maria.texts_queued() == [] and await maria.ticket() is None


async def test_amb_32_start_restores_only_what_stop_revoked(world: World) -> None:
    maria = await world.texter()
    await maria.agrees(Purpose.SMS_TRANSACTIONAL)
    await maria.says("Hello")
    ticket = await maria.ticket()
    assert ticket is not None
    await maria.says("STOP")
    assert (await world.ticket(ticket)).barred == "opted_out"
    await maria.says("START")
    assert (await world.ticket(ticket)).barred is None
    assert await marketing_status(maria) == "never_subscribed"
    consent_entries = [(e.data["purpose"], e.data["status"]) for e in await maria.entries() if e.kind == "consent"]
    assert ("sms_transactional", "unsubscribed") in consent_entries and (
        "sms_transactional",
        "subscribed",
    ) in consent_entries
    assert "never_subscribed" not in {status for _, status in consent_entries}, (
        "a consent that START did not restore must have no entry"
    )
    result = await world.app.read(consents.contact_consents, await maria.contact())
    assert result is not None
    assert [(consent.status, consent.method) for consent in result.consents[:2]] == [
        ("never_subscribed", None),
        ("subscribed", "keyword"),
    ]


async def test_s15_start_from_a_number_that_never_consented_creates_no_consent(world: World) -> None:
    maria = await world.texter()
    await maria.says("START")
    assert (
        await marketing_status(maria) == "never_subscribed"
        and await maria.texts_queued() == []
        and await maria.ticket() is None
    )


@pytest.mark.parametrize(
    ("script", "answers"),
    [
        (("ARRET", "START"), 2),
        (("wypisz", "UNSTOP"), 2),
        (("Stop.", "start"), 2),
        (("STOP", "START"), 0),
        (("ARRET", "STOP", "START"), 1),
        (("STOP", "ARRET", "START"), 0),
        (("STOP", "START", "ARRET", "START"), 2),
        (("ARRET", "START", "START"), 2),
        (("STOP", "start!"), 1),
    ],
)
async def test_key_13_start_is_answered_once_by_the_side_that_had_opted_the_number_out(
    world: World, script: tuple[str, ...], answers: int
) -> None:
    """A carrier confirms START only if it blocked the number itself; it does not know "ARRET"."""
    maria = await world.texter("+447911123470", agreed=True)
    maria.to = UK
    for keyword in script:
        await maria.says(keyword)
    assert len(await maria.texts_queued()) == answers
    result = await world.app.read(consents.facts, await maria.contact(), maria.number)
    assert result.suppressed is None and result.status(Purpose.SMS_TRANSACTIONAL) == "subscribed"


async def test_key_13_yes_is_answered_by_us_if_the_carrier_had_not_blocked_the_number(world: World) -> None:
    await set_up(world, subscribe=[SubscribeKeyword(word="JOIN")])
    maria = await world.texter("+447911123471")
    maria.to = UK
    await maria.says("JOIN")
    await maria.says("YES")
    assert await marketing_status(maria) == "subscribed" and len(await maria.texts_queued()) == 2


async def test_key_4_help_without_a_contact_promises_no_answer(world: World) -> None:
    await set_up(world, gateway="off", brand="Kettle & Co")
    maria = await world.texter("+447911123472")
    maria.to = UK
    await maria.says("HELP")
    assert await maria.texts_queued() == ["Kettle & Co: Text STOP to opt out. Msg & data rates may apply."]
    await set_up(world, gateway="off", brand="Kettle & Co", help_contact="care@kettle.example")
    await maria.says("HELP")
    assert (await maria.texts_queued())[-1].startswith("Kettle & Co: Help: care@kettle.example. ")


async def test_amb_2_help_is_answered_and_opens_no_ticket(world: World) -> None:
    await set_up(world, gateway="off")
    maria = await world.texter("+447911123457")
    maria.to = UK
    await maria.says("HELP")
    assert await maria.ticket() is None and len(await maria.texts_queued()) == 1


@pytest.mark.parametrize("text", ["STOP I never signed up", "Who is this? STOP", "cancel all texts", "그만 보내세요"])
async def test_amb_1_a_stop_word_among_other_words_is_a_request_to_stop(world: World, text: str) -> None:
    maria = await world.texter(agreed=True)
    await maria.says(text)
    ticket = await maria.ticket()
    assert ticket is not None and (ticket.status, ticket.stop_asked) == ("open", True)


@pytest.mark.parametrize(
    "text",
    [
        "bus stop at 5?",
        "don't stop",
        "cancel my appointment",
        "the end",
        "Can I stop this order?",
        "do not like this color",
    ],
)
async def test_a_mere_mention_opens_a_ticket_and_changes_nothing(world: World, text: str) -> None:
    maria = await world.texter(agreed=True)
    await maria.says(text)
    ticket = await maria.ticket()
    assert ticket is not None and (ticket.barred, ticket.stop_asked) == (None, False)


async def test_amb_1_a_clear_request_in_other_words_pauses_marketing_and_asks_an_agent(world: World) -> None:
    maria = await world.texter()
    await maria.agrees(Purpose.SMS_MARKETING)
    await maria.says("please stop texting me")
    ticket = await maria.ticket()
    assert ticket is not None and (ticket.status, ticket.unread, ticket.stop_asked, ticket.barred) == (
        "open",
        True,
        True,
        None,
    )
    assert await maria.texts_queued() == [] and await marketing_status(maria) == "subscribed"


async def test_amb_1_in_mode_contains_a_mention_stops_and_still_opens_a_ticket(world: World) -> None:
    await set_up(world, mode="contains")
    maria = await world.texter(agreed=True)
    await maria.says("cancel my order please")
    ticket = await maria.ticket()
    assert ticket is not None and (ticket.status, ticket.barred) == ("open", "opted_out")


async def test_amb_1_in_mode_exact_only_the_word_alone_counts(world: World) -> None:
    await set_up(world, mode="exact")
    maria = await world.texter(agreed=True)
    await maria.says("please stop texting me")
    ticket = await maria.ticket()
    assert ticket is not None and not ticket.stop_asked and ticket.barred is None


async def test_key_10_a_subscribe_keyword_asks_first_and_yes_confirms(world: World) -> None:
    await set_up(world, gateway="off", subscribe=[SubscribeKeyword(word="JOIN")])
    maria = await world.texter("+447911123458")
    maria.to = UK
    await maria.says("yes")
    assert (await maria.ticket()) is not None, "no question was sent, so YES is an ordinary message"
    await maria.says("Join")
    assert await marketing_status(maria) == "never_subscribed"
    assert [row.kind for row in await world.rows(outbound)] == ["opt_in"]
    await maria.says("YES")
    assert await marketing_status(maria) == "subscribed"
    origins = [e.data["origin"] for e in await maria.entries() if e.kind == "message"]
    assert origins == ["sms", "sms", "opt_in", "sms", "keyword"]


@pytest.mark.parametrize(
    ("number", "yes", "no"),
    [
        ("+48512345678", "Tak!", "Nie"),
        ("+4915123456789", "ja", "jaja"),
        ("+821012345678", "네", "네?? 뭐요"),
        ("+4520123456", "Ja", "Tak"),
    ],
)
async def test_key_2_yes_is_recognised_in_the_persons_own_language(
    world: World, number: str, yes: str, no: str
) -> None:
    """ "Tak" is yes in Polish and thanks in Danish."""
    await set_up(world, gateway="off", subscribe=[SubscribeKeyword(word="JOIN")])
    maria = await world.texter(number)
    await maria.says(yes)
    await maria.says("Join")
    await maria.says(no)
    assert await marketing_status(maria) == "never_subscribed"
    await maria.says(yes)
    assert await marketing_status(maria) == "subscribed"


async def test_an_owners_keyword_works_even_if_a_newer_version_reserves_the_word(world: World) -> None:
    """A word that newer versions use themselves is refused when typed; a stored one must still work."""
    old_keyword = SubscribeKeyword.model_construct(word="EVET", opt_in="single", text="")
    await world.app.write(
        KEYWORDS.save, KeywordSettings.model_construct(**KeywordSettings().model_dump() | {"subscribe": [old_keyword]})
    )
    maria = await world.texter()
    await maria.says("evet")
    assert await marketing_status(maria) == "subscribed"


async def test_single_opt_in_subscribes_immediately(world: World) -> None:
    await set_up(world, subscribe=[SubscribeKeyword(word="DEALS", opt_in="single", text="Welcome!")])
    maria = await world.texter()
    await maria.says("deals")
    assert await marketing_status(maria) == "subscribed" and await maria.texts_queued() == ["Welcome!"]
    assert await maria.ticket() is None


async def test_a_tapback_is_shown_and_gets_no_automatic_reply(world: World) -> None:
    await automatic_texts(world)
    maria = await world.texter()
    await maria.agrees(Purpose.SMS_MARKETING)
    for reaction in (
        "Liked “STOP to opt out”",
        "\u200a\u200b😂\u200b to “\u200aReply STOP\u200a”\u200a",
        "Gefällt mir „Reply STOP“",
    ):
        await maria.says(reaction)
    facts = await world.app.read(consents.facts, await maria.contact(), maria.number)
    assert facts.status(Purpose.SMS_MARKETING) == "subscribed" and not facts.paused
    assert await maria.ticket() is not None and await maria.texts_queued() == []


# --- automatic replies ----------------------------------------------------------------------------------


async def test_set_5_by_default_only_contacts_without_consent_get_the_automatic_reply(world: World) -> None:
    await automatic_texts(world)
    maria, tom = await world.texter(), await world.texter(agreed=True)
    await maria.says("Hello?")
    await tom.says("Hello?")
    assert await maria.texts_queued() == [ROBOT] and await tom.texts_queued() == []
    assert [e.data.get("origin") for e in await maria.entries()] == ["sms", "auto"]
    ticket = await maria.ticket()
    assert ticket is not None and ticket.waiting_since is not None, "an automatic reply must not count as an answer"


async def test_set_5_the_automatic_reply_may_go_to_all_contacts_but_never_to_keywords(world: World) -> None:
    await automatic_texts(world, "all")
    tom = await world.texter(agreed=True)
    for text in ("Hello?", "STOP", "START", "please stop texting me"):
        await tom.says(text)
    assert await tom.texts_queued() == [ROBOT]


async def test_s17_a_loop_of_automatic_replies_is_stopped_and_shown_to_agents(world: World) -> None:
    await automatic_texts(world)
    maria = await world.texter()
    for n in range(40):
        await maria.says(f"I am an automatic answer {n}")
    assert len(await maria.texts_queued()) == 5
    notes = [entry for entry in await maria.entries() if entry.kind == "note"]
    assert [note.data["origin"] for note in notes] == ["loop"]
    assert notes[0].public_seq is None
    await world.advance(hours=1)
    await maria.says("Still here")
    assert len(await maria.texts_queued()) == 6


async def test_a_loop_of_keywords_opens_a_ticket(world: World) -> None:
    await set_up(world, gateway="off")
    maria = await world.texter("+447911123459")
    maria.to = UK
    for _ in range(8):
        await maria.says("HELP")
    ticket = await maria.ticket()
    assert len(await maria.texts_queued()) == 5 and ticket is not None and ticket.unread


# --- senders that are not phones (S8) --------------------------------------------------------------------


@pytest.mark.parametrize(
    "peer", ["72345", "SHOPNAME", "whatsapp:+12025550143", "rcs:agent_x", "anonymous", "", "+266696687"]
)
async def test_s8_a_text_of_a_sender_that_is_no_phone_is_stored_and_cannot_be_answered(world: World, peer: str) -> None:
    await automatic_texts(world, "all")
    sender = await world.texter(peer)
    if ":" in peer:
        sender.to = f"{peer.partition(':')[0]}:{sender.to}"
    result = await sender.says("Hello from nowhere")
    assert result.outcome is Outcome.STORED and result.thread is not None
    (row,) = await world.rows(threads)
    assert row.peer == peer
    (person,) = await world.rows(contacts)
    assert person.phone is None
    (entry,) = await world.entries(row.id)
    assert entry.body == "Hello from nowhere" and await world.count(outbound) == 0
    ticket = await world.app.read(tickets.by_thread, row.id)
    assert ticket is not None and ticket.barred == "unreachable"
