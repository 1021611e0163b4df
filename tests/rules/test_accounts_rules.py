"""Pure rules of accounts: roles, passwords, email addresses, sessions and signed identities."""

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
    AccountChange,
    Agent,
    Anonymous,
    BadIdentity,
    Can,
    NoCustomer,
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
        "".join(chr(0x1F600 + n) for n in range(64)),  # 64 emoji
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
    decomposed = "e\u0301" * 1 + "kvq lumpro taw"  # 16 code points typed, 15 characters after normalising
    assert len(decomposed) == 16
    assert len(new_password(decomposed, email="", name="")) == 15
    with pytest.raises(Refused):
        new_password(decomposed[:-1], email="", name="")


def test_a_password_with_one_persons_name_is_accepted_for_another_person() -> None:
    assert new_password("Wolfgang1987 rides", email="mia@lamps.example", name="Mia")
    with pytest.raises(Refused):
        new_password("Wolfgang1987!!!!!!", email="wolfgang@lamps.example", name="")


def test_the_list_of_common_passwords_is_part_of_the_package() -> None:
    assert len(passwords.common()) > 300


@given(st.text(max_size=1200))
def test_any_password_gets_a_verdict_without_an_error(password: str) -> None:
    try:
        accepted = new_password(password, email="anna@lamps.example", name="Anna")
    except Refused as refusal:
        assert refusal.code in ("long_password", "short_password", "weak_password")
    else:
        assert passwords.MIN_CHARS <= len(accepted) and len(accepted.encode()) <= passwords.MAX_BYTES


# --- addresses and names ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (" Anna@Shop.Example ", "anna@shop.example"),
        ("a+b@shop.local", "a+b@shop.local"),
        ("o'neil@shop.example", "o'neil@shop.example"),
        ("JÜRGEN@BÜCHER.example", "jürgen@bücher.example"),
        ("ju\u0308rgen@shop.example", "jürgen@shop.example"),
    ],
)
def test_an_email_address_is_normalised(typed: str, expected: str) -> None:
    assert rules.email_address(typed) == expected


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
def test_an_invalid_email_address_is_refused(typed: str) -> None:
    assert rules.email_address(typed) is None
    with pytest.raises(Refused):
        rules.required_email(typed)


def test_a_name_is_one_line_without_characters_that_change_text_direction() -> None:
    assert rules.person_name("  Anna\r\n Schmidt\t\u202e ") == "Anna Schmidt"
    assert rules.person_name("علی\u200cرضا") == "علی\u200cرضا"  # the joiner is part of the name
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
def test_a_role_has_exactly_the_rights_of_the_table(role: Role) -> None:
    agent = Agent(1, "A", "a@b.c", role, 1)
    assert may(agent, Can.INBOX) is (role in INBOX)
    assert may(agent, Can.USERS) is (role in {Role.OWNER, Role.ADMIN})
    assert may(agent, Can.OWN) is (role is Role.OWNER)
    assert may(agent, Can.CAMPAIGNS_SEND) is (role in {Role.OWNER, Role.ADMIN, Role.MANAGER, Role.COORDINATOR})
    assert may(agent, Can.CHANNELS) is (role in {Role.OWNER, Role.ADMIN, Role.MANAGER})
    assert rules.capabilities(role) == sorted(can for can in Can if may(agent, can))


def test_visitors_read_only_public_entries_of_their_own_conversation() -> None:
    me = Visitor("me")
    assert may(me, Can.INBOX, Owned("me"))
    for owned in (None, Owned("me", public=False), Owned("somebody else"), Owned(None)):
        assert not may(me, Can.INBOX, owned)
        with pytest.raises(NotFound):
            authorise(me, Can.INBOX, owned)
    assert not may(me, Can.CONTACTS_SEE, Owned("me"))
    with pytest.raises(SignInRequired):
        authorise(Anonymous(), Can.INBOX)
    with pytest.raises(Forbidden):
        authorise(Agent(1, "A", "a@b.c", Role.ANALYST, 1), Can.INBOX)


def code(refusal: Refused | None) -> str | None:
    return refusal and refusal.code


