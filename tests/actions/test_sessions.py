"""Actions of sessions, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from server.accounts import actions, team
from server.accounts.actions import Browser
from server.accounts.rules import Role
from server.accounts.team import UserChange
from server.errors import NotFound, RateLimited, Refused, SignInRequired
from server.kernel.context import App
from server.schema import sessions
from server.web import auth
from tests.accounts_app import (
    HOME_BROWSER,
    OTHER_PASSWORD,
    PASSWORD,
    actions_logged,
    add_colleague,
    advance,
    agent_of,
    create_owner,
    listen,
    minutes,
    signed_in_as,
    wait_for_writes,
)

STRANGERS_BROWSER = Browser("198.51.100.9", "a stranger")
OLGA_EMAIL = "olga@shop.example"


# --- sessions -----------------------------------------------------------------------------------


async def test_a_session_is_refused_at_once_after_logout_though_it_was_cached(app: App) -> None:
    await create_owner(app)
    token = (await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER)).token
    for _ in range(3):  # the later calls use the cache
        olga = await signed_in_as(app, token)
        assert olga is not None
    listener = listen(app, olga)

    await actions.logout(app, olga, HOME_BROWSER.address)

    assert await signed_in_as(app, token) is None
    assert listener.topics == [f"user:{olga.id}"]
    assert await auth.valid_sessions(app, [olga.session]) == {}


async def test_a_session_is_cached_for_three_seconds(app: App, monkeypatch: Any) -> None:
    await create_owner(app)
    token = (await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER)).token
    reads: list[str] = []
    original = app.db.read

    async def counted(fn: Any, *args: Any) -> Any:
        reads.append(fn.__name__)
        return await original(fn, *args)

    monkeypatch.setattr(app.db, "read", counted)
    for _ in range(20):
        assert await signed_in_as(app, token) is not None
    assert len(reads) <= 2
    # Another process ended the session, and its notification was lost.
    await app.write(lambda tx: tx.run(update(sessions).values(ended_at=tx.now)))
    assert await signed_in_as(app, token) is not None
    advance(app, timedelta(seconds=3))
    assert await signed_in_as(app, token) is None


async def test_a_session_read_during_its_revocation_is_not_cached(app: App, monkeypatch: Any) -> None:
    await create_owner(app)
    token = (await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER)).token
    olga = await signed_in_as(app, token)
    assert olga is not None
    advance(app, timedelta(seconds=4))
    original = app.db.read

    async def overtaken(fn: Any, *args: Any) -> Any:
        answer = await original(fn, *args)
        monkeypatch.setattr(app.db, "read", original)
        await actions.logout(app, olga, HOME_BROWSER.address)
        return answer

    monkeypatch.setattr(app.db, "read", overtaken)
    assert await signed_in_as(app, token) is not None  # this reads the session before the logout
    assert await signed_in_as(app, token) is None


async def test_a_session_expires_after_a_week_without_use_or_after_a_month(app: App) -> None:
    await create_owner(app)
    idle = (await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER)).token
    advance(app, timedelta(days=7) - minutes(1))
    assert await signed_in_as(app, idle) is not None  # reading the session counts as use
    await wait_for_writes(app)
    advance(app, timedelta(days=7) - minutes(1))
    assert await signed_in_as(app, idle) is not None
    await wait_for_writes(app)
    advance(app, timedelta(days=7) + minutes(1))
    assert await signed_in_as(app, idle) is None

    used = (await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER)).token
    for _ in range(29):
        advance(app, timedelta(days=1))
        assert await signed_in_as(app, used) is not None
        await wait_for_writes(app)
    advance(app, timedelta(days=1))
    assert await signed_in_as(app, used) is None


async def test_an_open_socket_counts_as_use(app: App) -> None:
    olga = await create_owner(app)
    for _ in range(3):
        advance(app, timedelta(days=6))
        assert list(await auth.valid_sessions(app, [olga.session])) == [olga.session]
        await wait_for_writes(app)


async def test_sessions_of_all_sockets_are_checked_in_one_read_with_current_roles(app: App) -> None:
    olga = await create_owner(app)
    mia, ben = await add_colleague(app, olga, Role.SUPPORT), await add_colleague(app, olga, Role.MANAGER)
    await team.change_user(app, olga, ben.id, UserChange(role=Role.ANALYST), HOME_BROWSER.address)
    await team.change_user(app, olga, mia.id, UserChange(disabled=True), HOME_BROWSER.address)

    valid = await auth.valid_sessions(app, [olga.session, mia.session, ben.session, 999_999])

    assert sorted(valid) == sorted([olga.session, ben.session])
    assert valid[ben.session].role is Role.ANALYST
    assert await auth.valid_sessions(app, []) == {}


async def test_users_see_and_end_only_their_own_sessions(app: App) -> None:
    olga = await create_owner(app)
    mia = await add_colleague(app, olga, Role.SUPPORT)
    second = await agent_of(app, await actions.login(app, OLGA_EMAIL, PASSWORD, STRANGERS_BROWSER))

    listed_sessions = await actions.own_sessions(app, olga)
    assert {item.id for item in listed_sessions} == {olga.session, second.session}
    assert {item.address for item in listed_sessions} == {HOME_BROWSER.address, STRANGERS_BROWSER.address}
    with pytest.raises(NotFound):
        await actions.end_session(app, mia, second.session, HOME_BROWSER.address)
    await actions.end_session(app, olga, second.session, HOME_BROWSER.address)
    assert [session.id for session in await actions.own_sessions(app, olga)] == [olga.session]
    with pytest.raises(NotFound):  # an ended session cannot be ended again
        await actions.end_session(app, olga, second.session, HOME_BROWSER.address)


async def test_signing_out_everywhere_keeps_only_this_browser(app: App) -> None:
    olga = await create_owner(app)
    other_sessions = [
        await agent_of(app, await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER)) for _ in range(3)
    ]
    mia = await add_colleague(app, olga, Role.SUPPORT)

    await actions.end_other_sessions(app, olga, HOME_BROWSER.address)

    everyone = [olga.session, mia.session, *(other.session for other in other_sessions)]
    assert sorted(await auth.valid_sessions(app, everyone)) == sorted([olga.session, mia.session])


async def test_a_new_password_ends_the_other_sessions_and_replaces_the_old_one(app: App) -> None:
    olga = await create_owner(app)
    other_session = await agent_of(app, await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER))
    listener = listen(app, olga)

    await actions.change_password(app, olga, PASSWORD, OTHER_PASSWORD, HOME_BROWSER.address)

    assert list(await auth.valid_sessions(app, [olga.session, other_session.session])) == [olga.session]
    assert listener.topics
    with pytest.raises(SignInRequired):
        await actions.login(app, OLGA_EMAIL, PASSWORD, HOME_BROWSER)
    await actions.login(app, OLGA_EMAIL, OTHER_PASSWORD, HOME_BROWSER)


async def test_the_current_password_cannot_be_guessed_from_a_stolen_session(app: App) -> None:
    olga = await create_owner(app)
    for _ in range(10):
        with pytest.raises(Refused) as refusal:
            await actions.change_password(app, olga, "a guess", OTHER_PASSWORD, HOME_BROWSER.address)
        assert refusal.value.code == "bad_credentials"
    with pytest.raises(RateLimited):
        await actions.change_password(app, olga, PASSWORD, OTHER_PASSWORD, HOME_BROWSER.address)
    assert (await actions_logged(app)).count("password_change_failed") == 10
