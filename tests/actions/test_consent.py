"""Stored consent: the ledger, keywords, who may restore a consent (CON-1..11, KEY-1..4, AMB-1, 32, 33; G12, G14)."""

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
from server.consent import actions, chain, ledger, opting_in, proof, queries, rules, suppressing
from server.consent.ledger import ConsentChange
from server.consent.rules import AddressChanged, Allowed, Blocked, Method, Purpose, SendPurpose, Status, Suppressed
from server.contacts import actions as contacts
from server.errors import Refused
from server.kernel.sql import Tx
from server.schema import suppressions
from tests.people import add_contact
from tests.world import World, at_once, open_world

MARKETING, TRANSACTIONAL = Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL
NUMBER = "+14155550123"


async def person(world: World, number: str = NUMBER) -> int:
    result = await world.app.write(contacts.by_phone, number, number, "US")
    return int(result.contact)


async def grant(world: World, contact: int, *purposes: str, **values: Any) -> list[actions.ConsentResult]:
    values = {"method": Method.FORM, "source": "https://shop.example/join", "wording": "Text me offers", **values}
    return [
        await world.app.write(actions.record, ConsentChange(contact, purpose, Status.SUBSCRIBED, **values))
        for purpose in purposes or (MARKETING,)
    ]


async def statuses(world: World, contact: int) -> dict[str, str]:
    result = await world.app.read(queries.facts, contact, NUMBER)
    return dict(result.statuses)


async def verdict(world: World, contact: int, purpose: SendPurpose, number: str = NUMBER) -> rules.Verdict:
    result = await world.app.read(queries.facts, contact, number)
    return rules.may_send(purpose, "sms", result, world.now)


async def test_idn_1_two_concurrent_first_texts_of_a_stranger_create_one_contact(world: World) -> None:
    result = await at_once(*(world.app.write(contacts.by_phone, NUMBER, NUMBER, "US") for _ in range(8)))
    assert len({item.contact for item in result}) == 1
    assert sum(item.created for item in result) == 1


async def test_key_1_stop_revokes_both_consents_and_amb_32_start_restores_them(world: World) -> None:
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


async def test_s15_start_from_a_number_that_never_agreed_creates_no_consent(world: World) -> None:
    anna = await person(world)
    started = await world.app.write(actions.start, NUMBER, [anna])
    assert not started.lifted and not started.restored
    assert await statuses(world, anna) == {}
    await world.app.write(actions.stop, NUMBER, [anna])
    assert await statuses(world, anna) == {MARKETING: "unsubscribed", TRANSACTIONAL: "unsubscribed"}
    started = await world.app.write(actions.start, NUMBER, [anna])
    assert started.lifted and not started.restored
    assert set((await statuses(world, anna)).values()) == {"never_subscribed"}
    result = rules.barred(await world.app.read(queries.facts, anna, NUMBER))
    assert result is not None and result.code == "not_subscribed"


async def test_start_restores_what_the_first_of_two_stops_revoked(world: World) -> None:
    anna = await person(world)
    await grant(world, anna, MARKETING)
    assert (await world.app.write(actions.stop, NUMBER, [anna])).first
    assert not (await world.app.write(actions.stop, NUMBER, [anna])).first, (
        "only the first STOP asks for a confirmation text"
    )
    assert (await world.app.write(actions.start, NUMBER, [anna])).restored
    assert (await statuses(world, anna))[MARKETING] == "subscribed"


async def test_a_keyword_received_after_the_clock_was_set_back_still_counts(world: World) -> None:
    anna = await person(world)
    await grant(world, anna, MARKETING)
    world.clock.advance(timedelta(hours=-2))
    await world.app.write(actions.stop, NUMBER, [anna])
    assert (await statuses(world, anna))[MARKETING] == "unsubscribed"


