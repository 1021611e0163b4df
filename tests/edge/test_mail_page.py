"""The Mail page exists in development only, shows only received bytes, and gives a mail's HTML no rights."""

from __future__ import annotations

import asyncio
import email.policy
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from server import up
from server.channels.mail import Mail, MailServer, build
from server.channels.smtp import SmtpChannel
from server.delivery.mail import configure
from server.delivery.mail_settings import MAIL, MailSettings
from server.simulator import mail as simulator
from server.simulator.mail import Catcher
from server.simulator.mail_page import body_of, links_in, parse
from tests.mails import token_in
from tests.online import Online, open_online
from tests.world import email_of

DEMO = "http://demo.test"
PATHS = ("/mail", "/mail/mail.js", "/mail/mail.css", "/mail/state", "/mail/1", "/mail/1/html", "/mail/clear")


async def received(online: Online, count: int) -> list[simulator.Caught]:
    """The received mails when there are `count`."""
    catcher = online.app.part(Catcher)
    async with asyncio.timeout(20):
        while len(catcher.mails) < count:
            await catcher.wait_for_change(catcher.version, 5)
    return catcher.mails


async def test_production_has_no_mail_page(online: Online) -> None:
    for path in PATHS:
        for method in ("GET", "POST"):
            assert (await online.send(method, path)).status == 404, path
    assert not online.app.has(Catcher)


async def test_the_demo_sends_its_mail_to_its_own_server(tmp_path: Path) -> None:
    """From the request for a link to the bytes that a mail server gets, parsed again."""
    async with open_online(tmp_path / "data", mode="development", demo_url=DEMO) as online:
        await up.connect_mail(online.app)
        request = {"email": email_of("ana"), "purpose": "reset", "language": "ru"}
        assert (await online.send("POST", "/api/links/request", request)).status == 200
        await online.world.advance()
        [caught] = await received(online, 1)
        message: Any = message_from_bytes(caught.content, policy=email.policy.default)
        assert message["To"] == caught.recipient == email_of("ana")
        assert message["From"].addresses[0].addr_spec == simulator.FROM
        assert message["Auto-Submitted"] == "auto-generated" and message["X-Auto-Response-Suppress"] == "All"
        assert message["Message-ID"].endswith("@fern-kettle.example>") and message["Subject"].startswith("Support: ")
        assert message.get_content_type() == "multipart/alternative" and caught.content.isascii()
        text, html = body_of(message, "plain"), body_of(message, "html")
        assert "Задать новый пароль:" in text and 'lang="ru"' in html
        token = token_in(Mail("", "", "", "", text, html, "", "", caught.at))
        state = (await online.get("/mail/state")).json()
        assert [(mail["to"], mail["from"]) for mail in state["mails"]] == [(email_of("ana"), "Support")]
        mail = (await online.get(f"/mail/{caught.id}")).json()
        assert mail["text"] == text and mail["html"] is True
        assert [link["url"] for link in mail["links"]] == [f"{online.app.settings.public_url}/reset#{token}"]
        assert mail["raw"].encode() == caught.content and ["Auto-Submitted", "auto-generated"] in mail["headers"]
        page = await online.get(f"/mail/{caught.id}/html")
        policy = page.headers["content-security-policy"]
        assert page.body.decode() == html
        for part in ("default-src 'none'", "sandbox;", "frame-ancestors 'self'", "form-action 'none'"):
            assert part in policy
        assert "script" not in policy and "http" not in policy
        for origin in ("https://evil.example", "null", None):
            refused = await online.send("POST", "/mail/clear", {}, headers={"origin": origin})
            assert refused.status == 403
        assert (await online.send("POST", "/mail/clear", {})).status == 200
        assert (await online.get("/mail/state")).json()["mails"] == []
        assert (await online.get(f"/mail/{caught.id}")).status == (await online.get("/mail/x")).status == 404


