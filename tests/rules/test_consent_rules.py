"""Who may be sent what, and what a word does to what stands (SPEC CON-1..8, INB-8..11, SET-5, AMB-23, 25, IMP-76)."""

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
    Facts,
    Held,
    Impossible,
    KeptOnly,
    Method,
    Purpose,
    SendPurpose,
    Standing,
    Status,
    barred,
    may_send,
    on_change,
)

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
S, U, N = Status.SUBSCRIBED, Status.UNSUBSCRIBED, Status.NEVER_SUBSCRIBED


def facts(marketing: Status = N, transactional: Status = N, method: Method = Method.KEYWORD, **more: object) -> Facts:
    statuses = {Purpose.SMS_MARKETING: marketing, Purpose.SMS_TRANSACTIONAL: transactional}
    return Facts(statuses, dict.fromkeys(statuses, method), **more)  # type: ignore[arg-type]


def asked(purpose: SendPurpose, found: Facts, channel: rules.Channel = "sms") -> str:
    match may_send(purpose, channel, found, NOW):
        case Allowed():
            return "yes"
        case Held():
            return "held"
        case Blocked(reason, message):
            assert message
            return reason


# marketing, transactional → an agent's answer, a promotion, a transactional text, an automatic answer
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
def test_amb_23_who_may_be_texted_what(
    marketing: Status, transactional: Status, answer: str, promotion: str, service: str, automatic: str
) -> None:
    found = facts(marketing, transactional)
    assert asked(SendPurpose.CONVERSATION, found) == answer
    assert asked(SendPurpose.MARKETING, found) == promotion
    assert asked(SendPurpose.TRANSACTIONAL, found) == service
    assert asked(SendPurpose.AUTO_REPLY, found) == automatic


@pytest.mark.parametrize("method", list(Method))
def test_con_6_who_was_taken_off_here_is_told_apart_from_who_said_stop(method: Method) -> None:
    """START brings back what their own text took, so only then it is named as the way out."""
    code = "opted_out" if method in rules.START_UNDOES else "taken_off"
    for found in (facts(U, U, method), facts(U, N, method)):
        for purpose in (SendPurpose.CONVERSATION, SendPurpose.MARKETING, SendPurpose.AUTO_REPLY):
            assert asked(purpose, found) == code
        why = barred(found)
        assert why is not None and why.code == code and ("text START" in why.hint) is (code == "opted_out")
    both = Facts(
        {Purpose.SMS_MARKETING: U, Purpose.SMS_TRANSACTIONAL: U},
        {Purpose.SMS_MARKETING: Method.AGENT, Purpose.SMS_TRANSACTIONAL: Method.KEYWORD},
    )
    assert asked(SendPurpose.CONVERSATION, both) == "opted_out", "their own word is the firmest"
    assert asked(SendPurpose.MARKETING, both) == "taken_off"


def test_con_5_never_having_subscribed_blocks_texts_and_not_mail() -> None:
    for status, answer in ((N, "yes"), (S, "yes"), (U, "opted_out")):
        assert asked(SendPurpose.MARKETING, Facts({Purpose.EMAIL_MARKETING: status}), "email") == answer
    assert asked(SendPurpose.TRANSACTIONAL, Facts({Purpose.EMAIL_MARKETING: U}), "email") == "yes"
    assert asked(SendPurpose.CONVERSATION, Facts({Purpose.EMAIL_MARKETING: U}), "email") == "yes"


def test_con_6_a_suppressed_address_gets_no_marketing_whatever_was_agreed_to() -> None:
    mail = Facts({Purpose.EMAIL_MARKETING: S}, suppressed="agent")
    assert asked(SendPurpose.MARKETING, mail, "email") == "opted_out"
    assert asked(SendPurpose.TRANSACTIONAL, mail, "email") == "yes"
    for purpose in SendPurpose:
        if purpose is not SendPurpose.COMPLIANCE:
            assert asked(purpose, facts(S, S, suppressed="stop")) == "opted_out"


