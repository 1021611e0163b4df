"""Texts that come in: threads, tickets, keywords, automatic answers (SPEC INB-3..9, 20, 21, KEY-1..15, AMB-1, 2, 33, SET-5..7)."""

from __future__ import annotations

from typing import Any

import pytest

from server.consent import queries as consents
from server.consent.rules import Purpose
from server.consent.settings import KEYWORDS, KeywordSettings, SubscribeKeyword
from server.inbox import queries
from server.inbox.settings import INBOX, InboxSettings
from server.inbox.sms import Outcome
from server.inbox.timeline import INBOX_TOPIC
from server.schema import carrier_inbound, contacts, outbound, threads, timeline
from tests.texters import UK, Texter
from tests.world import World, at_once, is_dense, numbered

ROBOT = "This number is not read all the time. Write to help@shop.example."


async def set_up(world: World, **words: Any) -> None:
    await world.app.write(KEYWORDS.save, KeywordSettings(**words))
    KEYWORDS.cached(world.app).heard("", None)


async def robot(world: World, to: str = "non_consented") -> None:
    wanted = InboxSettings(auto_response_on=True, auto_response=ROBOT, auto_response_to=to)  # type: ignore[arg-type]
    await world.app.write(INBOX.save, wanted)
    INBOX.cached(world.app).heard("", None)


async def marketing(who: Texter) -> str:
    found = await who.world.app.read(consents.facts, await who.known(), who.number)
    return found.status(Purpose.SMS_MARKETING)


# --- tickets and threads ------------------------------------------------------------------------------


async def test_inb_3_7_a_text_from_an_unknown_number_makes_a_contact_and_an_open_unread_ticket(world: World) -> None:
    maria = await world.texter()
    done = await maria.says("Is the shop open today?")
    ticket = await maria.ticket()
    assert done.outcome is Outcome.STORED and ticket is not None
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
        "the carrier's id is nothing for agents"
    )
    assert ticket.barred == "not_subscribed", "writing to us is no consent"
    assert await maria.told() == []


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
    again = await maria.ticket()
    assert again is not None and (again.id, again.thread) == (first.id, first.thread)
    assert (again.status, again.unread, again.closed_at, again.preview) == ("open", True, None, "Two")
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


async def test_two_people_with_one_number_the_last_active_is_meant_and_both_are_stopped(world: World) -> None:
    """AMB-33."""
    maria = await world.texter()
    await maria.agrees(Purpose.SMS_MARKETING)
    first = await maria.known()
    await world.advance(minutes=1)

    def twin(tx: Any) -> int:
        return int(
            tx.value(
                contacts.insert()
                .values(phone=maria.number, created_at=tx.now, active_at=tx.now)
                .returning(contacts.c.id)
            )
        )

    second = await world.app.write(twin)
    await maria.says("Hello")
    (thread,) = await world.rows(threads)
    assert thread.contact_id == second != first
    await maria.says("STOP")
    found = await world.app.read(consents.facts, first, maria.number)
    assert found.status(Purpose.SMS_MARKETING) == "unsubscribed" and found.suppressed == "stop"


async def test_the_number_they_text_is_the_number_that_answers(world: World) -> None:
    maria = await world.texter(agreed=True)
    await maria.says("Hi")
    maria.to = UK
    await maria.says("Hi again")
    ticket = await maria.ticket()
    assert ticket is not None and ticket.sender == UK and len(await world.rows(threads)) == 1


class Lists:
    """Every summary that lists hear of."""

    def __init__(self) -> None:
        self.last: Any = None

    def heard(self, topic: str, hint: Any) -> None:
        self.last = hint

    def whispered(self, topic: str, payload: dict[str, Any]) -> None: ...


async def test_lists_hear_of_a_text_exactly_what_is_stored(world: World) -> None:
    """The summary is made from what was read before and what was written, not read again."""
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
    before = await maria.entries(), await maria.told()
    other_id = maria.text("STOP", idempotency_token="tok-1")
    for repeat in (text, other_id, maria.text("STOP", sid=text.sid, idempotency_token="tok-2")):
        assert (await maria.sends(repeat)).outcome is Outcome.REPEATED
    assert (await maria.entries(), await maria.told()) == before


