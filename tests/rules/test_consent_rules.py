"""Which messages may be sent, and how a keyword changes the current consent (CON-1..8, INB-8..11, SET-5, AMB-23, 25, IMP-76)."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.consent import rules
from server.consent.rules import (
    Allowed,
    Applied,
    Blocked,
    ConsentFacts,
    CurrentConsent,
    Held,
    Invalid,
    Method,
    NotApplied,
    Purpose,
    SendPurpose,
    Status,
    barred,
    may_send,
    on_change,
)
from server.sms import rules as sms_rules

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
S, U, N = Status.SUBSCRIBED, Status.UNSUBSCRIBED, Status.NEVER_SUBSCRIBED


def facts(
    marketing: Status = N, transactional: Status = N, method: Method = Method.KEYWORD, **more: object
) -> ConsentFacts:
    statuses = {Purpose.SMS_MARKETING: marketing, Purpose.SMS_TRANSACTIONAL: transactional}
    return ConsentFacts(statuses, dict.fromkeys(statuses, method), **more)  # type: ignore[arg-type]


def send_verdict(purpose: SendPurpose, consent_facts: ConsentFacts, channel: rules.Channel = "sms") -> str:
    match may_send(purpose, channel, consent_facts, NOW):
        case Allowed():
            return "yes"
        case Held():
            return "held"
        case Blocked(reason, message):
            assert message
            return reason


# marketing, transactional → may an agent reply, a promotion, a transactional text, an automatic reply be sent
TEXTS = [
    (S, S, "yes", "yes", "yes", "yes"),
    (S, U, "yes", "yes", "yes", "yes"),
    (S, N, "yes", "yes", "yes", "yes"),
    (U, S, "yes", "opted_out", "yes", "yes"),
    (N, S, "yes", "not_subscribed", "yes", "yes"),
    (U, U, "opted_out", "opted_out", "opted_out", "opted_out"),
    (U, N, "opted_out", "opted_out", "opted_out", "opted_out"),
    (N, U, "opted_out", "not_subscribed", "opted_out", "opted_out"),
    (N, N, "not_subscribed", "not_subscribed", "not_subscribed", "yes"),
]


@pytest.mark.parametrize(("marketing", "transactional", "answer", "promotion", "service", "automatic"), TEXTS)
def test_amb_23_which_texts_each_consent_allows(
    marketing: Status, transactional: Status, answer: str, promotion: str, service: str, automatic: str
) -> None:
    result = facts(marketing, transactional)
    assert send_verdict(SendPurpose.CONVERSATION, result) == answer
    assert send_verdict(SendPurpose.MARKETING, result) == promotion
    assert send_verdict(SendPurpose.TRANSACTIONAL, result) == service
    assert send_verdict(SendPurpose.AUTO_REPLY, result) == automatic


@pytest.mark.parametrize("method", list(Method))
def test_con_6_an_opt_out_by_an_agent_is_distinguished_from_a_stop(method: Method) -> None:
    """START restores only what the person's own text revoked, so only then is START suggested."""
    code = "opted_out" if method in rules.UNDONE_BY_START else "taken_off"
    for result in (facts(U, U, method), facts(U, N, method)):
        for purpose in (SendPurpose.CONVERSATION, SendPurpose.MARKETING, SendPurpose.AUTO_REPLY):
            assert send_verdict(purpose, result) == code
        reason = barred(result)
        assert reason is not None and reason.code == code and ("text START" in reason.hint) is (code == "opted_out")
    two_opt_outs = ConsentFacts(
        {Purpose.SMS_MARKETING: U, Purpose.SMS_TRANSACTIONAL: U},
        {Purpose.SMS_MARKETING: Method.AGENT, Purpose.SMS_TRANSACTIONAL: Method.KEYWORD},
    )
    assert send_verdict(SendPurpose.CONVERSATION, two_opt_outs) == "opted_out", (
        "a STOP by the person outweighs an agent's refusal"
    )
    assert send_verdict(SendPurpose.MARKETING, two_opt_outs) == "taken_off"