@pytest.mark.parametrize("why", ["invalid", "landline", "dead"])
@pytest.mark.parametrize("purpose", list(SendPurpose))
def test_a_number_that_no_phone_answers_gets_nothing_at_all(why: str, purpose: SendPurpose) -> None:
    assert asked(purpose, facts(S, S, suppressed=why)) == "unreachable"
    assert asked(purpose, facts(S, S, reachable=False)) == "unreachable"
    assert asked(purpose, Facts({Purpose.EMAIL_MARKETING: S}, suppressed=why), "email") == "unreachable"


@pytest.mark.parametrize(
    ("why", "ago", "answer"),
    [(None, 0, "yes"), ("stop", 0, "yes"), ("stop", 5, "yes"), ("stop", 5.01, "too_late"), ("gateway", 0, "opted_out"), ("agent", 0, "opted_out"), ("deactivated", 9, "yes")],
)  # fmt: skip
def test_a_keyword_is_answered_without_consent_and_a_stop_confirmed_soon_or_never(
    why: str | None, ago: float, answer: str
) -> None:
    found = facts(U, U, suppressed=why, suppressed_at=NOW - timedelta(minutes=ago) if why else None)
    assert asked(SendPurpose.COMPLIANCE, found) == answer


def test_a_pause_holds_back_marketing_and_automatic_answers_only() -> None:
    found = facts(S, S, paused=True)
    answers = {purpose: asked(purpose, found) for purpose in SendPurpose}
    assert {purpose for purpose, answer in answers.items() if answer == "paused"} == {"marketing", "auto_reply"}
    assert {answers[purpose] for purpose in ("conversation", "transactional", "compliance")} == {"yes"}


def test_cim_5_a_missing_required_consent_is_named() -> None:
    found = facts(S, S, missing=("Profiling", "Terms 2026"))
    assert may_send(SendPurpose.MARKETING, "sms", found, NOW) == Blocked(
        "consent_missing", "A consent that every message needs is missing: Profiling, Terms 2026."
    )
    assert asked(SendPurpose.TRANSACTIONAL, found) == "consent_missing"
    assert asked(SendPurpose.CONVERSATION, found) == "yes"
    assert asked(SendPurpose.MARKETING, Facts({}, missing=("Terms",)), "email") == "consent_missing"


def test_key_11_quiet_hours_hold_marketing_and_nothing_else() -> None:
    until = NOW + timedelta(hours=8)
    found = facts(S, S, quiet_until=until)
    assert may_send(SendPurpose.MARKETING, "sms", found, NOW) == Held(until)
    assert may_send(SendPurpose.MARKETING, "sms", found, until) == Allowed()
    for purpose in ("conversation", "auto_reply", "compliance", "transactional"):
        assert asked(SendPurpose(purpose), found) == "yes"


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
    (facts(S, S, answerable=False), "no_sender"),
    (facts(answerable=False), "no_sender"),
    (facts(U, U, answerable=False), "opted_out"),
    (facts(S, S, reachable=False, answerable=False), "unreachable"),
]


@pytest.mark.parametrize(("found", "code"), BARRED)
def test_inb_8_an_agent_sees_why_there_is_no_answering_and_the_way_out(found: Facts, code: str | None) -> None:
    why = barred(found)
    assert (None if why is None else why.code) == code
    if why is not None:
        assert why.message.endswith(".") and why.hint.endswith(".")
        assert rules.barred_by(why.code) == why


@pytest.mark.parametrize(
    ("address", "can"),
    [("+14155550123", True), ("+48501228855", True), ("12345", False), ("SHOP", False), ("whatsapp:+14155550123", False), ("", False),
     ("+266696687", False), ("+0123456789", False), ("4155550123", False), ("+1415555012x", False), ("+" + "1" * 16, False), ("+１４１５５５５０１２３", False)],
)  # fmt: skip
def test_s8_what_can_be_texted_back(address: str, can: bool) -> None:
    assert rules.textable(address) is can


# --- what a word does -----------------------------------------------------------------------------


def stands(status: Status, method: Method = Method.FORM, days_ago: float = 5, taken: bool = False) -> Standing:
    return Standing(status, method, NOW - timedelta(days=days_ago), taken)