async def test_no_mailed_link_is_in_the_database_or_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Only the received mail contains the link (G18)."""
    async with open_online(tmp_path / "data", mode="development", demo_url=DEMO) as online:
        await up.connect_mail(online.app)
        for purpose in ("reset", "signin"):
            await online.send("POST", "/api/links/request", {"email": email_of("ana"), "purpose": purpose})
        await online.world.advance()
        tokens = []
        for caught in await received(online, 2):
            html = body_of(parse(caught), "html")
            tokens += [link["url"].partition("#")[2] for link in links_in(html)]
        folder = online.app.settings.data_dir
        stored = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    printed = "".join(capfd.readouterr())
    assert len(set(tokens)) == 2 and len(stored) > 100_000
    for token in tokens:
        assert len(token) > 40 and token.encode() not in stored and token not in printed


async def test_the_page_itself_loads_nothing_from_outside(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", mode="development", demo_url=DEMO) as online:
        page = await online.get("/mail")
        assert page.status == 200 and "default-src 'none'" in page.headers["content-security-policy"]
        assert b"//" not in page.body
        for name in ("/mail/mail.js", "/mail/mail.css"):
            assert (await online.get(name)).status == 200


async def test_another_mail_server_is_kept(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", mode="development", demo_url=DEMO) as online:
        own = MailSettings(mail_on=True, host="mail.shop.example", from_address="care@shop.example")
        await online.app.write(configure, own)
        await up.connect_mail(online.app)
        assert (await online.app.read(MAIL.load)).host == "mail.shop.example"


async def test_the_demos_mail_follows_its_server_to_another_port(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", mode="development", demo_url=DEMO) as online:
        old = MailSettings(mail_on=True, host=simulator.HOST, port=9, from_address=simulator.FROM, from_name="Tea")
        await online.app.write(configure, old)
        await up.connect_mail(online.app)
        current = await online.app.read(MAIL.load)
        assert (current.port, current.from_name) == (online.app.part(Catcher).port, "Tea")


HOSTILE = [
    b"",
    b"\r\n\r\n",
    b"Subject: =?utf-8?q?broken",
    b"Content-Type: text/html; charset=nonsense\r\n\r\n<p>x",
    b"Content-Type: text/html; charset=utf-8\r\n\r\n\xff\xfe<p>",
    b"Content-Type: multipart/alternative\r\n\r\n--x",
    b"From: <<<>>>\r\nTo: \xff\r\nSubject: a\r\n b\r\n\r\ntext",
    b"Content-Type: text/html\r\n\r\n<a href='javascript:alert(1)'>a</a><a href='http://[x'>b</a><a href=//c>c</a>",
]


@pytest.mark.parametrize("content", HOSTILE)
async def test_an_odd_mail_is_shown_without_an_error(tmp_path: Path, content: bytes) -> None:
    async with open_online(tmp_path / "data", mode="development", demo_url=DEMO) as online:
        catcher = online.app.part(Catcher)
        await catcher.start()
        catcher._store_mail("a@b.example", ["c@d.example"], content)
        [caught] = catcher.mails
        for path in ("/mail/state", f"/mail/{caught.id}", f"/mail/{caught.id}/html"):
            assert (await online.get(path)).status == 200
        assert links_in(body_of(parse(caught), "html")) == []


async def test_a_mail_of_any_client_is_parsed(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", mode="development", demo_url=DEMO) as online:
        catcher = online.app.part(Catcher)
        await catcher.start()
        wanted = Mail(
            "zoë@d.example".replace("ë", "e"), "a@b.example", "Łukasz\r\nBcc: x@y.example", "Zażółć\r\nBcc: x@y.example",
            "text", "<a href='https://x.example/?a=1&amp;b=2'>go</a>", "1@b.example", "a@b.example", online.app.clock.now(),
        )  # fmt: skip
        channel = SmtpChannel(MailServer(simulator.HOST, catcher.port, "plain"))
        await channel.send(wanted)
        await channel.close()
        [caught] = await received(online, 1)
        mail = (await online.get(f"/mail/{caught.id}")).json()
        assert mail["subject"] == "Zażółć Bcc: x@y.example" and mail["from"] == "Łukasz Bcc: x@y.example"
        assert not [name for name, _ in mail["headers"] if name.lower() == "bcc"]
        assert mail["links"] == [{"url": "https://x.example/?a=1&b=2", "label": "go"}]
        assert build(wanted).count(b"\r\nBcc:") == 0
