"""What else happens? Event type → steps that run in the same transaction, in this order.

A lower feature announces and never knows who listens.
"""

from __future__ import annotations

from server.consent.rules import AddressChanged, ConsentChanged
from server.contacts.rules import ContactChanged
from server.delivery.rules import OutboundSettled, SendersChanged
from server.inbox import reactions as inbox
from server.kernel.context import Reactions

REACTIONS: Reactions = {
    OutboundSettled: [inbox.note_delivery],
    ConsentChanged: [inbox.note_consent],
    AddressChanged: [inbox.note_address],
    ContactChanged: [inbox.note_contact],
    SendersChanged: [inbox.note_numbers],
}
