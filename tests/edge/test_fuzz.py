"""Random frames, bodies, cursors and headers always get one of a few known answers, with no internal detail in it."""

from __future__ import annotations

import json
import math
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server import frames
from server.errors import BadRequest, NotFound, Refused
from server.kernel.ids import derive
from server.kernel.strict_json import MAX_DEPTH, BadJson, parse
from server.live.sockets import parse_frame
from server.settings import Settings
from server.web import limits
from server.web.http import path_id, read_query
from server.web.paging import Paging
from tests.online import Online
from tests.world import SECRET

CODES = {"bad_json", "bad_frame", "unknown_type", "invalid", "too_long"}
CANARY = "kanarienvogel"
THOROUGH = settings(max_examples=400, deadline=None)

texts = st.text(max_size=40) | st.sampled_from(["", CANARY, "\x00", "\ud800", "‮", "é" * 30, "constructor", "__init__"])
numbers = st.integers() | st.floats() | st.sampled_from([-1, 0, 1, 2**31, 2**53, 2**53 + 1, 2**63, 10**30])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
TYPES = sorted(frames.VISITOR_TYPES | frames.AGENT_TYPES)
FIELDS = [
    "version",
    "token",
    "identity",
    "bookmark",
    "page",
    "id",
    "text",
    "files",
    "thread",
    "after",
    "seq",
    "email",
    "name",
]
near_frames = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES) | texts},
    optional=dict.fromkeys(FIELDS, values | st.text(alphabet="abc-:", max_size=12)),
)


def wire(value: Any) -> str:
    """Encodes the value as a careless client would, with NaN, Infinity and lone surrogates."""
    return json.dumps(value)


@THOROUGH
@given(st.text(max_size=200) | st.binary(max_size=200) | values.map(wire))
def test_only_strict_json_is_accepted_and_every_parser_reads_it_alike(raw: str | bytes) -> None:
    try:
        value = parse(raw)
    except BadJson as refused:
        assert CANARY not in str(refused)
        return
    # Any strict parser reads the same value, and the value can be encoded again.
    assert json.loads(raw) == value
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    assert depth(value) <= MAX_DEPTH


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((depth(inner) for inner in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(inner) for inner in value), default=0)
    assert not isinstance(value, float) or math.isfinite(value)
    return 0


@THOROUGH
@given(values.map(wire) | near_frames.map(wire) | st.binary(max_size=60), st.booleans())
def test_any_frame_is_accepted_or_refused_with_one_of_five_codes(raw: str | bytes, agent: bool) -> None:
    adapter, known_types = (frames.AGENT_IN, frames.AGENT_TYPES) if agent else (frames.VISITOR_IN, frames.VISITOR_TYPES)
    try:
        frame = parse_frame(raw, adapter, known_types)
    except Refused as refused:
        assert refused.code in CODES
        assert CANARY not in refused.message and len(refused.message) < 300
        return
    assert frame.type in known_types
    # Only declared fields with their declared types are accepted (mass assignment, W23).
    assert set(frame.model_dump()) <= set(type(frame).model_fields)


def test_the_frames_above_are_not_all_nonsense() -> None:
    """Precondition: the strategy also makes frames that are accepted."""
    outcomes: Counter[str] = Counter()

    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(near_frames.map(wire))
    def try_frame(raw: str) -> None:
        try:
            outcomes[parse_frame(raw, frames.VISITOR_IN, frames.VISITOR_TYPES).type] += 1
        except Refused as refused:
            outcomes[refused.code] += 1

    try_frame()
    assert outcomes["ping"] and outcomes["unknown_type"] and outcomes["invalid"], outcomes


APP: Any = SimpleNamespace(key=lambda purpose: derive(SECRET.encode(), purpose))
PAGING = Paging(APP, "tickets newest", 2)
AT = 1_764_000_000_000_000


