"""Determines the meaning of a text in the owner's keyword mode, and whether it opens a ticket."""

from __future__ import annotations

from server.channels.base import InboundText
from server.consent import keywords
from server.consent import queries as consents
from server.consent.keywords import Meaning
from server.consent.settings import KeywordSettings
from server.kernel.sql import Tx
from server.sms.threads import SmsThread


def meaning_of(tx: Tx, text: InboundText, thread: SmsThread, words: KeywordSettings) -> Meaning:
    """The meaning of a text; a keyword that the carrier reports as `OptOutType` takes precedence."""
    meaning = keywords.classify(text.body, words.mode, keywords=words.words())
    if isinstance(meaning, keywords.Plain) and len(text.body) <= 20:
        yes = keywords.classify(text.body, words.mode, pending_opt_in=True, country=thread.country)
        if isinstance(yes, keywords.Confirm) and consents.opt_in(tx, thread.contact, tx.now) is not None:
            meaning = yes
    match text.opt_out:
        case "STOP" if not isinstance(meaning, keywords.Stop):
            return keywords.Stop("")
        case "START" if not isinstance(meaning, keywords.Start | keywords.Confirm):
            return keywords.Start("")
        case "HELP" if not isinstance(meaning, keywords.Help):
            return keywords.Help("")
    return meaning


def opens_ticket(meaning: Meaning) -> bool:
    """Whether the text opens a ticket: not if it is only a keyword (INB-4, AMB-2); a keyword among other words does
    (AMB-1)."""
    match meaning:
        case keywords.Plain() | keywords.StopRequest():
            return True
        case keywords.Stop(with_text=with_text):
            return with_text
        case _:
            return False


_NAMES: dict[type, str] = {
    keywords.Stop: "stop",
    keywords.StopRequest: "stop_request",
    keywords.Start: "start",
    keywords.Help: "help",
    keywords.Confirm: "confirm",
    keywords.Subscribe: "subscribe",
    keywords.Plain: "plain",
}


def name_of(meaning: Meaning) -> str:
    return _NAMES[type(meaning)]
