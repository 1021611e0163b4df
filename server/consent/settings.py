"""Settings → SMS → Keywords: how texts are read, and what they are answered with (KEY-5..12)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from server.consent.keywords import Mode
from server.kernel.documents import Document


class SubscribeKeyword(BaseModel):
    """A shop's own keyword (KEY-10). `text`: what they are answered with; empty is our own words."""

    model_config = ConfigDict(extra="forbid")

    word: str = Field(max_length=40)
    opt_in: Literal["single", "double"] = "double"
    text: str = Field("", max_length=600)


class KeywordText(BaseModel):
    """What one keyword is answered with in one country and language, instead of our own words (KEY-7, KEY-8)."""

    model_config = ConfigDict(extra="forbid")

    country: str = Field(max_length=2)
    language: str = Field(max_length=2)
    kind: Literal["stop", "help", "confirm_ask", "confirmed"]
    text: str = Field(max_length=600)


class KeywordSettings(BaseModel):
    model_config = ConfigDict(extra="ignore")

    mode: Mode = "smart"
    brand: str = Field("", max_length=40)
    help_contact: str = Field("", max_length=100)
    gateway: Literal["default", "advanced", "off"] = "default"
    subscribe: list[SubscribeKeyword] = Field(default_factory=list, max_length=50)
    texts: list[KeywordText] = Field(default_factory=list, max_length=500)

    def words(self) -> frozenset[str]:
        """The shop's own keywords, in capitals, for `keywords.classify`."""
        return frozenset(item.word for item in self.subscribe)

    def keyword(self, word: str) -> SubscribeKeyword | None:
        return next((item for item in self.subscribe if item.word == word), None)


KEYWORDS = Document("keywords", KeywordSettings)
