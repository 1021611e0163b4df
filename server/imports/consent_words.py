"""What a cell says about a consent or a suppression. Pure (IMP-71, IMP-75, CIM-12, AMB-18, SUP-3).

Nothing but a clear word grants consent: blank, unknown and unconfirmed never do.
"""

from __future__ import annotations

from typing import Literal

from server.imports.headers import Words
from server.imports.values import BadCell

# `withdrawn`: 0 in a column of a named consent; for somebody who was never asked it is "never subscribed" (AMB-21).
# `bounced`, `invalid` and `suppressed` suppress the e-mail address; `never` only describes new contacts; `nothing` is no
# statement.
Said = Literal["subscribed", "unsubscribed", "withdrawn", "never", "nothing", "bounced", "invalid", "suppressed"]
GRANTS: Said = "subscribed"

_STATUS: dict[str, Said] = {
    **dict.fromkeys(("subscribed", "subscribe", "active", "opted in", "opt in", "confirmed", "double opt in",
                     "single opt in", "express", "explicit"), "subscribed"),
    **dict.fromkeys(("unsubscribed", "unsubscribe", "opted out", "opt out", "optout", "removed", "complained",
                     "spam complaint", "spam", "complaint", "abuse", "marked as spam", "unsub", "user"), "unsubscribed"),
    **dict.fromkeys(("never subscribed", "never", "non subscribed", "nonsubscribed", "not subscribed", "unconfirmed",
                     "pending", "awaiting confirmation", "awaiting", "not confirmed", "inactive", "implied", "unset",
                     "temp hold", "no permissions set", "not set", "transactional"), "never"),
    **dict.fromkeys(("bounced", "bounce", "hard bounce", "hard bounced", "hardbounced", "cleaned", "bounce limit",
                     "user unknown"), "bounced"),
    **dict.fromkeys(("invalid", "invalid email", "non existent"), "invalid"),
    **dict.fromkeys(("suppressed", "user suppressed", "manual", "manually suppressed", "blacklist", "blacklisted",
                     "blocked", "api"), "suppressed"),
}  # fmt: skip
_TRUE = frozenset(("1", "true", "yes", "y", "t", "x", "tak", "да", "예"))
_FALSE = frozenset(("0", "false", "no", "n", "f", "nie", "нет", "아니요", "아니오"))


def _word(cell: str) -> str:
    return " ".join(cell.casefold().replace("_", " ").replace("-", " ").split())


def said(cell: str, words: Words) -> Said | BadCell:
    """What the cell says. Blank changes nothing (AMB-18); in a status column it describes a new contact as never
    subscribed (IMP-71)."""
    if words == "flags":
        if not cell:
            return "nothing"
        return {"1": "subscribed", "0": "withdrawn"}.get(cell) or BadCell("not_1_or_0")  # type: ignore[return-value]
    word = _word(cell)
    if words == "opt_out":
        if word in _TRUE:
            return "unsubscribed"
        return "nothing" if not word or word in _FALSE else BadCell("bad_consent")
    if words == "accepts":  # "no" is not an opt-out: the person was never asked
        if word in _TRUE:
            return "subscribed"
        return "never" if not word or word in _FALSE else BadCell("bad_consent")
    if not word or word == "[]":
        return "never"
    return _STATUS.get(word.strip("[]'\" ")) or BadCell("bad_consent")


# Codes of suppression exports that write numbers (promio and similar): the header says so, or the file has a reason column.
_NUMBERED: dict[str, Said] = {"0": "suppressed", "1": "unsubscribed", "3": "bounced"}


def suppression_reason(cell: str) -> Said | BadCell:
    """What a reason in a suppression file means. Without one, the address is suppressed as its owner's wish (SUP-3)."""
    if not cell:
        return "suppressed"
    if (numbered := _NUMBERED.get(cell)) is not None:
        return numbered
    meaning = _STATUS.get(_word(cell))
    if meaning is None:
        return "suppressed"
    return BadCell("not_suppressed") if meaning in ("subscribed", "never") else meaning