async def test_amb_33_stop_applies_to_the_number_and_to_every_contact_with_it(world: World) -> None:
    anna = await person(world)
    other_contact = await world.app.write(_contact, NUMBER)
    await grant(world, anna)
    await grant(world, other_contact)
    await world.app.write(actions.stop, NUMBER, [anna])
    for contact in (anna, other_contact):
        assert (await statuses(world, contact))[MARKETING] == "unsubscribed"
    later = await world.app.write(_contact, NUMBER)
    assert [r.reason_not_applied for r in await grant(world, later)] == ["opted_out"], (
        "a STOP also applies to a later contact with the same number"
    )
    assert isinstance(await verdict(world, later, SendPurpose.AUTO_REPLY), Blocked)


@pytest.mark.parametrize("method", [Method.AGENT, Method.IMPORT, Method.FORM, Method.API])
async def test_g12_after_a_stop_only_the_persons_own_text_restores_consent(world: World, method: Method) -> None:
    anna = await person(world)
    await grant(world, anna)
    await world.app.write(actions.stop, NUMBER, [anna])
    await world.advance(hours=24)
    [result] = await grant(world, anna, method=method, source="import:7")
    assert (result.applied, result.reason_not_applied, result.status) == (False, "opted_out", "unsubscribed")
    # Agreement through another number does not help: the STOP was the person's, not the number's.
    await world.app.write(_renumber, anna, "+14155550199")
    [result] = await grant(world, anna, method=method, source="import:8")
    assert (result.applied, result.reason_not_applied) == (False, "opted_out")
    # An agent's refusal after the STOP, and then an agreement, do not help either.
    change = ConsentChange(anna, MARKETING, Status.UNSUBSCRIBED, method)
    assert (await world.app.write(actions.record, change)).reason_not_applied == "same"
    [result] = await grant(world, anna, method=method, source="import:9")
    assert not result.applied
    await world.app.write(_renumber, anna, NUMBER)
    assert (await world.app.write(actions.start, NUMBER, [anna])).restored


async def test_imp_76_an_older_yes_does_not_override_a_newer_no_and_is_kept_as_evidence(world: World) -> None:
    anna = await person(world)
    await grant(world, anna, method=Method.IMPORT, happened_at=world.now - timedelta(days=9))
    no = ConsentChange(anna, MARKETING, Status.UNSUBSCRIBED, Method.FORM, happened_at=world.now - timedelta(days=5))
    assert (await world.app.write(actions.record, no)).applied
    [older] = await grant(world, anna, method=Method.IMPORT, happened_at=world.now - timedelta(days=6))
    assert (older.applied, older.reason_not_applied) == (False, "older")
    [newer] = await grant(world, anna, method=Method.IMPORT, happened_at=world.now - timedelta(days=4))
    assert newer.applied
    history = (await world.app.read(queries.contact_consents, anna)).history
    assert [(line.n, line.applied) for line in history] == [(4, True), (3, False), (2, True), (1, True)]


async def test_con_7_a_date_before_1990_becomes_1990_and_i9_a_future_date_is_refused(world: World) -> None:
    anna = await person(world)
    await grant(world, anna, happened_at=datetime(1900, 1, 1, tzinfo=UTC))
    [row] = await world.rows(schema.consents)
    assert row.happened_at == datetime(1990, 1, 1, tzinfo=UTC)
    with pytest.raises(Refused, match="future"):
        await grant(world, anna, happened_at=world.now + timedelta(days=1))


async def test_key_13_an_opt_out_reported_by_the_carrier_is_recorded_and_start_undoes_it(world: World) -> None:
    anna = await person(world)
    await grant(world, anna)
    await world.app.write(lambda tx: actions.gateway_stop(tx, NUMBER, [anna], source="outbound:9", wording="21610"))
    [suppression] = await world.rows(suppressions)
    assert (suppression.address, suppression.reason) == (NUMBER, "gateway")
    assert (await statuses(world, anna))[MARKETING] == "unsubscribed"
    answer = await verdict(world, anna, SendPurpose.COMPLIANCE)
    assert isinstance(answer, Blocked), "the carrier would refuse the text"
    assert (await world.app.write(actions.start, NUMBER, [anna])).restored


