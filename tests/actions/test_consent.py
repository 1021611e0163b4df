"""Consent as it is kept: the ledger, keywords, who may bring back what (SPEC CON-1..11, KEY-1..4, AMB-1, 32, 33; G12, G14)."""

from __future__ import annotations

import dataclasses
import functools
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from server import schema
from server.consent import actions, chain, ledger, proof, queries, rules
from server.consent.actions import Change
from server.consent.rules import AddressChanged, Allowed, Blocked, Method, Purpose, SendPurpose, Status, Suppressed
from server.contacts import actions as contacts
from server.errors import Refused
from server.kernel.sql import Tx
from server.schema import suppressions
from tests.world import World, at_once, open_world

MARKETING, TRANSACTIONAL = Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL
NUMBER = "+14155550123"


async def person(world: World, number: str = NUMBER) -> int:
    found = await world.app.write(contacts.by_phone, number, number, "US")
    return int(found.contact)


async def grant(world: World, contact: int, *purposes: str, **values: Any) -> list[actions.Recorded]:
    values = {"method": Method.FORM, "source": "https://shop.example/join", "wording": "Text me offers", **values}
    return [
        await world.app.write(actions.record, Change(contact, purpose, Status.SUBSCRIBED, **values))
        for purpose in purposes or (MARKETING,)
    ]


async def statuses(world: World, contact: int) -> dict[str, str]:
    found = await world.app.read(queries.facts, contact, NUMBER)
    return dict(found.statuses)


async def verdict(world: World, contact: int, purpose: SendPurpose, number: str = NUMBER) -> rules.Verdict:
    found = await world.app.read(queries.facts, contact, number)
    return rules.may_send(purpose, "sms", found, world.now)


async def test_idn_1_two_first_texts_of_a_stranger_at_once_make_one_contact(world: World) -> None:
    found = await at_once(*(world.app.write(contacts.by_phone, NUMBER, NUMBER, "US") for _ in range(8)))
    assert len({one.contact for one in found}) == 1
    assert sum(one.created for one in found) == 1


async def test_key_1_stop_takes_both_consents_and_amb_32_start_brings_back_what_it_took(world: World) -> None:
    anna = await person(world)
    await grant(world, anna, TRANSACTIONAL)
    assert await verdict(world, anna, SendPurpose.CONVERSATION) == Allowed()
    stopped = await world.app.write(actions.stop, NUMBER, [anna])
    assert stopped.first
    assert isinstance(await verdict(world, anna, SendPurpose.CONVERSATION), Blocked)
    started = await world.app.write(actions.start, NUMBER, [anna])
    assert started.lifted and started.restored
    assert await statuses(world, anna) == {MARKETING: Status.NEVER_SUBSCRIBED, TRANSACTIONAL: Status.SUBSCRIBED}
    assert await world.count(suppressions) == 0


async def test_s15_start_from_a_number_that_never_agreed_gives_nothing(world: World) -> None:
    anna = await person(world)
    started = await world.app.write(actions.start, NUMBER, [anna])
    assert not started.lifted and not started.restored
    assert await statuses(world, anna) == {}
    await world.app.write(actions.stop, NUMBER, [anna])
    assert await statuses(world, anna) == {MARKETING: "unsubscribed", TRANSACTIONAL: "unsubscribed"}
    started = await world.app.write(actions.start, NUMBER, [anna])
    assert started.lifted and not started.restored
    assert set((await statuses(world, anna)).values()) == {"never_subscribed"}
    found = rules.barred(await world.app.read(queries.facts, anna, NUMBER))
    assert found is not None and found.code == "not_subscribed"


async def test_start_brings_back_what_the_first_of_two_stops_took(world: World) -> None:
    anna = await person(world)
    await grant(world, anna, MARKETING)
    assert (await world.app.write(actions.stop, NUMBER, [anna])).first
    assert not (await world.app.write(actions.stop, NUMBER, [anna])).first, "one confirmation is due, not two"
    assert (await world.app.write(actions.start, NUMBER, [anna])).restored
    assert (await statuses(world, anna))[MARKETING] == "subscribed"


