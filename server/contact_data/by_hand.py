"""What a user changes about one contact by hand: adding one, and saving all consents at once (IMP-43, CIM-40..42)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from server.accounts.rules import Agent
from server.audit.actions import record
from server.consent import actions as consent
from server.consent import queries as consents
from server.consent.actions import AgentEntry
from server.consent.rules import Purpose, Status
from server.contact_data import entering
from server.contact_data.entering import BadEntry, Entry, Stored
from server.contacts.rules import Identifiers
from server.errors import NotFound, Refused
from server.kernel.sql import Tx
from server.text import one_line


class WantedStatus(NamedTuple):
    purpose: str
    status: Status


def save_consents(
    tx: Tx, agent: Agent, contact: int, wanted: Sequence[WantedStatus], reason: str, address: str
) -> consents.ContactConsents:
    """Records all changes of one form, or none of them; a consent that already has the wanted status is left out.

    Each change is a row of the ledger and of the audit log: who, when, old, new. The caller has checked the rights.
    Raises what `record_agent_entry` raises.
    """
    if not one_line(reason):
        raise Refused("reason_needed", "Say how you know: a call, an e-mail, a signed form.", field="reason")
    before = consents.contact_consents(tx, contact)
    if before is None:
        raise NotFound()
    current = {consent.purpose: consent.status for consent in before.consents}
    changed = [item for item in wanted if current.get(item.purpose) != item.status]
    # Purposes of texts last: they lock the number, and every save locks in the same order.
    for item in sorted(changed, key=lambda item: (item.purpose.startswith("sms"), item.purpose)):
        record_one(tx, agent, AgentEntry(contact, item.purpose, item.status, reason), address)
    after = consents.contact_consents(tx, contact)
    assert after is not None
    return after


def record_one(tx: Tx, agent: Agent, entry: AgentEntry, address: str) -> None:
    """Records a consent that a user entered, with its line in the audit log."""
    recorded = consent.record_agent_entry(tx, agent, entry)
    if not recorded.applied:
        return
    name = consents.purpose_name(tx, entry.purpose)
    change = {"purpose": entry.purpose, "consent": name, "status": [recorded.before, recorded.status]}
    if entry.status is Status.SUBSCRIBED:
        record(tx, agent.by, "consent_given", str(entry.contact), address, **change)
    else:
        record(tx, agent.by, "consent_withdrawn", str(entry.contact), address, **change)


def quick_add(tx: Tx, agent: Agent, email: str, name: str, agreed: str, list_id: int | None, address: str) -> Stored:
    """Adds or finds one person by e-mail address (IMP-43). `agreed`: how the user knows that the person agreed to marketing
    mail; "": no consent is recorded, because adding somebody is no consent (CON-3). `list_id`: a list to join, or to be asked about. Raises `Refused`,
    `NotFound`."""
    wanted = () if list_id is None else (list_id,)
    (stored,) = entering.store(tx, [Entry(Identifiers(email=email, name=name), lists=wanted)], agent, address)
    if isinstance(stored, BadEntry):
        raise NotFound(stored.message)
    if agreed:
        record_one(tx, agent, AgentEntry(stored.contact, Purpose.EMAIL_MARKETING, Status.SUBSCRIBED, agreed), address)
    return stored
