"""The test mail: queued like all other mail, so that it tests the real way of sending."""

from __future__ import annotations

import asyncio

from server.accounts.rules import required_email
from server.delivery import queries, rules
from server.delivery.mail import Composed, Mailing, MailRow, queue_mail
from server.delivery.mail_settings import MAIL
from server.delivery.queries import Outbound
from server.errors import Refused
from server.kernel.context import App
from server.kernel.sql import Conn, Tx

TEMPLATE = "mail.test"
POLL_S = 0.1

# Subject and text by language.
TEXTS = {
    "en": ("Test mail from Threadline", "This test mail arrived, so Threadline can send e-mail."),
    "ko": ("Threadline 테스트 메일", "이 테스트 메일이 도착했습니다. Threadline에서 이메일을 보낼 수 있습니다."),
    "pl": ("Wiadomość testowa z Threadline", "Ta wiadomość dotarła, więc Threadline może wysyłać e-maile."),
    "ru": ("Тестовое письмо от Threadline", "Это письмо дошло: Threadline может отправлять почту."),
}


def compose(tx: Tx, row: MailRow) -> Composed:
    subject, text = TEXTS[row.data.get("language", "en")]
    return Composed(subject, f"{text}\n")


def queue_test(tx: Tx, recipient: str, language: str = "en") -> int:
    """Queues a test mail and returns its id. Raises `Refused` if mail cannot be sent or the address is invalid."""
    document = MAIL.load(tx)
    if document.stopped:
        raise Refused("mail_stopped", f"E-mail was stopped: {document.stopped} Save the settings again to start it.")
    if not document.usable:
        raise Refused("mail_off", "E-mail is off. Set it up under Settings → E-mail first.")
    mailing = Mailing(
        key=f"test:{tx.token(12)}",
        kind="account",
        recipient=required_email(recipient),
        template=TEMPLATE,
        data={"language": language if language in TEXTS else "en"},
    )
    return queue_mail(tx, mailing).id


async def outcome(app: App, outbound: int, seconds: float) -> Outbound:
    """Waits until the mail has an outcome or was refused for now, at most `seconds`; returns its row."""

    def load(conn: Conn) -> Outbound:
        row = queries.by_id(conn, outbound)
        assert row is not None
        return row

    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        mail = await app.read(load)
        waits = mail.state in rules.UNFINISHED and not mail.reason
        if not waits or loop.time() >= until:
            return mail
        await asyncio.sleep(POLL_S)