async def test_a_word_said_after_the_clock_was_set_back_counts_nevertheless(world: World) -> None:
    anna = await person(world)
    await grant(world, anna, MARKETING)
    world.clock.advance(timedelta(hours=-2))
    await world.app.write(actions.stop, NUMBER, [anna])
    assert (await statuses(world, anna))[MARKETING] == "unsubscribed"


async def test_amb_33_stop_is_for_everybody_with_the_number_and_for_the_number(world: World) -> None:
    anna = await person(world)
    other = await world.app.write(_contact, NUMBER)
    await grant(world, anna)
    await grant(world, other)
    await world.app.write(actions.stop, NUMBER, [anna])
    for who in (anna, other):
        assert (await statuses(world, who))[MARKETING] == "unsubscribed"
    later = await world.app.write(_contact, NUMBER)
    assert [r.why for r in await grant(world, later)] == ["opted_out"], "whoever has the number next"
    assert isinstance(await verdict(world, later, SendPurpose.AUTO_REPLY), Blocked)


@pytest.mark.parametrize("method", [Method.AGENT, Method.IMPORT, Method.FORM, Method.API])
async def test_g12_after_a_stop_only_their_own_text_brings_them_back(world: World, method: Method) -> None:
    anna = await person(world)
    await grant(world, anna)
    await world.app.write(actions.stop, NUMBER, [anna])
    await world.advance(hours=24)
    [kept] = await grant(world, anna, method=method, source="import:7")
    assert (kept.applied, kept.why, kept.status) == (False, "opted_out", "unsubscribed")
    # Nor through another number: it was her word, not the number's.
    await world.app.write(_renumber, anna, "+14155550199")
    [kept] = await grant(world, anna, method=method, source="import:8")
    assert (kept.applied, kept.why) == (False, "opted_out")
    # Nor by somebody's no on top of hers, and then a yes.
    change = Change(anna, MARKETING, Status.UNSUBSCRIBED, method)
    assert (await world.app.write(actions.record, change)).why == "same"
    [kept] = await grant(world, anna, method=method, source="import:9")
    assert not kept.applied
    await world.app.write(_renumber, anna, NUMBER)
    assert (await world.app.write(actions.start, NUMBER, [anna])).restored


async def test_imp_76_an_older_yes_never_beats_a_newer_no_and_stands_as_evidence(world: World) -> None:
    anna = await person(world)
    await grant(world, anna, method=Method.IMPORT, happened_at=world.now - timedelta(days=9))
    no = Change(anna, MARKETING, Status.UNSUBSCRIBED, Method.FORM, happened_at=world.now - timedelta(days=5))
    assert (await world.app.write(actions.record, no)).applied
    [older] = await grant(world, anna, method=Method.IMPORT, happened_at=world.now - timedelta(days=6))
    assert (older.applied, older.why) == (False, "older")
    [newer] = await grant(world, anna, method=Method.IMPORT, happened_at=world.now - timedelta(days=4))
    assert newer.applied
    history = (await world.app.read(queries.contact_consents, anna)).history
    assert [(line.n, line.applied) for line in history] == [(4, True), (3, False), (2, True), (1, True)]


async def test_con_7_a_date_before_1990_is_raised_and_i9_one_in_the_future_refused(world: World) -> None:
    anna = await person(world)
    await grant(world, anna, happened_at=datetime(1900, 1, 1, tzinfo=UTC))
    [row] = await world.rows(schema.consents)
    assert row.happened_at == datetime(1990, 1, 1, tzinfo=UTC)
    with pytest.raises(Refused, match="future"):
        await grant(world, anna, happened_at=world.now + timedelta(days=1))


