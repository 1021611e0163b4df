"""The settings of the inbox: the `INBOX` document.

Settings a channel lacks are not stored; unknown fields are ignored.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from server.channels.mail import address, one_line
from server.delivery.segments import MAX_TEXT
from server.errors import Refused
from server.kernel.documents import STORED, Document, input_error
from server.text import clean_text


class ShowMedia(BaseModel):
    """Whether the desk shows pictures and videos of customers (AMB-6). They are stored in any case."""

    model_config = ConfigDict(extra="ignore")

    sms: bool = False
    webchat: bool = False


class TicketMail(BaseModel):
    """For tickets of which channels users may get e-mail about new and reopened tickets (SET-4). Each user chooses whether
    they want it."""

    model_config = ConfigDict(extra="ignore")

    sms: bool = True
    webchat: bool = True

    @property
    def channels(self) -> frozenset[str]:
        return frozenset(name for name, on in (("sms", self.sms), ("webchat", self.webchat)) if on)


class InboxSettings(BaseModel):
    model_config = ConfigDict(extra="ignore")

    shorten_links: bool = True  # SMS (SET-2)
    # SMS: the automatic reply to texts without a keyword (SET-5..7). By default only to contacts without consent, so that
    # it does not interrupt conversations.
    auto_response_on: bool = False
    auto_response: str = Field("", max_length=MAX_TEXT)
    auto_response_to: Literal["non_consented", "all"] = "non_consented"
    show_media: ShowMedia = ShowMedia()
    unread_badge: bool = True  # INB-34
    quick_replies_webchat: bool = False  # whether the composer offers quick replies in web chat, too (SET-8)
    ticket_mail: TicketMail = TicketMail()

    # Web chat: follow-up mail to visitors who left (FUP-1 to FUP-5); without `support_from` there is none.
    support_from: str = Field("", max_length=254)
    support_name: str = Field("", max_length=80)  # "": the brand's
    support_reply_to: str = Field("", max_length=254)  # "": as `support_from`
    follow_up_minutes: int = Field(3, ge=1, le=120)  # after the last reply (AMB-10)

    @field_validator("support_from", "support_reply_to")
    @classmethod
    def _address(cls, value: str, info: ValidationInfo) -> str:
        value = value.strip()
        if not value or info.context == STORED:
            return value
        try:
            return "@".join(address(value))
        except Refused as refused:
            raise input_error("bad_email", refused.message) from None

    @field_validator("support_name")
    @classmethod
    def _name(cls, value: str) -> str:
        return one_line(value)

    @field_validator("auto_response")
    @classmethod
    def _text(cls, value: str) -> str:
        return clean_text(value).strip()


INBOX = Document("inbox", InboxSettings)