async def test_one_text_five_times_at_once_is_one_text(world: World) -> None:
    for round_ in range(6):
        maria = await world.texter()
        text = maria.text(f"Only once {round_}", idempotency_token=f"t{round_}")
        done = await at_once(*(maria.sends(text) for _ in range(5)))
        assert sorted(found.outcome for found in done) == ["repeated"] * 4 + ["stored"]
        assert [entry.body for entry in await maria.entries()] == [f"Only once {round_}"]
    assert await world.count(contacts) == await world.count(threads) == await world.count(carrier_inbound) == 6


async def test_many_texts_of_a_stranger_at_once_are_one_contact_one_thread_one_ticket(world: World) -> None:
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


async def test_a_text_of_somebody_we_know_to_a_number_that_is_not_ours_changes_nothing(world: World) -> None:
    maria = await world.texter()
    await maria.says("Hi")
    before = await world.rows(contacts), await world.rows(threads), await world.rows(timeline)
    await world.advance(minutes=1)
    maria.to = "+12025550199"
    assert (await maria.says("Hi again")).outcome is Outcome.NOT_OURS
    assert (await world.rows(contacts), await world.rows(threads), await world.rows(timeline)) == before


async def test_a_merged_persons_number_leads_to_whom_they_became(world: World) -> None:
    maria = await world.texter()
    await maria.says("Hi")
    survivor = await maria.known()
    await world.advance(minutes=1)

    def merged(tx: Any) -> None:
        tx.run(contacts.insert().values(phone=maria.number, created_at=tx.now, active_at=tx.now, merged_into=survivor))

    await world.app.write(merged)
    await maria.says("It is me")
    (thread,) = await world.rows(threads)
    assert thread.contact_id == survivor and thread.last_seq == 2
    active = {row.id: row.active_at for row in await world.rows(contacts)}
    assert active[survivor] == max(active.values())


# --- keywords -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["STOP", " Stop. ", "Ｓｔｏｐ", "stop stop", "ARRET", "opt-out"])
async def test_key_1_a_stop_keyword_ends_texts_stands_in_the_thread_and_opens_no_ticket(
    world: World, word: str
) -> None:
    maria = await world.texter(agreed=True)
    await maria.says(word)
    assert await maria.ticket() is None
    kinds = [(entry.kind, entry.data.get("keyword")) for entry in await maria.entries()]
    assert kinds[0] == ("message", "stop") and ("consent", None) in kinds
    found = await world.app.read(consents.facts, await maria.known(), maria.number)
    assert found.suppressed == "stop"


async def test_stop_is_confirmed_once_by_the_door_and_bars_the_composer_at_once(world: World) -> None:
    maria = await world.texter("+447911123456", agreed=True)
    maria.to = UK
    await maria.says("Question")
    ticket = await maria.ticket()
    assert ticket is not None and ticket.barred is None
    await maria.says("STOP!")
    await maria.says("STOP")
    after = await world.ticket(ticket)
    assert after.barred == "opted_out" and after.rev > ticket.rev and after.status == "open"
    rows = await world.rows(outbound)
    assert [(row.kind, row.purpose, row.sender, row.recipient) for row in rows] == [
        ("keyword", "compliance", UK, maria.number)
    ]
    answers = [entry for entry in await maria.entries() if entry.author_type == "system" and entry.kind == "message"]
    (answer,) = answers
    assert answer.data["origin"] == "keyword" and answer.data["keyword"] == "stop"
    assert (rows[0].thread_id, rows[0].seq) == (answer.thread, answer.seq) and answer.data["outbound"] == rows[0].id
    assert after.preview == "Question", "a keyword does not touch the ticket's line"


async def test_key_13_where_the_carrier_answers_itself_we_stay_silent(world: World) -> None:
    maria = await world.texter(agreed=True)  # our number is toll-free: the network answers STOP and START
    await maria.says("STOP")
    await maria.says("START")
    assert await maria.told() == []
    assert await world.app.read(consents.suppression, "sms", maria.number) is None