async def test_key_13_what_the_carrier_tells_is_recorded_and_start_undoes_it(world: World) -> None:
    anna = await person(world)
    await grant(world, anna)
    await world.app.write(lambda tx: actions.gateway_stop(tx, NUMBER, [anna], source="outbound:9", wording="21610"))
    [held] = await world.rows(suppressions)
    assert (held.address, held.reason) == (NUMBER, "gateway")
    assert (await statuses(world, anna))[MARKETING] == "unsubscribed"
    answer = await verdict(world, anna, SendPurpose.COMPLIANCE)
    assert isinstance(answer, Blocked), "the carrier would refuse it"
    assert (await world.app.write(actions.start, NUMBER, [anna])).restored


async def test_the_one_confirmation_of_a_stop_is_sent_within_five_minutes_or_not_at_all(world: World) -> None:
    anna = await person(world)
    await world.app.write(actions.stop, NUMBER, [anna])
    assert await verdict(world, anna, SendPurpose.COMPLIANCE) == Allowed()
    await world.advance(minutes=5, seconds=1)
    late = await verdict(world, anna, SendPurpose.COMPLIANCE)
    assert isinstance(late, Blocked) and late.reason == "too_late"


async def test_amb_1_a_wish_to_stop_pauses_marketing_until_somebody_decides(world: World) -> None:
    anna = await person(world)
    await grant(world, anna, MARKETING)
    ask = functools.partial(actions.ask_to_stop, source="sms:SM1", wording="please stop texting me")
    assert await world.app.write(ask, NUMBER, [anna])
    assert not await world.app.write(ask, NUMBER, [anna]), "asked once, not each time they say it"
    assert isinstance(await verdict(world, anna, SendPurpose.MARKETING), Blocked)
    assert isinstance(await verdict(world, anna, SendPurpose.AUTO_REPLY), Blocked)
    assert await verdict(world, anna, SendPurpose.CONVERSATION) == Allowed(), "an agent may ask what they meant"
    # A file's yes is no decision about it: nobody looked.
    await grant(world, anna, method=Method.IMPORT)
    assert isinstance(await verdict(world, anna, SendPurpose.MARKETING), Blocked)
    assert await world.app.write(functools.partial(actions.lift_pause, user=1), NUMBER, [anna])
    assert await verdict(world, anna, SendPurpose.MARKETING) == Allowed()
    await world.app.write(ask, NUMBER, [anna])
    await world.app.write(functools.partial(actions.confirm_stop, user=1), NUMBER, [anna])
    assert (await statuses(world, anna))[MARKETING] == "unsubscribed"
    assert (await world.app.read(queries.facts, anna, NUMBER)).paused is False
    assert (await world.app.write(actions.start, NUMBER, [anna])).restored, (
        "it was their wish, so their START undoes it"
    )


async def test_amb_1_a_yes_that_a_colleague_records_after_the_wish_decides_it_and_an_older_one_does_not(
    world: World,
) -> None:
    anna, twin = await person(world), await world.app.write(_contact, NUMBER)
    await grant(world, anna, MARKETING)
    await world.advance(minutes=10)
    asked_at = world.now
    ask = functools.partial(actions.ask_to_stop, source="sms:SM1", wording="please stop texting me")
    assert await world.app.write(ask, NUMBER, [anna])
    await world.advance(minutes=10)
    olga = (await world.agent("olga")).agent
    wish = functools.partial(actions.Wish, anna, MARKETING, reason="a form from the fair")
    await world.app.write(actions.decide, olga, wish(Status.SUBSCRIBED, happened_at=asked_at - timedelta(seconds=1)))
    assert isinstance(await verdict(world, anna, SendPurpose.MARKETING), Blocked), "it was signed before they asked"
    await world.app.write(actions.decide, olga, wish(Status.SUBSCRIBED, reason="she rang: go on, please"))
    assert await verdict(world, anna, SendPurpose.MARKETING) == Allowed()
    paused = [one.paused_at for one in (await world.app.read(queries.contact_consents, twin)).consents]
    assert paused == [None] * 3, "the wish was about the number, and so is the decision"
    last = (await world.app.read(queries.contact_consents, anna)).history[0]
    assert (last.status, last.source) == ("resumed", f"user:{olga.id}")
    # A no by hand leaves open whether the number is to be opted out.
    await world.app.write(ask, NUMBER, [anna])
    await world.app.write(actions.decide, olga, wish(Status.UNSUBSCRIBED))
    assert (await world.app.read(queries.facts, anna, NUMBER)).paused


