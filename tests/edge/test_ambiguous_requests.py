"""Requests that a proxy and our server could parse differently: no host or two hosts, conflicting lengths and encodings,
repeated headers.

All are sent over a plain socket, because no client library sends them.
"""

from __future__ import annotations

import gzip
import logging

import orjson
import pytest
from prometheus_client import REGISTRY

from server.sms.webhooks import TEXTS
from server.web.http_protocol import SINGLE_HEADERS
from tests.edge.raw import handshake
from tests.online import Online
from tests.world import PASSWORD, email_of

HOST = b"Host: chat.example\r\n"


async def ask(online: Online, request: bytes) -> tuple[int, bytes]:
    answer = await online.says_raw(request)
    assert answer.count(b"HTTP/1.1 ") <= 1, "one request never becomes two"
    return int(answer.split(b" ", 2)[1]) if answer else 0, answer


def get(*lines: str, version: str = "1.1", target: str = "/healthz") -> bytes:
    return "\r\n".join([f"GET {target} HTTP/{version}", *lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get("Host: x"), 200),
        (get("Host: x "), 200),
        (get("hOST: chat.example:8443"), 200),
        (get("Host: [2001:db8::1]:8000"), 200),
        (get("Host: my_server:"), 200),
        (get(version="1.0"), 200),  # HTTP 1.0 is older than the Host header
        (get(), 400),
        (get("Host:"), 400),
        (get("Host: x", "Host: x"), 400),
        (get("Host: x", "hOST: y"), 400),
        (get("Host: x", "Host: y", version="1.0"), 400),
        (get("Host: x, y"), 400),
        (get("Host: x/y"), 400),
        (get("Host: u@x"), 400),
        (get("Host: x y"), 400),
        (get("Host: x:8x"), 400),
        (get("Host: m\xfcnchen.example"), 400),
        (get(target="http://chat.example/healthz"), 400),
    ],
)
async def test_a_request_must_name_exactly_one_host(online: Online, request_: bytes, status: int) -> None:
    assert (await ask(online, request_))[0] == status


async def test_a_handshake_must_name_exactly_one_host(online: Online) -> None:
    assert (await ask(online, handshake(online)))[0] == 101
    assert (await ask(online, handshake(online, Host=None)))[0] == 400
    assert (await ask(online, handshake(online).replace(b"Upgrade: ", b"Host: y\r\nUpgrade: ", 1)))[0] == 400
    assert (await ask(online, handshake(online).replace(b"Upgrade: ", b"Origin: null\r\nUpgrade: ", 1)))[0] == 400


def login(online: Online, *lines: str, body: bytes | None = None, framed: bool = True, version: str = "1.1") -> bytes:
    """A valid sign-in with additional header `lines`. `framed`: with a Content-Length."""
    if body is None:
        body = orjson.dumps({"email": email_of("ana"), "password": PASSWORD})
    head = [f"POST /api/login HTTP/{version}", "Host: x", f"Origin: {online.url}", "Content-Type: application/json"]
    head += [f"Content-Length: {len(body)}"] if framed else []
    return "\r\n".join([*head, *lines, "", ""]).encode() + body


