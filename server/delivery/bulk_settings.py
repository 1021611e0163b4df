"""The settings of campaigns: the document "campaigns"."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from server.kernel.documents import Document


class CampaignSettings(BaseModel):
    """Hours of Smart Sending by kind (SMA-1, SMA-2), limits of a send, and how long a reply or click is credited."""

    model_config = ConfigDict(extra="ignore")

    smart_campaign_hours: int = Field(24, ge=1, le=24 * 30)
    smart_flow_hours: int = Field(24, ge=1, le=24 * 30)
    time_limit_hours: int = Field(4, ge=1, le=48)  # CAM-48
    pause_at_failed_percent: int = Field(20, ge=1, le=100)  # of at least `campaigns.rules.MIN_OUTCOMES`
    attribution_hours: int = Field(24, ge=1, le=24 * 30)  # OUT-7

    def smart_hours(self, kind: str) -> int:
        return self.smart_flow_hours if kind == "flow" else self.smart_campaign_hours


CAMPAIGNS: Document[CampaignSettings] = Document("campaigns", CampaignSettings)
