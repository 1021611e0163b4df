"""Response models of the widget's routes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from server.frames import EntryOut
from server.webchat.hours import HoursSettings
from server.webchat.settings import WidgetSettings


class VersionedWidget(WidgetSettings):
    version: str


class VersionedHours(HoursSettings):
    version: str
    countries: list[str]  # whose public holidays are known


class Older(BaseModel):
    entries: list[EntryOut]
    more: bool


class SiteSeen(BaseModel):
    origin: str
    page: str
    first_seen: str
    last_seen: str


class Install(BaseModel):
    snippet: str
    base_url: str
    seen: list[SiteSeen]


class Frames(BaseModel):
    """The frames, as a socket would send them; see PROTOCOL.md 1."""

    frames: list[dict[str, Any]]
