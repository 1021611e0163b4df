"""Every webhook handler gets a body that is read once and limited in size; its response never makes the provider send a
text."""

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
from server.kernel.clock import SystemClock
from server.kernel.deadlines import Deadline, DeadlineExceeded
from server.kernel.tally import Tally
from server.web import webhooks
from server.web.webhooks import EMPTY, FORM, MAX_BODY, MAX_FIELDS, Handler, Webhook, WebhookRequest, pairs

APP: Any = SimpleNamespace(ids=SimpleNamespace(token=lambda size: "ref"), part=lambda kind, make: Tally(SystemClock()))


class Seen(list[WebhookRequest]):
    def __init__(self, answer: int | Exception = 200) -> None:
        super().__init__()
        self.answer = answer

    async def __call__(self, app: Any, posted: WebhookRequest) -> int:
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


async def test_a_form_is_decoded_with_blank_values_and_in_order() -> None:
    handler = Seen()
    assert await post(handler, b"B=2&A=+x%F0%9F%91%8B&b=&", b"C=%2B1", query=b"m=t.1") == 200
    (parsed,) = handler
    assert parsed.params == (("B", "2"), ("A", " x👋"), ("b", ""), ("C", "+1"))
    assert parsed.target == "/hook?m=t.1" and parsed.signed == parsed.params


async def test_json_and_get_are_distinguished_because_they_are_signed_differently() -> None:
    handler = Seen()
    assert await post(handler, b'{"a": 1}', kind="application/json; charset=utf-8", query=b"bodySHA256=0") == 200
    assert await post(handler, b"", method="GET", query=b"Body=hi&x=") == 200
    as_json, from_query = handler
    assert not as_json.is_form and as_json.params == () and as_json.body == b'{"a": 1}'
    assert from_query.params == (("Body", "hi"), ("x", "")) and from_query.signed == ()


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
        ([b"Body=a&Body=b"], 400),
        ([b"Body=a&x=1&Body=a"], 400),
        ([b"Body=a&B%6Fdy=b"], 400),
        ([b"Body=a&Body"], 400),
        ([b"Body=" + b"%F0%9F%91%8B" * 1_600], 200),
        ([], 400),
    ],
)
@pytest.mark.parametrize("length", [True, False])
async def test_requests_that_no_provider_sends_never_reach_the_handler(
    parts: list[bytes], status: int, length: bool
) -> None:
    handler = Seen()
    assert await post(handler, *parts, length=length) == status
    assert len(handler) == (status == 200)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_other_methods_are_refused(method: str) -> None:
    assert await post(Seen(), b"", method=method) == 405


@pytest.mark.parametrize("failure", [Busy(), StorageFull(), RuntimeError("token 1234 is wrong"), OSError()])
async def test_a_failing_handler_gets_503_without_details(failure: Exception) -> None:
    assert await post(Seen(failure), b"Body=hi") == 503


async def test_a_handler_that_exceeds_its_deadline_gets_503_and_others_continue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhooks, "RESPONSE_S", 0.3)
    stuck = asyncio.Event()
    ended: list[str] = []

    async def handler(app: Any, posted: WebhookRequest) -> int:
        body_text = dict(posted.params)["Body"]
        try:
            await (stuck.wait() if body_text == "stuck" else asyncio.sleep(float(body_text)))
        finally:
            ended.append(body_text)
        return 200

    hook = Webhook(APP, "/hook", handler)
    started = asyncio.get_running_loop().time()
    bodies = [b"stuck", b"0", b"0.1", b"stuck", b"0.25", b"stuck"]
    answers = await asyncio.gather(*[post(handler, b"Body=" + body_text, hook=hook) for body_text in bodies])
    assert answers == [503, 200, 200, 503, 200, 503]
    assert asyncio.get_running_loop().time() - started < 2 and len(ended) == 6
    assert await post(handler, b"Body=0.01", hook=hook) == 200


async def test_an_earlier_swallowed_cancellation_does_not_change_the_response() -> None:
    async def swallow() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded):
            async with Deadline(0.1):
                await asyncio.sleep(9)
        assert task.cancelling() == 1

    await asyncio.create_task(swallow())


async def test_a_timeout_inside_the_handler_is_not_mistaken_for_the_deadline() -> None:
    with pytest.raises(TimeoutError):
        async with Deadline(9):
            raise TimeoutError


async def test_reading_the_body_does_not_count_against_the_deadline() -> None:
    """A body has its own limits, even if the handler's deadline passes while it is read."""
    clock = asyncio.get_running_loop().time
    limited = Deadline(0.2)
    started = clock()
    with pytest.raises(DeadlineExceeded):
        async with limited:
            with limited.paused():
                await asyncio.sleep(0.5)
            paused = clock() - started
            await asyncio.sleep(9)
    assert paused >= 0.5 and 0.15 < clock() - started - paused < 2


async def test_a_shutdown_is_not_mistaken_for_a_timeout() -> None:
    async def handler(app: Any, posted: WebhookRequest) -> int:
        await asyncio.sleep(60)
        return 200

    task = asyncio.create_task(post(handler, b"Body=hi"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@given(st.lists(st.sampled_from(["a", "Z9", "&", "=", "+", ";", "%41", "%26", "%3D", "%C3%A9", "%FF"]), max_size=30))
def test_a_form_is_parsed_as_the_standard_library_does(pieces: list[str]) -> None:
    """The signature covers names and values, so another parser's result would not match it."""
    text = "".join(pieces)
    try:
        expected = tuple(parse_qsl(text, keep_blank_values=True, errors="strict"))
    except ValueError:
        with pytest.raises(ValueError):
            pairs(text)
    else:
        assert pairs(text) == expected
