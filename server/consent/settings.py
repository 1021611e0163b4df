"""Settings → SMS → Keywords: how texts are read, and what they are answered with (KEY-5..12)."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from server.accounts.audit import settings_changed
from server.accounts.rules import Agent, one_line
from server.consent import keywords, wordings
from server.consent.keywords import BadKeyword, Mode
from server.kernel.documents import Document, unfit
from server.kernel.sql import Tx
from server.links.rules import find_urls

MOST_CHARS = 320  # of an answer: two or three parts, and enough for every rule a carrier has
# A name without https:// before it. What ends in a word that begins with a capital is two sentences without a space
# ("Thanks.Reply STOP"), unless telephones know it as a domain; of other scripts those that are domains.
_KNOWN = "com|net|org|biz|ru|uk|kr|pl|jp"
_SCRIPTS = (
    "рф|рус|бел|укр|срб|мкд|мон|қаз|бг|москва|сайт|онлайн|дети|орг|ком|한국|닷컴|닷넷|中国|中國|公司|网络|网址|在线|商城|网店|台灣|台湾|香港"
    "|みんな|コム|ストア|ελ|ευ|հայ|გე|भारत|ไทย|ישראל|قطر|مصر|امارات|السعودية|ایران"
)
_NAMED = re.compile(
    rf"(?<![@\w.-])(?:[\w-]+\.)+(?:[a-z]{{2,24}}|[A-Z]{{2,24}}|xn--[a-z0-9-]{{2,59}}|(?i:{_KNOWN})|(?i:{_SCRIPTS}))(?![\w@])"
)
_NUMBERED = re.compile(
    r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.]\w)", re.ASCII
)


def has_link(text: str) -> bool:
    """An address of a website, also without https://, in full-width letters, or of a number. An e-mail address is none."""
    text = "".join(char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    return bool(find_urls(text) or _NAMED.search(text) or _NUMBERED.search(text))


def _text(value: str) -> str:
    """NFC, no control characters but line ends, no blanks around."""
    value = unicodedata.normalize("NFC", value.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(c for c in value if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs")).strip()


class SubscribeKeyword(BaseModel):
    """A shop's own keyword (KEY-10). `text`: what they are answered with; empty: our own words."""

    model_config = ConfigDict(extra="ignore")

    word: str = Field(max_length=40)
    opt_in: Literal["single", "double"] = "double"
    text: str = Field("", max_length=MOST_CHARS)

    @field_validator("word")
    @classmethod
    def _word(cls, value: str) -> str:
        word = keywords.subscribe_keyword(value)
        if isinstance(word, BadKeyword):
            raise unfit(word.code, word.reason)
        return word

    @field_validator("text")
    @classmethod
    def _clean(cls, value: str) -> str:
        return _text(value)


class KeywordText(BaseModel):
    """What one keyword is answered with in one country and language, instead of our own words (KEY-7, KEY-8)."""

    model_config = ConfigDict(extra="ignore")

    country: str = Field(max_length=2)
    language: str = Field(max_length=2)
    kind: Literal["stop", "start", "help", "confirm_ask", "confirmed", "subscribed"]
    text: str = Field(max_length=MOST_CHARS)

    # One by one and in the order of the fields, so that each refusal names the field it is about.
    @field_validator("language")
    @classmethod
    def _spoken(cls, value: str, info: ValidationInfo) -> str:
        country = info.data.get("country", "")
        if value not in wordings.COUNTRIES.get(country, ()):
            raise unfit("answer_place", f"There are no answers in {value!r} for {country!r}.")
        return value

    @field_validator("kind")
    @classmethod
    def _ours(cls, value: str, info: ValidationInfo) -> str:
        if not wordings.editable(value, info.data.get("country", "")):
            raise unfit("answer_fixed", "Carriers send this answer themselves, so it cannot be changed.")
        return value

    @field_validator("text")
    @classmethod
    def _clean(cls, value: str, info: ValidationInfo) -> str:
        value = _text(value)
        if not value:
            raise unfit("answer_empty", "An answer cannot be empty; leave it out to use our own words.")
        if info.data.get("kind") != "subscribed" and has_link(value):
            raise _link_forbidden()
        return value


def _link_forbidden() -> PydanticCustomError:
    return unfit("link_forbidden", "Carriers forbid links in this answer; name an e-mail address or a phone number.")


class KeywordSettings(BaseModel):
    """`gateway`: what Twilio answers by itself: `default` its own words on long codes; `advanced` Advanced Opt-Out,
    which tells with each text; `off` nothing."""

    model_config = ConfigDict(extra="ignore")

    mode: Mode = "smart"
    brand: str = Field("", max_length=40)
    help_contact: str = Field("", max_length=100)
    gateway: Literal["default", "advanced", "off"] = "default"
    subscribe: list[SubscribeKeyword] = Field(default_factory=list, max_length=50)
    texts: list[KeywordText] = Field(default_factory=list, max_length=500)

    @field_validator("brand")
    @classmethod
    def _brand(cls, value: str) -> str:
        return one_line(value)

    @field_validator("help_contact")
    @classmethod
    def _contact(cls, value: str) -> str:
        value = one_line(value).rstrip(".")
        if has_link(value):
            raise _link_forbidden()
        return value

    @field_validator("subscribe")
    @classmethod
    def _once(cls, value: list[SubscribeKeyword]) -> list[SubscribeKeyword]:
        words = [item.word for item in value]
        twice = next((word for word in words if words.count(word) > 1), None)
        if twice is not None:
            raise unfit("keyword_twice", f"The keyword {twice} is there twice.")
        return value

    @field_validator("texts")
    @classmethod
    def _one_each(cls, value: list[KeywordText]) -> list[KeywordText]:
        places = [(item.country, item.language, item.kind) for item in value]
        if len(set(places)) < len(places):
            raise unfit("answer_twice", "One answer is there twice.")
        return value

    def words(self) -> frozenset[str]:
        """The shop's own keywords, in capitals, for `keywords.classify`."""
        return frozenset(item.word for item in self.subscribe)

    def keyword(self, word: str) -> SubscribeKeyword | None:
        return next((item for item in self.subscribe if item.word == word), None)


KEYWORDS = Document("keywords", KeywordSettings)


def change(tx: Tx, agent: Agent, wanted: KeywordSettings, address: str) -> KeywordSettings:
    return settings_changed(tx, agent, KEYWORDS, wanted, address)


class LitigatorSettings(BaseModel):
    """The document "litigators": never text people known for suing over texts (CON-8). The list is a table."""

    hold_litigators: bool = True

    @property
    def on(self) -> bool:
        return self.hold_litigators


LITIGATORS = Document("litigators", LitigatorSettings)