def test_con_5_never_having_subscribed_blocks_texts_and_not_mail() -> None:
    for status, answer in ((N, "yes"), (S, "yes"), (U, "opted_out")):
        assert send_verdict(SendPurpose.MARKETING, ConsentFacts({Purpose.EMAIL_MARKETING: status}), "email") == answer
    assert send_verdict(SendPurpose.TRANSACTIONAL, ConsentFacts({Purpose.EMAIL_MARKETING: U}), "email") == "yes"
    assert send_verdict(SendPurpose.CONVERSATION, ConsentFacts({Purpose.EMAIL_MARKETING: U}), "email") == "yes"


def test_con_6_a_suppressed_number_gets_no_marketing_despite_a_consent() -> None:
    mail = ConsentFacts({Purpose.EMAIL_MARKETING: S}, suppressed="agent")
    assert send_verdict(SendPurpose.MARKETING, mail, "email") == "opted_out"
    assert send_verdict(SendPurpose.TRANSACTIONAL, mail, "email") == "yes"
    for purpose in SendPurpose:
        if purpose is not SendPurpose.COMPLIANCE:
            assert send_verdict(purpose, facts(S, S, suppressed="stop")) == "opted_out"


@pytest.mark.parametrize("reason", ["invalid", "landline", "dead"])
@pytest.mark.parametrize("purpose", list(SendPurpose))
def test_a_dead_number_gets_no_text_at_all(reason: str, purpose: SendPurpose) -> None:
    assert send_verdict(purpose, facts(S, S, suppressed=reason)) == "unreachable"
    assert send_verdict(purpose, facts(S, S, reachable=False)) == "unreachable"
    assert (
        send_verdict(purpose, ConsentFacts({Purpose.EMAIL_MARKETING: S}, suppressed=reason), "email") == "unreachable"
    )


@pytest.mark.parametrize(
    ("reason", "ago", "answer"),
    [(None, 0, "yes"), ("stop", 0, "yes"), ("stop", 5, "yes"), ("stop", 5.01, "too_late"), ("gateway", 0, "opted_out"), ("agent", 0, "opted_out"), ("deactivated", 9, "yes")],
)  # fmt: skip
def test_a_keyword_reply_needs_no_consent_and_a_stop_confirmation_expires(
    reason: str | None, ago: float, answer: str
) -> None:
    result = facts(U, U, suppressed=reason, suppressed_at=NOW - timedelta(minutes=ago) if reason else None)
    assert send_verdict(SendPurpose.COMPLIANCE, result) == answer


def test_a_pause_blocks_only_marketing_its_tests_and_automatic_replies() -> None:
    result = facts(S, S, paused=True)
    answers = {purpose: send_verdict(purpose, result) for purpose in SendPurpose}
    assert {purpose for purpose, answer in answers.items() if answer == "paused"} == {"marketing", "auto_reply", "test"}
    assert {answers[purpose] for purpose in ("conversation", "transactional", "compliance")} == {"yes"}


def test_cim_5_a_missing_required_consent_is_named() -> None:
    result = facts(S, S, missing=("Profiling", "Terms 2026"))
    assert may_send(SendPurpose.MARKETING, "sms", result, NOW) == Blocked(
        "consent_missing", "A consent that every message needs is missing: Profiling, Terms 2026."
    )
    assert send_verdict(SendPurpose.TRANSACTIONAL, result) == "consent_missing"
    assert send_verdict(SendPurpose.CONVERSATION, result) == "yes"
    assert send_verdict(SendPurpose.MARKETING, ConsentFacts({}, missing=("Terms",)), "email") == "consent_missing"


def test_key_11_quiet_hours_delay_only_marketing() -> None:
    until = NOW + timedelta(hours=8)
    result = facts(S, S, quiet_until=until)
    assert may_send(SendPurpose.MARKETING, "sms", result, NOW) == Held(until)
    assert may_send(SendPurpose.MARKETING, "sms", result, until) == Allowed()
    for purpose in ("conversation", "auto_reply", "compliance", "transactional"):
        assert send_verdict(SendPurpose(purpose), result) == "yes"


