"""Encodes the hint of a notification as JSON for other processes, and decodes it there.

A hint saves the receiver a read if it is exactly the next entry or a newer summary; otherwise the receiver ignores it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from server.threads.entries import Entry
from server.threads.tickets import Ticket

LONGEST = 2_000  # characters of an entry's text; longer entries are rare, and receivers read them
_TIMES = {
    kind: [
        place for place, name in enumerate(kind._fields) if name == "at" or name.endswith(("_at", "_since", "_until"))
    ]
    for kind in (Entry, Ticket)
}


def pack(hint: Any) -> Any:
    """The hint as `revive` decodes it; None: notify without a hint."""
    if isinstance(hint, Entry):
        return ["entry", *hint] if len(hint.body) <= LONGEST else None
    if isinstance(hint, str):
        return ["name", hint]
    return ["ticket", *hint] if isinstance(hint, Ticket) else None


def revive(packed: Any) -> Any:
    """The hint; a ticket's id if another version packed the ticket with other fields; or None."""
    match packed:
        case ["entry", *fields] if len(fields) == len(Entry._fields):
            return Entry._make(_with_times(Entry, fields))
        case ["ticket", *fields] if len(fields) == len(Ticket._fields):
            return Ticket._make(_with_times(Ticket, fields))
        case ["ticket", int(number), *_]:
            return number
        case ["name", str(name)]:
            return name
    return None


def _with_times(kind: Any, fields: list[Any]) -> list[Any]:
    for index in _TIMES[kind]:
        if fields[index] is not None:
            fields[index] = datetime.fromisoformat(fields[index])
    return fields
