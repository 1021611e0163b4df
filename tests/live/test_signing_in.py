"""A visitor signs in with the chat open: one `hello` that names both who they were and who they are."""

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
async def test_the_chat_goes_on_as_the_customer_it_is_now(online: Online, over: str) -> None:
    ana = await online.agent("ana")
    zoe = await online.visitor(over=over)
    await zoe.says("Before I signed in")
    other_tab = await zoe.tab()
    thread = await zoe.thread_id()
    ticket = (await ana.hears("ticket"))["ticket"]
    await ana.opens(thread)
    bookmark = {"thread": zoe.screen.thread, "after": zoe.screen.last}
    named = identity(online, "c-17", name="Zoe Shop")
    more = {"bookmark": bookmark} if over == "socket" else {}
    customer = await online.visitor(over=over, token=zoe.token, identity=named, **more)
    assert (customer.ready["thread"], customer.ready["token"]) == (bookmark["thread"], None)
    summary = await ana.hears_of(ticket["id"])
    assert summary["contact"]["name"] == "Zoe Shop" and summary["contact"]["verified"]
    await ana.replies(ticket["id"], "Welcome back")
    await customer.sees("Welcome back")
    shown = [entry["text"] for entry in customer.screen.entries if entry["kind"] == "message"]
    assert shown[-2:] == (["Welcome back"] if more else ["Before I signed in", "Welcome back"])

    # A tab that has not heard of it comes back, and stands nowhere.
    if over == "socket":
        assert await other_tab.wire.close_code() == 1012
        await other_tab.connects()
        assert other_tab.ready["thread"] is None and "Welcome back" not in other_tab.screen.texts


async def test_a_token_that_is_not_good_beside_a_good_identity_carries_nothing(online: Online) -> None:
    zoe = await online.visitor()
    await zoe.says("Mine")
    customer = await online.visitor(token="A" * 32 + "." + "B" * 22, identity=identity(online, "c-17"))
    assert customer.ready["thread"] is None
    stranger = await online.dial()
    forged = jwt.encode({"sub": "c-17"}, "another secret" * 4, algorithm="HS256")
    await stranger.says({"type": "hello", "version": 1, "token": zoe.token, "identity": forged})
    assert await stranger.close_code() == 4401
    assert await zoe.thread_id()
