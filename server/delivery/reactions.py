"""Records outcomes of messages that no thread shows as events. Run by `server/reactions.py`."""

from __future__ import annotations

from server.delivery.rules import OutboundSettled
from server.events.recording import record
from server.events.rules import NewEvent
from server.kernel.sql import Tx


def note_outcome(tx: Tx, event: OutboundSettled) -> None:
    """Records the outcome of a message that no thread shows. Messages of threads are recorded with their delivery entry (`sms/reactions.py`)."""
    if event.contact is not None and event.metric is not None and (event.thread is None or event.seq is None):
        data = {"outbound": event.outbound, "reason": event.reason}
        record(tx, [NewEvent(event.contact, event.metric, event.channel, data=data)])
