"""The demo's mail server stores exactly the bytes that the product's mail channel sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from server.channels import mail as mails
from server.channels import smtp
from server.channels.base import Accepted
from server.channels.mail import MailServer
from server.channels.smtp import SmtpChannel
from server.simulator import mail as simulator
from server.simulator.mail import Catcher
from tests.channels.test_smtp import MAIL
from tests.world import World, open_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
async def catcher(world: World) -> AsyncIterator[Catcher]:
    mail_catcher = Catcher(world.app)
    await mail_catcher.start()
    yield mail_catcher
    await mail_catcher.close()


async def send(catcher: Catcher, *wanted: Any) -> list[Any]:
    channel = SmtpChannel(MailServer(simulator.HOST, catcher.port, "plain"))
    try:
        return [await channel.send(message) for message in wanted]
    finally:
        await channel.close()


async def test_a_mail_is_stored_as_it_was_sent_and_can_be_read(
    catcher: Catcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "Grüße aus Łódź\n.\n..dots\n"
    built = mails.build(replace(MAIL, text=text))
    monkeypatch.setattr(smtp, "build", lambda mail: built)  # boundaries of parts are random
    assert isinstance((await send(catcher, MAIL))[0], Accepted)
    [caught] = catcher.mails
    assert caught.content == built and catcher.find(caught.id) is caught
    assert (caught.sender, caught.recipient) == (MAIL.return_path, MAIL.recipient)
    parsed: Any = message_from_bytes(caught.content, policy=default)
    assert parsed.get_body(("plain",)).get_content().replace("\r\n", "\n") == text


async def test_mails_survive_a_restart_and_can_be_deleted(world: World, catcher: Catcher) -> None:
    await send(catcher, MAIL, replace(MAIL, recipient="ben@customer.example"))
    await catcher.close()
    restarted = Catcher(world.app)
    await restarted.start()
    assert restarted.mails == catcher.mails and len(restarted.mails) == 2
    await send(restarted, MAIL)
    assert [message.id for message in restarted.mails] == [1, 2, 3]
    await restarted.clear()
    await restarted.close()
    assert not list((world.app.settings.data_dir / "simulated-mail").iterdir())


async def test_only_the_newest_mails_are_kept(catcher: Catcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator, "MAX_MAILS", 2)
    await send(catcher, *[replace(MAIL, subject=str(n)) for n in range(4)])
    assert [message_from_bytes(message.content)["Subject"] for message in catcher.mails] == ["2", "3"]


@pytest.mark.parametrize("sent", [b"", b"\x00\xff\xfe\r\n", b"DATA\r\n", b"MAIL FROM:<a\r\nRCPT TO:<../../x>\r\nDATA\r\nhalf", b"x" * 70_000])  # fmt: skip
async def test_invalid_commands_store_nothing_and_the_server_keeps_running(catcher: Catcher, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection(simulator.HOST, catcher.port)
    writer.write(sent)
    writer.write_eof()
    await reader.read()
    writer.close()
    assert catcher.mails == []
    assert isinstance((await send(catcher, MAIL))[0], Accepted)
