"""Settings of mail: the server with its sealed password, and the sender's addresses."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, Field

from server.channels.mail import MailServer, Security
from server.kernel.context import App
from server.kernel.documents import Document
from server.kernel.sealing import PURPOSE, Unsealable, seal, unseal
from server.kernel.sql import Tx


class MailSettings(BaseModel):
    """The document "mail". `password_sealed` holds ciphertext and is never returned."""

    mail_on: bool = False
    host: str = ""
    port: int = Field(587, ge=1, le=65_535)
    security: Security = "starttls"
    user: str = ""
    password_sealed: str = ""
    from_address: str = ""
    from_name: str = ""
    reply_to: str = ""
    return_path: str = ""  # receives bounces as "name+id@domain"; empty: bounces go to From
    stopped: str = ""  # why mail was stopped automatically: the server refused the sign-in or the sender

    @property
    def usable(self) -> bool:
        return bool(self.mail_on and self.host and self.from_address and not self.stopped)


MAIL: Document[MailSettings] = Document("mail", MailSettings)
MAIL_LOCK = "mail:account"  # locked while the server is changed or its refusal of the account is handled


def server(document: MailSettings, key: bytes) -> MailServer:
    """The server with its password unsealed, in memory only. A password that was sealed with another key counts as
    missing."""
    try:
        password = unseal(key, document.password_sealed)
    except Unsealable:
        password = ""
    name = document.from_address.rpartition("@")[2] or "localhost"
    return MailServer(document.host, document.port, document.security, document.user, password, name)


def server_in(tx: Tx) -> MailServer:
    """Returns the result of `server` inside a transaction."""
    return server(MAIL.load(tx), tx.key(PURPOSE))


@dataclass(frozen=True, slots=True)
class _Unsealed:
    """The server from one version of the document; None: mail cannot be sent."""

    document: MailSettings
    server: MailServer | None


async def current(app: App) -> MailServer | None:
    """The server, at most three seconds old; None while mail is off or stopped. Unsealed once per change."""
    document = await MAIL.latest(app)
    if not app.has(_Unsealed) or app.part(_Unsealed).document is not document:
        unsealed = server(document, app.key(PURPOSE)) if document.usable else None
        app.register(_Unsealed(document, unsealed))
    return app.part(_Unsealed).server


def save(tx: Tx, new_settings: MailSettings, password: str | None = None) -> MailSettings:
    """Stores the settings. `password`: None keeps the stored password, "" deletes it. Stopped mail is sent again."""
    tx.lock_names(MAIL_LOCK)
    sealed = MAIL.load(tx).password_sealed if password is None else seal(tx.key(PURPOSE), password)
    return MAIL.save(tx, new_settings.model_copy(update={"password_sealed": sealed, "stopped": ""}))