async def test_the_confirmation_of_a_stop_is_sent_within_five_minutes_or_never(world: World) -> None:
    anna = await person(world)
    await world.app.write(actions.stop, NUMBER, [anna])
    assert await verdict(world, anna, SendPurpose.COMPLIANCE) == Allowed()
    await world.advance(minutes=5, seconds=1)
    late = await verdict(world, anna, SendPurpose.COMPLIANCE)
    assert isinstance(late, Blocked) and late.reason == "too_late"


async def test_amb_1_a_request_to_stop_pauses_marketing_until_an_agent_decides(world: World) -> None:
    anna = await person(world)
    await grant(world, anna, MARKETING)
    ask = functools.partial(actions.pause_marketing, source="sms:SM1", wording="please stop texting me")
    assert await world.app.write(ask, NUMBER, [anna])
    assert not await world.app.write(ask, NUMBER, [anna]), (
        "an agent is asked once, not for each of the person's requests"
    )
    assert isinstance(await verdict(world, anna, SendPurpose.MARKETING), Blocked)
    assert isinstance(await verdict(world, anna, SendPurpose.AUTO_REPLY), Blocked)
    assert await verdict(world, anna, SendPurpose.CONVERSATION) == Allowed(), "an agent may ask what the person meant"
    # A consent in an import does not decide the request, because no agent looked at it.
    await grant(world, anna, method=Method.IMPORT)
    assert isinstance(await verdict(world, anna, SendPurpose.MARKETING), Blocked)
    assert await world.app.write(functools.partial(actions.lift_pause, user=1), NUMBER, [anna])
    assert await verdict(world, anna, SendPurpose.MARKETING) == Allowed()
    await world.app.write(ask, NUMBER, [anna])
    await world.app.write(functools.partial(actions.confirm_stop, user=1), NUMBER, [anna])
    assert (await statuses(world, anna))[MARKETING] == "unsubscribed"
    assert (await world.app.read(queries.facts, anna, NUMBER)).paused is False
    assert (await world.app.write(actions.start, NUMBER, [anna])).restored, (
        "the person requested the opt-out, so the person's START undoes it"
    )


async def test_amb_1_a_recorded_opt_in_newer_than_a_stop_request_decides_it_and_an_older_one_does_not(
    world: World,
) -> None:
    anna, same_number = await person(world), await world.app.write(_contact, NUMBER)
    await grant(world, anna, MARKETING)
    await world.advance(minutes=10)
    asked_at = world.now
    ask = functools.partial(actions.pause_marketing, source="sms:SM1", wording="please stop texting me")
    assert await world.app.write(ask, NUMBER, [anna])
    await world.advance(minutes=10)
    olga = (await world.agent("olga")).agent
    entry_of_anna = functools.partial(actions.AgentEntry, anna, MARKETING, reason="a form from the fair")
    await world.app.write(
        actions.record_agent_entry, olga, entry_of_anna(Status.SUBSCRIBED, happened_at=asked_at - timedelta(seconds=1))
    )
    assert isinstance(await verdict(world, anna, SendPurpose.MARKETING), Blocked), (
        "the consent was signed before the stop request"
    )
    await world.app.write(
        actions.record_agent_entry, olga, entry_of_anna(Status.SUBSCRIBED, reason="she rang: go on, please")
    )
    assert await verdict(world, anna, SendPurpose.MARKETING) == Allowed()
    paused = [consent.paused_at for consent in (await world.app.read(queries.contact_consents, same_number)).consents]
    assert paused == [None] * 3, "the decision applies to the number, as the request did"
    last = (await world.app.read(queries.contact_consents, anna)).history[0]
    assert (last.status, last.source) == ("resumed", f"user:{olga.id}")
    # A refusal by hand does not decide whether the number is opted out.
    await world.app.write(ask, NUMBER, [anna])
    await world.app.write(actions.record_agent_entry, olga, entry_of_anna(Status.UNSUBSCRIBED))
    assert (await world.app.read(queries.facts, anna, NUMBER)).paused


