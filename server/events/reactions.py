"""Records changes of contacts, consents and clicks as events. Run by `server/reactions.py`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import bindparam, select

from server.audit.rules import ActorType
from server.consent.rules import AddressChanged, ConsentsChanged, Status
from server.contacts.property_rules import PropertiesChanged
from server.contacts.rules import AddressKind, ContactChanged, ContactCreated, ContactsRegrouped
from server.events.recording import record
from server.events.rules import Metric, NewEvent
from server.kernel.sql import Statement, Tx
from server.links.rules import LinksClicked
from server.schema import addresses

_METRICS = {Status.SUBSCRIBED: Metric.SUBSCRIBED, Status.UNSUBSCRIBED: Metric.UNSUBSCRIBED}


def note_consents(tx: Tx, event: ConsentsChanged) -> None:
    """Records each changed consent as an event, except one that ended without a refusal, for example because START undid a STOP."""
    record(
        tx,
        [
            NewEvent(
                person.contact,
                _METRICS[Status(change.status)],
                "consent",
                data={"purpose": change.purpose, "method": change.method},
                cause=event.cause or None,
            )
            for person in event.contacts
            for change in person.changes
            if change.status in _METRICS
        ],
    )
    # Pauses, and consents that ended without a refusal, are no events of the person, but segments may ask for them.
    others = [
        person.contact
        for person in event.contacts
        if person.paused is not None or any(change.status not in _METRICS for change in person.changes)
    ]
    _note_changed(tx, others, event.cause)


def note_clicks(tx: Tx, event: LinksClicked) -> None:
    """Records people's clicks on links of a contact as events."""
    record(
        tx,
        [
            NewEvent(click.contact, Metric.LINK_CLICKED, "link", click.at, {"link": click.link})
            for click in event.clicks
        ],
    )


def _note_changed(tx: Tx, people: Iterable[int], cause: str = "", **data: Any) -> None:
    record(
        tx,
        [
            NewEvent(contact, Metric.CONTACT_CHANGED, "contact", data=data or None, cause=cause or None)
            for contact in people
        ],
    )


def note_created(tx: Tx, event: ContactCreated) -> None:
    """Records a contact that a colleague created. Other people come with an event of their own: who writes or buys, and
    those that programs and imports send."""
    if event.by.type is ActorType.AGENT:
        _note_changed(tx, [event.contact], created=True)


def note_contact(tx: Tx, event: ContactChanged) -> None:
    fields = event.fields + sorted({str(kind) for kind, _ in event.added} - set(event.fields))
    _note_changed(tx, [event.contact], fields=fields)


def note_properties(tx: Tx, event: PropertiesChanged) -> None:
    changed: dict[int, list[int]] = {}
    for change in event.changes:
        changed.setdefault(change.contact, []).append(change.property)
    record(
        tx,
        [
            NewEvent(
                contact,
                Metric.CONTACT_CHANGED,
                "contact",
                data={"properties": changed[contact]},
                cause=event.cause or None,
            )
            for contact in event.contacts
        ],
    )


def note_regrouped(tx: Tx, event: ContactsRegrouped) -> None:
    _note_changed(tx, event.contacts, fields=["merge"])


_WITH_ADDRESS = Statement(
    select(addresses.c.contact_id)
    .where(addresses.c.kind == bindparam("kind"), addresses.c.value == bindparam("address"))
    .order_by(addresses.c.contact_id)
)


def note_address(tx: Tx, event: AddressChanged) -> None:
    """Records for every contact with the address that it was suppressed, or is no longer."""
    kind = AddressKind.PHONE if event.channel == "sms" else AddressKind.EMAIL
    people = [row.contact_id for row in tx.all(_WITH_ADDRESS, kind=kind.value, address=event.address)]
    if people:
        _note_changed(tx, people, suppressed=event.channel, reason=event.reason)