def word(
    current: Standing | None,
    status: Status,
    method: Method = Method.IMPORT,
    days_ago: float | None = 0,
    *,
    opted_out: bool = False,
) -> Applied | KeptOnly | Impossible:
    at = None if days_ago is None else NOW - timedelta(days=days_ago)
    return on_change(current, status, method, at, number_opted_out=opted_out, now=NOW)


def test_imp_76_the_newer_word_counts_and_at_the_same_moment_the_no() -> None:
    assert isinstance(word(stands(U, days_ago=5), S, days_ago=6), KeptOnly)
    assert isinstance(word(stands(U, days_ago=5), S, days_ago=5), KeptOnly)
    assert isinstance(word(stands(U, days_ago=5), S, days_ago=4), Applied)
    assert isinstance(word(stands(S, days_ago=5), U, days_ago=6), KeptOnly)
    assert isinstance(word(stands(S, days_ago=5), U, days_ago=5), Applied)
    assert isinstance(word(None, S, days_ago=9_000), Applied)
    assert isinstance(word(stands(N, days_ago=0), S, days_ago=5), Applied)


def test_con_7_dates_before_1990_are_raised_and_the_future_is_refused() -> None:
    assert word(None, S, days_ago=365 * 60) == Applied(datetime(1990, 1, 1, tzinfo=UTC))
    assert isinstance(word(None, S, days_ago=-1), Impossible)
    assert word(None, S, days_ago=-1 / 24 / 60) == Applied(NOW), "another machine's clock may be a minute ahead"


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("own", [Method.KEYWORD, Method.REQUEST, Method.GATEWAY])
def test_g12_only_their_own_text_is_a_yes_after_their_own_no(method: Method, own: Method) -> None:
    mine = method in (Method.KEYWORD, Method.DOUBLE_OPT_IN)
    for current in (stands(U, own, taken=True), stands(U, own)):
        verdict = word(current, S, method, None)
        assert isinstance(verdict, Applied if mine else KeptOnly)
    for current in (None, stands(S), stands(U, Method.AGENT)):
        assert isinstance(word(current, S, method, None, opted_out=True), Applied if mine else KeptOnly)


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
def test_whatever_order_words_arrive_in_the_newest_stands(words: list[tuple[Status, Method, int]]) -> None:
    """Dated words of others, in any order: what stands is the newest, and of equals the no."""
    for order in itertools.islice(itertools.permutations(words), 6):
        current: Standing | None = None
        for status, method, days in order:
            at = NOW - timedelta(days=days)
            verdict = on_change(current, status, method, at, number_opted_out=False, now=NOW)
            if isinstance(verdict, Applied):
                current = Standing(status, method, verdict.happened_at)
        if words:
            newest = min(days for _, _, days in words)
            assert current is not None and current.happened_at == NOW - timedelta(days=newest)
            said = {status for status, _, days in words if days == newest}
            assert current.status == (U if U in said else S)


TEXTING = st.sampled_from(["stop", "gateway", "start", "agent yes", "agent no", "import yes", "join"])


@given(st.lists(TEXTING, max_size=30), st.sampled_from([None, S, U, N]))
def test_amb_32_start_gives_back_what_stop_took_and_nothing_more(script: list[str], before: Status | None) -> None:
    """After any history, an opted-out person is subscribed again only by their own text, and START alone never grants."""
    current = None if before is None else Standing(before, Method.FORM, NOW - timedelta(days=9))
    opted_out = False
    granted = before is S  # a yes that no later no of theirs or of others has ended, seen from outside
    for step in script:
        was = None if current is None else current.status
        if step == "start":
            opted_out = False
            status = rules.given_back(current)
            if status is not None:
                current = Standing(status, Method.KEYWORD, NOW)
                assert status is N or granted, "it gave what nobody had agreed to"
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
            taken = current is not None and current.taken
            current = Standing(status, method, NOW, rules.takes(status, method, was or N, taken))
            if status is S:
                granted = True
            elif step == "agent no":
                granted = False
        if opted_out:
            assert current is not None and current.status != S, f"{step} brought back somebody who opted out"
