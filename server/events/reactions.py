"""Records changed consents and clicks as events. Run by `server/reactions.py`."""

from __future__ import annotations

from server.consent.rules import ConsentsChanged, Status
from server.events.recording import record
from server.events.rules import Metric, NewEvent
from server.kernel.sql import Tx
from server.links.rules import LinksClicked

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


def note_clicks(tx: Tx, event: LinksClicked) -> None:
    """Records people's clicks on links of a contact as events."""
    record(
        tx,
        [
            NewEvent(click.contact, Metric.LINK_CLICKED, "link", click.at, {"link": click.link})
            for click in event.clicks
        ],
    )
