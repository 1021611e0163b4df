"""Every bad frame gets the answer listed in `tests/bad_inputs.md`; the connection stays open and no internal detail
leaks.

The cases are data, in `cases/`. After each case, one normal message must still be acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from server.schema import timeline, visitors
from tests.edge.cases import frames, wire
from tests.edge.cases.frames import KEY, Case, say
from tests.edge.raw import Raw, handshake
from tests.online import Online, Visitor, open_online

FLOOR = 250  # fewer cases prove nothing

# Internals that no client may receive.
LEAKS = re.compile(
    r"Traceback|File \"|/srv/|/home/|/tmp/|site-packages|\.py\b|sqlite|psycopg|pydantic|SELECT |INSERT |UPDATE |<class|"
    r"object at 0x|Error\b|Exception|k3y-of-the-tests",
)


def leaks(received: object) -> str | None:
    result = LEAKS.search(str(received))
    return result and result[0]


def ids(cases: Any) -> list[str]:
    return [case.id for case in cases]


VISITOR_CASES = [*frames.EVERYWHERE, *frames.VISITOR]
AGENT_CASES = [*frames.EVERYWHERE, *frames.AGENT]


def test_there_are_many_cases_with_unique_names() -> None:
    counted = [VISITOR_CASES, AGENT_CASES, frames.HELLOS, wire.WIRE, HANDSHAKES]
    assert sum(len(cases) for cases in counted) >= FLOOR
    for cases in counted:
        assert len(set(ids(cases))) == len(cases)


@pytest.fixture
async def zoe(online: Online) -> AsyncIterator[Visitor]:
    visitor = await online.visitor()
    await visitor.says("Hello")
    yield visitor


async def one_normal_message(zoe: Visitor) -> None:
    text = f"normal {zoe.online.key()}"
    assert (await zoe.says(text))["text"] == text


async def test_a_visitors_bad_frame(online: Online, subtests: pytest.Subtests) -> None:
    for case in VISITOR_CASES:
        with subtests.test(case.id):
            zoe = await online.visitor()
            await zoe.says("Hello")
            await zoe.wire.says(case.sent)
            await one_normal_message(zoe)  # stored later than the bad frame would have been
            await zoe.wire.settles()
            refusals = zoe.wire.received("refused")
            assert [refused["code"] for refused in refusals] == ([case.code] if case.code else [])
            if refusals and isinstance(case.sent, str) and f'"id": "{KEY}"' in case.sent:
                assert refusals[0]["id"] == KEY, "the refusal must name the message that it refuses"
            assert not leaks(zoe.wire.frames)
            await zoe.leaves()


async def test_a_visitors_bad_frame_by_long_poll(online: Online, subtests: pytest.Subtests) -> None:
    for case in frames.VISITOR:
        with subtests.test(case.id):
            zoe = await online.visitor(over="poll")
            await zoe.says("Hello")
            raw = case.sent.encode() if isinstance(case.sent, str) else case.sent
            headers = {"authorization": f"Bearer {zoe.token}", "content-type": "application/json"}
            answer = await online.send("POST", "/widget/send", raw=raw, headers=headers)
            if answer.status == 200:
                received = [frame["code"] for frame in answer.json()["frames"] if frame["type"] == "refused"]
            else:
                received = [answer.code]
            assert received == ([case.code] if case.code else []), answer
            assert answer.status < 500 and not leaks(answer.body)
            await one_normal_message(zoe)
            await zoe.leaves()


async def test_an_agents_bad_frame(online: Online, subtests: pytest.Subtests) -> None:
    _, ticket = await online.world.conversation()
    for case in AGENT_CASES:
        with subtests.test(case.id):
            ana = await online.agent("ana")
            await ana.wire.says(case.sent)
            await ana.opens(ticket.thread)
            await ana.sees(ticket.thread, "Hello?")
            assert [refused["code"] for refused in ana.wire.received("refused")] == ([case.code] if case.code else [])
            assert not leaks(ana.wire.frames)
            await ana.leaves()


async def test_a_bad_first_frame_is_refused_and_a_good_one_accepted_after_it(
    online: Online, subtests: pytest.Subtests
) -> None:
    for case in [*frames.HELLOS, *(case for case in frames.EVERYWHERE if case.code)]:
        with subtests.test(case.id):
            async with await online.dial() as without_hello:
                await without_hello.says(case.sent)
                assert (await without_hello.receives("refused"))["code"] == case.code
                await without_hello.says({"type": "hello", "version": 1})
                await without_hello.receives("ready")
                assert not leaks(without_hello.frames)
    assert await online.world.count(visitors) == 0


async def test_w22_every_unknown_type_gets_the_same_answer(online: Online) -> None:
    zoe = await online.visitor()
    received = set()
    for case in frames.EVERYWHERE:
        if case.code == "unknown_type":
            zoe = await online.visitor()
            await zoe.wire.says(case.sent)
            received.add(str(await zoe.wire.receives("refused")))
    assert len(received) == 1


# --- accepted text is stored cleaned --------------------------------------------------------------


STORED = {
    "W10-nul-inside": "ab",
    "W10-c1-control": "abc",
    "W10-escape-sequence": "[31mred[0m",
    "W46-fake-system-line": "— Ana joined the chat —",
}


@pytest.mark.parametrize("name", STORED)
async def test_a_text_is_stored_cleaned(zoe: Visitor, name: str) -> None:
    (case,) = [case for case in frames.VISITOR if case.id == name]
    await zoe.wire.says(case.sent)
    entry = await zoe.has(key=KEY)
    assert entry["text"] == STORED[name]
    assert (entry["kind"], entry["author"]["type"]) == ("message", "visitor")


async def test_w13_a_flood_of_combining_marks_is_cut_on_each_character(zoe: Visitor) -> None:
    await zoe.wire.says(say(frames.ZALGO))
    assert len((await zoe.has(key=KEY))["text"]) == 9


@pytest.mark.parametrize("case", [c for c in frames.VISITOR if c.id.startswith("W23")], ids=lambda case: case.id)
async def test_w23_extra_fields_of_a_visitors_frame_change_nothing(zoe: Visitor, case: Case) -> None:
    await zoe.wire.says(case.sent)
    entry = await zoe.has(key=KEY)
    assert (entry["seq"], entry["kind"], entry["text"]) == (3, "message", "x")
    assert entry["author"] == {"type": "visitor", "name": ""} and entry["data"] == {"origin": "chat"}
    row = (await zoe.online.world.rows(timeline))[-1]
    assert (row.author_type, row.author_id, row.public_seq, row.at) == ("visitor", None, 3, zoe.online.world.now)


@pytest.mark.parametrize(
    "case", [c for c in frames.VISITOR if c.id.startswith("W35") and not c.code], ids=lambda case: case.id
)
async def test_w35_the_page_address_and_title_are_stored_cleaned(zoe: Visitor, case: Case) -> None:
    await zoe.wire.says(case.sent)
    await one_normal_message(zoe)
    (row,) = await zoe.online.world.rows(visitors)
    assert row.page_url == "" or row.page_url.startswith("https://shop.example/")
    assert len(row.page_url) <= 2_000 and "secret" not in row.page_url


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("N" * 10_000, "N" * 80),
        ("Zoe\nAdmin", "Zoe Admin"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("\u202eeoZ\u202c", "eoZ"),
    ],
)
async def test_w34_a_name_is_stored_as_one_cleaned_line(zoe: Visitor, name: str, shown: str) -> None:
    await zoe.sends({"type": "introduce", "id": KEY, "name": name})
    await zoe.has(kind="contact")
    (row,) = await zoe.online.world.rows(visitors)
    assert row.name == shown


async def test_w29_typing_writes_nothing(zoe: Visitor) -> None:
    writes: list[Any] = []
    app = zoe.online.app
    submit, write = app.db.submit, app.db.write
    app.db.submit = lambda step, *a, **k: (writes.append(step), submit(step, *a, **k))  # type: ignore[assignment,method-assign,func-returns-value]
    app.db.write = lambda step, *a, **k: (writes.append(step), write(step, *a, **k))[1]  # type: ignore[assignment,method-assign,func-returns-value]
    for _ in range(100):
        await zoe.sends({"type": "typing"})
    await zoe.wire.settles()
    assert [step for step in writes if "presence" not in step.__name__] == []


# --- too many bad frames ------------------------------------------------------------------------------


async def test_w1_ten_bad_frames_in_ten_seconds_end_the_socket_and_nine_do_not(online: Online) -> None:
    for visitor in (True, False):
        person = await online.visitor() if visitor else await online.agent("ana")
        for _ in range(9):
            await person.wire.says("nonsense")
        await person.wire.settles()
        assert len(person.wire.received("refused")) == 9
        await person.wire.says("nonsense")
        assert await person.wire.close_code() == 4400
        assert person.wire.received("bye")[-1]["code"] == "bad_frame"


async def test_w1_ten_bad_frames_before_hello_end_the_socket_too(online: Online) -> None:
    without_hello = await online.dial()
    for _ in range(10):
        await without_hello.says("nonsense")
    assert await without_hello.close_code() == 4400


async def test_w1_refusals_of_good_frames_do_not_count(zoe: Visitor) -> None:
    """An empty message is a slip of a person's finger, not an attack."""
    for _ in range(15):
        await zoe.sends({"type": "say", "id": zoe.online.key(), "text": " "})
    await one_normal_message(zoe)