async def test_a_pause_applies_to_every_contact_with_the_number(world: World) -> None:
    anna, other = await person(world), await person(world, "+14155550124")
    await grant(world, other)
    ask = functools.partial(actions.pause_marketing, source="sms:SM1", wording="no more texts")
    await world.app.write(ask, NUMBER, [anna])
    assert isinstance(await verdict(world, other, SendPurpose.MARKETING), Blocked)
    assert await verdict(world, other, SendPurpose.MARKETING, "+14155550124") == Allowed()


async def test_a_person_who_never_agreed_can_be_paused_and_gets_no_automatic_reply(world: World) -> None:
    anna = await person(world)
    ask = functools.partial(actions.pause_marketing, source="sms:SM1", wording="leave me alone")
    assert await verdict(world, anna, SendPurpose.AUTO_REPLY) == Allowed()
    assert await world.app.write(ask, NUMBER, [anna])
    assert isinstance(await verdict(world, anna, SendPurpose.AUTO_REPLY), Blocked)
    result = await world.app.read(queries.contact_consents, anna)
    marketing = result.consents[0]
    assert (marketing.status, marketing.method) == ("never_subscribed", None) and marketing.paused_at is not None


async def test_con_9_a_double_opt_in_takes_effect_after_yes_and_keeps_the_question_as_proof(world: World) -> None:
    anna = await person(world)
    ask = functools.partial(
        opting_in.ask_opt_in, wording="Reply YES to join", source="sms:SM1", keyword="JOIN",
        purposes=(MARKETING, Purpose.EMAIL_MARKETING),
    )  # fmt: skip
    confirm = functools.partial(opting_in.confirm_opt_in, source="sms:SM2", received_text="Yes")
    assert await world.app.write(confirm, anna, NUMBER) is None, "a YES confirms nothing if no question was sent"
    await world.app.write(ask, anna)
    assert await statuses(world, anna) == {}
    assert await world.app.write(confirm, anna, NUMBER) == (Purpose.EMAIL_MARKETING, MARKETING)
    assert await world.app.write(confirm, anna, NUMBER) is None, "a second YES confirms nothing"
    rows = await world.rows(schema.consent_ledger)
    assert {(row.purpose, row.method, row.wording, row.source) for row in rows} == {
        (MARKETING, "double_opt_in", "Reply YES to join", "sms:SM2"),
        (Purpose.EMAIL_MARKETING, "double_opt_in", "Reply YES to join", "sms:SM2"),
    }


async def test_an_opt_in_question_expires_after_a_week_or_with_a_stop(world: World) -> None:
    anna = await person(world)
    ask = functools.partial(opting_in.ask_opt_in, wording="Reply YES to join", source="sms:SM1")
    confirm = functools.partial(opting_in.confirm_opt_in, source="sms:SM2", received_text="Yes")
    await world.app.write(ask, anna)
    await world.advance(hours=24 * 7)
    assert await world.app.write(confirm, anna, NUMBER) is None
    await world.app.write(ask, anna)
    await world.app.write(actions.stop, NUMBER, [anna])
    assert await world.app.write(confirm, anna, NUMBER) is None


async def test_a_subscribe_keyword_lifts_the_opt_out(world: World) -> None:
    anna = await person(world)
    await world.app.write(actions.stop, NUMBER, [anna])
    join = functools.partial(actions.subscribe, source="sms:SM2", wording="JOIN")
    assert (await world.app.write(join, anna, NUMBER)).applied
    assert await verdict(world, anna, SendPurpose.MARKETING) == Allowed()


