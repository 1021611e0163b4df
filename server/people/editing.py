"""Changes a contact's details and consents together, as the dialog *Edit* saves them: all of it or nothing (CIM-40..42)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.accounts.rules import Agent, ApiKey
from server.consent import by_hand
from server.consent.actions import AgentEntry
from server.consent.rules import Purpose, Status
from server.contacts import actions, merging
from server.errors import Refused
from server.kernel.sql import Tx


@dataclass(frozen=True, slots=True)
class Decision:
    """What the customer decided about one purpose: subscribed or unsubscribed."""

    purpose: str
    status: Status


@dataclass(frozen=True, slots=True)
class Edit:
    """None: unchanged. `reason`: how the agent knows the decisions."""

    name: str | None
    email: str | None
    decisions: Sequence[Decision]
    reason: str


def edit(tx: Tx, actor: Agent | ApiKey, contact: int, change: Edit, address: str) -> int:
    """Returns the contact that remains of its merges. Raises `NotFound`, and what the single changes raise; then nothing
    is changed. The caller has checked the permissions."""
    root = merging.root(tx, contact)
    if len({decision.purpose for decision in change.decisions}) < len(change.decisions):
        raise Refused("invalid", "Name each consent once.", field="consents", fault="duplicate")
    # Marketing by SMS first: it takes an exclusive lock, and an upgrade of a shared one could deadlock.
    for decision in sorted(change.decisions, key=lambda each: each.purpose != Purpose.SMS_MARKETING):
        by_hand.enter(tx, actor, AgentEntry(root, decision.purpose, decision.status, change.reason), address)
    if change.name is not None or change.email is not None:
        actions.set_name(tx, actor, root, change.name, change.email, address)
    return root