# --- bytes below the frames ---------------------------------------------------------------------------


async def test_invalid_websocket_bytes_close_the_connection(
    online: Online, caplog: pytest.LogCaptureFixture, subtests: pytest.Subtests
) -> None:
    zoe = await online.visitor()
    await zoe.says("Hello")
    for case in wire.WIRE:
        with subtests.test(case.id):
            caplog.clear()
            raw = await Raw.open(online, zoe.hello())
            with caplog.at_level(logging.WARNING):
                await raw.send(case.sent)
                code, texts = await raw.close_code()
                assert code in case.codes, (code, texts)
                assert await raw.is_closed()
            assert not leaks(b"".join(texts))
            traces = [record for record in caplog.records if record.exc_info]
            assert not traces, "invalid bytes of a stranger must not be logged as our error"
            await raw.leave()
            await one_normal_message(zoe)


async def test_w8_a_frame_that_arrives_byte_by_byte_is_accepted(online: Online) -> None:
    zoe = await online.visitor()
    raw = await Raw.open(online, {"type": "hello", "version": 1})
    for byte in wire.ws(wire.TEXT, b'{"type":"ping"}') + wire.ws(wire.TEXT, '{"type":"pïng"}'.encode()):
        await raw.send(bytes([byte]))
        await asyncio.sleep(0)
    assert await raw.frame() == (wire.TEXT, b'{"type":"pong"}')
    assert b"unknown_type" in (await raw.frame())[1]
    await raw.leave()
    await one_normal_message(zoe)


