"""What the server does about peers that are silent, slow, too many or no longer allowed; and how it says goodbye.

Time is not waited for: the wheel that looks after connections is asked what it would do then.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import connect

from server.accounts import team
from server.accounts.rules import Role
from server.live import hub as hubs
from tests.online import PATIENCE_S, Online, Wire, open_online

HELLO = {"type": "hello", "version": 1}


def later(online: Online, seconds: float) -> None:
    """What the wheel does so many seconds from now."""
    online.hub._watch_over(online.hub.monotonic() + seconds)


async def until(true: Any) -> None:
    """For what nobody announces."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


# --- hello ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/ws/visitor", "/ws/agent"])
async def test_who_says_no_hello_within_ten_seconds_is_sent_away(online: Online, path: str) -> None:
    ana = await online.agent("ana", socket=False)
    wire = await online.dial(path, headers={"Cookie": ana.cookie})
    await until(lambda: online.hub.waiting_hello)
    later(online, hubs.HELLO_S - 1)
    assert wire.client.close_code is None and online.hub.waiting_hello
    later(online, hubs.HELLO_S + 1)
    assert await wire.close_code() == 4401 and not online.hub.waiting_hello


async def test_who_has_said_hello_is_left_alone(online: Online) -> None:
    zoe, ana = await online.visitor(), await online.agent("ana")
    later(online, hubs.HELLO_S + 1)
    await zoe.wire.settles()
    await ana.wire.settles()


@pytest.mark.parametrize("path", ["/ws/visitor", "/ws/agent"])
async def test_before_hello_nothing_else_is_done(online: Online, path: str) -> None:
    ana = await online.agent("ana", socket=False)
    async with await online.dial(path, headers={"Cookie": ana.cookie}) as wire:
        for frame in ({"type": "ping"}, {"type": "typing"}):
            await wire.says(frame)
            assert (await wire.hears("refused"))["code"] == "auth_required"
        await wire.says(HELLO)
        await wire.hears("ready")


async def test_a_second_hello_is_refused_and_changes_nothing(online: Online) -> None:
    zoe, yan = await online.visitor(), await online.visitor()
    await yan.says("Mine")
    await zoe.sends(yan.hello())
    assert (await zoe.hears("refused"))["code"] == "bad_frame"
    await zoe.says("Still me")
    assert "Mine" not in zoe.screen.texts


@pytest.mark.parametrize("path", ["/ws/visitor", "/ws/agent"])
async def test_a_page_newer_than_the_server_is_told_to_come_back_later(online: Online, path: str) -> None:
    ana = await online.agent("ana", socket=False)
    wire = await online.dial(path, headers={"Cookie": ana.cookie})
    await wire.says({"type": "hello", "version": 2})
    assert await wire.close_code() == 4426


@pytest.mark.parametrize("token", ["", "x", "a.b", "A" * 32 + "." + "B" * 22, "A" * 200])
async def test_a_forged_visitor_token_opens_nothing(online: Online, token: str) -> None:
    wire = await online.dial()
    await wire.says({**HELLO, "token": token})
    assert (await wire.hears("refused"))["code"] in ("auth_required", "invalid")
    if wire.client.close_code is None and wire.heard("refused")[0]["code"] == "auth_required":
        assert await wire.close_code() == 4401
    await wire.leaves()
    answer = await online.send(
        "POST",
        "/widget/send",
        {"type": "say", "id": "key-aaaa", "text": "Hi"},
        headers={"authorization": f"Bearer {token[:40]}".strip()},
    )
    assert answer.status == 401, answer


# --- silence and slowness ---------------------------------------------------------------------------


async def test_a_socket_that_is_silent_for_40_seconds_is_closed_and_one_that_pings_is_not(online: Online) -> None:
    zoe, ana = await online.visitor(), await online.agent("ana")
    later(online, hubs.SILENT_S - 1)
    await zoe.wire.settles()
    await ana.wire.settles()
    later(online, hubs.SILENT_S + 1)
    for wire in (zoe.wire, ana.wire):
        assert await wire.close_code() == 4410
        assert wire.heard("bye")[0] == {"type": "bye", "code": "gone_quiet", "after": 1.0}
    await until(lambda: not online.hub.visitors and not online.hub.agents)


