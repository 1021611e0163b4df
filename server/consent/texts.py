"""What keywords are answered with: for each country and language, unless the carrier answers itself (KEY-7..9, 13)."""

from __future__ import annotations

from typing import Literal

from server.consent.settings import KeywordSettings

Kind = Literal["stop", "start", "help", "confirm_ask", "confirmed", "subscribed"]

# Where people text from → their languages, the default first (KEY-9).
COUNTRIES: dict[str, tuple[str, ...]] = {
    "CA": ("en", "fr"),
    "BE": ("en", "fr", "nl"),
    "DE": ("de", "en"),
    "AT": ("de", "en"),
    "NL": ("nl", "en"),
    "CH": ("de", "en", "fr", "it"),
    "ES": ("es", "en"),
    "SE": ("sv", "en"),
    "NO": ("no", "en"),
    "FI": ("fi", "en"),
    "DK": ("da", "en"),
    "IT": ("it", "en"),
    "HU": ("hu", "en"),
    "PL": ("pl", "en"),
    "PT": ("pt", "en"),
    **dict.fromkeys(("AU", "US", "NZ", "GB", "IE"), ("en",)),
}

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "stop": "{brand}: You are unsubscribed and will get no more texts from us. Text START to come back.",
        "start": "{brand}: You are subscribed again. Text HELP for help, STOP to opt out.",
        "help": "{brand}: Reply here and we answer. {contact}Text STOP to opt out. Msg and data rates may apply.",
        "confirm_ask": "{brand}: Reply YES to get texts from us. Msg and data rates may apply. Text HELP for help, STOP to opt out.",
        "confirmed": "{brand}: Thanks, you are subscribed. Text HELP for help, STOP to opt out.",
        "subscribed": "{brand}: Thanks, you are subscribed. Msg and data rates may apply. Text HELP for help, STOP to opt out.",
    },
}


def language_for(country: str, language: str) -> str:
    """The language of the keyword where the country knows it, else the country's first (KEY-8)."""
    spoken = COUNTRIES.get(country)
    if spoken is None:
        return language if language in TEXTS else "en"
    return language if language in spoken else spoken[0]


# Single words Twilio answers by itself, in any case (INTEGRATIONS 3).
_LONG_CODE = {
    **dict.fromkeys("STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT".split(), "stop"),
    **dict.fromkeys("START YES UNSTOP".split(), "start"),
    **dict.fromkeys("HELP INFO".split(), "help"),
}
_TOLL_FREE = {"STOP": "stop", "START": "start", "UNSTOP": "start"}


def carrier_answers(settings: KeywordSettings, sender_kind: str, text: str, opt_out: str | None) -> bool:
    """Has the carrier answered this text already, so that we must not (KEY-13)? `opt_out`: its `OptOutType`."""
    if opt_out:
        return True
    if sender_kind == "toll_free":  # answered by the network, which nobody can switch off
        return text.strip().upper() in _TOLL_FREE
    if settings.gateway != "default" or sender_kind != "long_code":
        return False
    return text.strip().upper() in _LONG_CODE


def answer(
    kind: Kind,
    country: str,
    language: str,
    brand: str,
    settings: KeywordSettings,
    *,
    word: str = "",
    sender_kind: str = "",
    said: str = "",
    opt_out: str | None = None,
) -> str | None:
    """What to say to a keyword; None where the carrier has said it already (KEY-13).

    `word`: the subscribe keyword, for its own text. `sender_kind`: of our number. `said`: the text as it came.
    """
    if said and carrier_answers(settings, sender_kind, said, opt_out):
        return None
    own = settings.keyword(word) if kind == "subscribed" else None
    if own is not None and own.text:
        return own.text
    spoken = language_for(country, language)
    if editable(kind, country):
        for item in settings.texts:
            if (item.country, item.language, item.kind) == (country, spoken, kind):
                return item.text
    contact = f"{settings.help_contact}. " if settings.help_contact else ""
    return TEXTS[spoken][kind].format(brand=settings.brand or brand, contact=contact)


def editable(kind: str, country: str) -> bool:
    """The answer to STOP is the carrier's in the US and Canada, that to START everywhere (KEY-7)."""
    return kind != "start" and not (kind == "stop" and country in ("US", "CA"))