def test_a_purpose_nobody_defined_is_an_error_and_not_allowed() -> None:
    with pytest.raises(ValueError):
        may_send("greeting", "sms", facts(S, S), NOW)


BARRED = [
    (facts(S), None),
    (facts(N, S), None),
    (facts(), "not_subscribed"),
    (facts(U, N), "opted_out"),
    (facts(S, S, suppressed="gateway"), "opted_out"),
    (facts(S, S, suppressed="landline"), "unreachable"),
    (facts(S, S, suppressed="deactivated"), "deactivated"),
    (facts(S, S, litigator=True), "litigator"),
    (facts(S, S, reachable=False), "unreachable"),
]


@pytest.mark.parametrize(("consent_facts", "code"), BARRED)
def test_inb_8_an_agent_sees_why_no_reply_is_possible_and_what_to_do(
    consent_facts: ConsentFacts, code: str | None
) -> None:
    reason = barred(consent_facts)
    assert (None if reason is None else reason.code) == code
    if reason is not None:
        assert reason.message.endswith(".") and reason.hint.endswith(".")
        assert rules.barred_with_code(reason.code) == reason


SHOWN = [
    (None, True, None),
    ("not_subscribed", True, "not_subscribed"),
    (None, False, "no_sender"),
    ("not_subscribed", False, "no_sender"),
    ("opted_out", False, "opted_out"),
    ("unreachable", False, "unreachable"),
]


@pytest.mark.parametrize(("barred", "served", "shown"), SHOWN)
def test_inb_11_a_reason_that_consent_cannot_fix_is_shown_before_one_that_it_can(
    barred: str | None, served: bool, shown: str | None
) -> None:
    assert sms_rules.shown_reason(barred, served) == shown


def test_inb_11_a_country_is_served_by_its_numbers_and_by_the_number_that_was_texted() -> None:
    own_numbers = sms_rules.OurNumbers(frozenset({"+4915100000000"}), frozenset({"DE", "AT"}))
    assert own_numbers.serve("AT", "+14155550100") and own_numbers.serve("US", "+4915100000000")
    assert not own_numbers.serve("US", "+14155550100") and not own_numbers.serve("", None)


@pytest.mark.parametrize(
    ("address", "can"),
    [("+14155550123", True), ("+48501228855", True), ("12345", False), ("SHOP", False), ("whatsapp:+14155550123", False), ("", False),
     ("+266696687", False), ("+0123456789", False), ("4155550123", False), ("+1415555012x", False), ("+" + "1" * 16, False), ("+１４１５５５５０１２３", False)],
)  # fmt: skip
def test_s8_which_senders_can_be_answered(address: str, can: bool) -> None:
    assert rules.textable(address) is can


# --- keywords -------------------------------------------------------------------------------------


def consent(
    status: Status, method: Method = Method.FORM, days_ago: float = 5, start_restores: bool = False
) -> CurrentConsent:
    return CurrentConsent(status, method, NOW - timedelta(days=days_ago), start_restores)


def statement(
    current: CurrentConsent | None,
    status: Status,
    method: Method = Method.IMPORT,
    days_ago: float | None = 0,
    *,
    opted_out: bool = False,
) -> Applied | NotApplied | Invalid:
    stated_at = None if days_ago is None else NOW - timedelta(days=days_ago)
    return on_change(current, status, method, stated_at, number_opted_out=opted_out, now=NOW)


def test_imp_76_the_newer_statement_counts_and_at_the_same_time_the_refusal() -> None:
    assert isinstance(statement(consent(U, days_ago=5), S, days_ago=6), NotApplied)
    assert isinstance(statement(consent(U, days_ago=5), S, days_ago=5), NotApplied)
    assert isinstance(statement(consent(U, days_ago=5), S, days_ago=4), Applied)
    assert isinstance(statement(consent(S, days_ago=5), U, days_ago=6), NotApplied)
    assert isinstance(statement(consent(S, days_ago=5), U, days_ago=5), Applied)
    assert isinstance(statement(None, S, days_ago=9_000), Applied)
    assert isinstance(statement(consent(N, days_ago=0), S, days_ago=5), Applied)