async def slow_wire(online: Online, hello: dict[str, Any]) -> Wire:
    """A socket with the smallest buffers, whose owner stops reading after `ready`."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, online.address)
    client = await connect(
        online.url.replace("http", "ws", 1) + "/ws/visitor", sock=raw, origin=online.url, compression=None,  # type: ignore[arg-type]
        max_queue=1, ping_interval=None, proxy=None, close_timeout=1,
    )  # fmt: skip
    wire = Wire(client, read=False)
    await wire.says(hello)
    assert orjson.loads(await client.recv())["type"] == "ready"
    return wire


async def test_who_does_not_read_is_dropped_and_nobody_else_waits_for_them(online: Online) -> None:
    guest, ticket = await online.world.conversation()
    desk = await online.world.agent("ana")
    slow = await slow_wire(online, {**HELLO, "token": guest.token})
    quick = await online.visitor(token=guest.token)
    connections = list(online.hub.visitors)
    count = 0
    while not any(one.sending_since for one in connections) and count < 400:
        await desk.replies(ticket.id, f"{count} " + "\U0001f600" * 7_000)
        count += 1
        await quick.has(text=f"{count - 1} " + "\U0001f600" * 7_000)
    assert any(one.sending_since for one in connections), "the slow one must be stuck for this test to mean anything"
    (stuck,) = [one for one in connections if one.sending_since]
    assert len(stuck._out) <= 130, "its queue is bounded"
    later(online, hubs.STUCK_S - 2)
    assert stuck in online.hub.visitors
    later(online, hubs.STUCK_S + 1)
    await until(lambda: stuck not in online.hub.visitors)
    await desk.replies(ticket.id, "After")
    await quick.sees("After")

    again = await online.visitor(token=guest.token)
    await again.sees("After")
    assert again.screen.texts == quick.screen.texts[-len(again.screen.texts) :]
    await slow.leaves()


async def test_a_queue_that_is_full_is_read_again_from_the_bookmark(online: Online) -> None:
    """What does not fit is left in the database: no frame is dropped, and memory stays flat."""
    guest, ticket = await online.world.conversation()
    zoe = await online.visitor(token=guest.token)
    await until(lambda: bool(online.hub.visitors))
    connection = next(iter(online.hub.visitors))
    gate = asyncio.Event()
    sends, connection.write_now = connection.send, lambda text: False

    async def held(text: str) -> None:
        await gate.wait()
        await sends(text)

    connection.send = held
    for n in range(180):
        await guest.says(f"m{n}")
    assert len(connection._out) <= 130
    gate.set()
    await zoe.sees("m179")
    assert [text for text in zoe.screen.texts if text.startswith("m")] == [f"m{n}" for n in range(180)]
    assert ticket.id


# --- what is allowed --------------------------------------------------------------------------------


async def test_g17_a_disabled_colleagues_sockets_close_within_five_seconds(online: Online) -> None:
    olga = await online.world.agent("olga")
    ana, ben = await online.agent("ana"), await online.agent("ben")
    second = await online.dial("/ws/agent", headers={"Cookie": ana.cookie})
    await second.says(HELLO)
    await second.hears("ready")
    async with asyncio.timeout(5):
        await team.change_user(online.app, olga.agent, ana.id, team.UserChange(disabled=True), "")
        assert await ana.wire.close_code() == 4401 and await second.close_code() == 4401
    assert ana.wire.heard("bye")[-1] == {"type": "bye", "code": "auth_required", "after": None}
    await ben.wire.settles()
    assert (await ana.get("/api/tickets")).status == 401


async def test_g17_a_colleague_who_may_no_longer_see_the_inbox_hears_no_more_of_it(online: Online) -> None:
    olga = await online.world.agent("olga")
    ana = await online.agent("ana")
    async with asyncio.timeout(5):
        await team.change_user(online.app, olga.agent, ana.id, team.UserChange(role=Role.ANALYST), "")
        assert await ana.wire.close_code() == 4403


async def test_g17_signing_out_closes_that_sessions_sockets(online: Online) -> None:
    ana, ben = await online.agent("ana"), await online.agent("ben")
    async with asyncio.timeout(5):
        assert (await ana.post("/api/logout")).status == 200
        assert await ana.wire.close_code() == 4401
    await ben.wire.settles()


async def test_g17_a_lost_bell_costs_four_seconds_not_the_session(online: Online) -> None:
    """The wheel looks at every open socket's session by itself."""
    from sqlalchemy import update

    from server.schema import sessions

    ana = await online.agent("ana")
    await online.app.write(lambda tx: tx.run(update(sessions).values(ended_at=tx.now)))  # and rings nobody
    assert hubs.RECHECK_S <= 4
    online.hub._recheck_at = 0
    await online.hub.turn(3)
    assert await ana.wire.close_code() == 4401


@pytest.mark.parametrize("name", ["nils", "cora", "kurt"])
async def test_a_role_without_the_inbox_gets_no_agent_socket(online: Online, name: str) -> None:
    from websockets.exceptions import InvalidStatus

    someone = await online.agent(name, socket=False)
    with pytest.raises(InvalidStatus) as refused:
        await online.dial("/ws/agent", headers={"Cookie": someone.cookie})
    assert refused.value.response.status_code == 403


