"""A visitor signs in with the chat open: one `hello` carries both the visitor's token and the signed identity."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from server.web import auth
from tests.online import Online

BOTH = pytest.mark.parametrize("over", ["socket", "poll"])


def identity(online: Online, sub: str, **claims: Any) -> str:
    now = int(online.world.now.timestamp())
    claims = {"sub": sub, "iat": now, "exp": now + 600, **claims}
    return jwt.encode(claims, auth.identity_secret(online.app, 1), algorithm="HS256")


@BOTH
async def test_a_chat_continues_as_the_signed_in_customer(online: Online, over: str) -> None:
    ana = await online.agent("ana")
    zoe = await online.visitor(over=over)
    await zoe.says("Before I signed in")
    other_tab = await zoe.tab()
    thread = await zoe.thread_id()
    ticket = (await ana.receives("ticket"))["ticket"]
    await ana.opens(thread)
    bookmark = {"thread": zoe.screen.thread, "after": zoe.screen.last}
    signed_identity = identity(online, "c-17", name="Zoe Shop")
    more = {"bookmark": bookmark} if over == "socket" else {}
    customer = await online.visitor(over=over, token=zoe.token, identity=signed_identity, **more)
    assert (customer.ready["thread"], customer.ready["token"]) == (bookmark["thread"], None)
    summary = await ana.receives_ticket(ticket["id"])
    assert summary["contact"]["name"] == "Zoe Shop" and summary["contact"]["verified"]
    await ana.replies(ticket["id"], "Welcome back")
    await customer.sees("Welcome back")
    shown = [entry["text"] for entry in customer.screen.entries if entry["kind"] == "message"]
    assert shown[-2:] == (["Welcome back"] if more else ["Before I signed in", "Welcome back"])

    # A tab that missed the sign-in reconnects, and follows no thread.
    if over == "socket":
        assert await other_tab.wire.close_code() == 1012
        await other_tab.connects()
        assert other_tab.ready["thread"] is None and "Welcome back" not in other_tab.screen.texts


@BOTH
async def test_two_visitors_with_an_empty_identity_each_have_and_keep_a_chat(online: Online, over: str) -> None:
    nobody = identity(online, "undefined")
    zoe = await online.visitor(over=over, identity=nobody)
    assert zoe.ready["token"], "an anonymous visitor is given a token"
    await zoe.says("Mine")
    yan = await online.visitor(over=over, identity=nobody)
    assert yan.ready["thread"] is None
    await yan.says("Not yours")
    assert zoe.screen.thread != yan.screen.thread and zoe.screen.texts[-1] == "Mine"
    back = await online.visitor(over=over, identity=nobody, token=zoe.token)
    await back.sees("Mine")
    assert back.ready["token"] is None

    stale = await online.visitor(over=over, identity=nobody, token="A" * 32 + "." + "B" * 22)
    assert stale.ready["thread"] is None and stale.ready["token"]
    await stale.says("Also served")


async def test_signing_in_after_an_empty_identity_keeps_the_chat(online: Online) -> None:
    zoe = await online.visitor(identity=identity(online, "guest"))
    await zoe.says("Before I signed in")
    customer = await online.visitor(token=zoe.token, identity=identity(online, "c-17"))
    assert customer.ready["thread"] == zoe.screen.thread


@pytest.mark.parametrize("odd", [{"exp": 10**400}, {"nbf": 10**10}])
async def test_an_identity_with_an_impossible_time_is_refused_without_an_error(
    online: Online, odd: dict[str, Any]
) -> None:
    stranger = await online.dial()
    await stranger.says({"type": "hello", "version": 1, "identity": identity(online, "c-17", **odd)})
    assert (await stranger.receives("refused"))["code"] == "auth_required"
    assert await stranger.close_code() == 4401
    answer = await online.send(
        "POST",
        "/widget/poll",
        {"hello": {"type": "hello", "version": 1}},
        headers={"x-threadline-identity": identity(online, "c-17", **odd)},
    )
    assert answer.status == 401


async def test_an_invalid_token_with_a_valid_identity_carries_no_chat_over(online: Online) -> None:
    zoe = await online.visitor()
    await zoe.says("Mine")
    customer = await online.visitor(token="A" * 32 + "." + "B" * 22, identity=identity(online, "c-17"))
    assert customer.ready["thread"] is None
    stranger = await online.dial()
    forged = jwt.encode({"sub": "c-17"}, "another secret" * 4, algorithm="HS256")
    await stranger.says({"type": "hello", "version": 1, "token": zoe.token, "identity": forged})
    assert await stranger.close_code() == 4401
    assert await zoe.thread_id()