async def test_several_frames_in_one_packet_and_pings_between_fragments_are_all_answered_in_order(
    online: Online,
) -> None:
    raw = await Raw.open(online, {"type": "hello", "version": 1})
    ping = wire.ws(wire.TEXT, b'{"type":"ping"}')
    say = [wire.ws(wire.TEXT, frames.frame(type="say", id=f"key-{n:05d}", text=f"m{n}").encode()) for n in range(3)]
    fragments = wire.ws(wire.TEXT, b'{"type":', fin=False) + wire.ws(wire.PING, b"!") + wire.ws(wire.CONT, b'"ping"}')
    await raw.send(ping + b"".join(say) + fragments)
    received = []
    while (
        len([payload for opcode, payload in received if b"m2" in payload or b"pong" in payload or opcode == wire.PONG])
        < 4
    ):
        received.append(await raw.frame())
    assert (wire.PONG, b"!") in received and sum(payload == b'{"type":"pong"}' for _, payload in received) == 2
    entries = [payload for _, payload in received if b'"key":"key-' in payload]
    assert [b'"text":"m%d"' % n in entries[n] for n in range(3)] == [True] * 3
    await raw.leave()


# --- handshakes (W37, W38, W40) -------------------------------------------------------------------------


class Shake:
    """A handshake request, and the statuses with which it may be refused."""

    def __init__(self, id: str, path: str, *statuses: int, **headers: str | None) -> None:
        self.id, self.path, self.statuses, self.headers = id, path, statuses, headers


def _origins(path: str) -> list[Shake]:
    audience = path.rsplit("/", 1)[1]
    changes = {
        "none": None,
        "empty": "",
        "null": "null",
        "other-site": "https://evil.test",
        "suffix": "http://127.0.0.1.evil.test:8000",
        "other-port": "http://127.0.0.1:1",
        "other-scheme": "https://127.0.0.1",
        "with-path": "http://127.0.0.1/x",
        "user-info": "http://127.0.0.1@evil.test",
        "file": "file://",
    }
    return [Shake(f"W37-{audience}-{name}", path, 403, Origin=origin) for name, origin in changes.items()]


