"""Settings → SMS → Keywords: how keywords are recognized, and the replies to them (KEY-5..12)."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from server.accounts.rules import Agent
from server.audit import versions
from server.audit.versions import Versioned
from server.consent import default_replies, keywords
from server.consent.keywords import BadKeyword, Mode
from server.kernel.documents import STORED, Document, input_error
from server.kernel.json_schema import Named
from server.kernel.sql import Tx
from server.links.rules import find_urls
from server.text import one_line

MAX_CHARS = 320  # of a reply: two or three segments
# A domain without https://. A capital after the dot starts a sentence ("Thanks.Reply STOP"), except in a known top-level
# domain. Of other scripts only known top-level domains count.
_KNOWN = "com|net|org|biz|ru|uk|kr|pl|jp"
_SCRIPTS = (
    "рф|рус|бел|укр|срб|мкд|мон|қаз|бг|москва|сайт|онлайн|дети|орг|ком|한국|닷컴|닷넷|中国|中國|公司|网络|网址|在线|商城|网店|台灣|台湾|香港"
    "|みんな|コム|ストア|ελ|ευ|հայ|გე|भारत|ไทย|ישראל|قطر|مصر|امارات|السعودية|ایران"
)
_HOST_NAME = re.compile(
    rf"(?<![@\w.-])(?:[\w-]+\.)+(?:[a-z]{{2,24}}|[A-Z]{{2,24}}|xn--[a-z0-9-]{{2,59}}|(?i:{_KNOWN})|(?i:{_SCRIPTS}))(?![\w@])"
)
_IP_ADDRESS = re.compile(
    r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.]\w)", re.ASCII
)


def has_link(text: str) -> bool:
    """Whether the text contains a web address, also without https://, in full-width letters, or with an IP address. E-mail
    addresses do not count."""
    text = "".join(char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    return bool(find_urls(text) or _HOST_NAME.search(text) or _IP_ADDRESS.search(text))


def _text(value: str) -> str:
    """NFC, stripped, without control characters other than line ends."""
    value = unicodedata.normalize("NFC", value.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(c for c in value if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs")).strip()


class SubscribeKeyword(BaseModel):
    """A shop's own keyword (KEY-10). `text`: its reply; empty: the default reply. `list`: the list that people join with it;
    the keyword's `opt_in` counts and not the list's (CON-10)."""

    model_config = ConfigDict(extra="ignore")

    word: str = Field(max_length=40)
    opt_in: Literal["single", "double"] = "double"
    text: str = Field("", max_length=MAX_CHARS)
    list: int | None = Field(None, ge=1, le=2**53)

    @field_validator("word")
    @classmethod
    def _check_word(cls, value: str, info: ValidationInfo) -> str:
        if info.context is STORED:
            return value
        word = keywords.subscribe_keyword(value)
        if isinstance(word, BadKeyword):
            raise input_error(word.code, word.reason)
        return word

    @field_validator("text")
    @classmethod
    def _clean_text(cls, value: str) -> str:
        return _text(value)


class KeywordText(BaseModel):
    """The owner's reply to one keyword in one country and language, in place of the default (KEY-7, KEY-8)."""

    model_config = ConfigDict(extra="ignore")

    country: str = Field(max_length=2)
    language: str = Field(max_length=2)
    kind: Literal["stop", "start", "help", "confirm_ask", "confirmed", "subscribed"]
    text: str = Field(max_length=MAX_CHARS)

    # One validator per field, so that each error names its field.
    @field_validator("language")
    @classmethod
    def _check_language(cls, value: str, info: ValidationInfo) -> str:
        country = info.data.get("country", "")
        if value not in default_replies.COUNTRIES.get(country, ()):
            raise input_error("answer_place", f"There are no replies in {value!r} for {country!r}.")
        return value

    @field_validator("kind")
    @classmethod
    def _check_editable(cls, value: str, info: ValidationInfo) -> str:
        if not default_replies.editable(value, info.data.get("country", "")):
            raise input_error("answer_fixed", "Carriers send this reply themselves, so you cannot change it.")
        return value

    @field_validator("text")
    @classmethod
    def _check_text(cls, value: str, info: ValidationInfo) -> str:
        value = _text(value)
        if not value:
            raise input_error("answer_empty", "A reply cannot be empty. Remove it to use the default reply.")
        if info.data.get("kind") != "subscribed" and has_link(value):
            raise _link_forbidden()
        return value


def _link_forbidden() -> PydanticCustomError:
    return input_error(
        "link_forbidden", "Carriers do not allow links in this reply. Give an e-mail address or a phone number."
    )


class KeywordSettings(BaseModel):
    """`gateway`: which keywords Twilio answers itself: `default`: its standard keywords on long codes; `advanced`: those
    of Advanced Opt-Out, which marks each text with `OptOutType`; `off`: none."""

    model_config = ConfigDict(extra="ignore")

    mode: Annotated[Mode, Named("KeywordMode")] = "smart"
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
    def _check_unique_words(cls, value: list[SubscribeKeyword]) -> list[SubscribeKeyword]:
        words = [item.word for item in value]
        repeated_word = next((word for word in words if words.count(word) > 1), None)
        if repeated_word is not None:
            raise input_error("keyword_twice", f"The keyword {repeated_word} is listed twice.")
        return value

    @field_validator("texts")
    @classmethod
    def _no_duplicates(cls, value: list[KeywordText]) -> list[KeywordText]:
        places = [(item.country, item.language, item.kind) for item in value]
        if len(set(places)) < len(places):
            raise input_error("answer_twice", "The same reply is listed twice.")
        return value

    def words(self) -> frozenset[str]:
        """The shop's own keywords, in capitals, for `keywords.classify`."""
        return frozenset(item.word for item in self.subscribe)

    def keyword(self, word: str) -> SubscribeKeyword | None:
        return next((item for item in self.subscribe if item.word == word), None)


KEYWORDS = Document("keywords", KeywordSettings)


def change(
    tx: Tx, agent: Agent, settings: KeywordSettings, version: str | None, address: str
) -> Versioned[KeywordSettings]:
    """Raises `Conflict` "stale_version"."""
    return versions.save(tx, agent.id, KEYWORDS, settings, version, address)


class LitigatorSettings(BaseModel):
    """The document "litigators": whether to block texts to known litigators (CON-8). The list is a table."""

    hold_litigators: bool = True

    @property
    def on(self) -> bool:
        return self.hold_litigators


LITIGATORS = Document("litigators", LitigatorSettings)
