"""How a doorbell's hint travels to the other processes: as JSON, and back to what it was.

It saves them the read where it is exactly the next row, or a newer summary; otherwise it is ignored like any hint.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from server.inbox.entries import Entry
from server.inbox.queries import Ticket

LONGEST = 2_000  # characters of an entry's text; longer ones are rare, and read
_TIMES = {
    kind: [
        place for place, name in enumerate(kind._fields) if name == "at" or name.endswith(("_at", "_since", "_until"))
    ]
    for kind in (Entry, Ticket)
}


def pack(hint: Any) -> Any:
    """What `revive` understands; None: only ring."""
    if isinstance(hint, Entry):
        return ["entry", *hint] if len(hint.body) <= LONGEST else None
    return ["ticket", *hint] if isinstance(hint, Ticket) else None


def revive(packed: Any) -> Any:
    """The hint, a ticket's number where another version packed it in its own way, or None."""
    match packed:
        case ["entry", *fields] if len(fields) == len(Entry._fields):
            return Entry._make(_with_times(Entry, fields))
        case ["ticket", *fields] if len(fields) == len(Ticket._fields):
            return Ticket._make(_with_times(Ticket, fields))
        case ["ticket", int(number), *_]:
            return number
    return None


def _with_times(kind: Any, fields: list[Any]) -> list[Any]:
    for place in _TIMES[kind]:
        if fields[place] is not None:
            fields[place] = datetime.fromisoformat(fields[place])
    return fields
