"""What stands before every webhook's handler: read once, capped, and an answer that is never sent on as a text."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Busy, StorageFull
from server.web import webhooks
from server.web.webhooks import EMPTY, FORM, MAX_BODY, MAX_FIELDS, Handler, Posted, Webhook, pairs

APP: Any = SimpleNamespace(ids=SimpleNamespace(token=lambda size: "ref"))


class Seen(list[Posted]):
    def __init__(self, answer: int | Exception = 200) -> None:
        super().__init__()
        self.answer = answer

    async def __call__(self, app: Any, posted: Posted) -> int:
        self.append(posted)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def post(
    handler: Handler,
    *parts: bytes,
    method: str = "POST",
    query: bytes = b"",
    kind: str = FORM,
    length: bool = True,
    hook: Webhook | None = None,
) -> int:
    headers = [(b"content-type", kind.encode())] if kind else []
    if length:
        headers.append((b"content-length", str(sum(map(len, parts))).encode()))
    scope = {
        "type": "http",
        "method": method,
        "path": "/hook",
        "raw_path": b"/hook",
        "query_string": query,
        "headers": headers,
    }
    waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if waiting:
        waiting[-1]["more_body"] = False
    else:
        waiting = [{"type": "http.disconnect"}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else await asyncio.sleep(60) or {}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await (hook or Webhook(APP, "/hook", handler))(scope, receive, send)
    start, body = sent
    assert body["body"] == EMPTY and dict(start["headers"])[b"content-type"].startswith(b"text/xml")
    return start["status"]


async def test_a_form_arrives_decoded_with_blanks_repeats_and_order() -> None:
    handler = Seen()
    assert await post(handler, b"B=2&A=+x%F0%9F%91%8B&B=&", b"C=%2B1", query=b"m=t.1") == 200
    (posted,) = handler
    assert posted.params == (("B", "2"), ("A", " x👋"), ("B", ""), ("C", "+1"))
    assert posted.target == "/hook?m=t.1" and posted.signed == posted.params


async def test_json_and_get_are_told_apart_because_they_are_signed_differently() -> None:
    handler = Seen()
    assert await post(handler, b'{"a": 1}', kind="application/json; charset=utf-8", query=b"bodySHA256=0") == 200
    assert await post(handler, b"", method="GET", query=b"Body=hi&x=") == 200
    as_json, got = handler
    assert not as_json.is_form and as_json.params == () and as_json.body == b'{"a": 1}'
    assert got.params == (("Body", "hi"), ("x", "")) and got.signed == ()


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([b"Body=" + b"x" * 1_048_576], 413),
        ([b"Body=", b"x" * MAX_BODY, b"y"], 413),
        ([b"&".join(b"p%d=1" % n for n in range(5_000))], 413),
        ([b"&".join(b"p%d=1" % n for n in range(MAX_FIELDS))], 200),
        ([b"Body=%e2%82"], 400),
        ([b"Body=caf%E9"], 400),
        ([b"Body=caf\xe9"], 400),
        ([b"Body=a%00b"], 400),
        ([b"Body=a\x00b"], 400),
        ([b"Body=100%25 %"], 400),
        ([b"Body=100%25+%25"], 200),
        ([b"Body=" + b"%F0%9F%91%8B" * 1_600], 200),
        ([], 400),
    ],
)
@pytest.mark.parametrize("length", [True, False])
async def test_what_no_provider_sends_never_reaches_the_handler(parts: list[bytes], status: int, length: bool) -> None:
    handler = Seen()
    assert await post(handler, *parts, length=length) == status
    assert len(handler) == (status == 200)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_other_methods_are_not_answered(method: str) -> None:
    assert await post(Seen(), b"", method=method) == 405


@pytest.mark.parametrize("failure", [Busy(), StorageFull(), RuntimeError("token 1234 is wrong"), OSError()])
async def test_a_handler_that_fails_stored_nothing_and_says_nothing(failure: Exception) -> None:
    assert await post(Seen(failure), b"Body=hi") == 503


async def test_who_cannot_store_in_time_says_so_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "ANSWER_S", 0.3)
    stuck = asyncio.Event()
    ended: list[str] = []

    async def handler(app: Any, posted: Posted) -> int:
        word = dict(posted.params)["Body"]
        try:
            await (stuck.wait() if word == "stuck" else asyncio.sleep(float(word)))
        finally:
            ended.append(word)
        return 200

    hook = Webhook(APP, "/hook", handler)
    started = asyncio.get_running_loop().time()
    said = [b"stuck", b"0", b"0.1", b"stuck", b"0.25", b"stuck"]
    got = await asyncio.gather(*[post(handler, b"Body=" + word, hook=hook) for word in said])
    assert got == [503, 200, 200, 503, 200, 503]
    assert asyncio.get_running_loop().time() - started < 2 and len(ended) == 6
    assert await post(handler, b"Body=0.01", hook=hook) == 200
    await asyncio.sleep(1.1)  # the one clock has run down
    assert await post(handler, b"Body=stuck", hook=hook) == 503, "and is wound up again"


async def test_a_cancel_that_was_swallowed_before_makes_no_other_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "ANSWER_S", 0.1)

    async def swallow() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError), webhooks._Watch():
            await asyncio.sleep(9)
        assert task.cancelling() == 1

    await asyncio.create_task(swallow())


async def test_a_shutdown_is_no_answer_that_came_too_late() -> None:
    async def handler(app: Any, posted: Posted) -> int:
        await asyncio.sleep(60)
        return 200

    task = asyncio.create_task(post(handler, b"Body=hi"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@given(st.lists(st.sampled_from(["a", "Z9", "&", "=", "+", ";", "%41", "%26", "%3D", "%C3%A9", "%FF"]), max_size=30))
def test_a_form_is_read_as_the_standard_library_reads_it(pieces: list[str]) -> None:
    """The signature is over names and values: read in another way, it would not fit."""
    text = "".join(pieces)
    try:
        wanted = tuple(parse_qsl(text, keep_blank_values=True, errors="strict"))
    except ValueError:
        with pytest.raises(ValueError):
            pairs(text)
    else:
        assert pairs(text) == wanted
