"""Links and the team as the product's verbs, on both databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from server.accounts import actions, commands, links, queries, team
from server.accounts import audit as log
from server.accounts.actions import Browser
from server.accounts.rules import Role
from server.accounts.team import UserChange
from server.errors import Conflict, Forbidden, NotFound, SignInRequired
from server.kernel.context import App
from server.schema import audit, users
from server.schema import links as links_table
from server.web import auth
from tests.accounts_app import (
    HOME,
    OTHER_PASSWORD,
    PASSWORD,
    actions_logged,
    advance,
    colleague,
    listen,
    owner,
    rows,
    signed_in_as,
    token_of,
)

ELSEWHERE = Browser("198.51.100.9", "a stranger")
OLGA = "olga@shop.example"


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


async def test_the_audit_log_is_read_backwards_with_the_names_of_today(app: App) -> None:
    olga = await owner(app)
    mia = await colleague(app, olga, Role.SUPPORT)
    await team.change_user(app, olga, mia.id, UserChange(role=Role.MANAGER), HOME.address)
    await team.change_user(app, olga, mia.id, UserChange(name="Mia Moss"), HOME.address)

    first = await app.read(log.page, 2**53, 2)
    assert [(line.action, line.who, line.whom) for line in first] == [
        ("user_changed", log.Person(olga.id, "Olga Owner"), log.Person(mia.id, "Mia Moss"))
    ] * 2
    rest = await app.read(log.page, first[-1].id, 100)
    assert [line.id for line in [*first, *rest]] == list(range(first[0].id, 0, -1))
    assert rest[-1].action == "setup" and await app.read(log.page, 1, 100) == []
