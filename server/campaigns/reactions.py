"""Follows the texts of campaigns: settles receipts, and shows sent texts in the SMS threads of their recipients.

Run by `server/reactions.py`. A sent text opens no ticket and changes none (HIS-4).
"""

from __future__ import annotations

from typing import Any

from server.campaigns import queries, rules
from server.delivery import actions as delivery
from server.delivery import queries as outgoing
from server.delivery.rules import LEFT_US, OutboundSettled
from server.kernel.sql import Tx
from server.receipts import settling
from server.sms import threads
from server.threads.tickets import publish_summary
from server.threads.timeline import SYSTEM, append


def note_outcome(tx: Tx, event: OutboundSettled) -> None:
    """Stores the outcome in the receipt. When the text has left us, it gets its entry in the thread (HIS-1)."""
    receipt = settling.settle(tx, event)
    if receipt is None or event.state not in LEFT_US or event.thread is not None:
        return
    message = outgoing.by_id(tx, event.outbound)
    campaign = rules.campaign_of(receipt.cause)
    if message is None or message.thread is not None:
        return
    data: dict[str, Any] = {"origin": "campaign", "outbound": message.id, "segments": message.segments}
    if campaign is not None:
        data |= {"campaign": campaign, "name": queries.names(tx, [campaign]).get(campaign, "")}
    thread = threads.find_or_create(tx, receipt.contact, message.recipient, message.sender or "")
    entry, _ = append(tx, thread.id, "message", SYSTEM, body=message.body, data=data, public=False)
    delivery.set_entry(tx, message.id, thread.id, entry.seq)
    publish_summary(tx, thread.id)
