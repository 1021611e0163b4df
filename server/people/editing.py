"""Changes a contact's details, properties and consents together, as the dialog *Edit* saves them: all of it or nothing
(CIM-40..42)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.accounts.rules import Agent
from server.contact_data import by_hand
from server.contact_data.by_hand import WantedStatus
from server.contacts import identity, merging, properties
from server.contacts.identity import IdentityChange
from server.contacts.property_rules import Value
from server.errors import Refused
from server.kernel.sql import Tx


@dataclass(frozen=True, slots=True)
class Edit:
    """`properties`: values by key, None removes one. `reason`: how the agent knows what the customer decided."""

    identity: IdentityChange
    properties: Mapping[str, Any]
    consents: Sequence[WantedStatus]
    reason: str


def edit(tx: Tx, agent: Agent, contact: int, change: Edit, address: str) -> int:
    """Returns the contact that remains of its merges. Raises `NotFound`, and what the single changes raise; then nothing
    is changed. The caller has checked the permissions."""
    root = merging.root(tx, contact)
    if len({item.purpose for item in change.consents}) < len(change.consents):
        raise Refused("invalid", "A consent appears twice.", field="consents", fault="repeated")
    if change.consents:
        by_hand.save_consents(tx, agent, root, change.consents, change.reason, address)
    if change.identity != IdentityChange():
        identity.change(tx, agent, root, change.identity, address)
    if change.properties:
        properties.set_values(tx, [(root, _parsed(tx, change.properties))], agent.by)
    return root


def _parsed(tx: Tx, raw: Mapping[str, Any]) -> dict[int, Value | None]:
    """The values by property. A refusal names the field of the form: `properties.plan`."""
    try:
        return properties.parse_values(tx, raw)
    except Refused as refused:
        path = f"properties.{refused.field}"
        raise Refused(refused.code, refused.message, field=path, fault=refused.code) from None
