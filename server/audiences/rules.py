"""Names and limits of lists and segments. Pure (IMP-44)."""

from __future__ import annotations

from server.errors import Refused
from server.text import is_blank, one_line

NAME_CHARS = 80
MAX_LISTS_AND_SEGMENTS = 1_000


def group_name(text: str) -> str:
    """The name of a list or segment. Raises `Refused` for a name that is blank or too long."""
    name = one_line(text[:1000])
    if is_blank(name) or len(name) > NAME_CHARS:
        advice = f"A name must have 1 to {NAME_CHARS} characters."
        raise Refused("invalid", advice, field="name", fault="bad_name", params={"max": NAME_CHARS})
    return name