async def test_the_carriers_own_opt_out_is_recorded_as_the_gateways(world: World) -> None:
    maria = await world.texter(agreed=True)
    await maria.says("basta", opt_out="STOP")
    found = await world.app.read(consents.facts, await maria.known(), maria.number)
    assert found.suppressed == "gateway" and await maria.told() == [] and await maria.ticket() is None


async def test_amb_32_start_brings_back_what_stop_took_and_nothing_more(world: World) -> None:
    maria = await world.texter()
    await maria.agrees(Purpose.SMS_TRANSACTIONAL)
    await maria.says("Hello")
    ticket = await maria.ticket()
    assert ticket is not None
    await maria.says("STOP")
    assert (await world.ticket(ticket)).barred == "opted_out"
    await maria.says("START")
    assert (await world.ticket(ticket)).barred is None
    assert await marketing(maria) == "never_subscribed"
    grey = [(e.data["purpose"], e.data["status"]) for e in await maria.entries() if e.kind == "consent"]
    assert ("sms_transactional", "unsubscribed") in grey and ("sms_transactional", "subscribed") in grey
    assert "never_subscribed" not in {status for _, status in grey}, "what START did not bring back is no news"
    found = await world.app.read(consents.contact_consents, await maria.known())
    assert found is not None
    assert [(one.status, one.method) for one in found.consents[:2]] == [
        ("never_subscribed", None),
        ("subscribed", "keyword"),
    ]


async def test_s15_start_from_a_number_that_never_consented_creates_no_consent(world: World) -> None:
    maria = await world.texter()
    await maria.says("START")
    assert await marketing(maria) == "never_subscribed" and await maria.told() == [] and await maria.ticket() is None


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
async def test_key_13_start_is_answered_once_by_whoever_had_taken_them_off(
    world: World, script: tuple[str, ...], answers: int
) -> None:
    """A carrier says that they are back only where it had blocked them itself; "ARRET" it does not know."""
    maria = await world.texter("+447911123470", agreed=True)
    maria.to = UK
    for said in script:
        await maria.says(said)
    assert len(await maria.told()) == answers
    found = await world.app.read(consents.facts, await maria.known(), maria.number)
    assert found.suppressed is None and found.status(Purpose.SMS_TRANSACTIONAL) == "subscribed"


async def test_key_13_yes_is_answered_by_us_where_the_carrier_had_not_blocked_them(world: World) -> None:
    await set_up(world, subscribe=[SubscribeKeyword(word="JOIN")])
    maria = await world.texter("+447911123471")
    maria.to = UK
    await maria.says("JOIN")
    await maria.says("YES")
    assert await marketing(maria) == "subscribed" and len(await maria.told()) == 2


async def test_key_4_help_without_a_contact_promises_no_answer(world: World) -> None:
    await set_up(world, gateway="off", brand="Kettle & Co")
    maria = await world.texter("+447911123472")
    maria.to = UK
    await maria.says("HELP")
    assert await maria.told() == ["Kettle & Co: Text STOP to opt out. Msg & data rates may apply."]
    await set_up(world, gateway="off", brand="Kettle & Co", help_contact="care@kettle.example")
    await maria.says("HELP")
    assert (await maria.told())[-1].startswith("Kettle & Co: Help: care@kettle.example. ")


async def test_amb_2_help_is_answered_and_opens_no_ticket(world: World) -> None:
    await set_up(world, gateway="off")
    maria = await world.texter("+447911123457")
    maria.to = UK
    await maria.says("HELP")
    assert await maria.ticket() is None and len(await maria.told()) == 1


@pytest.mark.parametrize("text", ["STOP I never signed up", "Who is this? STOP", "cancel all texts", "그만 보내세요"])
async def test_amb_1_a_stop_word_beside_other_words_is_a_wish(world: World, text: str) -> None:
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


async def test_amb_1_a_clear_wish_in_other_words_pauses_marketing_opens_a_ticket_and_asks(world: World) -> None:
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
    assert await maria.told() == [] and await marketing(maria) == "subscribed"


async def test_amb_1_in_mode_contains_a_mention_stops_and_still_opens_a_ticket(world: World) -> None:
    await set_up(world, mode="contains")
    maria = await world.texter(agreed=True)
    await maria.says("cancel my order please")
    ticket = await maria.ticket()
    assert ticket is not None and (ticket.status, ticket.barred) == ("open", "opted_out")


