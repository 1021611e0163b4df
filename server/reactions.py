"""Maps event types to the steps that react to them, in order, in the same transaction.

A feature announces an event without importing the features that react.
"""

from __future__ import annotations

from server.account_mail import composing
from server.accounts.rules import Invited, LinkRequested
from server.audiences import reactions as audiences
from server.campaigns import reactions as campaigns
from server.consent.rules import AddressChanged, ConsentsChanged, OptInConfirmed
from server.contacts import properties
from server.contacts.property_rules import PropertiesChanged
from server.contacts.rules import ContactChanged, ContactCreated, ContactsRegrouped
from server.delivery import reactions as delivery
from server.delivery.rules import OutboundSettled
from server.events import reactions as events
from server.inbox import reactions as inbox
from server.kernel.context import Reactions
from server.links.rules import LinksClicked
from server.notifications import recording as notifications
from server.receipts import settling
from server.sms import reactions
from server.threads.rules import SnoozesEnded, TicketOpened

REACTIONS: Reactions = {
    OutboundSettled: [reactions.note_delivery, delivery.note_outcome, campaigns.note_outcome],
    ConsentsChanged: [reactions.note_consents, events.note_consents],
    OptInConfirmed: [audiences.join_confirmed],
    AddressChanged: [reactions.note_address, events.note_address],
    ContactCreated: [events.note_created],
    ContactChanged: [inbox.note_contact, events.note_contact],
    ContactsRegrouped: [events.note_regrouped],
    PropertiesChanged: [events.note_properties],
    LinksClicked: [properties.note_clicks, events.note_clicks, settling.note_clicks],
    TicketOpened: [notifications.notify_opened],
    SnoozesEnded: [notifications.notify_snoozes_ended],
    Invited: [composing.mail_invitation],
    LinkRequested: [composing.mail_link],
}