def test_nobody_assigns_a_role_above_their_own_or_the_owners_role() -> None:
    for actor in Role:
        assert code(rules.may_grant(actor, Role.OWNER)) == "one_owner"
        grantable = {role for role in Role if rules.may_grant(actor, role) is None}
        assert grantable == (set(Role) - {Role.OWNER} if actor in (Role.OWNER, Role.ADMIN) else set())


@pytest.mark.parametrize(
    ("actor", "target", "change", "answer"),
    [
        (Role.ADMIN, Role.SUPPORT, AccountChange(role=Role.MANAGER), None),
        (Role.ADMIN, Role.ADMIN, AccountChange(disabled=True), None),
        (Role.ADMIN, Role.OWNER, AccountChange(), "forbidden"),
        (Role.ADMIN, Role.OWNER, AccountChange(role=Role.ADMIN), "forbidden"),
        (Role.ADMIN, Role.OWNER, AccountChange(disabled=True), "forbidden"),
        (Role.ADMIN, Role.OWNER, AccountChange(disabled=False), "forbidden"),
        (Role.ADMIN, Role.SUPPORT, AccountChange(role=Role.OWNER), "one_owner"),
        (Role.OWNER, Role.SUPPORT, AccountChange(role=Role.OWNER), "one_owner"),
        (Role.OWNER, Role.ADMIN, AccountChange(role=Role.SUPPORT, disabled=True), None),
        (Role.MANAGER, Role.SUPPORT, AccountChange(disabled=True), "forbidden"),
        (Role.MANAGER, Role.OWNER, AccountChange(), "forbidden"),
        (Role.SUPPORT, Role.SUPPORT, AccountChange(), "forbidden"),
    ],
)
def test_which_role_may_change_which_user(actor: Role, target: Role, change: AccountChange, answer: str | None) -> None:
    assert code(rules.may_change(1, actor, 2, target, change)) == answer


def test_users_cannot_disable_or_demote_themselves() -> None:
    for change in (AccountChange(role=Role.ADMIN), AccountChange(disabled=True)):
        assert code(rules.may_change(1, Role.OWNER, 1, Role.OWNER, change)) == "last_owner"
    for change in (AccountChange(role=Role.SUPPORT), AccountChange(disabled=True)):
        assert code(rules.may_change(1, Role.ADMIN, 1, Role.ADMIN, change)) == "own_account"
    assert rules.may_change(1, Role.OWNER, 1, Role.OWNER, AccountChange(role=Role.OWNER)) is None
    assert code(rules.may_reset(1, Role.ADMIN, 1, Role.ADMIN)) == "own_account"
    assert code(rules.may_reset(1, Role.ADMIN, 2, Role.OWNER)) == "forbidden"
    assert rules.may_reset(1, Role.ADMIN, 2, Role.ADMIN) is None


# --- sessions -----------------------------------------------------------------------------------


def test_a_session_is_valid_until_it_is_revoked_unused_or_old() -> None:
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


def test_a_signed_identity_carries_the_customers_id_name_and_email() -> None:
    all_claims = claims(email="Anna@Shop.Example", name=" Anna\nSchmidt ", iat=1)
    assert rules.identity(all_claims, NOW) == VisitorIdentity(
        "ext:customer-7", "anna@shop.example", "Anna Schmidt", True
    )


@pytest.mark.parametrize("odd", [{"email": 7, "name": ["x"]}, {"email": "none", "name": ""}, {"email": None}])
def test_an_invalid_email_or_name_is_dropped_and_the_identity_accepted(odd: dict[str, Any]) -> None:
    assert rules.identity(claims(**odd), NOW) == VisitorIdentity("ext:customer-7", None, None, True)


@pytest.mark.parametrize("sub", [7, True, "x" * 201, "a\0b", "a\nb", ["a"], {"a": 1}, "\ud800"])
def test_a_sub_that_is_no_short_string_is_refused(sub: Any) -> None:
    assert isinstance(rules.identity(claims(sub=sub), NOW), BadIdentity)


@pytest.mark.parametrize(
    "exp",
    [None, "soon", "1795251600", True, float("nan"), float("inf"), -float("inf"), [], 10**30, 10**400, -(10**400)],
)
def test_an_exp_that_is_no_timestamp_is_refused(exp: Any) -> None:
    assert isinstance(rules.identity(claims(exp=exp), NOW), BadIdentity)


