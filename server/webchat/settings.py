"""The `WIDGET` document: Settings → Chat widget, and the welcome message, which Settings → Inbox shows."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from server import addresses
from server.accounts.rules import Agent
from server.audit import versions
from server.audit.actions import settings_changed
from server.audit.versions import Versioned
from server.kernel.documents import Document, input_error
from server.kernel.sql import Conn, Tx
from server.text import clean_line, clean_text

LANGUAGES = ("en", "ko", "pl", "ru")


class Welcome(BaseModel):
    """What the chat says before the first message (SET-9). Everybody with the inbox may change it."""

    model_config = ConfigDict(extra="ignore")

    welcome_on: bool = True
    welcome: str = Field("Hi! How can we help?", max_length=500)
    # Instead of `welcome` while nobody is online; "" shows none.
    welcome_away: str = Field("Hi! Leave us a message, and we will get back to you.", max_length=500)

    @field_validator("welcome", "welcome_away")
    @classmethod
    def _welcome(cls, value: str) -> str:
        return clean_text(value).strip()


class WidgetForm(BaseModel):
    """Settings → Chat widget. Only the listed sites may embed the widget."""

    model_config = ConfigDict(extra="ignore")

    brand: str = Field("Support", max_length=60)
    color: str = Field("#4263eb", pattern=r"^#[0-9a-fA-F]{6}$")
    position: Literal["right", "left"] = "right"
    scheme: Literal["visitor", "light", "dark", "page"] = "visitor"  # page: the language of the shop's page
    language: Literal["en", "ko", "pl", "ru"] = "en"
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

    @field_validator("privacy_url", "terms_url")
    @classmethod
    def _link(cls, value: str) -> str:
        value = value.strip()
        if value and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise input_error("bad_address", "Enter the full address, starting with https://.")
        return value

    @field_validator("sites")
    @classmethod
    def _sites(cls, value: list[str]) -> list[str]:
        return sorted({site_origin(site) for site in value if site.strip()})


class WidgetSettings(WidgetForm, Welcome):
    def public(self) -> dict[str, Any]:
        """The part that the widget receives: `WidgetConfig` of frames.py."""
        config = self.model_dump(exclude={"sites", "welcome_on"})
        return config | {"welcome": self.greeting(True), "welcome_away": self.greeting(False)}

    def greeting(self, online: bool) -> str:
        """What the chat says before the first message; "" for nothing. `online`: somebody of the team is online."""
        if not self.welcome_on:
            return ""
        return self.welcome if online else self.welcome_away


def site_origin(site: str) -> str:
    """`https://shop.example` from what an owner types. Raises `input_error`."""
    site = site.strip().lower()
    if "://" not in site:
        site = "https://" + site
    try:
        parts = urlsplit(site)
        host, port = parts.hostname or "", parts.port
        if parts.scheme not in ("http", "https"):
            raise ValueError
        if not re.fullmatch(r"[a-z0-9.\-]+", host):  # a plain host name is kept unchanged
            host = addresses.host(parts.netloc, host)
    except ValueError:
        raise input_error(
            "bad_site", f"{site[:60]!r} is not a site address. Enter it like https://shop.example.com."
        ) from None
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")


WIDGET = Document("widget", WidgetSettings)


def load_versioned(conn: Conn) -> Versioned[WidgetSettings]:
    """The widget's settings, with the version of those that its own page changes."""
    loaded = WIDGET.load(conn)
    return Versioned(loaded, versions.version_of(conn, (WIDGET.name,), _form(loaded)))


def change(
    tx: Tx, agent: Agent, new_settings: WidgetForm, version: str | None, address: str
) -> Versioned[WidgetSettings]:
    """Saves everything except the welcome message. Raises `Conflict` "stale_version"."""
    versions.lock(tx, WIDGET.name)
    current = WIDGET.load(tx)
    shown = current.model_dump(mode="json")
    versions.check(tx, version, (WIDGET.name,), _form(current), shown, versions.changes_any_of(WidgetForm))
    settings_changed(tx, agent.id, WIDGET, current.model_copy(update=_form(new_settings)), address)
    return load_versioned(tx)


def _form(settings: WidgetForm) -> dict[str, Any]:
    return settings.model_dump(mode="json", include=set(WidgetForm.model_fields))
