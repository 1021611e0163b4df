"""Every table: the best introduction to the program, an area a file. Migrations create exactly this (a test compares).

Integer keys inside and towards agents; unguessable tokens for whatever a visitor can see. Times are
`Instant`: aware UTC in Python, microseconds in the database.
"""

from server.schema.accounts import audit, links, login_failures, sessions, users
from server.schema.clicks import link_clicks, short_links
from server.schema.consent import (
    consent_heads,
    consent_kinds,
    consent_ledger,
    consent_register,
    consents,
    litigators,
    opt_ins,
    suppressions,
)
from server.schema.delivery import carrier_inbound, carrier_reports, credits, outbound, senders
from server.schema.inbox import attachments, drafts, sites_seen, threads, tickets, timeline
from server.schema.kernel import jobs, processes, settings
from server.schema.metadata import metadata
from server.schema.people import contacts, visitors

__all__ = [
    "attachments",
    "audit",
    "carrier_inbound",
    "carrier_reports",
    "consent_heads",
    "consent_kinds",
    "consent_ledger",
    "consent_register",
    "consents",
    "contacts",
    "credits",
    "drafts",
    "jobs",
    "link_clicks",
    "links",
    "litigators",
    "login_failures",
    "metadata",
    "opt_ins",
    "outbound",
    "processes",
    "senders",
    "sessions",
    "settings",
    "short_links",
    "sites_seen",
    "suppressions",
    "threads",
    "tickets",
    "timeline",
    "users",
    "visitors",
]