HANDSHAKES = [
    *_origins("/ws/visitor"),
    *_origins("/ws/agent"),
    Shake("W38-version-8", "/ws/visitor", 400, 426, Sec_WebSocket_Version="8"),
    Shake("W38-version-word", "/ws/visitor", 400, Sec_WebSocket_Version="abc"),
    Shake("W38-no-version", "/ws/visitor", 400, Sec_WebSocket_Version=None),
    Shake("W38-no-key", "/ws/visitor", 400, Sec_WebSocket_Key=None),
    Shake("W38-short-key", "/ws/visitor", 400, Sec_WebSocket_Key="abc"),
    Shake("W38-key-that-is-not-base64", "/ws/visitor", 400, Sec_WebSocket_Key="!" * 24),
    Shake("W40-token-in-the-address", "/ws/visitor?token=abc", 400),
    Shake("W40-any-parameter", "/ws/visitor?x=1", 400),
    Shake("W38-unknown-path", "/ws/nothing", 404),
    Shake("W38-root", "/", 404),
    Shake("W38-with-slash", "/ws/visitor/", 404),
    Shake("W38-double-slash", "//ws/visitor", 404),
    Shake("W38-dot-dot", "/ws/x/../agent", 404),
    Shake("W38-no-cookie", "/ws/agent", 401),
    Shake("W38-forged-cookie", "/ws/agent", 401, Cookie="threadline=" + "A" * 43),
    Shake("W38-30-kb-cookie", "/ws/agent", 400, 401, 431, Cookie="threadline=" + "A" * 30_000),
    Shake("W38-64-kb-cookie", "/ws/agent", 400, 431, Cookie="threadline=" + "A" * 65_536),
    Shake("W38-9-kb-header", "/ws/visitor", 400, 431, X_Long="A" * 9_000),
    Shake("W38-visitor-token-as-cookie", "/ws/agent", 401, Cookie="threadline=" + "A" * 32 + "." + "B" * 22),
]


async def test_a_bad_handshake_is_refused_by_http(online: Online, subtests: pytest.Subtests) -> None:
    for case in HANDSHAKES:
        with subtests.test(case.id):
            answer = await online.says_raw(handshake(online, case.path, **case.headers))
            status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
            assert status in case.statuses, answer[:300]
            assert not leaks(answer)
    await one_normal_message(await online.visitor())


async def test_w37_a_configured_site_may_connect_with_the_origin_browsers_send(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data") as online:
        olga = await online.agent("olga", socket=False)
        now = (await olga.get("/api/settings/widget")).json()
        answer = await olga.send("PUT", "/api/settings/widget", {**now, "sites": ["https://Good.Example"]})
        assert answer.status == 200 and answer.json()["sites"] == ["https://good.example"]
        await (await online.dial(origin="https://good.example")).leaves()
        for origin in (
            "https://good.example.evil.test",
            "http://good.example",
            "https://good.example:8443",
            "https://xgood.example",
        ):
            with pytest.raises(InvalidStatus) as refused:
                await online.dial(origin=origin)
            assert refused.value.response.status_code == 403
        with pytest.raises(InvalidStatus):
            await online.dial("/ws/agent", origin="https://good.example", headers={"Cookie": olga.cookie})


async def test_w38_pipelined_bytes_many_headers_and_http_1_0_do_not_hang_the_server(online: Online) -> None:
    request = handshake(online)
    many = b"".join(b"X-Header-%d: x\r\n" % n for n in range(100))
    for data in (
        request.replace(b"HTTP/1.1", b"HTTP/1.0"),
        request.replace(b"\r\n\r\n", b"\r\n" + many + b"\r\n"),
        request + request,
        request.replace(b"Upgrade: websocket\r\n", b"Upgrade: websocket\r\nUpgrade: h2c\r\n"),
        request.replace(b"GET", b"POST"),
        request.replace(b"Upgrade: websocket", b"Upgrade: dance"),
    ):
        answer = await online.says_raw(data)
        assert answer.startswith(b"HTTP/1.1 ") and not leaks(answer), answer[:200]
    await one_normal_message(await online.visitor())


async def test_a_socket_that_breaks_two_rules_at_once_ends_without_a_traceback(online: Online) -> None:
    """One rule of ours and one of WebSocket: two parts of the server close the connection, and a traceback would let
    strangers fill the log."""
    for person, connections in (
        (await online.visitor(), online.hub.visitors),
        (await online.agent("ana"), online.hub.agents),
    ):
        (connection,) = connections
        connection.write_now.__self__._fail(1009, "too large")  # type: ignore[attr-defined]
        await connection.end()
        assert await person.wire.close_code() == 1009