def chunks(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


async def test_a_body_must_have_exactly_one_length(online: Online) -> None:
    body = orjson.dumps({"email": email_of("ana"), "password": PASSWORD})
    size = f"Content-Length: {len(body)}"
    assert (await ask(online, login(online)))[0] == 200
    assert (await ask(online, login(online, size)))[0] == 400, "two equal lengths must be refused too"
    assert (await ask(online, login(online, f"{size}, {len(body)}", framed=False)))[0] == 400
    assert (await ask(online, login(online, "Transfer-Encoding: chunked", body=chunks(body), framed=False)))[0] == 200
    for coding in (
        "gzip, chunked",
        "chunked, chunked",
        "identity, chunked",
        "identity",
        "xchunked",
        "chunked, gzip",
        '"chunked"',
        "",
    ):
        request = login(online, f"Transfer-Encoding: {coding}", body=chunks(body), framed=False)
        assert (await ask(online, request))[0] == 400, coding
    twice = ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")
    assert (await ask(online, login(online, *twice, body=chunks(body), framed=False)))[0] == 400
    old = login(online, "Transfer-Encoding: chunked", body=chunks(body), framed=False, version="1.0")
    assert (await ask(online, old))[0] == 400


@pytest.mark.parametrize("name", sorted(SINGLE_HEADERS))
async def test_a_repeated_single_value_header_is_refused(online: Online, name: bytes) -> None:
    """The values may be equal, the names in any case, and other headers between them."""
    request = b"GET /api/session HTTP/1.1\r\n" + (b"" if name == b"host" else HOST)
    for value in (b"5", b"x"):
        twice = name + b": 5\r\nX-Between: y\r\n" + name.upper() + b": " + value + b"\r\n"
        assert (await ask(online, request + twice + b"\r\n"))[0] == 400


async def test_an_origin_in_front_of_another_does_not_let_a_write_through(online: Online) -> None:
    status, _ = await ask(online, login(online, "Origin: https://evil.example"))
    assert status == 400
    assert (await ask(online, login(online, f"Origin: {online.url}")))[0] == 400


async def test_forwarded_protocol_and_host_are_ignored(online: Online) -> None:
    """Only X-Forwarded-For is used: cookies, links and the origin check use the configured URL."""
    forwarded = (
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.example",
        "Forwarded: proto=https;host=evil.example;for=6.6.6.6",
    )
    status, answer = await ask(online, login(online, *forwarded, *forwarded))
    assert status == 200
    assert b"set-cookie: threadline=" in answer and b"Secure" not in answer and b"evil" not in answer
    cookie = answer.partition(b"set-cookie: ")[2].partition(b";")[0].decode()
    listed = (await online.get("/api/sessions", headers={"cookie": cookie})).json()["sessions"]
    assert [item["address"] for item in listed if item["current"]] == ["127.0.0.1"]


async def test_cookies_in_several_lines_are_one_list_and_the_first_of_a_name_counts(online: Online) -> None:
    ana = await online.agent("ana", socket=False)
    for lines, signed_in in (
        (("Cookie: a=b", f"Cookie: {ana.cookie}"), True),
        ((f"Cookie: {ana.cookie}", "Cookie: a=b"), True),
        (("Cookie: threadline=" + "A" * 43, f"Cookie: {ana.cookie}"), False),
        ((f"Cookie: {ana.cookie}", "Cookie: threadline=" + "A" * 43), True),
    ):
        _, answer = await ask(online, get("Host: x", *lines, target="/api/session"))
        assert (b'"user":null' not in answer) is signed_in, lines


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate", "br", "zstd", "identity, gzip", "x"])
async def test_a_compressed_body_is_not_read(online: Online, coding: str) -> None:
    line = f"Content-Encoding: {coding}"
    body = gzip.compress(orjson.dumps({"email": email_of("ana"), "password": PASSWORD}))
    status, answer = await ask(online, login(online, line, body=body))
    assert status == 415 and b'"code":"unsupported_type"' in answer
    ana = await online.agent("ana", socket=False)
    sent = await ana.send("POST", "/api/files", raw=gzip.compress(b"x"), headers={"content-encoding": coding})
    assert (sent.status, sent.code) == (415, "unsupported_type")
    hook = f"POST {TEXTS} HTTP/1.1\r\nHost: x\r\n{line}\r\nContent-Length: 2\r\n\r\n"
    assert (await ask(online, hook.encode() + b"a="))[0] == 415


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
async def test_a_body_with_identity_encoding_is_accepted(online: Online, coding: str) -> None:
    assert (await ask(online, login(online, f"Content-Encoding: {coding}")))[0] == 200


async def test_a_client_that_speaks_no_http_is_counted_and_not_logged(
    online: Online, caplog: pytest.LogCaptureFixture
) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("threadline_refusals_total", {"code": "bad_http"}) or 0.0

    before = counted()
    with caplog.at_level(logging.WARNING):
        for request in (
            b"hello\r\n\r\n",
            get(),
            get("Host: x", "X: " + "y" * 40_000),
            get("Host: x", "Upgrade: h2c", "Connection: Upgrade"),
        ):
            await ask(online, request)
    assert counted() == before + 3
    assert [line for line in caplog.messages if "HTTP" in line or "upgrade" in line] == []