async def test_a_pause_is_for_the_number_too_whoever_a_text_to_it_is_meant_for(world: World) -> None:
    anna, other = await person(world), await person(world, "+14155550124")
    await grant(world, other)
    ask = functools.partial(actions.ask_to_stop, source="sms:SM1", wording="no more texts")
    await world.app.write(ask, NUMBER, [anna])
    assert isinstance(await verdict(world, other, SendPurpose.MARKETING), Blocked)
    assert await verdict(world, other, SendPurpose.MARKETING, "+14155550124") == Allowed()


async def test_somebody_who_never_agreed_can_be_paused_and_gets_no_automatic_answer(world: World) -> None:
    anna = await person(world)
    ask = functools.partial(actions.ask_to_stop, source="sms:SM1", wording="leave me alone")
    assert await verdict(world, anna, SendPurpose.AUTO_REPLY) == Allowed()
    assert await world.app.write(ask, NUMBER, [anna])
    assert isinstance(await verdict(world, anna, SendPurpose.AUTO_REPLY), Blocked)
    found = await world.app.read(queries.contact_consents, anna)
    marketing = found.consents[0]
    assert (marketing.status, marketing.method) == ("never_subscribed", None) and marketing.paused_at is not None


async def test_con_9_a_double_opt_in_stands_only_after_yes_and_keeps_the_question_as_proof(world: World) -> None:
    anna = await person(world)
    ask = functools.partial(
        actions.ask_opt_in, wording="Reply YES to join", source="sms:SM1", keyword="JOIN",
        purposes=(MARKETING, Purpose.EMAIL_MARKETING),
    )  # fmt: skip
    confirm = functools.partial(actions.confirm_opt_in, source="sms:SM2", said="Yes")
    assert await world.app.write(confirm, anna, NUMBER) is None, "nobody asked"
    await world.app.write(ask, anna)
    assert await statuses(world, anna) == {}
    assert await world.app.write(confirm, anna, NUMBER) == (MARKETING, Purpose.EMAIL_MARKETING)
    assert await world.app.write(confirm, anna, NUMBER) is None, "once"
    rows = await world.rows(schema.consent_ledger)
    assert {(row.purpose, row.method, row.wording, row.source) for row in rows} == {
        (MARKETING, "double_opt_in", "Reply YES to join", "sms:SM2"),
        (Purpose.EMAIL_MARKETING, "double_opt_in", "Reply YES to join", "sms:SM2"),
    }


async def test_a_question_is_forgotten_after_a_week_and_at_once_by_a_stop(world: World) -> None:
    anna = await person(world)
    ask = functools.partial(actions.ask_opt_in, wording="Reply YES to join", source="sms:SM1")
    confirm = functools.partial(actions.confirm_opt_in, source="sms:SM2", said="Yes")
    await world.app.write(ask, anna)
    await world.advance(hours=24 * 7)
    assert await world.app.write(confirm, anna, NUMBER) is None
    await world.app.write(ask, anna)
    await world.app.write(actions.stop, NUMBER, [anna])
    assert await world.app.write(confirm, anna, NUMBER) is None


async def test_joining_again_by_their_own_text_lifts_the_opt_out(world: World) -> None:
    anna = await person(world)
    await world.app.write(actions.stop, NUMBER, [anna])
    join = functools.partial(actions.subscribe, source="sms:SM2", wording="JOIN")
    assert (await world.app.write(join, anna, NUMBER)).applied
    assert await verdict(world, anna, SendPurpose.MARKETING) == Allowed()