async def test_amb_1_in_mode_exact_only_the_bare_word_counts(world: World) -> None:
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
    assert (await maria.ticket()) is not None, "nothing was asked: YES is a word like any other"
    await maria.says("Join")
    assert await marketing(maria) == "never_subscribed"
    assert [row.kind for row in await world.rows(outbound)] == ["opt_in"]
    await maria.says("YES")
    assert await marketing(maria) == "subscribed"
    origins = [e.data["origin"] for e in await maria.entries() if e.kind == "message"]
    assert origins == ["sms", "sms", "opt_in", "sms", "keyword"]


async def test_single_opt_in_subscribes_at_once(world: World) -> None:
    await set_up(world, subscribe=[SubscribeKeyword(word="DEALS", opt_in="single", text="Welcome!")])
    maria = await world.texter()
    await maria.says("deals")
    assert await marketing(maria) == "subscribed" and await maria.told() == ["Welcome!"]
    assert await maria.ticket() is None


async def test_a_tapback_is_shown_and_answered_by_nobody(world: World) -> None:
    await robot(world)
    maria = await world.texter()
    await maria.says("Liked “STOP to opt out”")
    assert await maria.ticket() is not None and await maria.told() == []


# --- automatic answers ----------------------------------------------------------------------------------


async def test_set_5_by_default_only_who_agreed_to_nothing_gets_the_automatic_answer(world: World) -> None:
    await robot(world)
    maria, tom = await world.texter(), await world.texter(agreed=True)
    await maria.says("Hello?")
    await tom.says("Hello?")
    assert await maria.told() == [ROBOT] and await tom.told() == []
    assert [e.data.get("origin") for e in await maria.entries()] == ["sms", "auto"]
    ticket = await maria.ticket()
    assert ticket is not None and ticket.waiting_since is not None, "a robot's answer answers nothing"


async def test_set_5_to_all_if_the_owner_says_so_and_never_for_keywords(world: World) -> None:
    await robot(world, "all")
    tom = await world.texter(agreed=True)
    for text in ("Hello?", "STOP", "START", "please stop texting me"):
        await tom.says(text)
    assert await tom.told() == [ROBOT]


async def test_s17_two_robots_are_separated_and_a_person_sees_it(world: World) -> None:
    await robot(world)
    maria = await world.texter()
    for n in range(40):
        await maria.says(f"I am an automatic answer {n}")
    assert len(await maria.told()) == 5
    notes = [entry for entry in await maria.entries() if entry.kind == "note"]
    assert [note.data["origin"] for note in notes] == ["loop"]
    assert notes[0].public_seq is None
    await world.advance(hours=1)
    await maria.says("Still here")
    assert len(await maria.told()) == 6


async def test_a_loop_of_keywords_opens_a_ticket_so_that_somebody_looks(world: World) -> None:
    await set_up(world, gateway="off")
    maria = await world.texter("+447911123459")
    maria.to = UK
    for _ in range(8):
        await maria.says("HELP")
    ticket = await maria.ticket()
    assert len(await maria.told()) == 5 and ticket is not None and ticket.unread


# --- who is no phone (S8) --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "peer", ["72345", "SHOPNAME", "whatsapp:+12025550143", "rcs:agent_x", "anonymous", "", "+266696687"]
)
async def test_s8_who_is_no_phone_is_stored_and_cannot_be_answered(world: World, peer: str) -> None:
    await robot(world, "all")
    who = await world.texter(peer)
    if ":" in peer:
        who.to = f"{peer.partition(':')[0]}:{who.to}"
    done = await who.says("Hello from nowhere")
    assert done.outcome is Outcome.STORED and done.thread is not None
    (row,) = await world.rows(threads)
    assert row.peer == peer
    (person,) = await world.rows(contacts)
    assert person.phone is None
    (entry,) = await world.entries(row.id)
    assert entry.body == "Hello from nowhere" and await world.count(outbound) == 0
    ticket = await world.app.read(queries.ticket_of, row.id)
    assert ticket is not None and ticket.barred == "unreachable"
