"""Mail to users: invitation, sign-in link, new password. Links exist only as hashes, work once, and end in time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import delete, update

from server.account_mail import composing
from server.account_mail.texts import TEXTS
from server.accounts import mailed_links, single_use_links, team
from server.accounts.queries import Link, invites
from server.accounts.rules import LANGUAGES, LINKS_PER_ACCOUNT, LINKS_PER_ADDRESS, Invited, Role
from server.channels.base import NotSent
from server.channels.mail import build
from server.delivery.rules import State
from server.errors import RateLimited, Refused
from server.schema import audit, jobs, links, outbound, sessions
from tests.mails import connect_mail_server, token_in
from tests.world import HOME, World, email_of

NEW = "walnut ferry telescope"
ANA = email_of("ana")


async def ask(
    world: World, email: str = ANA, purpose: str = "reset", *, address: str = "203.0.113.9", language: str = "en"
) -> None:
    await mailed_links.request(world.app, purpose, email, language, address)  # type: ignore[arg-type]
    await world.advance()


async def used(world: World, token: str) -> object:
    return await single_use_links.use(world.app, token, HOME)


# --- invitation -------------------------------------------------------------------------------------


async def test_an_invitation_is_mailed_with_a_link_of_its_own(world: World) -> None:
    server = await connect_mail_server(world.app)
    adam = await world.agent("adam")
    invitation, url = await single_use_links.invite(world.app, adam.agent, "mia@shop.example", Role.SUPPORT, "")
    await world.advance()
    [message] = server.mails
    assert message.recipient == "mia@shop.example" and "Adam" in message.subject and message.automatic
    mailed, copied = token_in(message), url.partition("#")[2]
    assert mailed != copied and f"/invite#{mailed}" in message.text
    assert [invite.id for invite in await world.app.read(invites, world.now)] == [invitation.id], "listed once"
    await single_use_links.finish(world.app, mailed, "Mia", NEW, HOME)
    for token in (mailed, copied):
        with pytest.raises(Refused, match="already used"):
            await used(world, token)
    assert await world.app.read(invites, world.now) == []


async def test_the_copied_link_ends_the_mailed_one(world: World) -> None:
    server = await connect_mail_server(world.app)
    adam = await world.agent("adam")
    _, url = await single_use_links.invite(world.app, adam.agent, "mia@shop.example", Role.SUPPORT, "")
    await world.advance()
    await single_use_links.finish(world.app, url.partition("#")[2], "Mia", NEW, HOME)
    with pytest.raises(Refused, match="already used"):
        await used(world, token_in(server.mails[0]))


async def test_a_withdrawn_invitation_is_not_mailed_and_its_mailed_link_ends(world: World) -> None:
    server = await connect_mail_server(world.app)
    adam = await world.agent("adam")
    invitation, _ = await single_use_links.invite(world.app, adam.agent, "mia@shop.example", Role.SUPPORT, "")
    await world.advance()
    await single_use_links.withdraw_invite(world.app, adam.agent, invitation.id, "")
    with pytest.raises(Refused, match="already used"):
        await used(world, token_in(server.mails[0]))
    second, _ = await single_use_links.invite(world.app, adam.agent, "pia@shop.example", Role.SUPPORT, "")
    await single_use_links.withdraw_invite(world.app, adam.agent, second.id, "")
    await world.advance()
    assert len(server.mails) == 1
    [_, row] = await world.rows(outbound)
    assert (row.state, row.reason) == (State.SKIPPED, "invite_closed")


async def test_a_waiting_mail_never_carries_the_link_of_another_invitation(world: World) -> None:
    """SQLite gives the id of a deleted invitation to the next one."""
    server = await connect_mail_server(world.app)
    server.answers.append(NotSent("no connection"))
    adam = await world.agent("adam")
    first, _ = await single_use_links.invite(world.app, adam.agent, "mia@shop.example", Role.SUPPORT, "")
    await world.advance()
    await world.app.write(
        lambda tx: tx.run(update(links).where(links.c.id == first.id).values(email="eve@shop.example"))
    )
    await world.advance(minutes=2)
    [row] = await world.rows(outbound)
    assert len(server.mails) == 1 and row.reason == "invite_closed"


async def test_a_repeated_attempt_creates_a_new_link_and_ends_the_old_one(world: World) -> None:
    server = await connect_mail_server(world.app)
    server.answers.append(NotSent("no connection"))
    adam = await world.agent("adam")
    await single_use_links.invite(world.app, adam.agent, "mia@shop.example", Role.SUPPORT, "")
    await world.advance()
    await world.advance(minutes=2)
    first, second = map(token_in, server.mails)
    with pytest.raises(Refused, match="already used"):
        await used(world, first)
    assert isinstance(await used(world, second), Link)


async def test_without_mail_an_invitation_queues_nothing(world: World) -> None:
    adam = await world.agent("adam")
    await single_use_links.invite(world.app, adam.agent, "mia@shop.example", Role.SUPPORT, "")
    assert await world.rows(outbound) == []


# --- links that people ask for ----------------------------------------------------------------------


async def test_a_forgotten_password_is_replaced_by_a_mailed_link(world: World) -> None:
    server = await connect_mail_server(world.app)
    ana = await world.agent("ana")
    await ask(world)
    [message] = server.mails
    assert message.recipient == ANA and "203.0.113.9" in message.text and f"/reset#{token_in(message)}" in message.text
    signed_in = await single_use_links.finish(world.app, token_in(message), None, NEW, HOME)
    open_sessions = [row for row in await world.rows(sessions) if row.user_id == ana.agent.id and row.ended_at is None]
    assert len(open_sessions) == 1 and signed_in.user.id == ana.agent.id, "the other sessions have ended"
    with pytest.raises(Refused, match="already used"):
        await single_use_links.finish(world.app, token_in(message), None, NEW, HOME)
    actions = [row.action for row in await world.rows(audit)]
    assert actions[-2:] == ["reset_link_requested", "password_reset"]


async def test_a_sign_in_link_signs_in_once(world: World) -> None:
    server = await connect_mail_server(world.app)
    await ask(world, purpose="signin")
    token = token_in(server.mails[0])
    assert f"/signin#{token}" in server.mails[0].html
    signed_in = await single_use_links.use(world.app, token, HOME)
    assert isinstance(signed_in, single_use_links.SignedIn) and signed_in.user.email == ANA
    with pytest.raises(Refused, match="already used"):
        await used(world, token)


@pytest.mark.parametrize("purpose", ["signin", "reset"])
async def test_a_mailed_link_ends_after_an_hour(world: World, purpose: str) -> None:
    server = await connect_mail_server(world.app)
    await ask(world, purpose=purpose)
    await world.advance(minutes=59)
    [row] = [row for row in await world.rows(links) if row.purpose == purpose]
    await world.advance(minutes=2)
    assert row.expires_at < world.now
    with pytest.raises(Refused, match="expired"):
        await used(world, token_in(server.mails[0]))


async def test_an_unknown_address_gets_the_same_answer_and_no_mail(world: World) -> None:
    server = await connect_mail_server(world.app)
    for email in (ANA, "nobody@else.example"):
        await mailed_links.request(world.app, "reset", email, "en", "203.0.113.9")
    waiting = await world.rows(jobs)
    requests = [row for row in waiting if row.kind == mailed_links.REQUEST_JOB]
    assert len(requests) == 2 and "nobody@else.example" not in repr(waiting), (
        "the same work, and nothing typed is stored"
    )
    await world.advance()
    assert [message.recipient for message in server.mails] == [ANA]
    assert "nobody@else.example" not in repr([await world.rows(table) for table in (audit, outbound, links, jobs)])


async def test_a_disabled_account_gets_no_mail(world: World) -> None:
    server = await connect_mail_server(world.app)
    adam, ana = await world.agent("adam"), await world.agent("ana")
    await mailed_links.request(world.app, "reset", ANA, "en", "203.0.113.9")
    await team.change_user(world.app, adam.agent, ana.agent.id, team.UserChange(disabled=True), "")
    await world.advance()
    assert server.mails == [] and await world.rows(outbound) == []


async def test_an_account_that_is_disabled_while_its_mail_waits_gets_none(world: World) -> None:
    server = await connect_mail_server(world.app)
    server.answers.append(NotSent("no connection"))
    await ask(world)
    adam, ana = await world.agent("adam"), await world.agent("ana")
    await team.change_user(world.app, adam.agent, ana.agent.id, team.UserChange(disabled=True), "")
    await world.advance(minutes=2)
    [row] = await world.rows(outbound)
    assert len(server.mails) == 1 and row.reason == "account_disabled"


async def test_a_link_that_could_not_be_sent_for_an_hour_is_not_sent_later(world: World) -> None:
    server = await connect_mail_server(world.app)
    server.answers.extend([NotSent("no connection")] * 20)
    await ask(world)
    for _ in range(8):
        await world.advance(minutes=10)
    server.answers.clear()
    attempts = len(server.mails)
    await world.advance(hours=2)
    [row] = await world.rows(outbound)
    assert len(server.mails) == attempts and row.reason == "link_outdated"


async def test_requests_are_limited_by_account_and_by_client_known_or_not(world: World) -> None:
    await connect_mail_server(world.app)
    for email in (ANA, "nobody@else.example"):
        for n in range(LINKS_PER_ACCOUNT):
            await ask(world, email, address=f"198.51.100.{n}")
        with pytest.raises(RateLimited) as limited:
            await ask(world, email, address="198.51.100.99")
        assert 0 < (limited.value.retry_after or 0) <= 15 * 60
    for n in range(LINKS_PER_ADDRESS):
        await ask(world, f"user{n}@else.example")
    with pytest.raises(RateLimited):
        await ask(world, "another@else.example")
    await world.advance(minutes=16)
    await ask(world)


async def test_a_repeated_job_queues_one_mail(world: World) -> None:
    await connect_mail_server(world.app)
    await mailed_links.request(world.app, "reset", ANA, "en", "203.0.113.9")
    [job] = [row for row in await world.rows(jobs) if row.kind == mailed_links.REQUEST_JOB]
    for _ in range(2):
        await world.app.write(mailed_links._announce_request, job.payload)
    assert len(await world.rows(outbound)) == 1


# --- languages and secrets --------------------------------------------------------------------------


async def test_a_mail_is_in_the_language_of_its_reader(world: World) -> None:
    server = await connect_mail_server(world.app)
    ana = await world.agent("ana")
    await ask(world, language="pl")
    await team.change_me(world.app, ana.agent, None, None, "", "ko")
    await world.advance(seconds=1)
    await ask(world, language="pl")
    assert 'lang="pl"' in server.mails[0].html and 'lang="ko"' in server.mails[1].html
    adam = await world.agent("adam")
    await team.change_me(world.app, adam.agent, None, None, "", "ru")
    await single_use_links.invite(world.app, adam.agent, "mia@shop.example", Role.SUPPORT, "")
    await world.advance()
    assert server.mails[2].subject.startswith("Adam приглашает")


def test_every_mail_has_every_language() -> None:
    assert all(set(texts) == set(LANGUAGES) for texts in TEXTS.values())
    for texts in TEXTS.values():
        assert len({(len(text.paragraphs), len(text.notes), bool(text.link_hint)) for text in texts.values()}) == 1


async def test_no_link_is_in_the_database(world: World) -> None:
    server = await connect_mail_server(world.app)
    adam = await world.agent("adam")
    await ask(world)
    await ask(world, purpose="signin")
    _, url = await single_use_links.invite(world.app, adam.agent, "mia@shop.example", Role.SUPPORT, "")
    await world.advance()
    tokens = [*map(token_in, server.mails), url.partition("#")[2]]
    assert len(set(tokens)) == 4
    stored = repr([await world.rows(table) for table in (outbound, links, jobs, audit)])
    assert not [token for token in tokens if token in stored]


async def test_a_name_cannot_add_markup_or_headers(world: World) -> None:
    server = await connect_mail_server(world.app)
    invited = Invited(1, "mia@shop.example", "Adam <b>\r\nBcc: all@evil.example", "en")
    adam = await world.agent("adam")
    invitation, _ = await single_use_links.invite(world.app, adam.agent, "mia@shop.example", Role.SUPPORT, "")
    await world.app.write(lambda tx: tx.run(delete(outbound)))
    await world.app.write(composing.mail_invitation, replace(invited, invite_id=invitation.id))
    await world.advance()
    [message] = server.mails
    headers, _, _body = build(message).partition(b"\r\n\r\n")
    assert b"\nBcc:" not in headers and "<b>" not in message.html and "Adam &lt;b&gt;" in message.html