async def test_a_dead_number_stays_dead_after_start_and_an_opt_out_is_not_painted_over(world: World) -> None:
    anna = await person(world)
    await world.app.write(actions.suppress, "sms", NUMBER, Suppressed.INVALID, "21211")
    found = rules.barred(await world.app.read(queries.facts, anna, NUMBER))
    assert found is not None and found.code == "unreachable"
    await world.app.write(actions.stop, NUMBER, [anna])
    assert not await world.app.write(actions.suppress, "sms", NUMBER, Suppressed.DEAD)
    [held] = await world.rows(suppressions)
    assert held.reason == "stop"


async def test_cim_5_a_consent_required_for_texts_blocks_what_the_brand_begins(world: World) -> None:
    anna = await person(world)
    await grant(world, anna)
    kind = await world.app.write(_kind, "Profiling", "sms", True)
    missing = await verdict(world, anna, SendPurpose.MARKETING)
    assert isinstance(missing, Blocked) and "Profiling" in missing.message
    assert await verdict(world, anna, SendPurpose.CONVERSATION) == Allowed()
    await grant(world, anna, f"consent:{kind}")
    assert await verdict(world, anna, SendPurpose.MARKETING) == Allowed()


# --- races ----------------------------------------------------------------------------------------


async def test_words_at_once_make_one_chain_without_a_gap(world: World) -> None:
    anna = await person(world)
    other = await world.app.write(_contact, NUMBER)
    calls = []
    for number in range(12):
        change = Change(
            anna if number % 2 else other, MARKETING, Status.SUBSCRIBED, Method.FORM, source=f"form:{number}"
        )
        calls += [world.app.write(actions.record, change), world.app.write(actions.stop, NUMBER, [anna])]
        calls.append(world.app.write(actions.start, NUMBER, [other]))
    failed = [found for found in await at_once(*calls) if isinstance(found, Exception)]
    assert not failed
    verified = await world.app.read(proof.verify, world.app.key(chain.PURPOSE))
    assert verified.findings == ()
    assert verified.rows >= 24


async def test_a_send_that_asks_while_a_stop_is_being_written_waits_for_it(tmp_path: Path) -> None:
    """The gate's transaction holds the number shared: on PostgreSQL the STOP is then before it or after it."""
    async with open_world(tmp_path / "data", "postgres") as world:
        anna = await person(world)
        await grant(world, anna)
        asked, stopped = threading.Event(), threading.Event()

        def gate(tx: Tx) -> Any:
            found = queries.facts(tx, anna, NUMBER, lock=True)
            asked.set()
            assert not stopped.wait(0.5), "a STOP was committed although the gate had asked"
            return rules.may_send(SendPurpose.MARKETING, "sms", found, tx.now)

        def stop(tx: Tx) -> None:
            assert asked.wait(5)
            actions.stop(tx, NUMBER, [anna])

        async def stops() -> None:
            await world.app.write(stop, lane=1)
            stopped.set()

        found = await at_once(world.app.write(gate, lane=2), stops())
        assert found == [Allowed(), None]
        assert isinstance(await verdict(world, anna, SendPurpose.MARKETING), Blocked)


# --- what is announced ------------------------------------------------------------------------------


async def test_who_has_the_number_hears_of_a_stop_and_of_the_number(world: World) -> None:
    anna = await person(world)
    other = await world.app.write(_contact, NUMBER)
    await grant(world, anna, MARKETING, TRANSACTIONAL)
    heard: list[Any] = []

    def stop(tx: Tx) -> None:
        tx._around = dataclasses.replace(tx._around, announce=lambda _, event: heard.append(event))
        actions.stop(tx, NUMBER, [anna])

    await world.app.write(stop)
    assert heard[0] == AddressChanged("sms", NUMBER, "stop")
    assert [(event.contact, set(event.purposes)) for event in heard[1:]] == [
        (anna, {MARKETING, TRANSACTIONAL}),
        (other, {MARKETING, TRANSACTIONAL}),
    ]