async def test_start_does_not_lift_a_dead_number_and_a_dead_number_does_not_replace_an_opt_out(world: World) -> None:
    anna = await person(world)
    await world.app.write(suppressing.suppress, "sms", NUMBER, Suppressed.INVALID, "21211")
    result = rules.barred(await world.app.read(queries.facts, anna, NUMBER))
    assert result is not None and result.code == "unreachable"
    await world.app.write(actions.stop, NUMBER, [anna])
    assert not await world.app.write(suppressing.suppress, "sms", NUMBER, Suppressed.DEAD)
    [suppression] = await world.rows(suppressions)
    assert suppression.reason == "stop"


async def test_cim_5_a_consent_required_for_texts_blocks_texts_that_the_brand_begins(world: World) -> None:
    anna = await person(world)
    await grant(world, anna)
    kind = await world.app.write(_define_consent, "Profiling", "sms", True)
    missing = await verdict(world, anna, SendPurpose.MARKETING)
    assert isinstance(missing, Blocked) and "Profiling" in missing.message
    assert await verdict(world, anna, SendPurpose.CONVERSATION) == Allowed()
    await grant(world, anna, f"consent:{kind}")
    assert await verdict(world, anna, SendPurpose.MARKETING) == Allowed()


# --- races ----------------------------------------------------------------------------------------


async def test_concurrent_keywords_make_one_chain_without_a_gap(world: World) -> None:
    anna = await person(world)
    other_contact = await world.app.write(_contact, NUMBER)
    calls = []
    for number in range(12):
        change = ConsentChange(
            anna if number % 2 else other_contact, MARKETING, Status.SUBSCRIBED, Method.FORM, source=f"form:{number}"
        )
        calls += [world.app.write(actions.record, change), world.app.write(actions.stop, NUMBER, [anna])]
        calls.append(world.app.write(actions.start, NUMBER, [other_contact]))
    failed = [result for result in await at_once(*calls) if isinstance(result, Exception)]
    assert not failed
    verified = await world.app.read(proof.verify, world.app.key(chain.PURPOSE))
    assert verified.findings == ()
    assert verified.rows >= 24


async def test_a_send_waits_for_a_stop_that_is_being_written(tmp_path: Path) -> None:
    """The gate's transaction locks the number for sharing: on PostgreSQL the STOP commits before or after it."""
    async with open_world(tmp_path / "data", "postgres") as world:
        anna = await person(world)
        await grant(world, anna)
        checked, stopped = threading.Event(), threading.Event()

        def gate(tx: Tx) -> Any:
            result = queries.facts(tx, anna, NUMBER, lock=True)
            checked.set()
            assert not stopped.wait(0.5), "the STOP was committed while the gate's transaction had the number locked"
            return rules.may_send(SendPurpose.MARKETING, "sms", result, tx.now)

        def stop(tx: Tx) -> None:
            assert checked.wait(5)
            actions.stop(tx, NUMBER, [anna])

        async def stops() -> None:
            await world.app.write(stop, lane=1)
            stopped.set()

        result = await at_once(world.app.write(gate, lane=2), stops())
        assert result == [Allowed(), None]
        assert isinstance(await verdict(world, anna, SendPurpose.MARKETING), Blocked)


# --- events -----------------------------------------------------------------------------------------


async def test_a_stop_is_announced_for_the_number_and_all_its_contacts(world: World) -> None:
    anna = await person(world)
    other_contact = await world.app.write(_contact, NUMBER)
    await grant(world, anna, MARKETING, TRANSACTIONAL)
    events: list[Any] = []

    def stop(tx: Tx) -> None:
        tx._services = dataclasses.replace(tx._services, announce=lambda _, event: events.append(event))
        actions.stop(tx, NUMBER, [anna])

    await world.app.write(stop)
    assert events[0] == AddressChanged("sms", NUMBER, "stop")
    assert [(person.contact, set(person.purposes)) for event in events[1:] for person in event.contacts] == [
        (anna, {MARKETING, TRANSACTIONAL}),
        (other_contact, {MARKETING, TRANSACTIONAL}),
    ]


