"""Consent that an agent or a program of the owner's enters for a customer, with its line in the audit log (CIM-42)."""

from __future__ import annotations

from server.accounts.rules import Agent, ApiKey
from server.audit.actions import record
from server.consent import actions, queries
from server.consent.rules import Status
from server.kernel.sql import Tx


def enter(tx: Tx, actor: Agent | ApiKey, entry: actions.AgentEntry, address: str) -> None:
    """Records one decision. Raises what `actions.record_agent_entry` raises. The caller has checked the permission."""
    recorded = actions.record_agent_entry(tx, actor, entry)
    if not recorded.applied:
        return
    name = queries.purpose_name(tx, entry.purpose)
    change = {"purpose": entry.purpose, "consent": name, "status": [recorded.before, recorded.status]}
    if entry.status is Status.SUBSCRIBED:
        record(tx, actor.by, "consent_given", str(entry.contact), address, **change)
    else:
        record(tx, actor.by, "consent_withdrawn", str(entry.contact), address, **change)
