"""Pure rules of the inbox: recognises part of a phone number in a search text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from server.contacts.lines import canonical

_NUMBER_LIKE = re.compile(r"\+?[0-9 ().\-/\u00a0]+")
MIN_DIGITS = 3  # fewer digits match nearly every number
SUFFIX_DIGITS = 5  # up to this many digits may be the end of a number, so that leading zeros are kept


def phone_digits(text: str) -> str | None:
    """The digits to search for in phone numbers, whatever the spelling; None: the text is not part of a number."""
    text = unicodedata.normalize("NFKC", text).strip()
    if _NUMBER_LIKE.fullmatch(text) is None:
        return None
    digits = re.sub(r"[^0-9]", "", text.replace("(0)", ""))  # "+44 (0)20 …"
    number = digits.lstrip("0")  # "020 …" and "0044 …": stored numbers do not have these zeros
    wanted_digits = number if len(number) > SUFFIX_DIGITS else digits
    wanted_digits = canonical(f"+{wanted_digits}")[1:]
    return wanted_digits if len(wanted_digits) >= MIN_DIGITS else None


# --- merged contacts ------------------------------------------------------------------------------

# What the remaining contact's SMS ticket takes over, and what undo restores.
TAKEN_OVER = (
    "status", "unread", "assignee", "waiting_since", "snoozed_until", "closed_at", "last_message_at", "stop_asked"
)  # fmt: skip
TicketState = Mapping[str, Any]


def taken_over(ticket: TicketState, other: TicketState) -> dict[str, Any]:
    """The remaining ticket after a merge: it is open, unread, assigned and waiting if either ticket was."""
    rank = {"open": 0, "snoozed": 1, "closed": 2}
    more_open = min((ticket, other), key=lambda state: rank[state["status"]])
    return {
        "status": more_open["status"],
        "unread": ticket["unread"] or other["unread"],
        "assignee": ticket["assignee"] or other["assignee"],
        "waiting_since": _earliest(ticket["waiting_since"], other["waiting_since"]),
        "snoozed_until": more_open["snoozed_until"],
        "closed_at": more_open["closed_at"],
        "last_message_at": max(ticket["last_message_at"], other["last_message_at"]),
        "stop_asked": ticket["stop_asked"] or other["stop_asked"],
    }


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def closed(ticket: TicketState, now: datetime) -> dict[str, Any]:
    """The other ticket after a merge. It keeps its assignee."""
    settled = {"unread": False, "waiting_since": None, "snoozed_until": None, "stop_asked": False}
    return {**ticket, **settled, "status": "closed", "closed_at": now}


def restored(before: TicketState, after: TicketState, now: TicketState) -> dict[str, Any]:
    """A ticket after the merge is undone. What somebody changed since the merge stays; a new message counts as a change
    of everything except the assignee. `after`: as the merge left it."""
    assignee = before["assignee"] if now["assignee"] == after["assignee"] else now["assignee"]
    other_fields = [name for name in TAKEN_OVER if name != "assignee"]
    untouched = all(now[name] == after[name] for name in other_fields)
    return {**(before if untouched else now), "assignee": assignee}
