"""How the server treats peers that are silent, slow, too many or no longer allowed, and how it closes connections.

The tests do not wait: they run the housekeeping of connections with a later time.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import connect

from server.accounts import team
from server.live import hub as hubs
from tests.online import PATIENCE_S, Online, Wire, open_online

HELLO = {"type": "hello", "version": 1}


def housekeep_after(online: Online, seconds: float) -> None:
    """Runs the housekeeping of sockets as if `seconds` had passed."""
    online.hub._close_dead_sockets(online.hub.monotonic() + seconds)


async def wait_until(condition: Any) -> None:
    """Polls a condition that no notification announces."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


# --- the first frame ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/ws/visitor", "/ws/agent"])
async def test_a_socket_without_hello_is_closed_after_ten_seconds(online: Online, path: str) -> None:
    ana = await online.agent("ana", socket=False)
    wire = await online.dial(path, headers={"Cookie": ana.cookie})
    await wait_until(lambda: online.hub.waiting_hello)
    housekeep_after(online, hubs.HELLO_S - 1)
    assert wire.client.close_code is None and online.hub.waiting_hello
    housekeep_after(online, hubs.HELLO_S + 1)
    assert await wire.close_code() == 4401 and not online.hub.waiting_hello


async def test_a_socket_with_hello_stays_open(online: Online) -> None:
    zoe, ana = await online.visitor(), await online.agent("ana")
    housekeep_after(online, hubs.HELLO_S + 1)
    await zoe.wire.settles()
    await ana.wire.settles()


@pytest.mark.parametrize("path", ["/ws/visitor", "/ws/agent"])
async def test_before_hello_every_other_frame_is_refused(online: Online, path: str) -> None:
    ana = await online.agent("ana", socket=False)
    async with await online.dial(path, headers={"Cookie": ana.cookie}) as wire:
        for frame in ({"type": "ping"}, {"type": "typing"}):
            await wire.says(frame)
            assert (await wire.receives("refused"))["code"] == "auth_required"
        await wire.says(HELLO)
        await wire.receives("ready")


async def test_a_second_hello_is_refused_and_changes_nothing(online: Online) -> None:
    zoe, yan = await online.visitor(), await online.visitor()
    await yan.says("Mine")
    await zoe.sends(yan.hello())
    assert (await zoe.receives("refused"))["code"] == "bad_frame"
    await zoe.says("Still me")
    assert "Mine" not in zoe.screen.texts


@pytest.mark.parametrize("path", ["/ws/visitor", "/ws/agent"])
async def test_a_page_newer_than_the_server_is_asked_to_come_back_later(online: Online, path: str) -> None:
    ana = await online.agent("ana", socket=False)
    wire = await online.dial(path, headers={"Cookie": ana.cookie})
    await wire.says({"type": "hello", "version": 2})
    assert await wire.close_code() == 4426


@pytest.mark.parametrize("token", ["", "x", "a.b", "A" * 32 + "." + "B" * 22, "A" * 200])
async def test_a_forged_visitor_token_is_refused(online: Online, token: str) -> None:
    wire = await online.dial()
    await wire.says({**HELLO, "token": token})
    assert (await wire.receives("refused"))["code"] in ("auth_required", "invalid")
    if wire.client.close_code is None and wire.received("refused")[0]["code"] == "auth_required":
        assert await wire.close_code() == 4401
    await wire.leaves()
    answer = await online.send(
        "POST",
        "/widget/send",
        {"type": "say", "id": "key-aaaa", "text": "Hi"},
        headers={"authorization": f"Bearer {token[:40]}".strip()},
    )
    assert answer.status == 401, answer


# --- silent and slow peers --------------------------------------------------------------------------


async def test_a_socket_that_is_silent_for_40_seconds_is_closed_and_one_that_pings_is_not(online: Online) -> None:
    zoe, ana = await online.visitor(), await online.agent("ana")
    housekeep_after(online, hubs.SILENT_S - 1)
    await zoe.wire.settles()
    await ana.wire.settles()
    housekeep_after(online, hubs.SILENT_S + 1)
    for wire in (zoe.wire, ana.wire):
        assert await wire.close_code() == 4410
        assert wire.received("bye")[0] == {"type": "bye", "code": "gone_quiet", "after": 1.0}
    await wait_until(lambda: not online.hub.visitors and not online.hub.agents)


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


