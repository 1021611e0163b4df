"""The public URL may be configured in any spelling, and the addresses that the server prints work."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from pathlib import Path
from unittest.mock import AsyncMock
from urllib.parse import urlencode

import orjson
import pytest

from server.channels.base import Checked, Number
from server.channels.twilio_webhooks import sign
from server.delivery.rules import STATUS_PATH, webhook_url
from server.operations import network, sms
from server.sms.webhooks import TEXTS
from server.web.pages import console_headers
from server.webchat.pages import frame_headers
from tests.channels import payloads
from tests.edge.raw import KEY
from tests.online import Online, open_online
from tests.running import running, threadline
from tests.sms import TOKEN, TOLL_FREE, open_sms
from tests.world import PASSWORD, email_of

SPELLED = [
    ("https://münchen.example", "https://xn--mnchen-3ya.example"),
    ("https://Support.Example.COM:443", "https://support.example.com"),
    ("http://[2001:DB8::0:1]:8080", "http://[2001:db8::1]:8080"),
]


async def ask(online: Online, head: list[str], body: bytes = b"") -> tuple[int, bytes]:
    lines = [*head, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    answer = await online.says_raw("\r\n".join(lines).encode() + body)
    return int(answer.split(b" ", 2)[1]), answer


@pytest.mark.parametrize(("spelled", "sent"), SPELLED)
async def test_a_browser_can_sign_in_under_the_origin_it_sends_and_headers_use_that_origin(
    tmp_path: Path, spelled: str, sent: str
) -> None:
    async with open_online(tmp_path / "data", public_url=spelled) as online:
        host = sent.partition("://")[2]
        body = orjson.dumps({"email": email_of("ana"), "password": PASSWORD})

        async def sign_in(origin: str) -> tuple[int, bytes]:
            head = ["POST /api/login HTTP/1.1", f"Host: {host}", f"Origin: {origin}", "Content-Type: application/json"]
            return await ask(online, head, body)

        status, answer = await sign_in(sent)
        assert status == 200
        cookie = answer.partition(b"set-cookie: ")[2].partition(b";")[0].decode()
        refused, error = await sign_in("https://evil.example")
        assert refused == 403 and f"only from {sent}".encode() in error
        upgrade = [
            f"Sec-WebSocket-Key: {KEY}",
            "Sec-WebSocket-Version: 13",
            "Upgrade: websocket",
            "Connection: Upgrade",
        ]
        for path in ("/ws/agent", "/ws/visitor"):
            head = [f"GET {path} HTTP/1.1", f"Host: {host}", f"Origin: {sent}", f"Cookie: {cookie}", *upgrade, "", ""]
            assert (await online.says_raw("\r\n".join(head).encode())).startswith(b"HTTP/1.1 101 ")
        # A content security policy must be ASCII; browsers ignore other sources.
        for headers in (console_headers(online.app, "n"), frame_headers(online.app, "n", [])):
            assert headers["content-security-policy"].isascii() and f"//{host};" in headers["content-security-policy"]


@pytest.mark.parametrize(("spelled", "sent"), SPELLED)
async def test_a_webhook_may_be_signed_with_the_configured_or_the_normalised_url(
    tmp_path: Path, spelled: str, sent: str
) -> None:
    async with open_online(tmp_path / "data", public_url=spelled) as online:
        await open_sms(online.world)

        async def post(origin: str, number: int, path: str = TEXTS) -> int:
            params = payloads.text(sid=f"SM{number:032x}")
            head = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/x-www-form-urlencoded"]
            head.append(f"X-Twilio-Signature: {sign(TOKEN, origin + path, params.items())}")
            return (await ask(online, head, urlencode(params).encode()))[0]

        assert [await post(origin, n) for n, origin in enumerate((sent, spelled))] == [200, 200]
        third = sent.replace("example", "Example").replace("db8", "dB8")
        assert [await post(third, 3), await post("https://evil.example", 4)] == [403, 403]
        assert [await post(origin, 5, STATUS_PATH) for origin in (sent, spelled, third)] == [200, 200, 403]


async def test_the_doctor_shows_the_normalised_url_and_accepts_numbers_set_up_with_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spelled, sent = SPELLED[1]
    async with open_online(tmp_path / "data", public_url=spelled) as online:
        first, *_ = await network.check_public_url(online.app)
        assert first.state == "ok" and spelled in first.message and f"write {sent}." in first.message
        fake = await open_sms(online.world)
        for configured, state in (
            (webhook_url(sent), "ok"),
            (webhook_url(spelled), "ok"),
            (webhook_url("https://support.example.com:443"), "ok"),
            (webhook_url("https://SUPPORT.example.com"), "fail"),
        ):
            numbers = Checked("", numbers=(Number(TOLL_FREE, configured, True, True),))
            monkeypatch.setattr(fake, "check", AsyncMock(return_value=numbers))
            result = await sms.check_sms(online.app)
            assert [item.state for item in result if "Texts to" in item.message] == [state], configured
    async with open_online(tmp_path / "plain") as online:
        assert not [item for item in await network.check_public_url(online.app) if "is written" in item.message]


def addresses(text: str) -> list[str]:
    return re.findall(r"http://[^\s]+", text)


def test_serve_prints_a_set_up_link_that_works(tmp_path: Path) -> None:
    assert threadline(tmp_path, "migrate").returncode == 0
    with running(tmp_path, laid_out=False, THREADLINE_PUBLIC_URL="") as server:
        opened, link = addresses(server.log())
        assert opened == f"http://localhost:{server.port}"
        assert f"Threadline listens on 127.0.0.1:{server.port}; people open {opened}" in server.log()
        page = link.partition("#")[0]
        assert page == f"http://localhost:{server.port}/setup"
        with urllib.request.urlopen(page, timeout=10) as answer:
            assert answer.status == 200
        origin = page.removesuffix("/setup")
        headers = {"origin": origin, "content-type": "application/json"}

        def post(path: str, **body: str) -> int:
            request = urllib.request.Request(origin + path, orjson.dumps(body), headers)
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                return error.code

        olga = {"email": "olga@shop.example", "password": PASSWORD}
        assert post("/api/setup", name="Olga", **olga) == 403, "a request from this machine needs the set-up link, too"
        created = threadline(
            tmp_path, "create-owner", "--email", "olga@shop.example", "--name", "Olga", "--password", PASSWORD
        )
        # The running server prints its own address, although the command was given another port.
        assert created.returncode == 0 and addresses(created.stdout) == [f"http://localhost:{server.port}/"]
        assert post("/api/login", **olga) == 200
        second = threadline(tmp_path, "create-owner")
        assert second.returncode == 1 and "already has an owner" in second.stderr, (
            "the command must look for an owner before it asks for data"
        )
        assert "Email" not in second.stdout
        assert post("/api/setup", name="Olga", token=link.partition("#")[2], **olga) == 409
        result = threadline(tmp_path, "signin-link")
        assert addresses(result.stdout)[0].startswith(f"http://localhost:{server.port}/signin#")
        results = threadline(tmp_path, "doctor").stdout
        assert f"http://localhost:{server.port} works on this machine" in results and "is ready after" in results


def test_up_prints_addresses_that_work(tmp_path: Path) -> None:
    with running(tmp_path, laid_out=False, words=("up", "--no-demo"), THREADLINE_PUBLIC_URL="") as server:
        until = time.monotonic() + 30
        while len(printed := addresses(server.log())) < 4 and time.monotonic() < until:
            time.sleep(0.05)
        assert len(printed) == 4 and len({item.split("/")[2] for item in printed}) == 2, (
            "the shop must have another host than the console"
        )
        assert "/setup#" in printed[0], "without an owner the first address must be the set-up link"
        for item in printed:
            with urllib.request.urlopen(item.partition("#")[0], timeout=10) as answer:
                assert answer.status == 200, item
