"""Rules of campaigns: states, who may get a text now, reasons, composition. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.campaigns import compliance, rules, zones
from server.campaigns.content import Composer, Content, missing_compliance
from server.campaigns.rules import Outcomes, State
from server.consent import rules as consent
from server.consent.rules import Blocked, ConsentFacts, Purpose, Status
from server.delivery import bulk_rules
from server.delivery.bulk_rules import BulkFacts, Skip, Smart
from server.delivery.rules import State as Outgoing
from server.errors import Refused
from server.receipts.rules import SENTENCES, Reason, outcome
from server.templates import sandbox
from server.templates.sandbox import TemplateError

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)  # a Saturday
SOON, LATER = NOW + timedelta(minutes=15), NOW + timedelta(minutes=16)
AGREED = ConsentFacts({Purpose.SMS_MARKETING: Status.SUBSCRIBED})
FACTS = BulkFacts("+12025550123", "US", AGREED)


def refused(result: object) -> str | None:
    return result.code if isinstance(result, Refused) else None


# --- states -----------------------------------------------------------------------------------------


def test_cst_5_only_a_draft_is_edited_or_approved() -> None:
    for state in State:
        expected = None if state is State.DRAFT else "not_a_draft"
        assert refused(rules.check_edit(state)) == expected
        assert refused(rules.check_approve(state, LATER, NOW)) == expected


def test_cst_6_pausing_a_scheduled_campaign_makes_it_a_draft_and_a_running_one_stops() -> None:
    assert rules.after_pause(State.SCHEDULED, LATER, NOW) is State.DRAFT
    assert rules.after_pause(State.SENDING, None, NOW) is State.PAUSED
    for state in set(State) - {State.SCHEDULED, State.SENDING}:
        assert refused(rules.after_pause(state, LATER, NOW)) == "cannot_pause"


def test_cst_7_nothing_but_a_cancel_fifteen_minutes_before_the_start() -> None:
    assert refused(rules.after_pause(State.SCHEDULED, SOON, NOW)) == "starts_soon"
    assert refused(rules.check_reschedule(State.SCHEDULED, SOON, NOW + timedelta(days=1), NOW)) == "starts_soon"
    assert rules.check_reschedule(State.SCHEDULED, LATER, NOW + timedelta(days=1), NOW) is None
    assert rules.after_cancel(State.SCHEDULED) is State.CANCELLED


def test_cst_3_and_4_cancel() -> None:
    assert rules.after_cancel(State.SENDING) is rules.after_cancel(State.PAUSED) is State.CANCELLED_DURING_SEND
    for state in rules.FINISHED:
        assert refused(rules.after_cancel(state)) == "finished"
    for state in (State.DRAFT, State.PREPARING, State.SCHEDULED):
        assert rules.after_cancel(state) is State.CANCELLED


def test_a_start_is_in_the_future_and_within_a_year() -> None:
    assert refused(rules.check_approve(State.DRAFT, NOW, NOW)) == "in_past"
    assert refused(rules.check_approve(State.DRAFT, NOW + timedelta(days=366), NOW)) == "too_late"
    assert rules.check_approve(State.DRAFT, None, NOW) is None
    assert refused(rules.check_resume(State.SENDING)) == "not_paused"


def test_cst_6_reminders_are_a_day_and_three_hours_before_the_old_time() -> None:
    at = NOW + timedelta(hours=30)
    assert rules.reminders(at, NOW) == [NOW + timedelta(hours=6), NOW + timedelta(hours=27)]
    assert rules.reminders(NOW + timedelta(hours=4), NOW) == [NOW + timedelta(hours=1)]


def test_failures_pause_a_campaign_only_above_the_percentage_and_not_for_few_messages() -> None:
    assert rules.too_many_failures(Outcomes(50, 11), 20)
    assert not rules.too_many_failures(Outcomes(50, 10), 20)
    assert not rules.too_many_failures(Outcomes(49, 49), 20)
    assert not rules.too_many_failures(Outcomes(100, 30).since(Outcomes(60, 30)), 20)


# --- who may get a text -------------------------------------------------------------------------------


def reason(facts: BulkFacts, now: datetime = NOW) -> str | None:
    verdict = bulk_rules.verdict(facts, now)
    return verdict.reason if isinstance(verdict, Blocked) else None


def test_a_text_needs_a_number_consent_and_a_country() -> None:
    assert reason(FACTS) is None
    assert reason(replace(FACTS, address="")) == "no_phone"
    assert reason(replace(FACTS, country="")) == "invalid_phone"
    assert reason(replace(FACTS, consent=ConsentFacts({}))) == "not_subscribed"
    assert reason(replace(FACTS, paused_countries={"US": "21408"})) == "country_paused"
    transactional = ConsentFacts({Purpose.SMS_TRANSACTIONAL: Status.SUBSCRIBED})
    assert reason(replace(FACTS, consent=transactional)) == "not_subscribed"


def test_cam_48_nothing_is_sent_after_the_time_limit() -> None:
    assert reason(replace(FACTS, expires_at=NOW)) == "timed_out"
    assert reason(replace(FACTS, expires_at=LATER)) is None


@pytest.mark.parametrize(
    ("at", "quiet"),
    [
        ("2026-11-20T07:00+00:00", False),  # Friday, 8:00 in Paris
        ("2026-11-20T06:59+00:00", True),
        ("2026-11-20T20:59+00:00", False),
        ("2026-11-20T21:00+00:00", True),
        ("2026-11-22T12:00+00:00", True),  # Sunday
        ("2026-11-11T12:00+00:00", True),  # Armistice Day
        ("2026-03-29T06:30+00:00", True),  # the Sunday on which clocks go forward
        ("2026-03-30T06:00+00:00", False),  # 8:00 in summer time
    ],
)
def test_cam_47_france_allows_campaigns_only_by_day_and_not_on_sundays_and_holidays(at: str, quiet: bool) -> None:
    french = replace(FACTS, address="+33612345678", country="FR")
    moment = datetime.fromisoformat(at)
    assert (reason(french, moment) == "quiet_hours") is quiet
    assert reason(FACTS, moment) is None  # elsewhere quiet hours only warn


def test_sma_2_each_choice_looks_at_its_own_timers() -> None:
    running, over = NOW + timedelta(hours=1), NOW - timedelta(hours=1)
    blocked = {
        Smart.OFF: [],
        Smart.CAMPAIGN: ["campaign"],
        Smart.FLOW: ["flow"],
        Smart.BOTH: ["campaign", "flow"],
    }
    for smart, kinds in blocked.items():
        for kind in ("campaign", "flow"):
            expected = "smart_sending" if kind in kinds else None
            assert reason(replace(FACTS, smart=smart, timers={kind: running})) == expected
            assert reason(replace(FACTS, smart=smart, timers={kind: over})) is None


def test_sma_10_quiet_hours_come_before_smart_sending() -> None:
    both = replace(
        FACTS, address="+33612345678", country="FR", smart=Smart.BOTH, timers={"campaign": NOW + timedelta(days=3)}
    )
    sunday = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert reason(both, sunday) == "quiet_hours" and reason(both) == "smart_sending"


def test_cam_45_credits_are_needed_by_campaigns_only() -> None:
    assert reason(replace(FACTS, cost=3, credits_left=2)) == "no_funds"
    assert reason(replace(FACTS, cost=3, credits_left=3)) is None
    assert reason(replace(FACTS, cost=3, credits_left=2, kind="flow")) is None


# --- reasons ------------------------------------------------------------------------------------------


def test_out_2_every_reason_has_a_sentence_and_every_rule_has_a_reason() -> None:
    assert set(SENTENCES) == set(Reason)
    gate = set(consent.BLOCK_MESSAGES) - {"merged", "no_sender", "too_late"}
    assert {*Skip, *gate} <= set(Reason)


def test_out_4_the_carriers_codes_become_reasons_and_keep_their_value() -> None:
    expected = {
        "30005": "device_disconnected",
        "30003": "device_unreachable",
        "30007": "carrier_violation",
        "21614": "invalid_mobile_number",
        "21610": "opted_out",
        "30008": "unable_to_send",
    }
    for code, wanted in expected.items():
        assert outcome(Outgoing.FAILED, code, "words") == ("failed", wanted, f"{code}: words")


def test_out_1_each_state_of_a_message_has_one_outcome() -> None:
    outcomes = {
        state.value: found and found[0].value for state in Outgoing if (found := outcome(state, "", "")) or True
    }
    assert outcomes == {
        "queued": None, "claimed": None, "sending": None, "accepted": "sent", "sent": "sent", "delivered": "delivered",
        "undelivered": "failed", "failed": "failed", "unknown": "unknown", "skipped": "skipped", "cancelled": "skipped",
    }  # fmt: skip


# --- composing ----------------------------------------------------------------------------------------


def composed(content: Content, country: str = "US", **values: str) -> str:
    composer = Composer(
        content, sandbox.parse(content.text, html=False), "Kettle", "help@kettle.example", "https://desk.example", "",
        lambda: "AbCd1234",
    )  # fmt: skip
    return composer(values, country).body


def test_cam_27_prefix_contact_and_opt_out_stand_around_the_text() -> None:
    assert composed(Content(text="Sale")) == "Kettle: Sale\nReply STOP to opt out."
    full = Content(text="Sale", contact=True, opt_out_text="Text STOP to end")
    assert composed(full) == "Kettle: Sale\nhelp@kettle.example\nText STOP to end"
    assert composed(Content(text="Sale", prefix=False, opt_out=False)) == "Sale"


def test_cam_27_the_prefix_is_mandatory_in_france_and_the_wording_follows_the_country() -> None:
    bare = Content(text="Soldes", prefix=False)
    assert composed(bare, "FR") == "Kettle: Soldes\nSTOP pour vous désinscrire."
    assert composed(Content(text="x"), "CA", language="fr").endswith("désinscrire.")
    assert all("STOP" in words for words in compliance.OPT_OUT.values())


def test_cam_27_an_opt_out_wording_without_stop_is_refused() -> None:
    with pytest.raises(ValueError, match="STOP"):
        Content(text="x", opt_out_text="Call us")


def test_cam_27_the_warning_names_the_countries_that_require_what_is_off() -> None:
    off = Content(text="x", opt_out=False)
    assert missing_compliance(off, {"US": 3, "KR": 1, "CA": 2}, "Kettle") == {
        "opt_out": ["CA", "US"],
        "contact": ["CA"],
    }
    assert missing_compliance(Content(text="x"), {"US": 1}, "") == {"prefix": ["US"]}


def test_cam_25_links_become_short_and_a_repeated_link_shares_its_code() -> None:
    text = "See https://shop.example/a and https://shop.example/a"
    assert composed(Content(text=text, prefix=False, opt_out=False)) == (
        "See https://desk.example/l/AbCd1234 and https://desk.example/l/AbCd1234"
    )
    assert "shop.example" in composed(Content(text=text, shorten_links=False))


def test_t10_a_missing_value_without_a_default_composes_nothing() -> None:
    assert composed(Content(text="Hi {{ first_name|default('you') }}", prefix=False, opt_out=False)) == "Hi you"
    with pytest.raises(TemplateError):
        composed(Content(text="Hi {{ first_name }}"), first_name="")


def test_t13_a_value_with_braces_is_inserted_as_text() -> None:
    body = composed(Content(text="Hi {{ first_name }}", prefix=False, opt_out=False), first_name="{{ 7*7 }}")
    assert body == "Hi {{ 7*7 }}"


# --- quiet hours of recipients ------------------------------------------------------------------------


def test_cam_46_quiet_hours_are_counted_in_the_zone_of_each_number() -> None:
    zone = zones.zones_of("+12125550100")
    assert zone == ("America/New_York",)
    at = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)  # 9:00 in New York, 8:00 in Chicago
    people: Counter[tuple[str, ...]] = Counter(
        {zone: 3, ("America/Chicago",): 2, ("America/New_York", "America/Chicago"): 1, (): 4}
    )
    assert zones.quiet_people(people, at) == (3, 2)
    assert zones.area("+12125550100") == "+12125550000"
