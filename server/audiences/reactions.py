"""Adds contacts to lists whose opt-in they confirmed. Run by `server/reactions.py`."""

from __future__ import annotations

from server.audiences import lists
from server.audit.rules import ActedBy, ActorType
from server.consent.rules import OptInConfirmed
from server.errors import NotFound
from server.kernel.sql import Tx


def join_confirmed(tx: Tx, event: OptInConfirmed) -> None:
    """A list that was deleted meanwhile is left out."""
    for list_id in event.lists:
        try:
            lists.by_id(tx, list_id)
        except NotFound:
            continue
        lists.add_members(tx, list_id, [event.contact], ActedBy(ActorType.CONTACT), "opt_in")
