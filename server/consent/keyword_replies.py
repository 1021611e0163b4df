"""Chooses the reply to a keyword by country and language; none if the carrier replies itself (KEY-7..9, 13)."""

from __future__ import annotations

from server.consent.default_replies import ReplyKind, default_text, editable, language_for
from server.consent.settings import KeywordSettings

# Words that Twilio handles itself, upper or lower case.
_STOPS = frozenset("STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT".split())
_STARTS = frozenset(("START", "YES", "UNSTOP"))
_HELPS = frozenset(("HELP", "INFO"))
_TOLL_FREE = frozenset(("STOP", "START", "UNSTOP"))


def carrier_answers(
    settings: KeywordSettings, sender_kind: str, text: str, opt_out: str | None, blocked: bool = True
) -> bool:
    """Whether the carrier has replied to this text, so that we must not (KEY-13).

    `sender_kind`: kind of our number. `text`: the raw text, because carriers match only the exact word. `opt_out`: its
    `OptOutType`. `blocked`: whether the carrier had blocked the sender; otherwise it does not reply to START.
    """
    if opt_out:
        return True
    word = text.strip().upper()
    return _carrier_handles(settings, sender_kind, word) and (blocked or word not in _STARTS)


def carrier_blocks(settings: KeywordSettings, sender_kind: str, text: str) -> bool:
    """Whether the carrier blocks the sender after this text until they text START."""
    word = text.strip().upper()
    return word in _STOPS and _carrier_handles(settings, sender_kind, word)


def _carrier_handles(settings: KeywordSettings, sender_kind: str, word: str) -> bool:
    """Toll-free: the network always handles its keywords. Short codes: nothing is handled. Long codes: the setting
    `gateway` decides."""
    if sender_kind == "toll_free":
        return word in _TOLL_FREE
    return sender_kind == "long_code" and settings.gateway == "default" and word in _STOPS | _STARTS | _HELPS


def reply_text(
    kind: ReplyKind,
    country: str,
    language: str,
    brand: str,
    settings: KeywordSettings,
    *,
    word: str = "",
    sender_kind: str = "",
    received_text: str = "",
    opt_out: str | None = None,
    blocked: bool = True,
) -> str | None:
    """The reply to a keyword; None if the carrier has replied.

    `country`: of the sender. `language`: of the keyword. `brand`: used if the settings have none. `word`: the subscribe
    keyword, which may have its own reply.
    """
    if received_text and carrier_answers(settings, sender_kind, received_text, opt_out, blocked):
        return None
    subscribe_keyword = settings.keyword(word) if kind == "subscribed" else None
    if subscribe_keyword is not None and subscribe_keyword.text:
        return subscribe_keyword.text
    spoken = language_for(country, language)
    return owner_text(kind, country, spoken, settings) or default_text(
        kind, spoken, settings.brand or brand, settings.help_contact
    )


def owner_text(kind: ReplyKind, country: str, language: str, settings: KeywordSettings) -> str | None:
    """The owner's reply for this country and language, if there is one (KEY-8)."""
    if not editable(kind, country):
        return None
    return next(
        (item.text for item in settings.texts if (item.country, item.language, item.kind) == (country, language, kind)),
        None,
    )
