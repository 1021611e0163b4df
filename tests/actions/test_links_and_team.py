"""Actions of single-use links and of the team, on both databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from server.accounts import actions, commands, queries, single_use_links, team
from server.accounts.actions import Browser
from server.accounts.rules import Role
from server.accounts.team import UserChange
from server.audit import queries as audit_queries
from server.errors import Conflict, Forbidden, NotFound, SignInRequired
from server.kernel.context import App
from server.schema import audit, users
from server.schema import links as links_table
from server.web import auth
from tests.accounts_app import (
    HOME_BROWSER,
    OTHER_PASSWORD,
    PASSWORD,
    actions_logged,
    add_colleague,
    advance,
    create_owner,
    listen,
    rows,
    signed_in_as,
    token_of,
)

STRANGERS_BROWSER = Browser("198.51.100.9", "a stranger")
OLGA_EMAIL = "olga@shop.example"


# --- single-use links ---------------------------------------------------------------------------


async def test_an_invitation_makes_one_account_with_its_role(app: App) -> None:
    olga = await create_owner(app)
    _, url = await single_use_links.invite(app, olga, "Mia@Shop.Example", Role.SUPPORT, HOME_BROWSER.address)
    assert url.startswith("http://localhost:8000/invite#")

    link = await single_use_links.use(app, token_of(url), HOME_BROWSER)
    assert isinstance(link, queries.Link) and (link.purpose, link.email) == ("invite", "mia@shop.example")
    signed_in = await single_use_links.finish(app, token_of(url), "Mia", PASSWORD, HOME_BROWSER)

    assert (signed_in.user.role, signed_in.user.email) == (Role.SUPPORT, "mia@shop.example")
    with pytest.raises(Conflict) as refusal:
        await single_use_links.finish(app, token_of(url), "Mia again", PASSWORD, HOME_BROWSER)
    assert refusal.value.code == "link_spent"
    assert await app.read(queries.invites, app.clock.now()) == []
    assert token_of(url) not in repr(await rows(app, links_table))


async def test_of_ten_concurrent_uses_of_one_link_one_succeeds(app: App) -> None:
    olga = await create_owner(app)
    _, url = await single_use_links.invite(app, olga, "mia@shop.example", Role.SUPPORT, HOME_BROWSER.address)
    attempts = [single_use_links.finish(app, token_of(url), f"Mia {n}", PASSWORD, HOME_BROWSER) for n in range(10)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(outcome, actions.SignedIn) for outcome in outcomes) == 1

    url = await commands.signin_link(app)
    outcomes = await asyncio.gather(
        *(single_use_links.use(app, token_of(url), HOME_BROWSER) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(outcome, actions.SignedIn) for outcome in outcomes) == 1
    assert all(isinstance(outcome, actions.SignedIn | Conflict) for outcome in outcomes)


@pytest.mark.parametrize(
    ("purpose", "life"),
    [("signin", timedelta(minutes=15)), ("reset", timedelta(hours=24)), ("invite", timedelta(days=7))],
)
async def test_a_links_lifetime_depends_on_its_purpose(app: App, purpose: str, life: timedelta) -> None:
    olga = await create_owner(app)

    async def make() -> str:
        match purpose:
            case "signin":
                return await commands.signin_link(app, OLGA_EMAIL)
            case "reset":
                return await commands.reset_link(app, OLGA_EMAIL)
        return (await single_use_links.invite(app, olga, "mia@shop.example", Role.SUPPORT, HOME_BROWSER.address))[1]

    url = await make()
    advance(app, life - timedelta(seconds=1))
    await single_use_links.use(app, token_of(url), HOME_BROWSER)
    url = await make()
    advance(app, life)
    with pytest.raises(Conflict):
        await single_use_links.use(app, token_of(url), HOME_BROWSER)
    with pytest.raises(Conflict):
        await single_use_links.finish(app, token_of(url), "Mia", PASSWORD, HOME_BROWSER)


async def test_a_signin_link_cannot_set_a_password(app: App) -> None:
    await create_owner(app)
    with pytest.raises(Conflict):
        await single_use_links.finish(
            app, token_of(await commands.signin_link(app)), None, OTHER_PASSWORD, HOME_BROWSER
        )


async def test_a_reset_link_sets_the_password_ends_all_sessions_and_other_links(app: App) -> None:
    olga = await create_owner(app)
    mia = await add_colleague(app, olga, Role.SUPPORT)
    older = await single_use_links.make_reset(app, olga, mia.id, HOME_BROWSER.address)
    signin = await commands.signin_link(app, mia.email)
    reset_link = await single_use_links.make_reset(app, olga, mia.id, HOME_BROWSER.address)
    link = await single_use_links.use(app, token_of(reset_link.url), HOME_BROWSER)
    assert isinstance(link, queries.Link) and link.email == mia.email

    signed_in = await single_use_links.finish(app, token_of(reset_link.url), None, OTHER_PASSWORD, HOME_BROWSER)

    assert await auth.valid_sessions(app, [mia.session]) == {}
    assert await signed_in_as(app, signed_in.token) is not None
    await actions.login(app, mia.email, OTHER_PASSWORD, HOME_BROWSER)
    for url in (older.url, signin, reset_link.url):
        with pytest.raises(Conflict):
            await single_use_links.use(app, token_of(url), HOME_BROWSER)


async def test_no_reset_link_is_made_for_the_owner_oneself_or_a_disabled_user(app: App) -> None:
    olga = await create_owner(app)
    ann, mia = await add_colleague(app, olga, Role.ADMIN), await add_colleague(app, olga, Role.SUPPORT)
    with pytest.raises(Forbidden):
        await single_use_links.make_reset(app, ann, olga.id, HOME_BROWSER.address)
    with pytest.raises(Conflict):
        await single_use_links.make_reset(app, ann, ann.id, HOME_BROWSER.address)
    with pytest.raises(NotFound):
        await single_use_links.make_reset(app, ann, 999_999, HOME_BROWSER.address)
    await team.change_user(app, ann, mia.id, UserChange(disabled=True), HOME_BROWSER.address)
    with pytest.raises(Conflict):
        await single_use_links.make_reset(app, ann, mia.id, HOME_BROWSER.address)


async def test_a_command_line_link_signs_in_the_owner_unless_it_names_another_user(app: App) -> None:
    with pytest.raises(NotFound):
        await commands.signin_link(app)
    olga = await create_owner(app)
    used = await single_use_links.use(app, token_of(await commands.signin_link(app)), HOME_BROWSER)
    assert isinstance(used, actions.SignedIn) and used.user.id == olga.id
    with pytest.raises(NotFound):
        await commands.reset_link(app, "nobody@shop.example")


async def test_inviting_again_revokes_the_older_link(app: App) -> None:
    olga = await create_owner(app)
    _, older = await single_use_links.invite(app, olga, "mia@shop.example", Role.ADMIN, HOME_BROWSER.address)
    first_link, newer = await single_use_links.invite(app, olga, "mia@shop.example", Role.SUPPORT, HOME_BROWSER.address)

    assert await app.read(queries.invites, app.clock.now()) == [first_link]
    with pytest.raises(Conflict):
        await single_use_links.use(app, token_of(older), HOME_BROWSER)
    await single_use_links.use(app, token_of(newer), HOME_BROWSER)
    await single_use_links.withdraw_invite(app, olga, first_link.id, HOME_BROWSER.address)
    with pytest.raises(Conflict):
        await single_use_links.use(app, token_of(newer), HOME_BROWSER)
    with pytest.raises(NotFound):
        await single_use_links.withdraw_invite(app, olga, first_link.id, HOME_BROWSER.address)


async def test_a_person_with_an_account_cannot_be_invited(app: App) -> None:
    olga = await create_owner(app)
    for email in (OLGA_EMAIL, "OLGA@SHOP.EXAMPLE"):
        with pytest.raises(Conflict) as refusal:
            await single_use_links.invite(app, olga, email, Role.SUPPORT, HOME_BROWSER.address)
        assert refusal.value.code == "email_taken"


async def test_an_invitation_is_void_when_its_author_loses_the_right_to_invite(app: App) -> None:
    olga = await create_owner(app)
    ann, ada = (
        await add_colleague(app, olga, Role.ADMIN),
        await add_colleague(app, olga, Role.ADMIN, "ada@shop.example"),
    )
    _, by_ann = await single_use_links.invite(app, ann, "spy@shop.example", Role.ADMIN, HOME_BROWSER.address)
    _, by_ada = await single_use_links.invite(app, ada, "spy2@shop.example", Role.ADMIN, HOME_BROWSER.address)
    await team.change_user(app, olga, ann.id, UserChange(role=Role.SUPPORT), HOME_BROWSER.address)
    await team.change_user(app, olga, ada.id, UserChange(disabled=True), HOME_BROWSER.address)

    for url in (by_ann, by_ada):
        with pytest.raises(Conflict):
            await single_use_links.use(app, token_of(url), HOME_BROWSER)
    with pytest.raises(Forbidden):  # the change of role has taken effect
        await single_use_links.invite(app, ann, "spy@shop.example", Role.SUPPORT, HOME_BROWSER.address)


# --- the team -----------------------------------------------------------------------------------


async def test_a_disabled_user_cannot_sign_in_in_any_way(app: App) -> None:
    olga = await create_owner(app)
    mia = await add_colleague(app, olga, Role.SUPPORT)
    token = (await actions.login(app, mia.email, PASSWORD, HOME_BROWSER)).token
    assert await signed_in_as(app, token) and await signed_in_as(app, token)
    ways = [
        (await single_use_links.make_reset(app, olga, mia.id, HOME_BROWSER.address)).url,
        await commands.signin_link(app, mia.email),
    ]
    listener = listen(app, mia)

    await team.change_user(app, olga, mia.id, UserChange(disabled=True), HOME_BROWSER.address)

    assert await signed_in_as(app, token) is None
    assert listener.topics
    assert await auth.valid_sessions(app, [mia.session]) == {}
    for url in ways:
        with pytest.raises(Conflict):
            await single_use_links.use(app, token_of(url), HOME_BROWSER)
    with pytest.raises(Conflict):
        await commands.signin_link(app, mia.email)
    with pytest.raises(SignInRequired):
        await actions.login(app, mia.email, PASSWORD, HOME_BROWSER)
    assert (await actions_logged(app))[-1] == "login_failed"

    await team.change_user(app, olga, mia.id, UserChange(disabled=False), HOME_BROWSER.address)
    assert await signed_in_as(app, token) is None  # the old session remains revoked
    await actions.login(app, mia.email, PASSWORD, HOME_BROWSER)


async def test_a_link_made_while_its_user_is_disabled_does_not_work(app: App) -> None:
    olga = await create_owner(app)
    mia = await add_colleague(app, olga, Role.SUPPORT)
    await team.change_user(app, olga, mia.id, UserChange(disabled=True), HOME_BROWSER.address)
    for purpose in ("signin", "reset"):
        await app.write(lambda tx, p: single_use_links.add_link(tx, p, f"late {p}", user_id=mia.id) and None, purpose)
        with pytest.raises(Conflict):
            await single_use_links.use(app, f"late {purpose}", HOME_BROWSER)
        with pytest.raises(Conflict):
            await single_use_links.finish(app, f"late {purpose}", None, OTHER_PASSWORD, HOME_BROWSER)


async def test_a_changed_role_applies_from_the_next_request(app: App) -> None:
    olga = await create_owner(app)
    ann = await add_colleague(app, olga, Role.ADMIN)
    token = (await actions.login(app, ann.email, PASSWORD, HOME_BROWSER)).token
    for _ in range(2):
        await signed_in_as(app, token)

    changed = await team.change_user(app, olga, ann.id, UserChange(role=Role.ANALYST), HOME_BROWSER.address)

    assert changed.role is Role.ANALYST
    now = await signed_in_as(app, token)
    assert now is not None and now.role is Role.ANALYST
    with pytest.raises(Forbidden):
        await team.change_user(app, ann, olga.id, UserChange(name="Mine"), HOME_BROWSER.address)
    entry = (await rows(app, audit))[-1]
    assert entry.action == "user_changed" and entry.detail == {"role": ["admin", "analyst"]}


async def test_the_owner_can_be_neither_disabled_nor_demoted(app: App) -> None:
    olga = await create_owner(app)
    ann = await add_colleague(app, olga, Role.ADMIN)
    for change in (UserChange(role=Role.ADMIN), UserChange(disabled=True)):
        with pytest.raises(Conflict):
            await team.change_user(app, olga, olga.id, change, HOME_BROWSER.address)
        with pytest.raises(Forbidden):
            await team.change_user(app, ann, olga.id, change, HOME_BROWSER.address)
    for actor in (olga, ann):
        with pytest.raises(Conflict):
            await team.change_user(app, actor, ann.id, UserChange(role=Role.OWNER), HOME_BROWSER.address)
        with pytest.raises(Conflict):
            await single_use_links.invite(app, actor, "second@shop.example", Role.OWNER, HOME_BROWSER.address)
    assert [row.role for row in await rows(app, users)].count("owner") == 1


async def test_users_change_only_their_own_name_and_presence(app: App) -> None:
    olga = await create_owner(app)
    changed = await team.change_me(app, olga, "  Olga\nPetrova ", True, HOME_BROWSER.address)
    assert (changed.name, changed.away) == ("Olga Petrova", True)
    changed = await team.change_me(app, olga, None, False, HOME_BROWSER.address)
    assert (changed.name, changed.away) == ("Olga Petrova", False)


async def test_the_audit_log_is_read_newest_first_with_current_names(app: App) -> None:
    olga = await create_owner(app)
    mia = await add_colleague(app, olga, Role.SUPPORT)
    await team.change_user(app, olga, mia.id, UserChange(role=Role.MANAGER), HOME_BROWSER.address)
    await team.change_user(app, olga, mia.id, UserChange(name="Mia Moss"), HOME_BROWSER.address)

    first = await app.read(audit_queries.page, 2)
    assert [(line.action, line.who, line.whom) for line in first] == [
        ("user_changed", audit_queries.Person(olga.id, "Olga Owner"), audit_queries.Person(mia.id, "Mia Moss"))
    ] * 2
    older_lines = await app.read(audit_queries.page, 100, first[-1].id)
    assert [line.id for line in [*first, *older_lines]] == list(range(first[0].id, 0, -1))
    assert older_lines[-1].action == "setup" and await app.read(audit_queries.page, 100, 1) == []
