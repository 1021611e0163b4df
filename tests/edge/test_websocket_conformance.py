"""The cases of the Autobahn test suite against our server and its own fast paths, with a client that can violate the
protocol.

Section numbers are Autobahn's. Our server echoes nothing, so a message counts as received when it is answered: a `ping`
frame of our protocol gets a `pong`. Compression is off by design, so sections 12 and 13 have no cases.
"""

from __future__ import annotations

import asyncio
import json
import random
import struct
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio

from server.frames import MAX_FRAME_BYTES
from server.live.transport import MAX_FRAGMENTS, PINGS_PER_WINDOW
from tests.edge.raw_socket import BINARY, CLOSE, CONT, PING, PONG, TEXT, Raw, ReceivedFrame, close, frame, handshake
from tests.online import Online, open_online

SAY = b'{"type":"ping"}'
PONG_JSON = b'{"type":"pong"}'


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def online(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Online]:
    """One server for all cases: a misbehaving client must not affect the next."""
    async with open_online(tmp_path_factory.mktemp("conformance") / "data", address_sockets=5_000) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def raw(online: Online) -> AsyncIterator[Raw]:
    """A visitor's socket after `ready`."""
    socket = await greeted(online)
    yield socket
    await socket.end()


async def greeted(online: Online) -> Raw:
    socket = await Raw.dial(online.address, online.url)
    await socket.send(frame(TEXT, b'{"type":"hello","version":1}'))
    ready = await socket.deliver()
    assert ready is not None and json.loads(ready.payload)["type"] == "ready"
    return socket


async def arrives(raw: Raw) -> None:
    """Checks that the server understands one of our messages."""
    assert await raw.deliver() == ReceivedFrame(TEXT, PONG_JSON)


async def works(raw: Raw) -> None:
    """Checks that the connection still works."""
    await raw.send(frame(TEXT, SAY))
    await arrives(raw)


async def ends(raw: Raw, *codes: int) -> None:
    """Checks that the server sends nothing but one close frame with one of these codes and then closes the
    connection."""
    received = await raw.read_until_closed()
    assert [result.opcode for result in received] == [CLOSE], received
    assert received[0].code in codes, (received[0].code, received[0].payload)
    received[0].payload[2:].decode()


def padded(size: int) -> bytes:
    return SAY + b" " * (size - len(SAY))


# --- 1: framing ---------------------------------------------------------------------------------

SIZES = (15, 125, 126, 127, 128, 1_000, 65_535, MAX_FRAME_BYTES)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("chop", [0, 997])
async def test_1_1_text_of_every_length_encoding_arrives(raw: Raw, size: int, chop: int) -> None:
    await raw.send(frame(TEXT, padded(size)), chop=chop)
    await arrives(raw)
    await works(raw)


async def test_1_1_text_sent_byte_by_byte_arrives(raw: Raw) -> None:
    await raw.send(frame(TEXT, padded(200)), chop=1)
    await arrives(raw)


async def test_1_1_frames_sent_in_one_segment_arrive_in_order(raw: Raw) -> None:
    await raw.send(frame(TEXT, SAY) + frame(PING, b"between") + frame(TEXT, SAY) + frame(TEXT, b"?") + frame(TEXT, SAY))
    received = [await raw.deliver() for _ in range(5)]
    assert ReceivedFrame(PONG, b"between") in received
    texts = [result.payload for result in received if result and result.opcode == TEXT]
    assert texts[0] == texts[1] == texts[3] == PONG_JSON and b"bad_json" in texts[2]


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 6, 7, 14, 20, 21, 22, 30])
async def test_1_1_two_frames_split_anywhere_both_arrive(raw: Raw, cut: int) -> None:
    two_frames = frame(TEXT, SAY) + frame(TEXT, SAY)
    await raw.send(two_frames[:cut])
    await asyncio.sleep(0.02)
    await raw.send(two_frames[cut:])
    await arrives(raw)
    await arrives(raw)


async def test_1_1_an_empty_text_is_refused_and_the_connection_kept(raw: Raw) -> None:
    await raw.send(frame(TEXT))
    refused = await raw.deliver()
    assert refused is not None and json.loads(refused.payload)["code"] == "bad_json"
    await works(raw)


