"""Random frames, bodies, cursors and headers: an answer from the short list of answers, always, and nothing of ours in it."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import BadRequest, NotFound, Refused
from server.inbox import http as inbox
from server.kernel.ids import derive
from server.kernel.strict_json import MAX_DEPTH, BadJson, parse
from server.live import frames
from server.live.sockets import understand
from server.settings import Settings
from server.web import limits
from server.web.http import path_id, read_query
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
    """As a careless client would write it: NaN, Infinity and lone surrogates included."""
    return json.dumps(value)


@THOROUGH
@given(st.text(max_size=200) | st.binary(max_size=200) | values.map(wire))
def test_what_is_not_strict_json_is_refused_and_what_is_means_the_same_everywhere(raw: str | bytes) -> None:
    try:
        value = parse(raw)
    except BadJson as refused:
        assert CANARY not in str(refused)
        return
    # Any strict parser reads the same, and it can be written again.
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
def test_any_frame_is_understood_or_refused_with_one_of_five_codes(raw: str | bytes, agent: bool) -> None:
    adapter, known = (frames.AGENT_IN, frames.AGENT_TYPES) if agent else (frames.VISITOR_IN, frames.VISITOR_TYPES)
    try:
        frame = understand(raw, adapter, known)
    except Refused as refused:
        assert refused.code in CODES
        assert CANARY not in refused.message and len(refused.message) < 300
        return
    assert frame.type in known
    # Only declared fields arrive, and only with their declared types (mass assignment, W23).
    assert set(frame.model_dump()) <= set(type(frame).model_fields)


def test_the_frames_above_are_not_all_nonsense() -> None:
    """The premise: the strategy also makes frames that are accepted."""
    seen: Counter[str] = Counter()

    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(near_frames.map(wire))
    def look(raw: str) -> None:
        try:
            seen[understand(raw, frames.VISITOR_IN, frames.VISITOR_TYPES).type] += 1
        except Refused as refused:
            seen[refused.code] += 1

    look()
    assert seen["ping"] and seen["unknown_type"] and seen["invalid"], seen


APP: Any = SimpleNamespace(key=lambda purpose: derive(SECRET.encode(), purpose))
AT = datetime(2026, 11, 21, 9, tzinfo=UTC)


@THOROUGH
@given(st.text(max_size=250) | st.binary(max_size=120).map(lambda raw: raw.decode("latin-1")))
def test_a_cursor_that_is_not_ours_is_refused(cursor: str) -> None:
    with pytest.raises(Refused) as refused:
        inbox._after(APP, cursor)
    assert refused.value.code == "invalid" and refused.value.field == "cursor"


@THOROUGH
@given(st.integers(0, 2**40), st.data())
def test_a_cursor_that_is_altered_anywhere_is_refused(row: int, data: st.DataObject) -> None:
    ours = inbox._cursor(APP, AT, row)
    assert inbox._after(APP, ours) == (AT, row)
    place = data.draw(st.integers(0, len(ours) - 1))
    other = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ é"))
    altered = ours[:place] + other + ours[place + 1 :]
    try:
        found = inbox._after(APP, altered)
    except Refused:
        return
    # Base64 has spare bits at its end: another spelling of the same cursor is still the same place.
    assert found == (AT, row)


@THOROUGH
@given(st.binary(max_size=200) | st.text(alphabet="a=&%;+é0", max_size=60).map(str.encode))
def test_a_query_is_read_or_refused_and_no_name_counts_twice(raw: bytes) -> None:
    try:
        found = read_query(raw)
    except BadRequest as refused:
        assert refused.code == "bad_request"
        return
    assert all(isinstance(value, str) for value in found.values())


@THOROUGH
@given(st.text(max_size=30) | st.integers().map(str))
def test_an_id_in_a_path_is_a_small_positive_number_or_nothing_is_there(text: str) -> None:
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
def test_a_forwarded_address_counts_from_a_trusted_peer_only_and_never_breaks(peer: str, said: list[str]) -> None:
    header = ",".join(said).encode("utf-8", "replace")
    scope = {"client": (peer, 1), "headers": [(b"x-forwarded-for", header)]}
    found = limits.client_address(SETTINGS, scope)
    assert len(found) <= 64
    if peer not in ("127.0.0.1", "::1"):
        assert found == limits.normal(peer)


async def test_eight_random_frames_keep_the_socket_and_an_ordinary_message_still_works(online: Online) -> None:
    known = {"ready", "entry", "refused", "reset", "pong", "presence", "typing"}
    made: list[str] = []

    @settings(max_examples=160, deadline=None, database=None, derandomize=True)
    @given(near_frames.map(wire) | values.map(wire))
    def collect(raw: str) -> None:
        if len(raw) < 5_000:
            made.append(raw.encode("utf-8", "replace").decode())

    collect()
    assert len(made) > 100
    heard: Counter[str] = Counter()
    for start in range(0, len(made), 8):  # ten bad ones in ten seconds would end it, rightly
        zoe = await online.visitor()
        for raw in made[start : start + 8]:
            await zoe.wire.says(raw)
        await zoe.wire.settles()
        await zoe.says("An ordinary message.")
        for frame in zoe.wire.frames:
            heard[frame["type"]] += 1
            if frame["type"] == "refused":
                assert set(frame) <= {"type", "code", "message", "id", "retry_after"}
                assert CANARY not in frame["message"] and "Traceback" not in frame["message"]
        await zoe.leaves()
    assert set(heard) <= known and heard["refused"] > 50 and heard["pong"] > 20, heard
