"""The widget's settings: one document in the `settings` table, read through a short cache."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.audit import record
from server.accounts.rules import Agent
from server.inbox.rules import clean_line, clean_text
from server.kernel.context import App
from server.kernel.sql import Conn, Statement, Tx
from server.schema import settings as settings_table
from server.schema import sites_seen

TOPIC = "settings"
CACHE_S = 3.0
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
            raise ValueError("must be a full address that begins with https://")
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
    """`https://shop.example` from what an owner types. Raises `ValueError` with a sentence."""
    site = site.strip().lower()
    if "://" not in site:
        site = "https://" + site
    try:
        parts = urlsplit(site)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"{site[:60]!r} is not a site: write it like https://shop.example.com") from None
    if parts.scheme not in ("http", "https") or not re.fullmatch(r"[a-z0-9.\-]+|\[[0-9a-f:]+\]", host):
        raise ValueError(f"{site[:60]!r} is not a site: write it like https://shop.example.com")
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")


_GET = Statement(select(settings_table.c.value).where(settings_table.c.name == bindparam("name")))
_put = insert(settings_table).values(name=bindparam("name"), value=bindparam("value"), updated_at=bindparam("now"))
_PUT = Statement(
    _put.on_conflict_do_update(
        index_elements=["name"], set_={"value": _put.excluded.value, "updated_at": _put.excluded.updated_at}
    )
)


def load(conn: Conn) -> WidgetSettings:
    stored = conn.value(_GET, name="widget")
    return WidgetSettings.model_validate(stored or {})


def save(tx: Tx, wanted: WidgetSettings) -> WidgetSettings:
    tx.run(_PUT, name="widget", value=wanted.model_dump(), now=tx.now)
    tx.ring(TOPIC)
    return wanted


def change(tx: Tx, agent: Agent, wanted: WidgetSettings, address: str) -> WidgetSettings:
    """As `save`, by a person: the audit log tells which of the settings they changed."""
    before = load(tx)
    changed = sorted(name for name, value in wanted.model_dump().items() if value != getattr(before, name))
    if changed:
        record(tx, agent.id, "widget_changed", "", address, settings=changed)
    return save(tx, wanted)


class Cached:
    """The settings as of at most three seconds ago; a doorbell makes it look again at once."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._value: WidgetSettings | None = None
        self._until = 0.0
        app.bus.watch(TOPIC, self)

    @property
    def latest(self) -> WidgetSettings:
        """As last looked at; `get` was awaited before, when the caller's connection began."""
        return self._value or WidgetSettings()

    def heard(self, topic: str, hint: Any) -> None:
        self._until = 0.0

    def whispered(self, topic: str, payload: dict[str, Any]) -> None: ...

    async def get(self) -> WidgetSettings:
        now = self._app.clock.monotonic()
        if self._value is None or now >= self._until:
            self._until = now + CACHE_S
            self._value = await self._app.read(load)
        return self._value


def cached(app: App) -> Cached:
    found = app.parts.get("widget_settings")
    if found is None:
        found = app.parts["widget_settings"] = Cached(app)
    assert isinstance(found, Cached)
    return found


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