@pytest.mark.parametrize("size", (0, *SIZES))
async def test_1_2_a_binary_message_is_refused_and_the_connection_kept(raw: Raw, size: int) -> None:
    await raw.send(frame(BINARY, b"\xfe" * size))
    refused = await raw.deliver()
    assert refused is not None and json.loads(refused.payload)["code"] == "bad_frame"
    await works(raw)


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x81\xfe\x00\x7b"])
async def test_any_mask_is_accepted(raw: Raw, mask: bytes) -> None:
    await raw.send(frame(TEXT, padded(300), mask=mask))
    await arrives(raw)


@pytest.mark.parametrize("opcode", [TEXT, PING, CLOSE])
async def test_an_unmasked_frame_ends_the_connection(raw: Raw, opcode: int) -> None:
    await raw.send(frame(opcode, SAY if opcode == TEXT else b"", mask=None))
    await ends(raw, 1002)


async def test_a_length_beyond_63_bits_ends_the_connection(raw: Raw) -> None:
    await raw.send(frame(TEXT, b"", length=struct.pack("!BQ", 127, 2**63 + 5)))
    await ends(raw, 1002, 1009)


# --- 2: pings and pongs -------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125])
@pytest.mark.parametrize("chop", [0, 1])
async def test_2_a_ping_is_answered_with_its_payload(raw: Raw, payload: bytes, chop: int) -> None:
    await raw.send(frame(PING, payload), chop=chop)
    assert await raw.deliver() == ReceivedFrame(PONG, payload)
    await works(raw)


@pytest.mark.parametrize("size", [126, 127, 5_000])
async def test_2_5_an_oversized_control_frame_ends_the_connection(raw: Raw, size: int) -> None:
    await raw.send(frame(PING, b"\xfe" * size))
    await ends(raw, 1002)


@pytest.mark.parametrize("payload", [b"", b"unsolicited"])
async def test_2_7_unsolicited_pongs_are_ignored(raw: Raw, payload: bytes) -> None:
    await raw.send(frame(PONG, payload), frame(PING, b"after"))
    assert await raw.deliver() == ReceivedFrame(PONG, b"after")
    await works(raw)


@pytest.mark.parametrize("chop", [0, 1])
async def test_2_10_ten_pings_are_answered_in_order(raw: Raw, chop: int) -> None:
    await raw.send(b"".join(frame(PING, b"payload-%d" % n) for n in range(10)), chop=chop)
    assert [await raw.deliver() for _ in range(10)] == [ReceivedFrame(PONG, b"payload-%d" % n) for n in range(10)]


async def test_a_flood_of_pings_closes_the_connection(raw: Raw) -> None:
    """W19."""
    await raw.send(*(frame(PING, b"%d" % n) for n in range(1_000)))
    received = await raw.read_until_closed()
    assert received[-1].opcode == CLOSE and received[-1].code == 4429
    assert len([result for result in received if result.opcode == PONG]) <= PINGS_PER_WINDOW


# --- 3, 4: reserved bits and opcodes ------------------------------------------------------------


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
async def test_3_reserved_bits_end_the_connection(raw: Raw, rsv: int, opcode: int) -> None:
    await raw.send(frame(opcode, SAY if opcode == TEXT else b"", rsv=rsv))
    await ends(raw, 1002)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"reserved"])
async def test_4_reserved_opcodes_end_the_connection(raw: Raw, opcode: int, payload: bytes) -> None:
    await works(raw)
    await raw.send(frame(opcode, payload))
    await ends(raw, 1002)


# --- 5: fragmentation ---------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
async def test_5_1_a_fragmented_control_frame_ends_the_connection(raw: Raw, opcode: int) -> None:
    await raw.send(frame(opcode, b"", fin=False), frame(CONT, b""))
    await ends(raw, 1002)


@pytest.mark.parametrize("chop", [0, 1])
@pytest.mark.parametrize("pieces", [2, 5, len(SAY), MAX_FRAGMENTS])
async def test_5_3_a_fragmented_message_arrives(raw: Raw, pieces: int, chop: int) -> None:
    await raw.send(b"".join(fragments(padded(max(pieces, 60)), pieces)), chop=chop)
    await arrives(raw)
    await works(raw)


