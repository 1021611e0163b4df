"""All tables, one file per area. A test checks that the migrations create exactly these.

Agents see integer keys; visitors see only random tokens. Times are
`Instant`: aware UTC in Python, microseconds in the database.
"""

from server.schema.accounts import api_keys, audit, links, login_failures, sessions, users
from server.schema.audiences import list_members, lists, postal_codes, segment_members, segments
from server.schema.campaigns import campaigns, receipts
from server.schema.consent import (
    consent_heads,
    consent_kinds,
    consent_ledger,
    consent_register,
    consents,
    litigators,
    opt_ins,
    soft_bounces,
    suppressions,
)
from server.schema.delivery import (
    carrier_inbound,
    carrier_reports,
    credit_days,
    credits,
    mail_copies,
    outbound,
    senders,
    smart_timers,
)
from server.schema.events import event_bookmarks, events
from server.schema.imports import import_rows, imports
from server.schema.inbox import (
    attachments,
    bulk_changes,
    bulk_items,
    drafts,
    episodes,
    follow_ups,
    quick_replies,
    sites_seen,
    threads,
    tickets,
    timeline,
)
from server.schema.kernel import jobs, processes, settings
from server.schema.metadata import metadata
from server.schema.notifications import notification_wishes, notifications, pending_notices
from server.schema.people import addresses, contacts, merged_set, merges, properties, property_values, visitors
from server.schema.shop import carts, order_lines, orders, refunds, shop_webhooks
from server.schema.short_links import link_clicks, short_links

__all__ = [
    "addresses",
    "api_keys",
    "attachments",
    "audit",
    "bulk_changes",
    "bulk_items",
    "campaigns",
    "carrier_inbound",
    "carrier_reports",
    "carts",
    "consent_heads",
    "consent_kinds",
    "consent_ledger",
    "consent_register",
    "consents",
    "contacts",
    "credit_days",
    "credits",
    "drafts",
    "episodes",
    "event_bookmarks",
    "events",
    "follow_ups",
    "import_rows",
    "imports",
    "jobs",
    "link_clicks",
    "links",
    "list_members",
    "lists",
    "litigators",
    "login_failures",
    "mail_copies",
    "merged_set",
    "merges",
    "metadata",
    "notification_wishes",
    "notifications",
    "opt_ins",
    "order_lines",
    "orders",
    "outbound",
    "pending_notices",
    "postal_codes",
    "processes",
    "properties",
    "property_values",
    "quick_replies",
    "receipts",
    "refunds",
    "segment_members",
    "segments",
    "senders",
    "sessions",
    "settings",
    "shop_webhooks",
    "short_links",
    "sites_seen",
    "smart_timers",
    "soft_bounces",
    "suppressions",
    "threads",
    "tickets",
    "timeline",
    "users",
    "visitors",
]
