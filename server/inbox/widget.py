"""The widget's settings, and where it was met."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.audit import settings_changed
from server.accounts.rules import Agent
from server.inbox.rules import clean_line, clean_text
from server.kernel.documents import Document, unfit
from server.kernel.sql import Statement, Tx
from server.schema import sites_seen

LANGUAGES = ("en", "ko", "pl", "ru")


class WidgetSettings(BaseModel):
    """Settings → Chat widget. Nothing may embed the widget but the sites listed (deny by default)."""

    model_config = ConfigDict(extra="ignore")

    brand: str = Field("Support", max_length=60)
    color: str = Field("#4263eb", pattern=r"^#[0-9a-fA-F]{6}$")
    position: Literal["right", "left"] = "right"
    language: Literal["en", "ko", "pl", "ru"] = "en"
    welcome_on: bool = True
    welcome: str = Field("Hi! How can we help?", max_length=500)
    ask_email: bool = True
    privacy_url: str = Field("", max_length=500)
    terms_url: str = Field("", max_length=500)
    visitor_files: bool = False
    signed_in_only: bool = False
    sites: list[str] = Field(default_factory=list, max_length=50)

    @field_validator("brand")
    @classmethod
    def _brand(cls, value: str) -> str:
        return clean_line(value, 60) or "Support"

    @field_validator("welcome")
    @classmethod
    def _welcome(cls, value: str) -> str:
        return clean_text(value).strip()

    @field_validator("privacy_url", "terms_url")
    @classmethod
    def _link(cls, value: str) -> str:
        value = value.strip()
        if value and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise unfit("bad_address", "Write the full address; it begins with https://.")
        return value

    @field_validator("sites")
    @classmethod
    def _sites(cls, value: list[str]) -> list[str]:
        return sorted({site_origin(site) for site in value if site.strip()})

    def public(self) -> dict[str, Any]:
        """What the widget is told: `WidgetConfig` of live/frames.py."""
        shown = self.model_dump(exclude={"sites", "welcome_on"})
        shown["welcome"] = self.welcome if self.welcome_on else ""
        return shown


def site_origin(site: str) -> str:
    """`https://shop.example` from what an owner types. Raises `unfit`."""
    site = site.strip().lower()
    if "://" not in site:
        site = "https://" + site
    try:
        parts = urlsplit(site)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise unfit("bad_site", f"{site[:60]!r} is not a site: write it like https://shop.example.com.") from None
    if parts.scheme not in ("http", "https") or not re.fullmatch(r"[a-z0-9.\-]+|\[[0-9a-f:]+\]", host):
        raise unfit("bad_site", f"{site[:60]!r} is not a site: write it like https://shop.example.com.")
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")


WIDGET = Document("widget", WidgetSettings)
load, save, cached = WIDGET.load, WIDGET.save, WIDGET.cached


def change(tx: Tx, agent: Agent, wanted: WidgetSettings, address: str) -> WidgetSettings:
    return settings_changed(tx, agent, WIDGET, wanted, address)


_put_site = insert(sites_seen).values(
    origin=bindparam("origin"), page=bindparam("page"), first_seen=bindparam("now"), last_seen=bindparam("now")
)


_SAW_SITE = Statement(
    _put_site.on_conflict_do_update(
        index_elements=["origin"], set_={"page": _put_site.excluded.page, "last_seen": _put_site.excluded.last_seen}
    )
)


def saw_site(tx: Tx, origin: str, page: str) -> None:
    """The widget was met on a configured site: the "we saw it" of Settings."""
    tx.run(_SAW_SITE, origin=origin, page=page, now=tx.now)