def fragments(payload: bytes, count: int, opcode: int = TEXT) -> list[bytes]:
    cuts = [len(payload) * n // count for n in range(count + 1)]
    return [frame(opcode if n == 0 else CONT, payload[cuts[n] : cuts[n + 1]], fin=n == count - 1) for n in range(count)]


async def test_5_4_empty_fragments_are_ignored(raw: Raw) -> None:
    await raw.send(
        frame(TEXT, b"", fin=False), frame(CONT, b"", fin=False), frame(CONT, SAY, fin=False), frame(CONT, b"")
    )
    await arrives(raw)


@pytest.mark.parametrize("chop", [0, 1])
async def test_5_6_control_frames_between_fragments_are_answered_immediately(raw: Raw, chop: int) -> None:
    first, second, third = fragments(padded(90), 3)
    await raw.send(first, frame(PING, b"in the middle"), second, frame(PONG), chop=chop)
    assert await raw.deliver() == ReceivedFrame(PONG, b"in the middle")
    await raw.send(third)
    await arrives(raw)
    await works(raw)


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("after_message", [True, False])
async def test_5_9_a_continuation_without_a_message_ends_the_connection(
    raw: Raw, fin: bool, after_message: bool
) -> None:
    if after_message:
        await raw.send(*fragments(SAY, 2))
        await arrives(raw)
    await raw.send(frame(CONT, SAY, fin=fin))
    await ends(raw, 1002)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_5_15_a_new_message_inside_another_ends_the_connection(raw: Raw, opcode: int) -> None:
    first, _ = fragments(SAY, 2)
    await raw.send(first, frame(opcode, SAY))
    await ends(raw, 1002)


async def test_one_fragment_too_many_ends_the_connection(raw: Raw) -> None:
    await raw.send(*fragments(padded(MAX_FRAGMENTS + 1), MAX_FRAGMENTS + 1)[:-1], frame(CONT, b" ", fin=False))
    await ends(raw, 1009)


async def test_ten_thousand_fragments_use_little_memory_and_delay_nobody(online: Online) -> None:
    """W16."""
    zoe = await online.visitor()
    memory_before = psutil.Process().memory_full_info().uss
    flooders = [await greeted(online) for _ in range(10)]
    flood = frame(TEXT, b"x", fin=False) + frame(CONT, b"x", fin=False) * 9_999
    for flooder in flooders:
        await flooder.send(flood)
    for flooder in flooders:
        await ends(flooder, 1009)
        await flooder.end()
    assert psutil.Process().memory_full_info().uss - memory_before < 16 << 20
    await zoe.says("Undisturbed.")


@pytest.mark.parametrize(
    "sizes", [(MAX_FRAME_BYTES + 1,), (MAX_FRAME_BYTES, 1), (40_000, 40_000), (1 << 20,), (8 << 20,)]
)
async def test_a_message_over_the_limit_ends_the_connection_with_the_right_code(
    raw: Raw, sizes: tuple[int, ...]
) -> None:
    """W14. The close code arrives even while the rest of the message is still being sent."""
    pieces = [frame(TEXT if n == 0 else CONT, b" " * size, fin=n == len(sizes) - 1) for n, size in enumerate(sizes)]
    await raw.send(*pieces)
    await ends(raw, 1009)


# --- 6: UTF-8 -----------------------------------------------------------------------------------

GOOD = ["κόσμε", "퟿", "￿", "\U0010ffff", "￾", "\x7f\u0080߿", "한국어 🇵🇱 ё"]
BAD = {
    "lone continuation": b"\x80",
    "six continuations": b"\x80\xbf\x80\xbf\x80\xbf",
    "first of two alone": b"\xc3 ",
    "first of three alone": b"\xe2 ",
    "first of four alone": b"\xf0 ",
    "cut after two of three": b"\xe2\x82",
    "cut after three of four": b"\xf0\x9f\x98",
    "FE": b"\xfe",
    "FF": b"\xff",
    "overlong slash, two": b"\xc0\xaf",
    "overlong slash, three": b"\xe0\x80\xaf",
    "overlong slash, four": b"\xf0\x80\x80\xaf",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "overlong NUL": b"\xc0\x80",
    "beyond U+10FFFF": b"\xf4\x90\x80\x80",
    "surrogate D800": b"\xed\xa0\x80",
    "surrogate DFFF": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
}


@pytest.mark.parametrize("text", GOOD, ids=ascii)
@pytest.mark.parametrize("pieces", [1, 3, 1_000])
async def test_6_2_valid_utf8_arrives_wherever_it_is_split(raw: Raw, text: str, pieces: int) -> None:
    frame_bytes = json.dumps({"type": "ping", "extra": text}, ensure_ascii=False).encode()
    await raw.send(*fragments(frame_bytes, min(pieces, len(frame_bytes))))
    await arrives(raw)


@pytest.mark.parametrize("position", range(len(SAY) + 1))
@pytest.mark.parametrize("pieces", [1, 2])
async def test_6_3_an_invalid_byte_at_any_place_ends_the_connection(raw: Raw, position: int, pieces: int) -> None:
    await raw.send(*fragments(SAY[:position] + b"\xff" + SAY[position:], pieces))
    await ends(raw, 1007)


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("chop", [0, 1])
async def test_6_invalid_utf8_ends_the_connection(raw: Raw, kind: str, chop: int) -> None:
    await raw.send(frame(TEXT, b'{"type":"ping","x":"' + BAD[kind] + b'"}'), chop=chop)
    await ends(raw, 1007)


@pytest.mark.parametrize("kind", [kind for kind in BAD if not kind.startswith("cut")])
async def test_6_4_the_connection_ends_at_the_invalid_byte_not_at_the_end_of_the_message(raw: Raw, kind: str) -> None:
    await raw.send(frame(TEXT, "κόσμε".encode(), fin=False), frame(CONT, BAD[kind], fin=False))
    await ends(raw, 1007)


async def test_6_an_incomplete_character_is_found_at_the_end(raw: Raw) -> None:
    await raw.send(frame(TEXT, SAY, fin=False), frame(CONT, b"\xf0\x9f"))
    await ends(raw, 1007)


async def test_6_invalid_bytes_log_no_traceback(
    raw: Raw, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """W8."""
    await raw.send(frame(TEXT, b"\xff"))
    await ends(raw, 1007)
    output = capsys.readouterr()
    assert "Traceback" not in caplog.text + output.out + output.err


async def test_binary_needs_no_utf8(raw: Raw) -> None:
    await raw.send(*fragments(b"\xff\xfe" * 50, 4, BINARY))
    refused = await raw.deliver()
    assert refused is not None and b"bad_frame" in refused.payload
    await works(raw)


# --- 7: closing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
)
async def test_7_7_a_valid_close_is_answered_with_its_code(raw: Raw, code: int) -> None:
    await raw.send(close(code, b"bye"))
    await ends(raw, code)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
async def test_7_9_an_invalid_close_code_is_a_protocol_error(raw: Raw, code: int) -> None:
    await raw.send(close(code))
    await ends(raw, 1002)


async def test_7_3_close_frames_of_every_length(online: Online) -> None:
    for sent, codes in (
        (close(), (None, 1000)),
        (frame(CLOSE, b"\x03"), (1002,)),
        (close(1000, b"x" * 123), (1000,)),
        (close(1000, b"x" * 124), (1002,)),
        (close(1000, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"), (1007, 1002)),
    ):
        raw = await greeted(online)
        await raw.send(sent)
        received = await raw.read_until_closed()
        assert [result.opcode for result in received] == [CLOSE] and received[0].code in codes
        await raw.end()


@pytest.mark.parametrize(
    "after",
    [close(1000), frame(TEXT, SAY), frame(PING), frame(TEXT, b"x", fin=False), b"\xff" * 300],
    ids=["close", "text", "ping", "fragment", "rubbish"],
)
async def test_7_1_data_after_a_close_is_ignored(raw: Raw, after: bytes) -> None:
    await raw.send(close(1000) + after)
    await ends(raw, 1000)


async def test_7_1_5_a_close_inside_a_fragmented_message_is_accepted(raw: Raw) -> None:
    await raw.send(frame(TEXT, b"fragment1", fin=False), close(1000), frame(CONT, b"fragment2"))
    await ends(raw, 1000)


async def test_a_client_that_never_answers_our_close_is_dropped(online: Online) -> None:
    raw = await greeted(online)
    await raw.send(*(frame(TEXT, b"?") for _ in range(10)))  # ten bad frames close the socket with 4400
    started = asyncio.get_running_loop().time()
    while (received := await raw.deliver()) is not None and received.opcode != CLOSE:
        pass
    assert received is not None and received.code == 4400
    assert await raw.deliver(15) is None
    assert asyncio.get_running_loop().time() - started < 12


# --- 9, 10: many messages -----------------------------------------------------------------------


async def test_a_random_mixture_of_frames_is_answered_in_order(online: Online) -> None:
    """Whole and fragmented messages, with pings between, cut at random: the fast path and the slow path keep one
    order."""
    seed = random.SystemRandom().randrange(2**32)
    dice = random.Random(seed)
    for _ in range(6):
        raw = await greeted(online)
        stream, expected, pings = b"", 0, 0
        for _ in range(90):
            payload = padded(dice.choice([15, 40, 125, 126, 300, 5_000]))
            stream += b"".join(fragments(payload, dice.choice([1, 1, 1, 2, 4])))
            expected += 1
            if pings < PINGS_PER_WINDOW - 2 and dice.random() < 0.2:
                stream += frame(PING, b"p%d" % pings)
                pings += 1
        position = 0
        while position < len(stream):
            size = dice.choice([1, 2, 7, 50, 1_400, 20_000])
            await raw.send(stream[position : position + size])
            position += size
            if dice.random() < 0.3:
                await asyncio.sleep(0)
        texts, answered = 0, []
        while texts < expected or len(answered) < pings:
            received = await raw.deliver()
            assert received is not None, f"seed {seed}"
            if received.opcode == TEXT:
                assert received.payload == PONG_JSON, f"seed {seed}: {received.payload!r}"
                texts += 1
            else:
                answered.append(received)
        assert answered == [ReceivedFrame(PONG, b"p%d" % n) for n in range(pings)], f"seed {seed}"
        await raw.end()


# --- the handshake (W37, W38, H1, H6, H10) ------------------------------------------------------


def handshakes(online: Online) -> dict[str, bytes]:
    address, url = online.address, online.url

    def shake(**more: object) -> bytes:
        return handshake(url, address, **more)  # type: ignore[arg-type]

    return {
        "200 headers": shake(extra=tuple(f"X-{n}: y" for n in range(200))),
        "1,000 headers": shake(extra=tuple(f"X-{n}: y" for n in range(1_000))),
        "64 KB cookie": shake(extra=("Cookie: a=" + "b" * 65_536,)),
        "bad key": shake(drop="Sec-WebSocket-Key", extra=("Sec-WebSocket-Key: short",)),
        "no key": shake(drop="Sec-WebSocket-Key"),
        "two keys": shake(extra=("Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",)),
        "version 8": shake(drop="Sec-WebSocket-Version", extra=("Sec-WebSocket-Version: 8",)),
        "no version": shake(drop="Sec-WebSocket-Version"),
        "two upgrades": shake(extra=("Upgrade: h2c",)),
        "HTTP/1.0": shake(version="HTTP/1.0"),
        "POST": shake().replace(b"GET ", b"POST ", 1),
        "no origin": shake(drop="Origin"),
        "another site": shake(drop="Origin", extra=("Origin: https://evil.example",)),
        "null origin": shake(drop="Origin", extra=("Origin: null",)),
        "look-alike": shake(drop="Origin", extra=(f"Origin: {url}.evil.example",)),
        "a token in the query": shake(path="/ws/visitor?token=abc"),
        "a path that is no socket": shake(path="/ws/nothing"),
        "the agents' without a cookie": shake(path="/ws/agent"),
    }


NAMES = [
    "200 headers", "1,000 headers", "64 KB cookie", "bad key", "no key", "two keys", "version 8", "no version", "two upgrades", "HTTP/1.0",
    "POST", "no origin", "another site", "null origin", "look-alike", "a token in the query", "a path that is no socket", "the agents' without a cookie",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
async def test_a_bad_handshake_gets_4xx_and_no_hang(online: Online, name: str) -> None:
    cases = handshakes(online)
    assert list(cases) == NAMES
    answer = await online.says_raw(cases[name], wait=4.0)
    status = int(answer.split(b" ", 2)[1])
    assert 400 <= status < 500 or status == 505, answer[:300]
    assert b"Traceback" not in answer and b"uvicorn" not in answer.lower()
    await works(await greeted(online))


async def test_frames_after_a_refused_handshake_are_ignored(online: Online) -> None:
    request = handshake(online.url, online.address, drop="Origin") + frame(TEXT, b'{"type":"hello","version":1}') * 3
    answer = await online.says_raw(request)
    assert answer.startswith(b"HTTP/1.1 403") and b"ready" not in answer


async def test_other_protocols_on_the_port_are_refused(online: Online) -> None:
    """H10."""
    for opening in (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
        b"SSH-2.0-x\r\n",
    ):
        answer = await online.says_raw(opening, wait=4.0)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert (await online.get("/healthz")).status == 200
