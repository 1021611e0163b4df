"""What keywords are answered with: for each country and language, unless the carrier answers itself (KEY-7..9, 13)."""

from __future__ import annotations

from server.consent.settings import KeywordSettings
from server.consent.wordings import Kind, editable, language_for, worded

# Single words that Twilio answers by itself, in any case (INTEGRATIONS 3): what blocks, what frees, what helps.
_STOPS = frozenset("STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT".split())
_RETURNS = frozenset(("START", "YES", "UNSTOP"))
_HELPS = frozenset(("HELP", "INFO"))
_TOLL_FREE = frozenset(("STOP", "START", "UNSTOP"))


def carrier_answers(
    settings: KeywordSettings, sender_kind: str, said: str, opt_out: str | None, blocked: bool = True
) -> bool:
    """Has the carrier answered this text already, so that we must not (KEY-13)?

    `sender_kind`: of our number; `said`: the text as it came, since carriers know only the bare word; `opt_out`: its
    `OptOutType`; `blocked`: the carrier had blocked them before this text: it says to nobody else that they are back.
    """
    if opt_out:
        return True
    word = said.strip().upper()
    return _knows(settings, sender_kind, word) and (blocked or word not in _RETURNS)


def carrier_blocks(settings: KeywordSettings, sender_kind: str, said: str) -> bool:
    """Does the carrier block them at this word, so that its own START is what frees them?"""
    word = said.strip().upper()
    return word in _STOPS and _knows(settings, sender_kind, word)


def _knows(settings: KeywordSettings, sender_kind: str, word: str) -> bool:
    """Toll-free keywords are the network's and nobody can switch that off; on short codes nothing is handled; on long
    codes it is the account's, unless its owner says otherwise in the settings."""
    if sender_kind == "toll_free":
        return word in _TOLL_FREE
    return sender_kind == "long_code" and settings.gateway == "default" and word in _STOPS | _RETURNS | _HELPS


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
    blocked: bool = True,
) -> str | None:
    """What to say to a keyword; None where the carrier has said it already.

    `country` and `language`: of the sender and of their keyword. `brand`: where the settings name none. `word`: the
    subscribe keyword, for its own text.
    """
    if said and carrier_answers(settings, sender_kind, said, opt_out, blocked):
        return None
    own = settings.keyword(word) if kind == "subscribed" else None
    if own is not None and own.text:
        return own.text
    spoken = language_for(country, language)
    return edited(kind, country, spoken, settings) or worded(
        kind, spoken, settings.brand or brand, settings.help_contact
    )


def edited(kind: Kind, country: str, language: str, settings: KeywordSettings) -> str | None:
    """The shop's own words for one country; those of another country are not touched (KEY-8)."""
    if not editable(kind, country):
        return None
    return next(
        (item.text for item in settings.texts if (item.country, item.language, item.kind) == (country, language, kind)),
        None,
    )
