"""The types of actors in the audit log and in the timeline."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ActorType(StrEnum):
    """In `audit.actor_type` and `timeline.author_type`."""

    AGENT = "agent"
    VISITOR = "visitor"  # in the audit log: a person who is not signed in
    CONTACT = "contact"  # a customer who texts, or who is signed in at the shop
    SYSTEM = "system"
    FLOW = "flow"
    IMPORT = "import"
    API_KEY = "api_key"


@dataclass(frozen=True, slots=True)
class ActedBy:
    """The actor of a change. `name`: the actor's name at that time."""

    type: ActorType
    id: int | None = None
    name: str = ""
