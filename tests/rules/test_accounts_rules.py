"""Roles, passwords, addresses, sessions and signed identities: decisions without a server."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.accounts import passwords, rules
from server.accounts.passwords import new_password
from server.accounts.rules import (
    TABLE,
    Agent,
    Anonymous,
    BadIdentity,
    Can,
    Change,
    Owned,
    Role,
    Rotation,
    Visitor,
    VisitorIdentity,
    authorise,
    may,
)
from server.errors import Forbidden, NotFound, Refused, SignInRequired

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)

# --- passwords ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password",
    [
        "kettle harbour mosaic",
        "der grüne Frosch singt",
        "любимая собака ест",
        "四つの言葉を並べるだけで十分ですよね",
        "Xk9#mQ2$vL7&pR4!",
        "purple monkey dishwasher",
        " leading spaces count ",
        "739182645093127",
        "👍😀🎉🚀🌍🍕🎸📚🔑💡🌙⭐🔥🌊🍀🎯",
        "".join(chr(0x1F600 + n) for n in range(64)),  # 64 emoji and more are fine
        "my support inbox is full of nice letters",
        "long " * 10 + "but not only that, there is variety in it as well",
        "a-Very-Long-One-" + "".join(chr(97 + n * 7 % 26) for n in range(900)),
    ],
)
def test_long_passwords_of_any_alphabet_are_accepted_unchanged(password: str) -> None:
    accepted = new_password(password, email="anna.schmidt@lamps.example", name="Anna Schmidt")
    assert accepted == unicodedata.normalize("NFC", password)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "a",
        "password",
        "fourteen chars",
        "password12345678",
        "P@ssw0rd 1234567!",
        "passwordpassword",
        "ｐａｓｓｗｏｒｄ１２３４５６７",  # full-width
        "qwertyuiopasdfgh",
        "123456789012345",
        "abcdefghijklmnop",
        "zyxwvutsrqponmlk",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabc",
        "xk9qmv xk9qmv xk9qmv",
        "xxq xq qqx xxxq qx qqqxx",
        "ababababababababababab",
        "iloveyou iloveyou",
        "letmein!letmein!!",
        "correct horse battery staple",
        "Threadline 2026!!",
        "threadline-threadline",
        "anna.schmidt@lamps.example",
        "AnnaSchmidt198712!",
        "schmidt.threadline.99",
        "lamps.example 2026",
        "kettle harbour\0 mosaic",
        "\ud800 half a character",
        "x1y2z3 " * 200,  # over 1 KB
        "ü" * 600,  # over 1 KB of UTF-8
    ],
)
def test_short_common_and_personal_passwords_are_refused_with_a_reason(password: str) -> None:
    with pytest.raises(Refused) as refusal:
        new_password(password, email="anna.schmidt@lamps.example", name="Anna Schmidt")
    assert refusal.value.code in ("long_password", "short_password", "weak_password")
    assert (refusal.value.code == "short_password") == (len(password) < 15)
    assert refusal.value.field == "password"
    assert len(refusal.value.message) > 20
    assert len(password) < 5 or password not in refusal.value.message


def test_length_is_counted_after_normalising() -> None:
    decomposed = "e\u0301" * 1 + "kvq lumpro taw"  # 16 code points typed, 15 characters
    assert len(decomposed) == 16
    assert len(new_password(decomposed, email="", name="")) == 15
    with pytest.raises(Refused):
        new_password(decomposed[:-1], email="", name="")


def test_the_same_word_is_fine_for_somebody_else() -> None:
    assert new_password("Wolfgang1987 rides", email="mia@lamps.example", name="Mia")
    with pytest.raises(Refused):
        new_password("Wolfgang1987!!!!!!", email="wolfgang@lamps.example", name="")


def test_the_list_of_common_passwords_travels_with_the_server() -> None:
    assert len(passwords.common()) > 300


@given(st.text(max_size=1200))
def test_no_password_whatever_breaks_the_rule(password: str) -> None:
    try:
        accepted = new_password(password, email="anna@lamps.example", name="Anna")
    except Refused as refusal:
        assert refusal.code in ("long_password", "short_password", "weak_password")
    else:
        assert passwords.MIN_CHARS <= len(accepted) and len(accepted.encode()) <= passwords.MAX_BYTES


# --- addresses and names ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Anna@Shop.Example ", "anna@shop.example"),
        ("a+b@shop.local", "a+b@shop.local"),
        ("o'neil@shop.example", "o'neil@shop.example"),
        ("JÜRGEN@BÜCHER.example", "jürgen@bücher.example"),
        ("ju\u0308rgen@shop.example", "jürgen@shop.example"),
    ],
)
def test_an_address_is_kept_in_one_form(typed: str, kept: str) -> None:
    assert rules.email_address(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "anna",
        "@",
        "a@",
        "@b",
        "a@b@c",
        "a b@c.d",
        "a@b\r\nBcc: x@y.z",
        "a@b..c",
        "a@.b",
        "a@b.",
        "a@b\0",
        "a@b<c>",
        "a@b\u202ec.d",
        "x" * 65 + "@b.c",
        "a@" + "b" * 64 + ".c",
        "a@" + "b." * 130 + "c",
        "x" * 100_000,
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    assert rules.email_address(typed) is None
    with pytest.raises(Refused):
        rules.required_email(typed)


def test_a_name_is_one_line_and_cannot_turn_the_sentence_around() -> None:
    assert rules.person_name("  Anna\r\n Schmidt\t\u202e ") == "Anna Schmidt"
    assert rules.person_name("علی\u200cرضا") == "علی\u200cرضا"  # the joiner belongs to the name
    assert rules.person_name("A\u200bn\u2060na\ufeff") == "Anna"
    for bad in ("", "  \n", "\u202e", "\u200f\u200b", "x" * 81):
        with pytest.raises(Refused):
            rules.person_name(bad)


# --- roles --------------------------------------------------------------------------------------

INBOX = {Role.OWNER, Role.ADMIN, Role.MANAGER, Role.SUPPORT}


def test_there_are_exactly_seven_roles_and_every_capability_names_its_own() -> None:
    assert len(Role) == 7
    assert set(TABLE) == set(Can)
    assert all(Role.OWNER in allowed for allowed in TABLE.values())


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_what_the_table_says_and_nothing_else(role: Role) -> None:
    who = Agent(1, "A", "a@b.c", role, 1)
    assert may(who, Can.INBOX) is (role in INBOX)
    assert may(who, Can.USERS) is (role in {Role.OWNER, Role.ADMIN})
    assert may(who, Can.OWN) is (role is Role.OWNER)
    assert may(who, Can.CAMPAIGNS_SEND) is (role in {Role.OWNER, Role.ADMIN, Role.MANAGER, Role.COORDINATOR})
    assert may(who, Can.CHANNELS) is (role in {Role.OWNER, Role.ADMIN, Role.MANAGER})
    assert rules.capabilities(role) == sorted(can for can in Can if may(who, can))


def test_visitors_reach_what_is_public_in_their_own_conversation_only() -> None:
    me = Visitor("me")
    assert may(me, Can.INBOX, Owned("me"))
    for which in (None, Owned("me", public=False), Owned("somebody else"), Owned(None)):
        assert not may(me, Can.INBOX, which)
        with pytest.raises(NotFound):
            authorise(me, Can.INBOX, which)
    assert not may(me, Can.CONTACTS_SEE, Owned("me"))
    with pytest.raises(SignInRequired):
        authorise(Anonymous(), Can.INBOX)
    with pytest.raises(Forbidden):
        authorise(Agent(1, "A", "a@b.c", Role.ANALYST, 1), Can.INBOX)


def code(refusal: Refused | None) -> str | None:
    return refusal and refusal.code


def test_nobody_gives_a_role_above_their_own_and_nobody_gives_the_owners() -> None:
    for actor in Role:
        assert code(rules.may_give(actor, Role.OWNER)) == "one_owner"
        given = {role for role in Role if rules.may_give(actor, role) is None}
        assert given == (set(Role) - {Role.OWNER} if actor in (Role.OWNER, Role.ADMIN) else set())


@pytest.mark.parametrize(
    ("actor", "target", "change", "answer"),
    [
        (Role.ADMIN, Role.SUPPORT, Change(role=Role.MANAGER), None),
        (Role.ADMIN, Role.ADMIN, Change(disabled=True), None),
        (Role.ADMIN, Role.OWNER, Change(), "forbidden"),
        (Role.ADMIN, Role.OWNER, Change(role=Role.ADMIN), "forbidden"),
        (Role.ADMIN, Role.OWNER, Change(disabled=True), "forbidden"),
        (Role.ADMIN, Role.OWNER, Change(disabled=False), "forbidden"),
        (Role.ADMIN, Role.SUPPORT, Change(role=Role.OWNER), "one_owner"),
        (Role.OWNER, Role.SUPPORT, Change(role=Role.OWNER), "one_owner"),
        (Role.OWNER, Role.ADMIN, Change(role=Role.SUPPORT, disabled=True), None),
        (Role.MANAGER, Role.SUPPORT, Change(disabled=True), "forbidden"),
        (Role.MANAGER, Role.OWNER, Change(), "forbidden"),
        (Role.SUPPORT, Role.SUPPORT, Change(), "forbidden"),
    ],
)
def test_who_may_change_whom(actor: Role, target: Role, change: Change, answer: str | None) -> None:
    assert code(rules.may_change(1, actor, 2, target, change)) == answer


def test_nobody_locks_themselves_out() -> None:
    for change in (Change(role=Role.ADMIN), Change(disabled=True)):
        assert code(rules.may_change(1, Role.OWNER, 1, Role.OWNER, change)) == "last_owner"
    for change in (Change(role=Role.SUPPORT), Change(disabled=True)):
        assert code(rules.may_change(1, Role.ADMIN, 1, Role.ADMIN, change)) == "own_account"
    assert rules.may_change(1, Role.OWNER, 1, Role.OWNER, Change(role=Role.OWNER)) is None
    assert code(rules.may_reset(1, Role.ADMIN, 1, Role.ADMIN)) == "own_account"
    assert code(rules.may_reset(1, Role.ADMIN, 2, Role.OWNER)) == "forbidden"
    assert rules.may_reset(1, Role.ADMIN, 2, Role.ADMIN) is None


# --- sessions -----------------------------------------------------------------------------------


def test_a_session_is_valid_until_it_is_ended_disabled_unused_or_old() -> None:
    second = timedelta(seconds=1)

    def valid(**changed: Any) -> bool:
        facts = {"ended": False, "disabled": False, "seen_at": NOW, "expires_at": NOW + second}
        return rules.session_valid(**{**facts, "idle": timedelta(days=7), "now": NOW, **changed})

    assert valid()
    assert not valid(ended=True)
    assert not valid(disabled=True)
    assert not valid(expires_at=NOW)
    assert valid(seen_at=NOW - timedelta(days=7) + second)
    assert not valid(seen_at=NOW - timedelta(days=7))


# --- signed identities --------------------------------------------------------------------------


def claims(**changed: Any) -> dict[str, Any]:
    return {"sub": "customer-7", "exp": NOW.timestamp() + 3600, **changed}


def test_a_signed_identity_names_a_person_and_what_the_shop_knows() -> None:
    given = claims(email="Anna@Shop.Example", name=" Anna\nSchmidt ", iat=1)
    assert rules.identity(given, NOW) == VisitorIdentity("ext:customer-7", "anna@shop.example", "Anna Schmidt", True)


@pytest.mark.parametrize("odd", [{"email": 7, "name": ["x"]}, {"email": "none", "name": ""}, {"email": None}])
def test_an_odd_email_or_name_is_left_out_and_the_visitor_still_served(odd: dict[str, Any]) -> None:
    assert rules.identity(claims(**odd), NOW) == VisitorIdentity("ext:customer-7", None, None, True)


@pytest.mark.parametrize("sub", [None, 7, True, "", "x" * 201, "a\0b", "a\nb", ["a"], {"a": 1}, "\ud800"])
def test_a_sub_that_is_no_short_text_is_refused(sub: Any) -> None:
    assert isinstance(rules.identity(claims(sub=sub), NOW), BadIdentity)


@pytest.mark.parametrize(
    "exp", [None, "soon", "1795251600", True, float("nan"), float("inf"), -float("inf"), [], 10**30]
)
def test_an_exp_that_is_no_time_is_refused(exp: Any) -> None:
    assert isinstance(rules.identity(claims(exp=exp), NOW), BadIdentity)


@pytest.mark.parametrize(
    ("ahead_s", "good"),
    [(-59, True), (-61, False), (0, True), (86_400, True), (86_459, True), (86_461, False)],
)
def test_an_identity_holds_a_day_at_most_with_a_minute_of_grace(ahead_s: int, good: bool) -> None:
    verdict = rules.identity(claims(exp=NOW.timestamp() + ahead_s), NOW)
    assert isinstance(verdict, VisitorIdentity) is good


@pytest.mark.parametrize("value", [None, [], "claims", 7])
def test_claims_that_are_no_object_are_refused(value: Any) -> None:
    assert isinstance(rules.identity(value, NOW), BadIdentity)


def test_the_secret_before_counts_until_its_day_is_over() -> None:
    until = NOW + timedelta(hours=24)
    assert Rotation().accepted(NOW) == [1]
    assert Rotation(3, until).accepted(NOW) == [3, 2]
    assert Rotation(3, until).accepted(until) == [3]
    assert Rotation(3).accepted(NOW) == [3]
    assert Rotation(1, until).accepted(NOW) == [1]  # there is none before the first
    assert rules.rotation({"number": 3, "previous_until": "2026-11-22T09:00:00.000Z"}) == Rotation(3, until)
    assert rules.rotation(None) == Rotation()
