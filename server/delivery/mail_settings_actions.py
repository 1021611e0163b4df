"""Changes the settings of mail in two parts, and records each change without secrets in the audit log.

The server belongs to those who may see secrets; the sender's addresses to those who set up channels. Each part has its
own version, so that saving one does not make an open form of the other stale.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from server.accounts.rules import Agent
from server.audit import versions
from server.audit.actions import settings_changed
from server.audit.versions import Versioned
from server.channels.mail import address, one_line
from server.delivery import actions
from server.delivery.mail_settings import MAIL, MAIL_LOCK, MailSettings
from server.errors import Refused, all_of
from server.kernel.sealing import PURPOSE, seal
from server.kernel.sql import Conn, Tx

SERVER = ("mail_on", "host", "port", "security", "user")
SENDER = ("from_address", "from_name", "reply_to", "return_path")
# Characters of a return path before the @: "+", the message's id and its signature follow, and RFC 5321 allows 64.
MAX_RETURN_LOCAL = 30

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")

Shown = Callable[[MailSettings], dict[str, Any]]


def load_server(conn: Conn) -> Versioned[MailSettings]:
    return _versioned(conn, _server_values)


def load_sender(conn: Conn) -> Versioned[MailSettings]:
    return _versioned(conn, _sender_values)


def change_server(
    tx: Tx,
    agent: Agent,
    values: dict[str, Any],
    password: str | None,
    version: str | None,
    shown: Shown,
    client_address: str,
) -> Versioned[MailSettings]:
    """`password`: None keeps the stored password, "" deletes it. `shown`: the document as GET answers it. Mail that was
    stopped is sent again. Raises `Conflict` "stale_version", and `Refused` with a fault for each invalid field."""
    before = _check(tx, version, _server_values, shown)
    values = dict(values)
    values["host"] = values["host"].strip()
    values["user"] = values["user"].strip()
    checks = [
        lambda: _check_host(values["host"], values["mail_on"]),
        lambda: _check_credential("user", values["user"]),
        lambda: _check_credential("password", password or ""),
        lambda: _check_from(before.from_address, values["mail_on"]),
    ]
    values["host"] = all_of(*checks)[0]
    sealed = before.password_sealed if password is None else seal(tx.key(PURPOSE), password)
    _save(tx, agent, before, {**values, "password_sealed": sealed}, client_address)
    return load_server(tx)


def change_sender(
    tx: Tx, agent: Agent, values: dict[str, str], version: str | None, shown: Shown, client_address: str
) -> Versioned[MailSettings]:
    """Raises as `change_server` does."""
    before = _check(tx, version, _sender_values, shown)
    from_address, reply_to, return_path = all_of(
        lambda: _normal_address("from_address", values["from_address"]),
        lambda: _normal_address("reply_to", values["reply_to"]),
        lambda: _return_path(values["return_path"]),
    )
    if before.mail_on and not from_address:
        raise Refused("from_missing", "While e-mail is on, it needs a From address.", field="from_address")
    changed = {
        "from_address": from_address,
        "from_name": one_line(values["from_name"]),
        "reply_to": reply_to,
        "return_path": return_path,
    }
    _save(tx, agent, before, changed, client_address)
    return load_sender(tx)


def _server_values(document: MailSettings) -> dict[str, Any]:
    return document.model_dump(mode="json", include={*SERVER, "password_sealed"})


def _sender_values(document: MailSettings) -> dict[str, Any]:
    return document.model_dump(mode="json", include=set(SENDER))


def _versioned(conn: Conn, part: Callable[[MailSettings], dict[str, Any]]) -> Versioned[MailSettings]:
    document = MAIL.load(conn)
    return Versioned(document, versions.version_of(conn, (MAIL.name,), part(document)))


def _check(tx: Tx, version: str | None, part: Callable[[MailSettings], dict[str, Any]], shown: Shown) -> MailSettings:
    tx.lock_names(MAIL_LOCK)
    before = MAIL.load(tx)
    versions.check(tx, version, (MAIL.name,), part(before), shown(before))
    return before


def _save(tx: Tx, agent: Agent, before: MailSettings, values: dict[str, Any], client_address: str) -> None:
    document = MailSettings.model_validate({**before.model_dump(), **values})
    settings_changed(tx, agent.id, MAIL, document, client_address)
    if before.stopped:
        MAIL.save(tx, document.model_copy(update={"stopped": ""}))
    actions.wake_pump(tx, tx.now, "email")


# --- checks of the input ----------------------------------------------------------------------------


def host_name(text: str) -> str | None:
    """A host name in ASCII and lower case, or an IP address; None if it is neither."""
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    try:
        name = text.encode("idna").decode().lower().removesuffix(".")
    except UnicodeError:
        return None
    valid = 0 < len(name) <= 253 and all(_LABEL.fullmatch(label) for label in name.split("."))
    return name if valid else None


def _check_host(text: str, needed: bool) -> str:
    if not text:
        if needed:
            raise Refused("host_missing", "Enter the mail server before you switch e-mail on.", field="host")
        return ""
    host = host_name(text)
    if host is None:
        raise Refused("bad_host", "Enter a host name without port, like smtp.example.com.", field="host")
    return host


def _check_credential(field: str, text: str) -> str:
    """A NUL would end the user name or password inside SMTP's sign-in, and no server accepts a line break."""
    if _CONTROL.search(text):
        raise Refused("control_character", "This contains a line break or a control character.", field=field)
    return text


def _check_from(from_address: str, needed: bool) -> str:
    if needed and not from_address:
        raise Refused("from_missing", "Enter the From address before you switch e-mail on.", field="mail_on")
    return from_address


def _normal_address(field: str, text: str) -> str:
    """The address with its domain in ASCII; "" stays empty."""
    text = text.strip()
    if not text:
        return ""
    try:
        return "@".join(address(text))
    except Refused as refused:
        raise Refused("bad_email", refused.message, field=field) from None


def _return_path(text: str) -> str:
    normal = _normal_address("return_path", text)
    if len(normal.rpartition("@")[0]) > MAX_RETURN_LOCAL:
        raise Refused(
            "long",
            f"Use at most {MAX_RETURN_LOCAL} characters before the @, because the number of each mail is added.",
            field="return_path",
            params={"max": MAX_RETURN_LOCAL},
        )
    return normal
