"""Settings → Inbox.

Two parts are stored with the widget: the welcome message, which everybody with the inbox may change, and
`show_media.webchat`, which is the widget's setting `visitor_files` and is changed here by users who may configure the
widget (ROL-8).
"""

from __future__ import annotations

from server.accounts.rules import Agent, Can, may
from server.audit import versions
from server.audit.actions import settings_changed
from server.audit.versions import Versioned
from server.errors import Forbidden, Refused
from server.kernel.sql import Conn, Row, Tx
from server.sms.settings import INBOX, InboxSettings
from server.webchat.settings import WIDGET, Welcome


class InboxForm(InboxSettings, Welcome):
    """All settings of Settings → Inbox, except the business hours and the quick replies."""


def load(conn: Conn) -> InboxForm:
    settings, chat = INBOX.load(conn), WIDGET.load(conn)
    media = settings.show_media.model_copy(update={"webchat": chat.visitor_files})
    welcome = {name: getattr(chat, name) for name in Welcome.model_fields}
    return InboxForm.model_construct(**{**dict(settings), "show_media": media, **welcome})


DOCUMENTS = (INBOX.name, WIDGET.name)


def load_versioned(conn: Conn) -> Versioned[InboxForm]:
    loaded = load(conn)
    return Versioned(loaded, versions.version_of(conn, DOCUMENTS, loaded.model_dump(mode="json")))


def change(tx: Tx, agent: Agent, settings: InboxForm, version: str | None, address: str) -> Versioned[InboxForm]:
    """Saves the inbox's and the widget's settings; the audit log names the changed fields. Raises `Conflict`
    "stale_version".

    A missing field of the widget's settings leaves it unchanged. Raises `Refused` if the automatic answer is on
    and empty, and `Forbidden` if the agent changes the widget's setting without the permission.
    """
    if settings.auto_response_on and not settings.auto_response:
        raise Refused("invalid", "Write the auto-response, or turn it off.", field="auto_response", fault="required")
    versions.lock(tx, *DOCUMENTS)
    current = load(tx).model_dump(mode="json")
    versions.check(tx, version, DOCUMENTS, current, current, _concerns)
    chat = WIDGET.load(tx)
    changed = {name: getattr(settings, name) for name in Welcome.model_fields if name in settings.model_fields_set}
    if "webchat" in settings.show_media.model_fields_set and chat.visitor_files != settings.show_media.webchat:
        if not may(agent, Can.CHANNELS):
            raise Forbidden("Only the owner, admins and managers can change whether visitors may send files.")
        changed["visitor_files"] = settings.show_media.webchat
    if any(value != getattr(chat, name) for name, value in changed.items()):
        settings_changed(tx, agent.id, WIDGET, chat.model_copy(update=changed), address)
    stored = {name: getattr(settings, name) for name in InboxSettings.model_fields}
    stored["show_media"] = settings.show_media.model_copy(update={"webchat": False})
    settings_changed(tx, agent.id, INBOX, InboxSettings.model_construct(**stored), address)
    return load_versioned(tx)


_IN_FORM = versions.changes_any_of(InboxForm)


def _concerns(line: Row) -> bool:
    """Whether an audit line changed something that the form shows; other lines of the widget did not."""
    return _IN_FORM(line) or "visitor_files" in line.detail.get("settings", [])
