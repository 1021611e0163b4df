"""Actions of accounts, on both databases: the owner, signing in, throttling."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import update

from server.accounts import actions, commands, passwords, team
from server.accounts.actions import Browser
from server.accounts.rules import Role
from server.accounts.team import UserChange
from server.errors import Busy, Conflict, RateLimited, Refused, SignInRequired
from server.kernel.context import App
from server.kernel.ids import digest
from server.schema import audit, login_failures, sessions, users
from server.web import auth
from tests.accounts_app import (
    HOME_BROWSER,
    PASSWORD,
    add_colleague,
    advance,
    agent_of,
    app_with,
    create_owner,
    minutes,
    rows,
    signed_in_as,
)

STRANGERS_BROWSER = Browser("198.51.100.9", "a stranger")
OLGA_EMAIL = "olga@shop.example"


# --- the owner ----------------------------------------------------------------------------------


async def test_one_of_twenty_concurrent_setups_becomes_the_owner(app: App) -> None:
    async def set_up_once(n: int) -> str:
        try:
            await actions.set_up(app, f"owner{n}@shop.example", f"Number {n}", PASSWORD, HOME_BROWSER)
        except Conflict as refusal:
            return refusal.code
        return "won"

    outcomes = await asyncio.gather(*(set_up_once(n) for n in range(20)))

    assert sorted(outcomes) == ["setup_done"] * 19 + ["won"]
    assert [row.role for row in await rows(app, users)] == ["owner"]
    assert len(await rows(app, sessions)) == 1


async def test_the_new_owner_is_signed_in_and_no_secret_is_stored_in_clear(app: App) -> None:
    signed_in = await actions.set_up(app, " Olga@Shop.EXAMPLE ", "Olga", PASSWORD, HOME_BROWSER)

    result = await signed_in_as(app, signed_in.token)
    assert result is not None and result.role is Role.OWNER and result.email == OLGA_EMAIL
    [session], [user] = await rows(app, sessions), await rows(app, users)
    assert session.token_hash == digest(signed_in.token)
    assert user.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert len(signed_in.token) >= 43  # 256 bits


async def test_an_owner_made_on_the_command_line_has_no_session(app: App) -> None:
    await commands.create_owner(app, OLGA_EMAIL, "Olga", PASSWORD)

    assert await rows(app, sessions) == []
    with pytest.raises(Conflict) as refusal:
        await commands.create_owner(app, "other@shop.example", "Other", PASSWORD)
    assert refusal.value.code == "setup_done"


# --- signing in ---------------------------------------------------------------------------------


async def test_the_right_password_signs_in_with_any_case_of_the_address(app: App) -> None:
    await create_owner(app)

    signed_in = await actions.login(app, "OLGA@shop.Example", PASSWORD, HOME_BROWSER)

    assert signed_in.user.email == OLGA_EMAIL
    assert await signed_in_as(app, signed_in.token) is not None
    assert await rows(app, login_failures) == []  # a success is not stored as a failure


async def test_unknown_address_wrong_password_and_disabled_account_get_the_same_error(app: App) -> None:
    olga = await create_owner(app)
    mia = await add_colleague(app, olga, Role.SUPPORT)
    await team.change_user(app, olga, mia.id, UserChange(disabled=True), HOME_BROWSER.address)

    answers = set()
    for email, password in [
        (OLGA_EMAIL, "not her password at all"),
        ("nobody@shop.example", PASSWORD),
        (mia.email, PASSWORD),
        ("not an address", PASSWORD),
        (OLGA_EMAIL, "x" * 200_000),
        (OLGA_EMAIL, ""),
    ]:
        with pytest.raises(SignInRequired) as refusal:
            await actions.login(app, email, password, HOME_BROWSER)
        answers.add((refusal.value.code, refusal.value.message, refusal.value.field))
    assert len(answers) == 1 and answers.pop()[0] == "bad_credentials"


async def test_unknown_address_wrong_password_and_disabled_account_compare_one_hash_each(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    olga = await create_owner(app)
    mia = await add_colleague(app, olga, Role.SUPPORT)
    await team.change_user(app, olga, mia.id, UserChange(disabled=True), HOME_BROWSER.address)
    compared: list[str] = []
    original = passwords._verify
    monkeypatch.setattr(passwords, "_verify", lambda kept, text: compared.append(kept[:30]) or original(kept, text))
    for email, password in [(OLGA_EMAIL, "wrong"), ("nobody@shop.example", "wrong"), (mia.email, PASSWORD)]:
        with pytest.raises(SignInRequired):
            await actions.login(app, email, password, HOME_BROWSER)

    assert compared == ["$argon2id$v=19$m=19456,t=2,p=1"] * 3


async def test_after_ten_wrong_passwords_sign_in_is_blocked_for_a_while(app: App) -> None:
    await create_owner(app)
    for _ in range(10):
        with pytest.raises(SignInRequired):
            await actions.login(app, OLGA_EMAIL, "wrong", STRANGERS_BROWSER)
    with pytest.raises(RateLimited) as refusal:
        await actions.login(app, OLGA_EMAIL, PASSWORD, STRANGERS_BROWSER)
    assert refusal.value.retry_after == pytest.approx(15 * 60)

    advance(app, minutes(15))
    await actions.login(app, OLGA_EMAIL, PASSWORD, STRANGERS_BROWSER)


async def test_an_unknown_address_is_throttled_like_a_known_one(app: App) -> None:
    for _ in range(10):
        with pytest.raises(SignInRequired):
            await actions.login(app, "nobody@shop.example", "wrong", STRANGERS_BROWSER)
    with pytest.raises(RateLimited):
        await actions.login(app, "nobody@shop.example", "wrong", STRANGERS_BROWSER)


async def test_a_hundred_concurrent_guesses_compare_at_most_ten_passwords(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_owner(app)
    attempts: list[str] = []
    monkeypatch.setattr(passwords, "_verify", lambda kept, text: bool(attempts.append(text)))
    guesses = [actions.login(app, OLGA_EMAIL, f"guess {n}", STRANGERS_BROWSER) for n in range(100)]
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)

    assert len(attempts) == 10
    assert sum(isinstance(outcome, RateLimited) for outcome in outcomes) == 90


async def test_a_guessing_stranger_cannot_block_the_users_known_address(app: App) -> None:
    await create_owner(app)  # the owner signs in from HOME_BROWSER
    for n in range(20):
        with pytest.raises(Refused):
            await actions.login(app, OLGA_EMAIL, "wrong", Browser(f"198.51.100.{n}"))
    with pytest.raises(RateLimited):
        await actions.login(app, OLGA_EMAIL, PASSWORD, STRANGERS_BROWSER)

    await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER)


async def test_a_known_address_is_throttled_too(app: App) -> None:
    await create_owner(app)
    for _ in range(10):
        with pytest.raises(SignInRequired):
            await actions.login(app, OLGA_EMAIL, "wrong", HOME_BROWSER)
    with pytest.raises(RateLimited):
        await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER)


async def test_one_address_cannot_guess_in_many_accounts(app: App) -> None:
    async with app_with(app, login_attempts=1):
        for n in range(10):
            with pytest.raises(SignInRequired):
                await actions.login(app, f"user{n}@shop.example", "wrong", STRANGERS_BROWSER)
        with pytest.raises(RateLimited):
            await actions.login(app, "user11@shop.example", "wrong", STRANGERS_BROWSER)


async def test_guesses_from_many_addresses_are_limited_together(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    await create_owner(app)
    monkeypatch.setattr(passwords, "_verify", lambda kept, text: text == PASSWORD)
    async with app_with(app, login_attempts=1):
        for n in range(100):
            with pytest.raises(SignInRequired):
                await actions.login(app, f"user{n}@shop.example", "wrong", Browser(f"198.51.{n}.1"))
        with pytest.raises(RateLimited):
            await actions.login(app, "user101@shop.example", "wrong", Browser("198.51.200.1"))
        await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER)  # HOME_BROWSER is a known address of this account


async def test_failures_are_deleted_after_the_window(app: App) -> None:
    with pytest.raises(SignInRequired):
        await actions.login(app, OLGA_EMAIL, "wrong", STRANGERS_BROWSER)
    assert await rows(app, login_failures) != []
    await create_owner(app)
    advance(app, minutes(16))
    await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER)

    assert await rows(app, login_failures) == []


async def test_a_flood_of_sign_ins_gets_busy_errors(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "QUEUE", 0)
    with pytest.raises(Busy):
        await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER)
    assert await rows(app, login_failures) == []  # that attempt did not compare a password


async def test_a_user_disabled_during_sign_in_gets_no_session(app: App, monkeypatch: Any) -> None:
    olga = await create_owner(app)
    mia = await add_colleague(app, olga, Role.SUPPORT)
    hashing = passwords.hashing(app)
    original = hashing.matches

    async def disables_meanwhile(stored: str | None, password: str) -> bool:
        verified = await original(stored, password)
        await team.change_user(app, olga, mia.id, UserChange(disabled=True), HOME_BROWSER.address)
        return verified

    monkeypatch.setattr(hashing, "matches", disables_meanwhile)
    with pytest.raises(SignInRequired) as refusal:
        await actions.login(app, mia.email, PASSWORD, HOME_BROWSER)
    assert refusal.value.code == "bad_credentials"


async def test_a_password_hash_with_weaker_parameters_is_replaced_at_sign_in(app: App) -> None:
    await create_owner(app)
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    await app.write(lambda tx: tx.run(update(users).values(password_hash=weak)))

    await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER)

    [user] = await rows(app, users)
    assert user.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER)


async def test_signing_in_again_ends_the_browsers_old_session(app: App) -> None:
    first = await create_owner(app)
    await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER, replaces=first)

    assert await auth.valid_sessions(app, [first.session]) == {}


async def test_a_password_matches_with_composed_and_decomposed_letters(app: App) -> None:
    await actions.set_up(app, OLGA_EMAIL, "Olga", "café mañana über alles", HOME_BROWSER)

    await actions.login(app, OLGA_EMAIL, "cafe\u0301 man\u0303ana u\u0308ber alles", HOME_BROWSER)


async def test_every_sign_in_and_every_failure_is_in_the_audit_log_without_secrets(app: App) -> None:
    olga = await create_owner(app)
    with pytest.raises(SignInRequired):
        await actions.login(app, OLGA_EMAIL, "my wrong password", STRANGERS_BROWSER)
    with pytest.raises(SignInRequired):
        await actions.login(app, "kettle harbour mosaic@x.y", "oops", STRANGERS_BROWSER)
    signed_in = await actions.login(app, OLGA_EMAIL, PASSWORD, STRANGERS_BROWSER)
    await actions.logout(app, await agent_of(app, signed_in), HOME_BROWSER.address)

    log = await rows(app, audit)
    assert [row.action for row in log] == ["setup", "login_failed", "login_failed", "login", "logout"]
    assert log[1].address == STRANGERS_BROWSER.address and log[1].target == str(olga.id)
    log_text = repr(log)
    for secret in ("my wrong password", "kettle", signed_in.token):
        assert secret not in log_text


def test_sign_in_takes_equally_long_with_and_without_an_account() -> None:
    """For an unknown account the password is compared with a decoy hash of today's parameters, which no password
    matches."""
    assert not passwords.needs_rehash(passwords.DUMMY_HASH)
    assert passwords._verify(passwords.DUMMY_HASH, "nobody ever chose this one")
    assert not passwords._verify(passwords.DUMMY_HASH, "")