async def test_a_client_that_does_not_read_is_dropped_and_delays_nobody(online: Online) -> None:
    guest, ticket = await online.world.conversation()
    desk = await online.world.agent("ana")
    slow = await slow_wire(online, {**HELLO, "token": guest.token})
    quick = await online.visitor(token=guest.token)
    connections = list(online.hub.visitors)
    count = 0
    while not any(connection.sending_since for connection in connections) and count < 400:
        await desk.replies(ticket.id, f"{count} " + "\U0001f600" * 7_000)
        count += 1
        await quick.has(text=f"{count - 1} " + "\U0001f600" * 7_000)
    assert any(connection.sending_since for connection in connections), "the test needs a connection that cannot send"
    (stuck,) = [connection for connection in connections if connection.sending_since]
    assert len(stuck._out) <= 130, "the queue of a slow connection must be bounded"
    housekeep_after(online, hubs.STUCK_S - 2)
    assert stuck in online.hub.visitors
    housekeep_after(online, hubs.STUCK_S + 1)
    await wait_until(lambda: stuck not in online.hub.visitors)
    await desk.replies(ticket.id, "After")
    await quick.sees("After")

    reconnected = await online.visitor(token=guest.token)
    await reconnected.sees("After")
    assert reconnected.screen.texts == quick.screen.texts[-len(reconnected.screen.texts) :]
    await slow.leaves()


async def test_a_queue_that_is_full_is_read_again_from_the_bookmark(online: Online) -> None:
    """Frames that do not fit are read from the database later: none is dropped, and memory stays bounded."""
    guest, ticket = await online.world.conversation()
    zoe = await online.visitor(token=guest.token)
    await wait_until(lambda: bool(online.hub.visitors))
    connection = next(iter(online.hub.visitors))
    gate = asyncio.Event()
    sends, connection.write_now = connection.send, lambda text: False

    async def delayed(text: str) -> None:
        await gate.wait()
        await sends(text)

    connection.send = delayed
    for n in range(180):
        await guest.says(f"m{n}")
    assert len(connection._out) <= 130
    gate.set()
    await zoe.sees("m179")
    assert [text for text in zoe.screen.texts if text.startswith("m")] == [f"m{n}" for n in range(180)]
    assert ticket.id


# --- revoked permissions ----------------------------------------------------------------------------


async def test_g17_a_disabled_colleagues_sockets_close_within_five_seconds(online: Online) -> None:
    olga = await online.world.agent("olga")
    ana, ben = await online.agent("ana"), await online.agent("ben")
    second = await online.dial("/ws/agent", headers={"Cookie": ana.cookie})
    await second.says(HELLO)
    await second.receives("ready")
    async with asyncio.timeout(5):
        await team.change_user(online.app, olga.agent, ana.id, team.UserChange(disabled=True), "")
        assert await ana.wire.close_code() == 4401 and await second.close_code() == 4401
    assert ana.wire.received("bye")[-1] == {"type": "bye", "code": "auth_required", "after": None}
    await ben.wire.settles()
    assert (await ana.get("/api/tickets")).status == 401


async def test_g17_signing_out_closes_that_sessions_sockets(online: Online) -> None:
    ana, ben = await online.agent("ana"), await online.agent("ben")
    async with asyncio.timeout(5):
        assert (await ana.post("/api/logout")).status == 200
        assert await ana.wire.close_code() == 4401
    await ben.wire.settles()


async def test_g17_a_lost_notification_delays_a_revocation_by_at_most_four_seconds(online: Online) -> None:
    """Housekeeping checks the session of every open socket, without a notification."""
    from sqlalchemy import update

    from server.schema import sessions

    ana = await online.agent("ana")
    # this statement publishes nothing
    await online.app.write(lambda tx: tx.run(update(sessions).values(ended_at=tx.now)))
    assert hubs.RECHECK_S <= 4
    online.hub._recheck_at = 0
    await online.hub.tick(3)
    assert await ana.wire.close_code() == 4401