# --- how much ---------------------------------------------------------------------------------------


async def test_one_address_holds_only_so_many_sockets_and_gets_its_places_back(tmp_path: Any) -> None:
    from websockets.exceptions import InvalidStatus

    async with open_online(tmp_path / "data", address_sockets=3) as online:
        visitors = [await online.visitor() for _ in range(3)]
        with pytest.raises(InvalidStatus) as refused:
            await online.dial()
        assert refused.value.response.status_code == 429
        await visitors[0].leaves()
        await until(lambda: len(online.hub.visitors) == 2)
        await until(lambda: online.hub.held._held and max(online.hub.held._held.values()) == 2)
        await online.visitor()


async def test_a_process_holds_only_so_many_visitors(tmp_path: Any) -> None:
    from websockets.exceptions import InvalidStatus

    async with open_online(tmp_path / "data", max_sockets=2) as online:
        await online.visitor()
        await online.dial()
        await until(lambda: online.hub.waiting_hello)
        with pytest.raises(InvalidStatus) as refused:
            await online.dial()
        assert refused.value.response.status_code == 429
        await online.agent("ana")


async def test_who_opens_sockets_all_the_time_is_asked_to_wait(tmp_path: Any) -> None:
    from websockets.exceptions import InvalidStatus

    async with open_online(tmp_path / "data", address_connects_per_minute=5) as online:
        for _ in range(5):
            await (await online.dial()).leaves()
        with pytest.raises(InvalidStatus) as refused:
            await online.dial()
        assert refused.value.response.status_code == 429
        await online.world.advance(minutes=1)
        await (await online.dial()).leaves()


async def test_who_writes_faster_than_anybody_can_read_is_told_to_wait_and_loses_nothing(tmp_path: Any) -> None:
    async with open_online(tmp_path / "data", visitor_messages_per_minute=5) as online:
        zoe = await online.visitor()
        for n in range(5):
            await zoe.says(f"m{n}")
        await zoe.sends({"type": "say", "id": "key-late", "text": "m5"})
        refused = await zoe.hears("refused", id="key-late")
        assert refused["code"] == "rate_limited" and 0 < refused["retry_after"] <= 60
        await online.world.advance(minutes=1)
        await zoe.says("m5", key="key-late")


async def test_a_flood_of_frames_ends_the_socket(online: Online) -> None:
    from server.live.sockets import FRAME_BURST

    zoe = await online.visitor()
    per_s = online.app.settings.visitor_messages_per_minute / 30
    for _ in range(int(max(FRAME_BURST, per_s * 4)) + 2_000):
        await zoe.sends({"type": "ping"})
        if zoe.wire.client.close_code is not None:
            break
    assert await zoe.wire.close_code() == 4429


# --- goodbye ----------------------------------------------------------------------------------------


async def test_a_server_that_stops_closes_every_socket_with_1012_and_comes_back_with_everything(tmp_path: Any) -> None:
    from tests.online import Visitor

    async with open_online(tmp_path / "data") as online:
        zoe, ana = await online.visitor(), await online.agent("ana")
        await zoe.says("Before")
        async with asyncio.timeout(10):
            await online.node.stop()
        assert await zoe.wire.close_code() == 1012 and await ana.wire.close_code() == 1012
        settings, token = online.app.settings, zoe.token
    async with open_online(tmp_path / "data", settings=settings) as again:
        back: Visitor = await again.visitor(token=token)
        await back.sees("Before")


async def test_a_message_sent_at_the_moment_of_stopping_is_stored_or_not_acknowledged(tmp_path: Any) -> None:
    from server.schema import timeline

    async with open_online(tmp_path / "data") as online:
        visitors = [await online.visitor() for _ in range(5)]
        for visitor in visitors:
            await visitor.says("Before")
            for n in range(10):
                await visitor.sends({"type": "say", "id": f"key-{n:05d}", "text": f"m{n}"})
        await online.node.stop()
        acknowledged = [entry["text"] for visitor in visitors for entry in visitor.screen.entries]
        settings = online.app.settings
    async with open_online(tmp_path / "data", settings=settings) as again:
        stored = [row.body for row in await again.world.rows(timeline)]
    for text in set(acknowledged):
        assert stored.count(text) >= acknowledged.count(text)


async def test_a_poll_that_waits_ends_when_the_server_stops(online: Online) -> None:
    zoe = await online.visitor(over="poll")
    await zoe.says("Hello")
    await until(lambda: online.hub.polls)
    async with asyncio.timeout(4):
        await online.node.stop()
    assert not online.hub.polls and zoe.screen.texts[-1] == "Hello"