def test_con_7_dates_before_1990_become_1990_and_future_dates_are_refused() -> None:
    assert statement(None, S, days_ago=365 * 60) == Applied(datetime(1990, 1, 1, tzinfo=UTC))
    assert isinstance(statement(None, S, days_ago=-1), Invalid)
    assert statement(None, S, days_ago=-1 / 24 / 60) == Applied(NOW), "a date up to a minute ahead must count as now"


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("opt_out_method", [Method.KEYWORD, Method.REQUEST, Method.GATEWAY])
def test_g12_after_an_opt_out_only_the_persons_own_text_opts_in(method: Method, opt_out_method: Method) -> None:
    by_person = method in (Method.KEYWORD, Method.DOUBLE_OPT_IN)
    for current in (consent(U, opt_out_method, start_restores=True), consent(U, opt_out_method)):
        verdict = statement(current, S, method, None)
        assert isinstance(verdict, Applied if by_person else NotApplied)
    for current in (None, consent(S), consent(U, Method.AGENT)):
        assert isinstance(statement(current, S, method, None, opted_out=True), Applied if by_person else NotApplied)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([S, U]),
            st.sampled_from([Method.FORM, Method.IMPORT, Method.API, Method.AGENT]),
            st.integers(0, 40),
        ),
        max_size=30,
    )
)
def test_the_newest_statement_counts_in_whatever_order_they_arrive(words: list[tuple[Status, Method, int]]) -> None:
    """Statements of several dates, in any order: the newest counts, and of two with the same date the refusal."""
    for order in itertools.islice(itertools.permutations(words), 6):
        current: CurrentConsent | None = None
        for status, method, days in order:
            stated_at = NOW - timedelta(days=days)
            verdict = on_change(current, status, method, stated_at, number_opted_out=False, now=NOW)
            if isinstance(verdict, Applied):
                current = CurrentConsent(status, method, verdict.happened_at)
        if words:
            newest = min(days for _, _, days in words)
            assert current is not None and current.happened_at == NOW - timedelta(days=newest)
            newest_statuses = {status for status, _, days in words if days == newest}
            assert current.status == (U if U in newest_statuses else S)


TEXTING = st.sampled_from(["stop", "gateway", "start", "agent yes", "agent no", "import yes", "join"])


@given(st.lists(TEXTING, max_size=30), st.sampled_from([None, S, U, N]))
def test_amb_32_start_restores_only_what_stop_revoked(script: list[str], before: Status | None) -> None:
    """After any history, an opted-out person is subscribed again only by their own text, and START alone never grants
    consent."""
    current = None if before is None else CurrentConsent(before, Method.FORM, NOW - timedelta(days=9))
    opted_out = False
    granted = before is S  # a consent that no later statement has revoked, computed without the product's code
    for step in script:
        status_before = None if current is None else current.status
        if step == "start":
            opted_out = False
            status = rules.status_after_start(current)
            if status is not None:
                current = CurrentConsent(status, Method.KEYWORD, NOW)
                assert status is N or granted, "START granted a consent that the person never gave"
            continue
        status, method = {
            "stop": (U, Method.KEYWORD), "gateway": (U, Method.GATEWAY), "agent yes": (S, Method.AGENT),
            "agent no": (U, Method.AGENT), "import yes": (S, Method.IMPORT), "join": (S, Method.KEYWORD),
        }[step]  # fmt: skip
        if step in ("stop", "gateway"):
            opted_out = True
        if step == "join":
            opted_out = False
        verdict = on_change(current, status, method, None, number_opted_out=opted_out, now=NOW)
        if isinstance(verdict, Applied):
            start_restores = current is not None and current.start_restores
            current = CurrentConsent(
                status, method, NOW, rules.restored_by_start(status, method, status_before or N, start_restores)
            )
            if status is S:
                granted = True
            elif step == "agent no":
                granted = False
        if opted_out:
            assert current is not None and current.status != S, f"{step} brought back somebody who opted out"
