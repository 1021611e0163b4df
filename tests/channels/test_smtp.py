"""The SMTP channel with a server that has faults: which mails are sent, not sent, or unclear."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from server.channels import mail as mails
from server.channels import smtp
from server.channels.base import Accepted, NotSent, Rejected, Sent, Unclear, Verdict
from server.channels.mail import Mail, MailServer
from server.channels.smtp import SmtpChannel
from server.errors import Refused
from tests.channels.mail_server import HANG, RESET, FaultyServer, certificates, mail_server

MAIL = Mail(
    recipient="ana@customer.example",
    sender="care@shop.example",
    sender_name="Fern & Kettle",
    subject="Your teapot",
    text="It is on its way.\n.\n..and a line that begins with a dot\n",
    html="<p>It is on its way.</p>",
    message_id="t1.abc@shop.example",
    return_path="bounces+1-abc@shop.example",
    at=datetime(2026, 11, 30, 9, tzinfo=UTC),
    reply_to="help@shop.example",
)
LONG = ("x" * 70 + "\n") * 170_000  # more than the operating system buffers of a connection
PASSWORD = "canary-password-of-smtp"


@pytest.fixture
async def server() -> AsyncIterator[FaultyServer]:
    async with mail_server() as started:
        yield started


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECT_S", "COMMAND_S", "FINAL_S"):
        monkeypatch.setattr(smtp, name, 0.3)


def channel_to(server: FaultyServer, **values: Any) -> SmtpChannel:
    tls = values.pop("context", None)
    return SmtpChannel(MailServer("127.0.0.1", server.port, **{"security": "plain", **values}), tls)


async def send(server: FaultyServer, mail: Mail = MAIL, **values: Any) -> Sent:
    channel = channel_to(server, **values)
    try:
        return await channel.send(mail)
    finally:
        await channel.close()


# --- sent mails -------------------------------------------------------------------------------------


async def test_a_mail_arrives_whole_with_its_envelope_and_headers(server: FaultyServer) -> None:
    assert await send(server) == Accepted("t1.abc@shop.example", "accepted")
    [(sender, recipient, content)] = server.taken
    assert (sender, recipient) == ("bounces+1-abc@shop.example", "ana@customer.example")
    parsed: Any = message_from_bytes(content, policy=default)
    assert parsed["Message-ID"] == "<t1.abc@shop.example>" and parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["From"].addresses[0].addr_spec == MAIL.sender and parsed["Reply-To"] == MAIL.reply_to
    assert parsed["From"].addresses[0].display_name == MAIL.sender_name
    assert parsed["Date"].datetime == MAIL.at
    text, html = parsed.iter_parts()
    assert text.get_content().replace("\r\n", "\n") == MAIL.text and html.get_content().strip() == MAIL.html
    assert text.get_content_type() == "text/plain" and html.get_content_type() == "text/html"


async def test_mail_that_a_person_wrote_is_not_marked_as_automatic(server: FaultyServer) -> None:
    await send(server, replace(MAIL, automatic=False))
    assert b"Auto-Submitted" not in server.taken[0][2]


@pytest.mark.parametrize("broken", ["\r\nBcc: all@shop.example", "\nBcc: x@y.example", "\u2028Bcc: x", "\x00\x1b[0m"])
async def test_no_header_can_be_injected(server: FaultyServer, broken: str) -> None:
    mail = replace(
        MAIL,
        subject=f"Hello{broken}",
        sender_name=f"Shop{broken}",
        message_id=f"t1{broken}@shop.example",
        headers={"List-Unsubscribe": f"<https://shop.example/u>{broken}"},
    )
    await send(server, mail)
    parsed = message_from_bytes(server.taken[0][2], policy=default)
    assert parsed["Bcc"] is None and len(parsed.get_all("To", [])) == 1
    assert "\n" not in parsed["Subject"] and "\x1b" not in parsed["Subject"]


@pytest.mark.parametrize(
    "address",
    ["", "ana", "@shop.example", "ana@", "a b@shop.example", "ana@shop.example>\r\nRCPT TO:<x@y.example", "a@b@c", "a..b@c.example", "ana@shop.example,x@y.example", "анна@shop.example", "a" * 250 + "@x.example"],
)  # fmt: skip
async def test_an_invalid_address_is_refused_before_anything_is_sent(server: FaultyServer, address: str) -> None:
    result = await send(server, replace(MAIL, recipient=address))
    assert isinstance(result, Rejected) and result.verdict is Verdict.FAIL
    assert not server.lines
    with pytest.raises(Refused):
        mails.address(address)


async def test_a_domain_in_another_script_is_sent_in_ascii(server: FaultyServer) -> None:
    await send(server, replace(MAIL, recipient="ana@żółw.example"))
    assert server.taken[0][1] == "ana@xn--w-uga1v8h.example"


# --- refused mails ----------------------------------------------------------------------------------

REFUSALS = [
    ("rcpt", "550 5.1.1 <ana@customer.example>: no such user", Verdict.INVALID),
    ("rcpt", "550 5.1.10 null MX", Verdict.INVALID),
    ("rcpt", "550 User unknown", Verdict.INVALID),
    ("rcpt", "552 5.2.2 mailbox full", Verdict.FAIL),
    ("rcpt", "550 5.7.1 blocked by policy", Verdict.FAIL),
    ("rcpt", "550 not here", Verdict.FAIL),
    ("rcpt", "450 4.2.0 greylisted", Verdict.RETRY),
    ("rcpt", "451 try again", Verdict.RETRY),
    ("rcpt", "452 4.5.3 too many recipients", Verdict.RETRY),
    ("rcpt", "550 4.7.1 later, in spite of the number", Verdict.RETRY),
    ("data", "554 5.7.1 looks like spam", Verdict.FAIL),
    ("data", "421 4.3.0 going down", Verdict.RETRY),
    ("dot", "554 5.6.0 bad content", Verdict.FAIL),
    ("dot", "421 4.3.2 going down", Verdict.RETRY),
    ("dot", "451 4.3.0 no space", Verdict.RETRY),
    ("mail", "553 5.7.1 this sender is not yours", Verdict.STOP_ALL),
    ("mail", "550 5.1.8 bad sender's domain", Verdict.STOP_ALL),
    ("mail", "530 authentication required", Verdict.STOP_ALL),
    ("mail", "552 5.3.4 too large", Verdict.FAIL),
    ("mail", "451 4.7.0 later", Verdict.RETRY),
    ("banner", "554 no service here", Verdict.RETRY),
    ("banner", "421 too busy", Verdict.RETRY),
]


@pytest.mark.parametrize(("step", "reply", "verdict"), REFUSALS)
async def test_a_refusal_means_not_sent_and_has_a_verdict(
    server: FaultyServer, step: str, reply: str, verdict: Verdict
) -> None:
    server.responds(step, reply)
    result = await send(server)
    assert isinstance(result, Rejected) and result.verdict is verdict and result.code == int(reply[:3])
    assert "ana@" not in result.message and not server.taken


async def test_the_connection_stays_usable_after_a_refused_mail(server: FaultyServer) -> None:
    server.responds("rcpt", "550 5.1.1 no such user")
    channel = channel_to(server)
    assert isinstance(await channel.send(MAIL), Rejected)
    assert isinstance(await channel.send(MAIL), Accepted)
    await channel.close()
    assert len(server.connections) == 1 and server.lines[-1] == "QUIT"


# --- unclear mails ----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["banner", "ehlo", "mail", "rcpt", "data", "content"])
@pytest.mark.parametrize("fault", [HANG, RESET])
async def test_a_fault_before_the_dot_means_not_sent(server: FaultyServer, step: str, fault: str) -> None:
    server.responds(step, fault)
    mail = replace(MAIL, text=LONG) if (step, fault) == ("content", HANG) else MAIL
    result = await send(server, mail)
    # A short mail and its dot may be written before the reset is seen.
    assert isinstance(result, NotSent) or (isinstance(result, Unclear) and (step, fault) == ("content", RESET))
    assert not server.taken


async def test_a_reset_within_a_long_mail_means_not_sent(server: FaultyServer) -> None:
    server.responds("content", RESET)
    assert isinstance(await send(server, replace(MAIL, text=LONG)), NotSent)


@pytest.mark.parametrize("fault", [HANG, RESET])
async def test_a_fault_after_the_dot_makes_the_mail_unclear(server: FaultyServer, fault: str) -> None:
    server.responds("dot", fault)
    result = await send(server)
    assert isinstance(result, Unclear) and "whole mail" in result.message
    assert len(server.taken) == 1


async def test_a_server_that_does_not_listen_means_not_sent() -> None:
    async with mail_server() as server:
        pass
    assert isinstance(await send(server), NotSent)


async def test_the_same_mail_has_the_same_message_id_at_each_attempt(server: FaultyServer) -> None:
    server.responds("dot", "451 4.3.0 later")
    await send(server)
    await send(server)
    assert message_from_bytes(server.taken[0][2])["Message-ID"] == "<t1.abc@shop.example>"


# --- encryption and sign-in -------------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [False, True])
async def test_the_connection_is_encrypted_before_the_password_is_sent(tmp_path: Path, wrapped: bool) -> None:
    server_context, client_context = certificates(tmp_path)
    async with mail_server(server_context, wrapped=wrapped) as server:
        server.extensions += ("AUTH PLAIN",)
        options: Any = {"security": "tls" if wrapped else "starttls", "user": "shop", "password": PASSWORD}
        assert isinstance(await send(server, context=client_context, **options), Accepted)
        verbs = [line.split(" ")[0] for line in server.lines]
        assert verbs[verbs.index("AUTH") - 1] == "EHLO" and (wrapped or verbs[:2] == ["EHLO", "STARTTLS"])


async def test_nothing_is_sent_without_the_configured_encryption(server: FaultyServer) -> None:
    server.extensions += ("AUTH PLAIN",)
    result = await send(server, security="starttls", user="shop", password=PASSWORD)
    assert isinstance(result, NotSent) and "STARTTLS" in result.message
    assert [line.split(" ")[0] for line in server.lines] == ["EHLO"]


async def test_a_certificate_for_another_name_or_from_another_authority_is_refused(tmp_path: Path) -> None:
    server_context, other = certificates(tmp_path, "another.example")
    for context in (other, ssl.create_default_context()):
        async with mail_server(server_context) as server:
            result = await send(server, security="starttls", context=context)
            assert isinstance(result, NotSent) and "certificate" in result.message and not server.taken


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [(f"535 5.7.8 {PASSWORD} is wrong", Verdict.STOP_ALL), ("454 4.7.0 later", Verdict.RETRY)],
)
async def test_the_error_of_a_refused_sign_in_contains_no_password(
    server: FaultyServer, reply: str, verdict: Verdict
) -> None:
    server.extensions += ("AUTH PLAIN",)
    server.responds("auth", reply)
    channel = channel_to(server, user="shop", password=PASSWORD)
    result = await channel.send(MAIL)
    assert isinstance(result, Rejected) and result.verdict is verdict
    assert PASSWORD not in repr(result) + repr(channel._server)
    assert "MAIL" not in {line.split(" ")[0] for line in server.lines}


async def test_a_check_returns_the_problem_and_sends_nothing(server: FaultyServer) -> None:
    channel = channel_to(server)
    assert await channel.check() == ""
    server.responds("banner", "554 go away")
    assert "554" in await channel.check()
    assert "MAIL" not in {line.split(" ")[0] for line in server.lines}


# --- connections ------------------------------------------------------------------------------------


async def test_connections_are_kept_and_a_closed_connection_causes_no_second_mail(server: FaultyServer) -> None:
    channel = channel_to(server)
    for _ in range(3):
        assert isinstance(await channel.send(MAIL), Accepted)
    assert dict(server.connections) == {1: 3}
    server.responds("mail", "421 4.4.2 idle for too long")
    assert isinstance(await channel.send(MAIL), Accepted)
    server.drop_all()
    assert isinstance(await channel.send(MAIL), Accepted)
    await channel.close()
    assert len(server.taken) == 5 and len(server.connections) == 3


async def test_an_old_connection_and_one_with_many_mails_are_closed(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "MAILS_PER_CONNECTION", 2)
    channel = channel_to(server)
    for _ in range(3):
        await channel.send(MAIL)
    assert dict(server.connections) == {1: 2, 2: 1}
    monkeypatch.setattr(smtp, "IDLE_S", 0.0)
    await channel.send(MAIL)
    await channel.close()
    assert len(server.connections) == 3


async def test_a_campaign_leaves_connections_for_urgent_mail(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CONNECT_S", "COMMAND_S", "FINAL_S", "TOTAL_S"):  # a busy machine must not end the sends
        monkeypatch.setattr(smtp, name, 120.0)
    server.hold = asyncio.Event()
    channel = channel_to(server)
    slow = replace(MAIL, urgent=False)
    campaign = [asyncio.create_task(channel.send(slow)) for _ in range(smtp.CONNECTIONS + 5)]
    await server.until(lambda: server.open == smtp.CONNECTIONS - smtp.RESERVED)
    urgent = asyncio.create_task(channel.send(MAIL))
    await server.until(lambda: server.open == smtp.CONNECTIONS - smtp.RESERVED + 1)
    server.hold.set()
    assert isinstance(await urgent, Accepted)
    assert [sent for sent in await asyncio.gather(*campaign) if not isinstance(sent, Accepted)] == []
    assert server.most_open == smtp.CONNECTIONS - smtp.RESERVED + 1
    await channel.close()


async def test_the_connection_of_a_cancelled_send_is_not_used_again(server: FaultyServer) -> None:
    server.hold = asyncio.Event()
    channel = channel_to(server)
    sending = asyncio.create_task(channel.send(MAIL))
    await server.until(lambda: "DATA" in server.lines)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert channel._idle == [] and channel._places._value == smtp.CONNECTIONS
    server.hold.set()
    assert isinstance(await channel.send(MAIL), Accepted)
    await channel.close()