@THOROUGH
@given(st.text(max_size=250) | st.binary(max_size=120).map(lambda raw: raw.decode("latin-1")))
def test_a_cursor_that_is_not_ours_is_refused(cursor: str) -> None:
    with pytest.raises(Refused) as refused:
        PAGING.decode(cursor, "after")
    assert refused.value.code == "bad_cursor" and refused.value.field == "after"


@THOROUGH
@given(st.integers(0, 2**40), st.data())
def test_a_cursor_that_is_altered_anywhere_is_refused(row: int, data: st.DataObject) -> None:
    cursor = PAGING.encode((AT, row))
    assert PAGING.decode(cursor, "after") == (AT, row)
    position = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ é"))
    altered = cursor[:position] + other + cursor[position + 1 :]
    try:
        result = PAGING.decode(altered, "after")
    except Refused:
        return
    # Base64 has spare bits at its end: a different encoding of the same cursor is the same page.
    assert result == (AT, row)


@THOROUGH
@given(st.binary(max_size=200) | st.text(alphabet="a=&%;+é0", max_size=60).map(str.encode))
def test_a_query_is_parsed_or_refused_and_a_repeated_name_is_refused(raw: bytes) -> None:
    try:
        result = read_query(raw)
    except BadRequest as refused:
        assert refused.code == "bad_request"
        return
    assert all(isinstance(value, str) for value in result.values())


@THOROUGH
@given(st.text(max_size=30) | st.integers().map(str))
def test_an_id_in_a_path_that_is_no_small_positive_number_is_not_found(text: str) -> None:
    call: Any = SimpleNamespace(path={"id": text})
    try:
        assert 1 <= path_id(call, "id") < 10**15
    except NotFound:
        pass


SETTINGS = Settings(_env_file=None)
hops = st.lists(
    st.sampled_from(["203.0.113.9", "127.0.0.1", "::1", "", "evil", "::ffff:10.0.0.1", "[::1]:443"])
    | st.text(max_size=12),
    max_size=6,
)


@THOROUGH
@given(st.sampled_from(["127.0.0.1", "198.51.100.7", "::1", "2001:db8::1", "nonsense"]), hops)
def test_a_forwarded_address_counts_only_from_a_trusted_peer(peer: str, forwarded: list[str]) -> None:
    header = ",".join(forwarded).encode("utf-8", "replace")
    scope = {"client": (peer, 1), "headers": [(b"x-forwarded-for", header)]}
    result = limits.client_address(SETTINGS, scope)
    assert len(result) <= 64
    if peer not in ("127.0.0.1", "::1"):
        assert result == limits.customer_network(peer)


async def test_eight_random_frames_keep_the_socket_and_an_ordinary_message_still_works(online: Online) -> None:
    allowed_types = {"ready", "entry", "refused", "reset", "pong", "presence", "typing"}
    sent: list[str] = []

    @settings(max_examples=160, deadline=None, database=None, derandomize=True)
    @given(near_frames.map(wire) | values.map(wire))
    def collect(raw: str) -> None:
        if len(raw) < 5_000:
            sent.append(raw.encode("utf-8", "replace").decode())

    collect()
    assert len(sent) > 100
    frame_types: Counter[str] = Counter()
    for start in range(0, len(sent), 8):  # ten bad frames in ten seconds close the socket by design
        zoe = await online.visitor()
        for raw in sent[start : start + 8]:
            await zoe.wire.says(raw)
        await zoe.wire.settles()
        await zoe.says("An ordinary message.")
        for frame in zoe.wire.frames:
            frame_types[frame["type"]] += 1
            if frame["type"] == "refused":
                assert set(frame) <= {"type", "code", "message", "id", "retry_after"}
                assert CANARY not in frame["message"] and "Traceback" not in frame["message"]
        await zoe.leaves()
    assert set(frame_types) <= allowed_types and frame_types["refused"] > 50 and frame_types["pong"] > 20, frame_types
