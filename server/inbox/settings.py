"""Settings → Inbox.

`show_media.webchat` is the widget's setting `visitor_files`, shown and changed here by users who may configure the
widget (ROL-8).
"""

from __future__ import annotations

from server.accounts.rules import Agent, Can, may
from server.audit import versions
from server.audit.actions import settings_changed
from server.audit.versions import Versioned
from server.errors import Forbidden, Refused
from server.kernel.sql import Conn, Tx
from server.sms.settings import INBOX, InboxSettings
from server.webchat.settings import WIDGET


def load(conn: Conn) -> InboxSettings:
    """The inbox's settings, with `show_media.webchat` from the widget's."""
    settings = INBOX.load(conn)
    media = settings.show_media.model_copy(update={"webchat": WIDGET.load(conn).visitor_files})
    return settings.model_copy(update={"show_media": media})


DOCUMENTS = (INBOX.name, WIDGET.name)


def load_versioned(conn: Conn) -> Versioned[InboxSettings]:
    loaded = load(conn)
    return Versioned(loaded, versions.version_of(conn, DOCUMENTS, loaded.model_dump(mode="json")))


def change(
    tx: Tx, agent: Agent, settings: InboxSettings, version: str | None, address: str
) -> Versioned[InboxSettings]:
    """Saves the inbox's and the widget's settings; the audit log names the changed fields. Raises `Conflict`
    "stale_version".

    A missing `show_media.webchat` leaves the widget's setting unchanged. Raises `Refused` if the automatic answer is on
    and empty, and `Forbidden` if the agent changes the widget's setting without the permission.
    """
    if settings.auto_response_on and not settings.auto_response:
        raise Refused("invalid", "Write the auto-response, or turn it off.", field="auto_response", fault="required")
    versions.lock(tx, *DOCUMENTS)
    current = load(tx).model_dump(mode="json")
    versions.check(tx, version, DOCUMENTS, current, current)
    chat = WIDGET.load(tx)
    if "webchat" in settings.show_media.model_fields_set and chat.visitor_files != settings.show_media.webchat:
        if not may(agent, Can.CHANNELS):
            raise Forbidden("Only the owner, admins and managers can change whether visitors may send files.")
        settings_changed(
            tx,
            agent.id,
            WIDGET,
            chat.model_copy(update={"visitor_files": settings.show_media.webchat}),
            address,
        )
    stored_media = settings.show_media.model_copy(update={"webchat": False})
    settings_changed(tx, agent.id, INBOX, settings.model_copy(update={"show_media": stored_media}), address)
    return load_versioned(tx)