# --- the ledger against a database's owner (G14) ------------------------------------------------------


async def checked(world: World) -> tuple[proof.Tampering, ...]:
    found = await world.app.read(proof.verify, world.app.key(chain.PURPOSE))
    return found.findings


async def history(world: World) -> int:
    """A contact with a chain of six rows, and two with short ones."""
    anna = await person(world)
    await grant(world, anna, MARKETING, TRANSACTIONAL)
    await world.app.write(actions.stop, NUMBER, [anna])
    await world.app.write(actions.start, NUMBER, [anna])
    for number in ("+14155550124", "+14155550125"):
        await grant(world, await person(world, number))
    assert await checked(world) == ()
    return anna


async def raw(world: World, statement: str) -> None:
    await world.app.write(lambda tx: tx._execute(statement.replace("%", "%%") if tx.postgres else statement, ()))


TAMPERINGS = [
    ("an edited status", "UPDATE consent_ledger SET status = 'subscribed' WHERE contact_id = {anna} AND n = 3", {("altered", 3)}),
    ("an edited time", "UPDATE consent_ledger SET happened_at = happened_at - 1 WHERE contact_id = {anna} AND n = 1", {("altered", 1)}),
    ("an edited wording", "UPDATE consent_ledger SET wording = 'All offers, always' WHERE contact_id = {anna} AND n = 1", {("field", 1)}),
    ("an edited address", "UPDATE consent_ledger SET address = '+14155550777' WHERE contact_id = {anna} AND n = 2", {("field", 2)}),
    ("a blanked wording", "UPDATE consent_ledger SET wording = '' WHERE contact_id = {anna} AND n = 1", {("field", 1)}),
    ("a deleted row", "DELETE FROM consent_ledger WHERE contact_id = {anna} AND n = 4", {("missing", 4)}),
    ("a cut tail", "DELETE FROM consent_ledger WHERE contact_id = {anna} AND n > 4", {("missing", 5)}),
    ("a moved head", "UPDATE consent_heads SET length = 5 WHERE contact_id = {anna}", {("head", None)}),
    ("a deleted head", "DELETE FROM consent_heads WHERE contact_id = {anna}", {("head", None), ("chain", None)}),
    ("a swapped owner", "UPDATE consent_ledger SET contact_id = (SELECT max(id) FROM contacts), n = 2 WHERE contact_id = {anna} AND n = 6", {("missing", 6), ("added", 2)}),
    ("an edited register", "UPDATE consent_register SET chains = chains - 1", {("register", None)}),
]  # fmt: skip


@pytest.mark.parametrize(("what", "statement", "expected"), TAMPERINGS, ids=[what for what, _, _ in TAMPERINGS])
async def test_g14_what_was_done_to_the_ledger_by_hand_is_named(
    world: World, what: str, statement: str, expected: set[tuple[str, int | None]]
) -> None:
    anna = await history(world)
    await raw(world, statement.format(anna=anna))
    found = await checked(world)
    named = {(finding.kind, finding.n) for finding in found if finding.kind != "standing"}
    assert named == expected


async def test_g14_a_standing_that_the_ledger_does_not_tell_is_named(world: World) -> None:
    anna = await history(world)
    await world.app.write(actions.stop, NUMBER, [anna])
    for change in ("status = 'subscribed'", "taken = {no}", "paused_at = 1", "source = 'user:1'"):
        change = change.format(no="false" if world.database == "postgres" else "0")
        await raw(world, f"UPDATE consents SET {change} WHERE contact_id = {anna} AND purpose = 'sms_marketing'")
        assert [(one.kind, one.contact) for one in await checked(world)] == [("standing", anna)], change