async def test_on_a_full_disk_a_returning_visitor_can_read_and_stays_connected(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    from server.errors import StorageFull
    from server.webchat import actions

    zoe = await online.visitor()
    await zoe.says("Hello")

    def full(*_: Any) -> None:
        raise StorageFull()

    monkeypatch.setattr(actions, "visitor_moved", full)
    back = await online.visitor(token=zoe.token, page={"url": "https://shop.example/2"})
    await back.sees("Hello")
    await back.wire.settles()
    assert not back.wire.received("refused")
    housekeep_after(online, 11)
    await back.wire.settles()


async def test_a_hello_refused_by_a_busy_server_is_retried_with_the_same_token(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the socket stayed open, it would be closed with 4401 for lack of a hello, and the widget would drop its
    token."""
    from server.errors import Busy
    from server.webchat import visitors

    zoe = await online.visitor()
    await zoe.says("Hello")

    def busy(*_: Any) -> None:
        raise Busy()

    monkeypatch.setattr(visitors, "visitor_view", busy)
    async with await online.dial() as wire:
        await wire.says({"type": "hello", "version": 1, "token": zoe.token})
        assert (await wire.receives("refused"))["code"] == "busy"
        assert (await wire.receives("bye"))["after"] > 0
        assert await wire.close_code() == 1013


# --- limits -----------------------------------------------------------------------------------------


async def test_sockets_of_one_address_are_limited_and_closed_ones_no_longer_count(tmp_path: Any) -> None:
    from websockets.exceptions import InvalidStatus

    async with open_online(tmp_path / "data", address_sockets=3) as online:
        visitors = [await online.visitor() for _ in range(3)]
        with pytest.raises(InvalidStatus) as refused:
            await online.dial()
        assert refused.value.response.status_code == 429
        await visitors[0].leaves()
        await wait_until(lambda: len(online.hub.visitors) == 2)
        await wait_until(
            lambda: online.hub.address_places._counts and max(online.hub.address_places._counts.values()) == 2
        )
        await online.visitor()


async def test_a_process_limits_the_number_of_visitors(tmp_path: Any) -> None:
    from websockets.exceptions import InvalidStatus

    async with open_online(tmp_path / "data", max_sockets=2) as online:
        await online.visitor()
        await online.dial()
        await wait_until(lambda: online.hub.waiting_hello)
        with pytest.raises(InvalidStatus) as refused:
            await online.dial()
        assert refused.value.response.status_code == 429
        await online.agent("ana")


async def test_an_address_that_connects_too_often_is_asked_to_wait(tmp_path: Any) -> None:
    from websockets.exceptions import InvalidStatus

    async with open_online(tmp_path / "data", address_connects_per_minute=5) as online:
        for _ in range(5):
            await (await online.dial()).leaves()
        with pytest.raises(InvalidStatus) as refused:
            await online.dial()
        assert refused.value.response.status_code == 429
        await online.world.advance(minutes=1)
        await (await online.dial()).leaves()


async def test_a_visitor_who_writes_too_fast_is_asked_to_wait_and_loses_nothing(tmp_path: Any) -> None:
    async with open_online(tmp_path / "data", visitor_messages_per_minute=5) as online:
        zoe = await online.visitor()
        for n in range(5):
            await zoe.says(f"m{n}")
        await zoe.sends({"type": "say", "id": "key-late", "text": "m5"})
        refused = await zoe.receives("refused", id="key-late")
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


# --- shutdown ---------------------------------------------------------------------------------------


async def test_a_stopping_server_closes_every_socket_with_1012_and_loses_nothing(tmp_path: Any) -> None:
    from tests.online import Visitor

    async with open_online(tmp_path / "data") as online:
        zoe, ana = await online.visitor(), await online.agent("ana")
        await zoe.says("Before")
        async with asyncio.timeout(10):
            await online.node.stop()
        assert await zoe.wire.close_code() == 1012 and await ana.wire.close_code() == 1012
        settings, token = online.app.settings, zoe.token
    async with open_online(tmp_path / "data", settings=settings) as restarted:
        back: Visitor = await restarted.visitor(token=token)
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
    async with open_online(tmp_path / "data", settings=settings) as restarted:
        stored = [row.body for row in await restarted.world.rows(timeline)]
    for text in set(acknowledged):
        assert stored.count(text) >= acknowledged.count(text)


async def test_a_poll_that_waits_ends_when_the_server_stops(online: Online) -> None:
    zoe = await online.visitor(over="poll")
    await zoe.says("Hello")
    await wait_until(lambda: online.hub.waiting_polls)
    async with asyncio.timeout(4):
        await online.node.stop()
    assert not online.hub.waiting_polls and zoe.screen.texts[-1] == "Hello"
