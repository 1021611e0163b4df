"""Models of the responses about campaigns, for the API's description."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from server.campaigns.content import Content
from server.delivery.bulk_settings import CampaignSettings


class GroupsOut(BaseModel):
    """Ids of lists and segments."""

    lists: list[int]
    segments: list[int]


class ReasonCount(BaseModel):
    """`message`: the reason in words; "" for a state without a reason."""

    state: str
    reason: str
    message: str
    people: int


class CampaignOut(BaseModel):
    """`audience`: everybody with a receipt. `counts`: the receipts by state and reason; their sum is `audience`.

    `review`: the result or the progress of the review of this version; null: it has none.
    """

    id: int
    name: str
    state: str
    reason: str
    include: GroupsOut
    exclude: GroupsOut
    group_names: dict[str, dict[int, str]]
    content: Content
    smart: str
    audience_at: str
    time_zone: str
    scheduled_at: str | None
    started_at: str | None
    ends_at: str | None
    finished_at: str | None
    created_at: str
    changed_at: str
    version: str
    review: dict[str, Any] | None
    audience: int
    counts: list[ReasonCount]
    clicked: int
    replied: int


class OneCampaign(BaseModel):
    campaign: CampaignOut


class CampaignLine(BaseModel):
    """A campaign in the list. `counts`: people by state of their receipt."""

    id: int
    name: str
    state: str
    reason: str
    scheduled_at: str | None
    started_at: str | None
    finished_at: str | None
    changed_at: str
    counts: dict[str, int]
    clicked: int
    replied: int


class CampaignPage(BaseModel):
    campaigns: list[CampaignLine]
    before: str | None
    after: str | None


class ReceiptOut(BaseModel):
    """`message`: the reason in words. `detail`: the value that decided. `reply`: the text that is credited to it."""

    id: int
    contact: int
    name: str
    address: str
    country: str
    state: str
    reason: str
    message: str
    detail: str
    outbound: int | None
    at: str
    sent_at: str | None
    clicks: int
    replied_at: str | None
    reply_thread: int | None
    reply_seq: int | None


class ReceiptPage(BaseModel):
    receipts: list[ReceiptOut]
    before: str | None
    after: str | None


class PreviewOut(BaseModel):
    """The text as this person gets it. `special`: characters that make the text longer."""

    text: str
    characters: int
    segments: int
    encoding: str
    special: list[str]
    credits: int
    country: str


class QueuedTest(BaseModel):
    outbound: int


class VersionedCampaignSettings(CampaignSettings):
    version: str