async def test_g14_a_contact_whose_whole_chain_vanished_is_named(world: World) -> None:
    anna = await history(world)
    for table in ("consent_ledger", "consent_heads", "consents"):
        await raw(world, f"DELETE FROM {table} WHERE contact_id = {anna}")
    assert [(one.kind, one.contact) for one in await checked(world)] == [("chain", anna)]


async def test_g14_erasure_leaves_the_proof_without_the_person(world: World) -> None:
    anna = await history(world)
    await world.app.write(functools.partial(ledger.erase, source="user:1"), anna)
    rows = await world.rows(schema.consent_ledger, schema.consent_ledger.c.contact_id == anna)
    assert {row.address for row in rows} == {""}
    assert rows[0].wording == "Text me offers", "a form's words are ours"
    assert await checked(world) == ()
    await raw(world, f"UPDATE consent_ledger SET address = '+14155550777' WHERE contact_id = {anna} AND n = 1")
    assert [(one.kind, one.n) for one in await checked(world)] == [("field", 1)]


async def test_g14_evidence_shows_who_agreed_to_what_before_the_send(world: World) -> None:
    anna = await person(world)
    await grant(world, anna)
    sent = await world.app.write(_outbound, anna, SendPurpose.CONVERSATION)
    await world.advance(minutes=1)
    await world.app.write(actions.stop, NUMBER, [anna])
    found = await world.app.read(proof.evidence, world.app.key(chain.PURPOSE), sent)
    assert found["complete"] and found["chain"]["sound"] and found["chain"]["length"] == 3
    [basis] = found["basis"]["consents"]
    assert (basis["wording"], basis["method"], basis["source"], basis["address"]) == (
        "Text me offers", "form", "https://shop.example/join", NUMBER,
    )  # fmt: skip
    assert [row["n"] for row in found["ledger"]] == [1], "up to the send"
    later = await world.app.write(_outbound, anna, SendPurpose.CONVERSATION)
    found = await world.app.read(proof.evidence, world.app.key(chain.PURPOSE), later)
    assert not found["complete"] and found["basis"]["consents"] == []
    assert await world.app.read(proof.evidence, world.app.key(chain.PURPOSE), 999) is None


async def test_g14_evidence_is_not_complete_where_the_chain_was_touched(world: World) -> None:
    anna = await person(world)
    await grant(world, anna)
    sent = await world.app.write(_outbound, anna, SendPurpose.CONVERSATION)
    await raw(world, "UPDATE consent_ledger SET source = 'https://shop.example/other'")
    found = await world.app.read(proof.evidence, world.app.key(chain.PURPOSE), sent)
    assert not found["complete"] and not found["chain"]["sound"]


# --- rows that no action makes yet --------------------------------------------------------------------


def _contact(tx: Tx, phone: str) -> int:
    return int(tx.value(insert(schema.contacts).values(phone=phone, created_at=tx.now).returning(schema.contacts.c.id)))


def _renumber(tx: Tx, contact: int, phone: str) -> None:
    tx.run(schema.contacts.update().where(schema.contacts.c.id == contact).values(phone=phone))


def _kind(tx: Tx, name: str, channel: str, required: bool) -> int:
    kinds = schema.consent_kinds
    values = {"name": name, "channel": channel, "required": required, "created_at": tx.now}
    return int(tx.value(insert(kinds).values(**values).returning(kinds.c.id)))


def _outbound(tx: Tx, contact: int, purpose: str) -> int:
    table = schema.outbound
    values = {
        "token": tx.token(12), "channel": "sms", "kind": "reply", "purpose": purpose, "contact_id": contact,
        "recipient": NUMBER, "body": "Hello", "media": [], "segments": 1, "priority": 0, "state": "sent",
        "due_at": tx.now, "created_at": tx.now, "dispatched_at": tx.now,
    }  # fmt: skip
    return int(tx.value(insert(table).values(**values).returning(table.c.id)))
