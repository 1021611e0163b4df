"""Accounts as the product's verbs, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import update

from server.accounts import actions, commands, links, passwords, queries, team
from server.accounts.actions import Browser
from server.accounts.rules import Agent, Role
from server.accounts.team import UserChange
from server.errors import Busy, Conflict, Forbidden, NotFound, RateLimited, Refused, SignInRequired
from server.kernel.clock import ManualClock
from server.kernel.context import App
from server.kernel.ids import digest
from server.schema import audit, login_failures, sessions, users
from server.schema import links as links_table
from server.web import auth
from tests.accounts_app import (
    HOME,
    OTHER_PASSWORD,
    PASSWORD,
    accounts_app,
    agent,
    colleague,
    minutes,
    owner,
    rows,
    settled,
    signed_in_as,
    token_of,
)

ELSEWHERE = Browser("198.51.100.9", "a stranger")
OLGA = "olga@shop.example"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.pg)])
async def app(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[App]:
    async with accounts_app(tmp_path, request.param) as built:
        yield built


def advance(app: App, delta: timedelta) -> None:
    assert isinstance(app.clock, ManualClock)
    app.clock.advance(delta)


async def actions_logged(app: App) -> list[str]:
    return [row.action for row in await rows(app, audit)]


class Listener:
    def __init__(self) -> None:
        self.topics: list[str] = []

    def heard(self, topic: str, hint: Any) -> None:
        self.topics.append(topic)

    def whispered(self, topic: str, payload: dict[str, Any]) -> None: ...


def listen(app: App, user: Agent) -> Listener:
    listener = Listener()
    app.bus.watch(f"user:{user.id}", listener)
    return listener


# --- the owner ----------------------------------------------------------------------------------


async def test_of_twenty_who_set_up_at_once_one_becomes_the_owner(app: App) -> None:
    async def one(n: int) -> str:
        try:
            await actions.set_up(app, f"owner{n}@shop.example", f"Number {n}", PASSWORD, HOME)
        except Conflict as refusal:
            return refusal.code
        return "won"

    outcomes = await asyncio.gather(*(one(n) for n in range(20)))

    assert sorted(outcomes) == ["setup_done"] * 19 + ["won"]
    assert [row.role for row in await rows(app, users)] == ["owner"]
    assert len(await rows(app, sessions)) == 1


async def test_whoever_sets_up_is_signed_in_and_no_secret_is_stored_readable(app: App) -> None:
    signed_in = await actions.set_up(app, " Olga@Shop.EXAMPLE ", "Olga", PASSWORD, HOME)

    found = await signed_in_as(app, signed_in.token)
    assert found is not None and found.role is Role.OWNER and found.email == OLGA
    [session], [user] = await rows(app, sessions), await rows(app, users)
    assert session.token_hash == digest(signed_in.token)
    assert user.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert len(signed_in.token) >= 43  # 256 bits


async def test_an_owner_made_on_the_command_line_has_no_session(app: App) -> None:
    await commands.create_owner(app, OLGA, "Olga", PASSWORD)

    assert await rows(app, sessions) == []
    with pytest.raises(Conflict) as refusal:
        await commands.create_owner(app, "other@shop.example", "Other", PASSWORD)
    assert refusal.value.code == "setup_done"


# --- signing in ---------------------------------------------------------------------------------


async def test_the_right_password_signs_in_whatever_the_case_of_the_address(app: App) -> None:
    await owner(app)

    signed_in = await actions.login(app, "OLGA@shop.Example", PASSWORD, HOME)

    assert signed_in.user.email == OLGA
    assert await signed_in_as(app, signed_in.token) is not None
    assert await rows(app, login_failures) == []  # a success counts as no failure


async def test_unknown_wrong_and_disabled_get_the_same_answer(app: App) -> None:
    olga = await owner(app)
    mia = await colleague(app, olga, Role.SUPPORT)
    await team.change_user(app, olga, mia.id, UserChange(disabled=True), HOME.address)

    answers = set()
    for email, password in [
        (OLGA, "not her password at all"),
        ("nobody@shop.example", PASSWORD),
        (mia.email, PASSWORD),
        ("not an address", PASSWORD),
        (OLGA, "x" * 200_000),
        (OLGA, ""),
    ]:
        with pytest.raises(SignInRequired) as refusal:
            await actions.login(app, email, password, HOME)
        answers.add((refusal.value.code, refusal.value.message, refusal.value.field))
    assert len(answers) == 1 and answers.pop()[0] == "bad_credentials"


async def test_unknown_wrong_and_disabled_cost_one_comparison_each(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    olga = await owner(app)
    mia = await colleague(app, olga, Role.SUPPORT)
    await team.change_user(app, olga, mia.id, UserChange(disabled=True), HOME.address)
    compared: list[str] = []
    original = passwords._verify
    monkeypatch.setattr(passwords, "_verify", lambda kept, text: compared.append(kept[:30]) or original(kept, text))
    for email, password in [(OLGA, "wrong"), ("nobody@shop.example", "wrong"), (mia.email, PASSWORD)]:
        with pytest.raises(SignInRequired):
            await actions.login(app, email, password, HOME)

    assert compared == ["$argon2id$v=19$m=19456,t=2,p=1"] * 3


async def test_after_ten_wrong_passwords_the_account_waits_and_then_opens_again(app: App) -> None:
    await owner(app)
    for _ in range(10):
        with pytest.raises(SignInRequired):
            await actions.login(app, OLGA, "wrong", ELSEWHERE)
    with pytest.raises(RateLimited) as refusal:
        await actions.login(app, OLGA, PASSWORD, ELSEWHERE)
    assert refusal.value.retry_after == pytest.approx(15 * 60)

    advance(app, minutes(15))
    await actions.login(app, OLGA, PASSWORD, ELSEWHERE)


async def test_an_unknown_address_is_throttled_like_a_known_one(app: App) -> None:
    for _ in range(10):
        with pytest.raises(SignInRequired):
            await actions.login(app, "nobody@shop.example", "wrong", ELSEWHERE)
    with pytest.raises(RateLimited):
        await actions.login(app, "nobody@shop.example", "wrong", ELSEWHERE)


async def test_a_hundred_guesses_at_once_are_no_more_than_ten(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    await owner(app)
    tried: list[str] = []
    monkeypatch.setattr(passwords, "_verify", lambda kept, text: bool(tried.append(text)))
    guesses = [actions.login(app, OLGA, f"guess {n}", ELSEWHERE) for n in range(100)]
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)

    assert len(tried) == 10
    assert sum(isinstance(one, RateLimited) for one in outcomes) == 90


async def test_a_stranger_who_guesses_cannot_keep_the_user_out_at_home(app: App) -> None:
    await owner(app)  # signed in from HOME
    for n in range(20):
        with pytest.raises(Refused):
            await actions.login(app, OLGA, "wrong", Browser(f"198.51.100.{n}"))
    with pytest.raises(RateLimited):
        await actions.login(app, OLGA, PASSWORD, ELSEWHERE)

    await actions.login(app, OLGA, PASSWORD, HOME)


async def test_home_is_throttled_too(app: App) -> None:
    await owner(app)
    for _ in range(10):
        with pytest.raises(SignInRequired):
            await actions.login(app, OLGA, "wrong", HOME)
    with pytest.raises(RateLimited):
        await actions.login(app, OLGA, PASSWORD, HOME)


async def test_one_address_may_not_try_account_after_account(app: App) -> None:
    async with app_with(app, login_attempts=1):
        for n in range(10):
            with pytest.raises(SignInRequired):
                await actions.login(app, f"user{n}@shop.example", "wrong", ELSEWHERE)
        with pytest.raises(RateLimited):
            await actions.login(app, "user11@shop.example", "wrong", ELSEWHERE)


async def test_many_addresses_together_are_bounded_too(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    await owner(app)
    monkeypatch.setattr(passwords, "_verify", lambda kept, text: text == PASSWORD)
    async with app_with(app, login_attempts=1):
        for n in range(100):
            with pytest.raises(SignInRequired):
                await actions.login(app, f"user{n}@shop.example", "wrong", Browser(f"198.51.{n}.1"))
        with pytest.raises(RateLimited):
            await actions.login(app, "user101@shop.example", "wrong", Browser("198.51.200.1"))
        await actions.login(app, OLGA, PASSWORD, HOME)  # known here


async def test_failures_are_swept_after_the_window(app: App) -> None:
    with pytest.raises(SignInRequired):
        await actions.login(app, OLGA, "wrong", ELSEWHERE)
    assert await rows(app, login_failures) != []
    await owner(app)
    advance(app, minutes(16))
    await actions.login(app, OLGA, PASSWORD, HOME)

    assert await rows(app, login_failures) == []


async def test_a_flood_of_sign_ins_is_told_to_come_back(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "QUEUE", 0)
    with pytest.raises(Busy):
        await actions.login(app, OLGA, PASSWORD, HOME)
    assert await rows(app, login_failures) == []  # which was not a wrong password


async def test_who_is_disabled_while_signing_in_does_not_get_in(app: App, monkeypatch: Any) -> None:
    olga = await owner(app)
    mia = await colleague(app, olga, Role.SUPPORT)
    hashing = passwords.hashing(app)
    original = hashing.matches

    async def slowly(kept: str | None, password: str) -> bool:
        same = await original(kept, password)
        await team.change_user(app, olga, mia.id, UserChange(disabled=True), HOME.address)
        return same

    monkeypatch.setattr(hashing, "matches", slowly)
    with pytest.raises(SignInRequired) as refusal:
        await actions.login(app, mia.email, PASSWORD, HOME)
    assert refusal.value.code == "bad_credentials"


async def test_a_hash_with_weaker_parameters_is_renewed_at_sign_in(app: App) -> None:
    await owner(app)
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    await app.write(lambda tx: tx.run(update(users).values(password_hash=weak)))

    await actions.login(app, OLGA, PASSWORD, HOME)

    [user] = await rows(app, users)
    assert user.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    await actions.login(app, OLGA, PASSWORD, HOME)


async def test_signing_in_again_ends_the_browsers_old_session(app: App) -> None:
    first = await owner(app)
    await actions.login(app, OLGA, PASSWORD, HOME, replaces=first)

    assert await auth.still_valid(app, [first.session]) == {}


async def test_a_password_with_composed_letters_matches_however_it_is_typed(app: App) -> None:
    await actions.set_up(app, OLGA, "Olga", "café mañana über alles", HOME)

    await actions.login(app, OLGA, "cafe\u0301 man\u0303ana u\u0308ber alles", HOME)


async def test_every_sign_in_and_every_failure_is_in_the_audit_log_without_secrets(app: App) -> None:
    olga = await owner(app)
    with pytest.raises(SignInRequired):
        await actions.login(app, OLGA, "my wrong password", ELSEWHERE)
    with pytest.raises(SignInRequired):
        await actions.login(app, "kettle harbour mosaic@x.y", "oops", ELSEWHERE)
    signed_in = await actions.login(app, OLGA, PASSWORD, ELSEWHERE)
    await actions.logout(app, await agent(app, signed_in), HOME.address)

    log = await rows(app, audit)
    assert [row.action for row in log] == ["setup", "login_failed", "login_failed", "login", "logout"]
    assert log[1].address == ELSEWHERE.address and log[1].target == str(olga.id)
    everything = repr(log)
    for secret in ("my wrong password", "kettle", signed_in.token):
        assert secret not in everything


# --- sessions -----------------------------------------------------------------------------------


async def test_a_session_is_refused_at_once_after_logout_though_it_was_cached(app: App) -> None:
    await owner(app)
    token = (await actions.login(app, OLGA, PASSWORD, HOME)).token
    for _ in range(3):  # the later ones from the cache
        olga = await signed_in_as(app, token)
        assert olga is not None
    bell = listen(app, olga)

    await actions.logout(app, olga, HOME.address)

    assert await signed_in_as(app, token) is None
    assert bell.topics == [f"user:{olga.id}"]
    assert await auth.still_valid(app, [olga.session]) == {}


async def test_the_cache_spares_the_database_and_forgets_after_three_seconds(app: App, monkeypatch: Any) -> None:
    await owner(app)
    token = (await actions.login(app, OLGA, PASSWORD, HOME)).token
    reads: list[str] = []
    original = app.db.read

    async def counted(fn: Any, *args: Any) -> Any:
        reads.append(fn.__name__)
        return await original(fn, *args)

    monkeypatch.setattr(app.db, "read", counted)
    for _ in range(20):
        assert await signed_in_as(app, token) is not None
    assert len(reads) <= 2
    # Somebody else's process ended it, and its bell was lost.
    await app.write(lambda tx: tx.run(update(sessions).values(ended_at=tx.now)))
    assert await signed_in_as(app, token) is not None
    advance(app, timedelta(seconds=3))
    assert await signed_in_as(app, token) is None


async def test_a_read_that_was_under_way_when_the_bell_rang_is_not_remembered(app: App, monkeypatch: Any) -> None:
    await owner(app)
    token = (await actions.login(app, OLGA, PASSWORD, HOME)).token
    olga = await signed_in_as(app, token)
    assert olga is not None
    advance(app, timedelta(seconds=4))
    original = app.db.read

    async def overtaken(fn: Any, *args: Any) -> Any:
        answer = await original(fn, *args)
        monkeypatch.setattr(app.db, "read", original)
        await actions.logout(app, olga, HOME.address)
        return answer

    monkeypatch.setattr(app.db, "read", overtaken)
    assert await signed_in_as(app, token) is not None  # asked before the logout
    assert await signed_in_as(app, token) is None


async def test_a_session_ends_when_it_is_not_used_for_a_week_or_after_a_month(app: App) -> None:
    await owner(app)
    idle = (await actions.login(app, OLGA, PASSWORD, HOME)).token
    advance(app, timedelta(days=7) - minutes(1))
    assert await signed_in_as(app, idle) is not None  # which also counts as use
    await settled(app)
    advance(app, timedelta(days=7) - minutes(1))
    assert await signed_in_as(app, idle) is not None
    await settled(app)
    advance(app, timedelta(days=7) + minutes(1))
    assert await signed_in_as(app, idle) is None

    used = (await actions.login(app, OLGA, PASSWORD, HOME)).token
    for _ in range(29):
        advance(app, timedelta(days=1))
        assert await signed_in_as(app, used) is not None
        await settled(app)
    advance(app, timedelta(days=1))
    assert await signed_in_as(app, used) is None


async def test_an_open_socket_counts_as_use(app: App) -> None:
    olga = await owner(app)
    for _ in range(3):
        advance(app, timedelta(days=6))
        assert list(await auth.still_valid(app, [olga.session])) == [olga.session]
        await settled(app)


async def test_sockets_are_looked_at_all_together_and_see_todays_role(app: App) -> None:
    olga = await owner(app)
    mia, ben = await colleague(app, olga, Role.SUPPORT), await colleague(app, olga, Role.MANAGER)
    await team.change_user(app, olga, ben.id, UserChange(role=Role.ANALYST), HOME.address)
    await team.change_user(app, olga, mia.id, UserChange(disabled=True), HOME.address)

    valid = await auth.still_valid(app, [olga.session, mia.session, ben.session, 999_999])

    assert sorted(valid) == sorted([olga.session, ben.session])
    assert valid[ben.session].role is Role.ANALYST
    assert await auth.still_valid(app, []) == {}


async def test_one_sees_and_ends_ones_own_sessions_and_nobody_elses(app: App) -> None:
    olga = await owner(app)
    mia = await colleague(app, olga, Role.SUPPORT)
    second = await agent(app, await actions.login(app, OLGA, PASSWORD, ELSEWHERE))

    shown = await actions.own_sessions(app, olga)
    assert {one.id for one in shown} == {olga.session, second.session}
    assert {one.address for one in shown} == {HOME.address, ELSEWHERE.address}
    with pytest.raises(NotFound):
        await actions.end_session(app, mia, second.session, HOME.address)
    await actions.end_session(app, olga, second.session, HOME.address)
    assert [one.id for one in await actions.own_sessions(app, olga)] == [olga.session]
    with pytest.raises(NotFound):  # over is over
        await actions.end_session(app, olga, second.session, HOME.address)


async def test_signing_out_everywhere_keeps_only_this_browser(app: App) -> None:
    olga = await owner(app)
    others = [await agent(app, await actions.login(app, OLGA, PASSWORD, HOME)) for _ in range(3)]
    mia = await colleague(app, olga, Role.SUPPORT)

    await actions.end_other_sessions(app, olga, HOME.address)

    everyone = [olga.session, mia.session, *(one.session for one in others)]
    assert sorted(await auth.still_valid(app, everyone)) == sorted([olga.session, mia.session])


async def test_a_new_password_ends_the_other_sessions_and_replaces_the_old_one(app: App) -> None:
    olga = await owner(app)
    other = await agent(app, await actions.login(app, OLGA, PASSWORD, HOME))
    bell = listen(app, olga)

    await actions.change_password(app, olga, PASSWORD, OTHER_PASSWORD, HOME.address)

    assert list(await auth.still_valid(app, [olga.session, other.session])) == [olga.session]
    assert bell.topics
    with pytest.raises(SignInRequired):
        await actions.login(app, OLGA, PASSWORD, HOME)
    await actions.login(app, OLGA, OTHER_PASSWORD, HOME)


async def test_the_current_password_cannot_be_guessed_from_a_stolen_session(app: App) -> None:
    olga = await owner(app)
    for _ in range(10):
        with pytest.raises(Refused) as refusal:
            await actions.change_password(app, olga, "a guess", OTHER_PASSWORD, HOME.address)
        assert refusal.value.code == "bad_credentials"
    with pytest.raises(RateLimited):
        await actions.change_password(app, olga, PASSWORD, OTHER_PASSWORD, HOME.address)
    assert (await actions_logged(app)).count("password_change_failed") == 10


# --- links --------------------------------------------------------------------------------------


async def test_an_invitation_makes_one_account_with_its_role(app: App) -> None:
    olga = await owner(app)
    _, url = await links.invite(app, olga, "Mia@Shop.Example", Role.SUPPORT, HOME.address)
    assert url.startswith("http://localhost:8000/invite#")

    shown = await links.use(app, token_of(url), HOME)
    assert isinstance(shown, queries.Link) and (shown.purpose, shown.email) == ("invite", "mia@shop.example")
    signed_in = await links.finish(app, token_of(url), "Mia", PASSWORD, HOME)

    assert (signed_in.user.role, signed_in.user.email) == (Role.SUPPORT, "mia@shop.example")
    with pytest.raises(Conflict) as refusal:
        await links.finish(app, token_of(url), "Mia again", PASSWORD, HOME)
    assert refusal.value.code == "link_spent"
    assert await app.read(queries.invites, app.clock.now()) == []
    assert token_of(url) not in repr(await rows(app, links_table))


async def test_of_ten_who_use_one_link_at_once_one_gets_in(app: App) -> None:
    olga = await owner(app)
    _, url = await links.invite(app, olga, "mia@shop.example", Role.SUPPORT, HOME.address)
    tries = [links.finish(app, token_of(url), f"Mia {n}", PASSWORD, HOME) for n in range(10)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, actions.SignedIn) for one in outcomes) == 1

    url = await commands.signin_link(app)
    outcomes = await asyncio.gather(*(links.use(app, token_of(url), HOME) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(one, actions.SignedIn) for one in outcomes) == 1
    assert all(isinstance(one, actions.SignedIn | Conflict) for one in outcomes)


@pytest.mark.parametrize(
    ("purpose", "life"),
    [("signin", timedelta(minutes=15)), ("reset", timedelta(hours=24)), ("invite", timedelta(days=7))],
)
async def test_a_link_lives_as_long_as_its_purpose_needs(app: App, purpose: str, life: timedelta) -> None:
    olga = await owner(app)

    async def make() -> str:
        match purpose:
            case "signin":
                return await commands.signin_link(app, OLGA)
            case "reset":
                return await commands.reset_link(app, OLGA)
        return (await links.invite(app, olga, "mia@shop.example", Role.SUPPORT, HOME.address))[1]

    url = await make()
    advance(app, life - timedelta(seconds=1))
    await links.use(app, token_of(url), HOME)
    url = await make()
    advance(app, life)
    with pytest.raises(Conflict):
        await links.use(app, token_of(url), HOME)
    with pytest.raises(Conflict):
        await links.finish(app, token_of(url), "Mia", PASSWORD, HOME)


async def test_a_signin_link_cannot_set_a_password(app: App) -> None:
    await owner(app)
    with pytest.raises(Conflict):
        await links.finish(app, token_of(await commands.signin_link(app)), None, OTHER_PASSWORD, HOME)


async def test_a_reset_link_sets_the_password_ends_all_sessions_and_other_links(app: App) -> None:
    olga = await owner(app)
    mia = await colleague(app, olga, Role.SUPPORT)
    older = await links.make_reset(app, olga, mia.id, HOME.address)
    signin = await commands.signin_link(app, mia.email)
    made = await links.make_reset(app, olga, mia.id, HOME.address)
    shown = await links.use(app, token_of(made.url), HOME)
    assert isinstance(shown, queries.Link) and shown.email == mia.email

    signed_in = await links.finish(app, token_of(made.url), None, OTHER_PASSWORD, HOME)

    assert await auth.still_valid(app, [mia.session]) == {}
    assert await signed_in_as(app, signed_in.token) is not None
    await actions.login(app, mia.email, OTHER_PASSWORD, HOME)
    for url in (older.url, signin, made.url):
        with pytest.raises(Conflict):
            await links.use(app, token_of(url), HOME)


async def test_reset_links_are_not_made_for_the_owner_oneself_or_the_disabled(app: App) -> None:
    olga = await owner(app)
    ann, mia = await colleague(app, olga, Role.ADMIN), await colleague(app, olga, Role.SUPPORT)
    with pytest.raises(Forbidden):
        await links.make_reset(app, ann, olga.id, HOME.address)
    with pytest.raises(Conflict):
        await links.make_reset(app, ann, ann.id, HOME.address)
    with pytest.raises(NotFound):
        await links.make_reset(app, ann, 999_999, HOME.address)
    await team.change_user(app, ann, mia.id, UserChange(disabled=True), HOME.address)
    with pytest.raises(Conflict):
        await links.make_reset(app, ann, mia.id, HOME.address)


async def test_a_command_line_link_is_for_the_owner_unless_it_names_somebody(app: App) -> None:
    with pytest.raises(NotFound):
        await commands.signin_link(app)
    olga = await owner(app)
    used = await links.use(app, token_of(await commands.signin_link(app)), HOME)
    assert isinstance(used, actions.SignedIn) and used.user.id == olga.id
    with pytest.raises(NotFound):
        await commands.reset_link(app, "nobody@shop.example")


async def test_inviting_again_withdraws_the_older_link(app: App) -> None:
    olga = await owner(app)
    _, older = await links.invite(app, olga, "mia@shop.example", Role.ADMIN, HOME.address)
    made, newer = await links.invite(app, olga, "mia@shop.example", Role.SUPPORT, HOME.address)

    assert await app.read(queries.invites, app.clock.now()) == [made]
    with pytest.raises(Conflict):
        await links.use(app, token_of(older), HOME)
    await links.use(app, token_of(newer), HOME)
    await links.withdraw_invite(app, olga, made.id, HOME.address)
    with pytest.raises(Conflict):
        await links.use(app, token_of(newer), HOME)
    with pytest.raises(NotFound):
        await links.withdraw_invite(app, olga, made.id, HOME.address)


async def test_who_has_an_account_is_not_invited_again(app: App) -> None:
    olga = await owner(app)
    for email in (OLGA, "OLGA@SHOP.EXAMPLE"):
        with pytest.raises(Conflict) as refusal:
            await links.invite(app, olga, email, Role.SUPPORT, HOME.address)
        assert refusal.value.code == "email_taken"


async def test_an_invitation_dies_with_the_rights_of_who_gave_it(app: App) -> None:
    olga = await owner(app)
    ann, ada = (
        await colleague(app, olga, Role.ADMIN),
        await colleague(app, olga, Role.ADMIN, "ada@shop.example"),
    )
    _, by_ann = await links.invite(app, ann, "spy@shop.example", Role.ADMIN, HOME.address)
    _, by_ada = await links.invite(app, ada, "spy2@shop.example", Role.ADMIN, HOME.address)
    await team.change_user(app, olga, ann.id, UserChange(role=Role.SUPPORT), HOME.address)
    await team.change_user(app, olga, ada.id, UserChange(disabled=True), HOME.address)

    for url in (by_ann, by_ada):
        with pytest.raises(Conflict):
            await links.use(app, token_of(url), HOME)
    with pytest.raises(Forbidden):  # with the rights of a moment ago
        await links.invite(app, ann, "spy@shop.example", Role.SUPPORT, HOME.address)


# --- the team -----------------------------------------------------------------------------------


async def test_a_disabled_user_is_out_at_once_by_every_way_in(app: App) -> None:
    olga = await owner(app)
    mia = await colleague(app, olga, Role.SUPPORT)
    token = (await actions.login(app, mia.email, PASSWORD, HOME)).token
    assert await signed_in_as(app, token) and await signed_in_as(app, token)
    ways = [
        (await links.make_reset(app, olga, mia.id, HOME.address)).url,
        await commands.signin_link(app, mia.email),
    ]
    bell = listen(app, mia)

    await team.change_user(app, olga, mia.id, UserChange(disabled=True), HOME.address)

    assert await signed_in_as(app, token) is None
    assert bell.topics
    assert await auth.still_valid(app, [mia.session]) == {}
    for url in ways:
        with pytest.raises(Conflict):
            await links.use(app, token_of(url), HOME)
    with pytest.raises(Conflict):
        await commands.signin_link(app, mia.email)
    with pytest.raises(SignInRequired):
        await actions.login(app, mia.email, PASSWORD, HOME)
    assert (await actions_logged(app))[-1] == "login_failed"

    await team.change_user(app, olga, mia.id, UserChange(disabled=False), HOME.address)
    assert await signed_in_as(app, token) is None  # the old session stays ended
    await actions.login(app, mia.email, PASSWORD, HOME)


async def test_a_link_made_in_the_moment_of_disabling_is_worth_nothing(app: App) -> None:
    olga = await owner(app)
    mia = await colleague(app, olga, Role.SUPPORT)
    await team.change_user(app, olga, mia.id, UserChange(disabled=True), HOME.address)
    for purpose in ("signin", "reset"):
        await app.write(lambda tx, p: links.add_link(tx, p, f"late {p}", user_id=mia.id) and None, purpose)
        with pytest.raises(Conflict):
            await links.use(app, f"late {purpose}", HOME)
        with pytest.raises(Conflict):
            await links.finish(app, f"late {purpose}", None, OTHER_PASSWORD, HOME)


async def test_a_changed_role_holds_from_the_next_request_on(app: App) -> None:
    olga = await owner(app)
    ann = await colleague(app, olga, Role.ADMIN)
    token = (await actions.login(app, ann.email, PASSWORD, HOME)).token
    for _ in range(2):
        await signed_in_as(app, token)

    changed = await team.change_user(app, olga, ann.id, UserChange(role=Role.ANALYST), HOME.address)

    assert changed.role is Role.ANALYST
    now = await signed_in_as(app, token)
    assert now is not None and now.role is Role.ANALYST
    with pytest.raises(Forbidden):
        await team.change_user(app, ann, olga.id, UserChange(name="Mine"), HOME.address)
    entry = (await rows(app, audit))[-1]
    assert entry.action == "user_changed" and entry.detail == {"role": ["admin", "analyst"]}


async def test_the_account_keeps_its_one_owner(app: App) -> None:
    olga = await owner(app)
    ann = await colleague(app, olga, Role.ADMIN)
    for change in (UserChange(role=Role.ADMIN), UserChange(disabled=True)):
        with pytest.raises(Conflict):
            await team.change_user(app, olga, olga.id, change, HOME.address)
        with pytest.raises(Forbidden):
            await team.change_user(app, ann, olga.id, change, HOME.address)
    for who in (olga, ann):
        with pytest.raises(Conflict):
            await team.change_user(app, who, ann.id, UserChange(role=Role.OWNER), HOME.address)
        with pytest.raises(Conflict):
            await links.invite(app, who, "second@shop.example", Role.OWNER, HOME.address)
    assert [row.role for row in await rows(app, users)].count("owner") == 1


async def test_being_away_and_ones_name_are_ones_own_to_change(app: App) -> None:
    olga = await owner(app)
    changed = await team.change_me(app, olga, "  Olga\nPetrova ", True, HOME.address)
    assert (changed.name, changed.away) == ("Olga Petrova", True)
    changed = await team.change_me(app, olga, None, False, HOME.address)
    assert (changed.name, changed.away) == ("Olga Petrova", False)


# --- helpers ------------------------------------------------------------------------------------


class app_with:
    """Other settings for a while."""

    def __init__(self, app: App, **values: Any) -> None:
        self._app, self._values, self._kept = app, values, app.settings

    async def __aenter__(self) -> None:
        self._app.settings = self._kept.model_copy(update=self._values)

    async def __aexit__(self, *_: object) -> None:
        self._app.settings = self._kept
