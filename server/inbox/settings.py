"""Settings → Inbox: what holds for everybody who answers (SPEC 2.6).

`INBOX` is the document. What stands in it for a channel that does not have it (SET-1) is not there: a field it has
not is ignored. Whether visitors may send files is the widget's switch; here it is shown and written as `show_media.webchat`,
by whoever may set the widget up (ROL-8).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from server.accounts.audit import settings_changed
from server.accounts.rules import Agent, Can, may
from server.delivery.segments import MAX_TEXT
from server.errors import Forbidden, Refused
from server.inbox import widget
from server.inbox.rules import clean_text
from server.kernel.documents import Document
from server.kernel.sql import Conn, Tx


class ShowMedia(BaseModel):
    """Are pictures and videos that customers send shown (AMB-6)? Stored they are in any case."""

    model_config = ConfigDict(extra="ignore")

    sms: bool = False
    webchat: bool = False


class InboxSettings(BaseModel):
    model_config = ConfigDict(extra="ignore")

    shorten_links: bool = True  # SMS (SET-2)
    # SMS: what a text without a keyword is answered with (SET-5..7). By default only who agreed to nothing, so that nobody
    # in a conversation gets a robot's answer to every question.
    auto_response_on: bool = False
    auto_response: str = Field("", max_length=MAX_TEXT)
    auto_response_to: Literal["non_consented", "all"] = "non_consented"
    show_media: ShowMedia = ShowMedia()
    unread_badge: bool = True  # INB-34

    @field_validator("auto_response")
    @classmethod
    def _text(cls, value: str) -> str:
        return clean_text(value).strip()


INBOX = Document("inbox", InboxSettings)


def load(conn: Conn) -> InboxSettings:
    """With the widget's switch in its place."""
    found = INBOX.load(conn)
    media = found.show_media.model_copy(update={"webchat": widget.load(conn).visitor_files})
    return found.model_copy(update={"show_media": media})


def change(tx: Tx, agent: Agent, wanted: InboxSettings, address: str) -> InboxSettings:
    """Saves both documents; the audit log names what changed.

    A `show_media.webchat` that does not stand there leaves the widget's switch as it is. Raises `Refused` for an answer
    without words, and `Forbidden` where somebody who may not set the widget up changes its switch.
    """
    if wanted.auto_response_on and not wanted.auto_response:
        raise Refused("invalid", "Write the automatic answer, or turn it off.", field="auto_response")
    chat = widget.load(tx)
    if "webchat" in wanted.show_media.model_fields_set and chat.visitor_files != wanted.show_media.webchat:
        if not may(agent, Can.CHANNELS):
            raise Forbidden("Whether visitors may send files is for the owner, admins and managers to change.")
        settings_changed(
            tx, agent, widget.WIDGET, chat.model_copy(update={"visitor_files": wanted.show_media.webchat}), address
        )
    kept = wanted.show_media.model_copy(update={"webchat": False})
    settings_changed(tx, agent, INBOX, wanted.model_copy(update={"show_media": kept}), address)
    return load(tx)