@pytest.mark.parametrize(
    ("ahead_s", "good"),
    [(-59, True), (-61, False), (0, True), (86_400, True), (86_459, True), (86_461, False)],
)
def test_an_identity_is_valid_for_at_most_a_day_and_a_minute(ahead_s: int, good: bool) -> None:
    verdict = rules.identity(claims(exp=NOW.timestamp() + ahead_s), NOW)
    assert isinstance(verdict, VisitorIdentity) is good


@pytest.mark.parametrize(
    ("nbf", "good"),
    [
        (None, True),
        (-86_400, True),
        (0, True),
        (59, True),
        (61, False),
        ("soon", False),
        (10**400, False),
        (True, False),
    ],
)
def test_an_identity_is_refused_before_its_nbf(nbf: Any, good: bool) -> None:
    not_before = NOW.timestamp() + nbf if isinstance(nbf, int) and nbf is not True and nbf < 10**6 else nbf
    assert isinstance(rules.identity(claims(nbf=not_before), NOW), VisitorIdentity) is good


@pytest.mark.parametrize(
    "sub",
    [
        *("", " ", "0", "00", "0.0", "-1", "-", "null", "NULL", " Null ", "undefined", "None", "nil", "NaN", "false"),
        *(
            "guest",
            "Guest",
            "anonymous",
            "ANONYMOUS",
            "n/a",
            "'null'",
            '"undefined"',
            "undefined:undefined",
            "null null",
        ),
        *("[object Object]", "{{ customer.id }}", "${user.id}", "<%= id %>", "00000000-0000-0000-0000-000000000000"),
        *("\uff4e\uff55\uff4c\uff4c", "nu\u00adll", "гость", "GOŚĆ"),
    ],
)
def test_an_empty_sub_is_an_anonymous_visitor(sub: str) -> None:
    verdict = rules.identity(claims(sub=sub), NOW)
    assert isinstance(verdict, NoCustomer) or (not sub.isprintable() and isinstance(verdict, BadIdentity))


@pytest.mark.parametrize(
    "sub", ["1", "10", "0x1", "customer-0", "guest-17", "null@shop.example", "Nullmann", "u", "non", "100", "a b"]
)
def test_a_sub_that_only_resembles_an_empty_one_is_a_customer(sub: str) -> None:
    assert isinstance(rules.identity(claims(sub=sub), NOW), VisitorIdentity)


@pytest.mark.parametrize("sub", [None, 0, False, 0.0])
def test_a_placeholder_sub_of_a_signed_out_shop_page_is_an_anonymous_visitor(sub: Any) -> None:
    assert isinstance(rules.identity(claims(sub=sub), NOW), NoCustomer)


@pytest.mark.parametrize("value", [{}, {"sub": 7}, {"sub": True}, {"sub": ["0"]}])
def test_a_sub_of_another_type_is_refused(value: dict[str, Any]) -> None:
    all_claims = claims() | value
    if not value:
        del all_claims["sub"]
    assert isinstance(rules.identity(all_claims, NOW), BadIdentity)


def test_an_empty_sub_is_anonymous_only_while_its_token_is_valid() -> None:
    assert isinstance(rules.identity(claims(sub="guest", exp=NOW.timestamp() - 61), NOW), BadIdentity)


@pytest.mark.parametrize("value", [None, [], "claims", 7])
def test_claims_that_are_not_an_object_are_refused(value: Any) -> None:
    assert isinstance(rules.identity(value, NOW), BadIdentity)


def test_the_previous_secret_is_valid_for_a_day() -> None:
    until = NOW + timedelta(hours=24)
    assert Rotation().accepted_numbers(NOW) == [1]
    assert Rotation(3, until).accepted_numbers(NOW) == [3, 2]
    assert Rotation(3, until).accepted_numbers(until) == [3]
    assert Rotation(3).accepted_numbers(NOW) == [3]
    assert Rotation(1, until).accepted_numbers(NOW) == [1]  # before the first rotation there is no older secret
    assert rules.rotation({"number": 3, "previous_until": "2026-11-22T09:00:00.000Z"}) == Rotation(3, until)
    assert rules.rotation(None) == Rotation()