# --- manual changes to the ledger (G14) ---------------------------------------------------------------


async def verify_ledger(world: World) -> tuple[proof.Finding, ...]:
    result = await world.app.read(proof.verify, world.app.key(chain.PURPOSE))
    return result.findings


async def history(world: World) -> int:
    """A contact with six ledger rows, and two contacts with few."""
    anna = await person(world)
    await grant(world, anna, MARKETING, TRANSACTIONAL)
    await world.app.write(actions.stop, NUMBER, [anna])
    await world.app.write(actions.start, NUMBER, [anna])
    for number in ("+14155550124", "+14155550125"):
        await grant(world, await person(world, number))
    assert await verify_ledger(world) == ()
    return anna


async def execute_raw(world: World, statement: str) -> None:
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


@pytest.mark.parametrize(
    ("tampering", "statement", "expected"), TAMPERINGS, ids=[tampering for tampering, _, _ in TAMPERINGS]
)
async def test_g14_verify_names_every_manual_change_to_the_ledger(
    world: World, tampering: str, statement: str, expected: set[tuple[str, int | None]]
) -> None:
    anna = await history(world)
    await execute_raw(world, statement.format(anna=anna))
    result = await verify_ledger(world)
    found_errors = {(finding.kind, finding.n) for finding in result if finding.kind != "standing"}
    assert found_errors == expected


async def test_g14_verify_names_a_consent_that_the_ledger_does_not_support(world: World) -> None:
    anna = await history(world)
    await world.app.write(actions.stop, NUMBER, [anna])
    for change in ("status = 'subscribed'", "taken = {no}", "paused_at = 1", "source = 'user:1'"):
        change = change.format(no="false" if world.database == "postgres" else "0")
        await execute_raw(
            world, f"UPDATE consents SET {change} WHERE contact_id = {anna} AND purpose = 'sms_marketing'"
        )
        assert [(item.kind, item.contact) for item in await verify_ledger(world)] == [("standing", anna)], change


async def test_g14_verify_names_a_contact_whose_whole_chain_is_missing(world: World) -> None:
    anna = await history(world)
    for table in ("consent_ledger", "consent_heads", "consents"):
        await execute_raw(world, f"DELETE FROM {table} WHERE contact_id = {anna}")
    assert [(item.kind, item.contact) for item in await verify_ledger(world)] == [("chain", anna)]


async def test_g14_erasure_keeps_the_proof_without_personal_data(world: World) -> None:
    anna = await history(world)
    await world.app.write(functools.partial(ledger.erase, source="user:1"), anna)
    rows = await world.rows(schema.consent_ledger, schema.consent_ledger.c.contact_id == anna)
    assert {row.address for row in rows} == {""}
    assert rows[0].wording == "Text me offers", "the wording of a form is not personal data"
    assert await verify_ledger(world) == ()
    await execute_raw(world, f"UPDATE consent_ledger SET address = '+14155550777' WHERE contact_id = {anna} AND n = 1")
    assert [(item.kind, item.n) for item in await verify_ledger(world)] == [("field", 1)]


@pytest.mark.parametrize("method", Method)
async def test_g14_erasure_removes_what_the_person_wrote_and_keeps_what_they_were_shown(
    world: World, method: Method
) -> None:
    wording_is_ours = method in (Method.DOUBLE_OPT_IN, Method.FORM, Method.IMPORT, Method.API)
    anna, text = await person(world), "Stop. Anna Nowak, Elm Street 5"
    await world.app.write(
        actions.record, ConsentChange(anna, MARKETING, Status.UNSUBSCRIBED, method, "sms:SM1", text, reason="Anna rang", address=NUMBER)
    )  # fmt: skip
    await world.app.write(functools.partial(ledger.erase, source="user:1"), anna)
    row, _ = await world.rows(schema.consent_ledger, schema.consent_ledger.c.contact_id == anna)
    assert (row.wording, row.reason, row.address) == (text if wording_is_ours else "", "", "")
    assert row.commitment.count(".") == 2 and await verify_ledger(world) == ()


