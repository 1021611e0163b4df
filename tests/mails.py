"""A mail server for tests of what the product mails, and a reader of its mails."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from server.app import COMPOSERS
from server.channels.base import Accepted, Sent
from server.channels.mail import Mail, MailServer
from server.delivery import mail
from server.delivery.mail_settings import MailSettings
from server.delivery.pump import MailPump
from server.kernel.context import App

SETTINGS = MailSettings(mail_on=True, host="mail.example", from_address="care@shop.example", from_name="Shop")


@dataclass
class FakeServer:
    """Accepts every mail after it has given the prepared `answers`."""

    mails: list[Mail] = field(default_factory=list)
    answers: deque[Any] = field(default_factory=deque)
    servers: list[MailServer] = field(default_factory=list)
    closed: int = 0

    async def send(self, message: Mail) -> Sent:
        self.mails.append(message)
        answer = self.answers.popleft() if self.answers else Accepted(message.message_id, "accepted")
        return await answer(message) if callable(answer) else answer  # type: ignore[no-any-return]

    async def check(self) -> str:
        return ""

    async def close(self) -> None:
        self.closed += 1


async def connect_mail_server(app: App) -> FakeServer:
    """Saves mail settings and connects a fake mail server; the product's own composers write the mail."""
    fake = FakeServer()
    await app.part(MailPump).close()
    app.register(MailPump(app, lambda server: fake, COMPOSERS))
    await app.write(mail.configure, SETTINGS)
    return fake


def token_in(message: Mail) -> str:
    """The token of the link in a mail, which text and HTML both contain."""
    [token] = {match for body in (message.text, message.html) for match in re.findall(r"#([\w-]{20,})", body)}
    assert token in message.text and token in message.html
    return token
