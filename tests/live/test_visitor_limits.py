"""Rate limits for visitors: for one visitor, for all visitors at one address, and for the tabs of one chat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.schema import tickets, timeline, visitors
from server.web.visitor_limits import ADDRESS_SHARE, MIN_VISITORS, AddressShare
from tests.online import Answer, Online, Visitor, open_online

BOTH = pytest.mark.parametrize("over", ["socket", "poll"])
ME = "203.0.113.7"


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def frame(online: Online, kind: str, n: int) -> dict[str, Any]:
    """The frame number `n` of this type."""
    more: dict[str, dict[str, Any]] = {
        "say": {"id": online.key(), "text": f"m{n}"},
        "introduce": {"id": online.key(), "name": f"Zoe {n}"},
        "end": {"id": online.key()},
        "seen": {"seq": n},
        "page": {"page": {"url": f"https://shop.example/{n}"}},
    }
    return {"type": kind, **more[kind]}


def too_many(zoe: Visitor) -> list[dict[str, Any]]:
    """All refusals with the code `too_many` so far."""
    frames = zoe.wire.frames if zoe.over == "socket" else zoe._received  # type: ignore[attr-defined]
    return [
        each_frame for each_frame in frames if each_frame["type"] == "refused" and each_frame["code"] == "rate_limited"
    ]


async def refusals(zoe: Visitor, kind: str, count: int) -> list[dict[str, Any]]:
    """Sends `count` frames at once; returns the refusals."""
    for n in range(1, count + 1):
        await zoe.sends(frame(zoe.online, kind, n))
    if zoe.over == "socket":
        await zoe.wire.settles()
    return too_many(zoe)


@BOTH
@pytest.mark.parametrize(("kind", "most"), [("say", 40), ("introduce", 10), ("end", 10), ("seen", 120), ("page", 120)])
async def test_one_visitors_frames_are_limited_and_accepted_again_after_the_wait(
    tmp_path: Path, kind: str, most: int, over: str
) -> None:
    limits = {"visitor_messages_per_minute": 40, "address_messages_per_minute": 10_000}
    async with open_online(tmp_path / "data", **limits) as online:
        zoe = await online.visitor(over=over)
        await zoe.says("First words")
        allowed = most - (1 if kind == "say" else 0)
        refused = await refusals(zoe, kind, allowed + 3)
        assert len(refused) == 3
        assert all(0 < item["retry_after"] <= 60 for item in refused)
        await online.world.advance(seconds=refused[-1]["retry_after"])
        assert len(await refusals(zoe, kind, 1)) == 3, "one more frame after the wait must not be refused"


@BOTH
async def test_introductions_above_the_limit_store_nothing(tmp_path: Path, over: str) -> None:
    async with open_online(tmp_path / "data", visitor_messages_per_minute=40) as online:
        zoe = await online.visitor(over=over)
        await zoe.says("First words")
        await refusals(zoe, "introduce", 100)
        await zoe.says("After them")
        assert len(await online.world.rows(timeline, timeline.c.kind == "contact")) == 10


async def test_messages_from_one_address_share_a_limit_and_none_is_lost(tmp_path: Path) -> None:
    limits = {"visitor_messages_per_minute": 1_000, "address_messages_per_minute": 20}
    async with open_online(tmp_path / "data", **limits) as online:
        guests = [await online.visitor() for _ in range(2)]
        for n in range(10):
            for guest in guests:
                await guest.says(f"m{n}")
        await guests[0].sends({"type": "say", "id": "key-late", "text": "late"})
        refused = await guests[0].receives("refused", id="key-late")
        assert refused["code"] == "rate_limited" and refused["retry_after"] > 0
        elsewhere = await send(online, guests[1], {"type": "say", "id": "key-other", "text": "elsewhere"}, ME)
        assert elsewhere.status == 200, "another address must not be limited"
        await online.world.advance(seconds=refused["retry_after"])
        await guests[0].says("late", key="key-late")


async def send(online: Online, zoe: Visitor, body: dict[str, Any], address: str) -> Answer:
    """Posts a message through a proxy that reports this address."""
    headers: dict[str, str | None] = {"authorization": f"Bearer {zoe.token}", "x-forwarded-for": address}
    return await online.send("POST", "/widget/send", body, headers=headers)


async def test_new_chats_from_one_address_are_limited_and_messages_in_open_chats_are_not(tmp_path: Path) -> None:
    limits = {"visitor_messages_per_minute": 1_000, "address_messages_per_minute": 30}  # which permits three new chats
    async with open_online(tmp_path / "data", **limits) as online:
        first = await online.visitor()
        for _ in range(5):
            await first.says("On and on")  # all in one chat
        for _ in range(2):
            await (await online.visitor()).says("Hello")
        new_visitor = await online.visitor()
        await new_visitor.sends({"type": "say", "id": "key-late", "text": "Me too"})
        refused = await new_visitor.receives("refused", id="key-late")
        assert refused["code"] == "rate_limited" and refused["retry_after"] > 0
        assert await online.world.count(tickets) == await online.world.count(visitors) == 3
        await first.says("Still going on")
        await online.world.advance(seconds=refused["retry_after"])
        await new_visitor.says("Me too", key="key-late")
        assert await online.world.count(tickets) == 4


async def test_one_visitor_cannot_fill_the_list_by_ending_and_starting_chats(tmp_path: Path) -> None:
    limits = {"visitor_messages_per_minute": 40, "address_messages_per_minute": 10_000}  # permits five new chats
    async with open_online(tmp_path / "data", **limits) as online:
        zoe = await online.visitor()
        for n in range(8):
            await zoe.sends({"type": "say", "id": f"key-say-{n}", "text": "Again"})
            await zoe.sends({"type": "end", "id": f"key-end-{n}"})
        await wait_until(lambda: len(too_many(zoe)) == 3)
        assert await online.world.count(tickets) == 5


async def test_a_refused_message_does_not_count_as_a_new_chat(tmp_path: Path) -> None:
    limits = {"visitor_messages_per_minute": 8, "address_messages_per_minute": 10_000}  # permits one new chat
    async with open_online(tmp_path / "data", **limits) as online:
        zoe = await online.visitor()
        for n in range(3):
            await zoe.sends({"type": "say", "id": f"key-blank-{n}", "text": " "})
            assert (await zoe.receives("refused", id=f"key-blank-{n}"))["code"] == "empty_message"
        await zoe.says("Hello")


async def test_posted_frames_count_against_the_limit_of_requests_too(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", visitor_messages_per_minute=1) as online:
        zoe = await online.visitor(over="poll")
        typing = [await send(online, zoe, {"type": "typing"}, ME) for _ in range(7)]
        assert [answer.status for answer in typing] == [200] * 6 + [429]
        assert int(typing[-1].headers["retry-after"]) > 0 and typing[-1].json()["error"]["retry_after"] > 0


@BOTH
async def test_tabs_of_one_visitor_are_limited_and_closed_ones_no_longer_count(tmp_path: Path, over: str) -> None:
    async with open_online(tmp_path / "data", visitor_sockets=3) as online:
        tabs = [await online.visitor(over="socket")]
        tabs += [await tabs[0].tab() for _ in range(2)]
        await tabs[0].says("Hello")
        if over == "socket":
            async with await online.dial() as late:
                await late.says({"type": "hello", "version": 1, "token": tabs[0].token})
                assert (await late.receives("refused"))["retry_after"] > 0
                assert (await late.receives("bye"))["after"] > 0
                assert await late.close_code() == 4429
        else:
            body = {"hello": {"type": "hello", "version": 1}}
            answer = await online.send(
                "POST", "/widget/poll", body, headers={"authorization": f"Bearer {tabs[0].token}"}
            )
            assert answer.status == 429 and int(answer.headers["retry-after"]) > 0
        await online.visitor()  # another visitor is not limited
        await tabs[1].leaves()
        await wait_until(lambda: len(online.hub.visitors) == 3)
        await online.visitor(over=over, token=tabs[0].token)


async def test_tabs_that_say_hello_at_the_same_moment_are_limited_too(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", visitor_sockets=3) as online:
        token = (await online.visitor()).token
        new_sockets = [await online.dial() for _ in range(12)]
        for wire in new_sockets:
            await wire.says({"type": "hello", "version": 1, "token": token})
        answers = [await first_answer(wire) for wire in new_sockets]
        assert sorted(answers) == ["ready"] * 2 + ["refused"] * 10
        for wire in new_sockets:
            await wire.leaves()
        await wait_until(lambda: len(online.hub.visitors) == 1)
        assert online.hub.visitor_places.total == 1


async def first_answer(wire: Any) -> str:
    await wait_until(lambda: bool(wire.frames))
    return str(wire.frames[0]["type"])


async def test_a_handshake_above_the_limit_says_when_to_retry(tmp_path: Path) -> None:
    from websockets.exceptions import InvalidStatus

    async with open_online(tmp_path / "data", address_connects_per_minute=1) as online:
        await online.dial()
        with pytest.raises(InvalidStatus) as refused:
            await online.dial()
        assert int(refused.value.response.headers["retry-after"]) >= 5


# --- visitors' addresses --------------------------------------------------------------------------


async def findings(online: Online) -> list[dict[str, Any]]:
    mona = await online.agent("mona", socket=False)
    await online.world.advance(seconds=20)  # the doctor caches a check for a while
    return [f for f in (await mona.get("/api/doctor")).json()["findings"] if f["area"] == "addresses"]


async def test_the_doctor_warns_when_nearly_everybody_comes_from_one_address(online: Online) -> None:
    for _ in range(MIN_VISITORS - 1):
        await (await online.visitor()).leaves()
    assert [f["state"] for f in await findings(online)] == ["ok"], "with too few visitors the doctor must not warn"
    await (await online.visitor()).leaves()
    warned = await findings(online)
    assert [f["state"] for f in warned] == ["warn"]
    assert "20 of the last 20 visitors" in warned[0]["message"] and "127.0.0.1" in warned[0]["message"]
    assert "THREADLINE_TRUSTED_PROXIES" in warned[0]["advice"]


async def test_the_doctor_accepts_visitors_from_many_addresses_and_does_not_count_itself(online: Online) -> None:
    for n in range(2 * MIN_VISITORS):
        online.hub.visitor_addresses.record(f"visitor-{n}", f"203.0.113.{n}" if n % 3 else ME)
    before = online.hub.visitor_addresses.address_share().visitors
    assert [f["state"] for f in await findings(online)] == ["ok"]
    assert online.hub.visitor_addresses.address_share().visitors == before


async def test_one_process_stores_its_visitors_addresses_for_the_doctor_of_another(online: Online) -> None:
    crowd, app = online.hub.visitor_addresses, online.app
    for n in range(MIN_VISITORS):
        crowd.record(f"visitor-{n}", ME)
    await crowd.store(app)
    assert await app.read(ADDRESS_SHARE.load) == AddressShare(address=ME, from_it=MIN_VISITORS, visitors=MIN_VISITORS)
    for n in range(MIN_VISITORS):
        crowd.record(f"visitor-{n}", f"203.0.113.{n}")
    await crowd.store(app)
    assert await app.read(ADDRESS_SHARE.load) == AddressShare(), "an address that few visitors share must not be stored"