async def test_g14_erasure_removes_the_words_of_a_stop_that_the_carrier_handled(world: World) -> None:
    maria = await world.texter(agreed=True)
    await maria.says("Stop it, you know where I live", opt_out="STOP")
    contact = await maria.contact()
    await world.app.write(functools.partial(ledger.erase, source="user:1"), contact)
    rows = await world.rows(schema.consent_ledger, schema.consent_ledger.c.contact_id == contact)
    assert Method.GATEWAY in {row.method for row in rows} and not [row for row in rows if "live" in row.wording]
    assert await verify_ledger(world) == ()


async def test_g14_evidence_shows_the_consent_before_the_send(world: World) -> None:
    anna = await person(world)
    await grant(world, anna)
    sent = await world.app.write(_outbound, anna, SendPurpose.CONVERSATION)
    await world.advance(minutes=1)
    await world.app.write(actions.stop, NUMBER, [anna])
    result = await world.app.read(proof.evidence, world.app.key(chain.PURPOSE), sent)
    assert result["complete"] and result["chain"]["sound"] and result["chain"]["length"] == 3
    [basis] = result["basis"]["consents"]
    assert (basis["wording"], basis["method"], basis["source"], basis["address"]) == (
        "Text me offers", "form", "https://shop.example/join", NUMBER,
    )  # fmt: skip
    assert [row["n"] for row in result["ledger"]] == [1], "the proof contains the ledger's rows up to the send"
    later = await world.app.write(_outbound, anna, SendPurpose.CONVERSATION)
    result = await world.app.read(proof.evidence, world.app.key(chain.PURPOSE), later)
    assert not result["complete"] and result["basis"]["consents"] == []
    assert await world.app.read(proof.evidence, world.app.key(chain.PURPOSE), 999) is None


async def test_g14_evidence_is_incomplete_after_a_manual_change_to_the_chain(world: World) -> None:
    anna = await person(world)
    await grant(world, anna)
    sent = await world.app.write(_outbound, anna, SendPurpose.CONVERSATION)
    await execute_raw(world, "UPDATE consent_ledger SET source = 'https://shop.example/other'")
    result = await world.app.read(proof.evidence, world.app.key(chain.PURPOSE), sent)
    assert not result["complete"] and not result["chain"]["sound"]


# --- rows that no action writes yet --------------------------------------------------------------------


def _contact(tx: Tx, phone: str) -> int:
    return add_contact(tx, phone=phone)


def _renumber(tx: Tx, contact: int, phone: str) -> None:
    tx.run(schema.contacts.update().where(schema.contacts.c.id == contact).values(phone=phone))
    tx.run(schema.addresses.update().where(schema.addresses.c.contact_id == contact).values(value=phone))


def _define_consent(tx: Tx, name: str, channel: str, required: bool) -> int:
    kinds = schema.consent_kinds
    values = {"name": name, "channel": channel, "required": required, "created_at": tx.now}
    return int(tx.value(insert(kinds).values(**values).returning(kinds.c.id)))


def _outbound(tx: Tx, contact: int, purpose: str) -> int:
    table = schema.outbound
    values = {
        "token": tx.token(12), "channel": "sms", "kind": "reply", "purpose": purpose, "contact_id": contact,
        "recipient": NUMBER, "body": "Hello", "media": [], "segments": 1, "lane": 0, "state": "sent",
        "due_at": tx.now, "created_at": tx.now, "dispatched_at": tx.now,
    }  # fmt: skip
    return int(tx.value(insert(table).values(**values).returning(table.c.id)))
