"""Tables of the inbox: threads, tickets, the timeline, files, drafts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from server.kernel.columns import Instant, Json, Key
from server.schema.metadata import metadata

# One SMS thread and one mail thread per contact, one chat thread per session. The row's lock orders the timeline.
threads = Table(
    "threads",
    metadata,
    Column("id", Key, primary_key=True),
    Column("token", Text, nullable=False, unique=True),  # shown to visitors instead of the id
    Column("channel", Text, nullable=False),  # webchat | sms | email
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), nullable=False, index=True),
    Column("visitor_id", BigInteger, ForeignKey("visitors.id"), index=True),
    # SMS: the contact as the carrier names them (a number, a short code, "whatsapp:+…"), and the number of ours that
    # they text.
    Column("peer", Text),
    Column("sender", Text),
    # SMS, after a merge: the thread where the conversation continues
    Column("continued_in", BigInteger, ForeignKey("threads.id")),
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
    Column("last_public_seq", BigInteger, nullable=False, server_default="0"),
    Column("rev", BigInteger, nullable=False, server_default="0"),  # of the ticket's summary
    Column("visitor_seen", BigInteger, nullable=False, server_default="0"),  # seq read by the visitor
    Column("team_seen", BigInteger, nullable=False, server_default="0"),  # seq read by the team
    Column("changed_at", Instant, nullable=False, index=True),  # for the sweep that repairs lost publications
    Column("created_at", Instant, nullable=False),
)
# One SMS thread per contact (INB-21), also under concurrent requests.
Index(
    "uq_threads_sms",
    threads.c.contact_id,
    unique=True,
    postgresql_where=text("channel = 'sms'"),
    sqlite_where=text("channel = 'sms'"),
)

# One mail thread per contact, without a ticket (HIS-2).
Index(
    "uq_threads_email",
    threads.c.contact_id,
    unique=True,
    postgresql_where=text("channel = 'email'"),
    sqlite_where=text("channel = 'email'"),
)

# A thread as agents see it; created by the customer's first message.
tickets = Table(
    "tickets",
    metadata,
    Column("id", Key, primary_key=True),
    Column("thread_id", BigInteger, ForeignKey("threads.id"), nullable=False, unique=True),
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), nullable=False, index=True),
    Column("channel", Text, nullable=False),
    Column("status", Text, nullable=False),  # open | snoozed | closed (INB-30)
    Column("unread", Boolean, nullable=False),
    Column("assignee_id", BigInteger, ForeignKey("users.id")),
    Column("snoozed_until", Instant),  # set exactly while the status is "snoozed"
    Column("snoozed_by", BigInteger),  # the agent who snoozed it
    Column("woken_for", BigInteger),  # the agent who is told that its snooze ended, until somebody reads the ticket
    Column("closing_at", Instant),  # when a delayed close of a chat takes effect (INB-26)
    Column("barred", Text),  # SMS: why an agent cannot reply (consent.rules.Barred); the gate checks again at each send
    # an agent must confirm or decline (AMB-1)
    Column("stop_asked", Boolean, nullable=False, server_default=text("false")),
    # the ticket stays unread while the team has read less than this seq
    Column("last_inbound_seq", BigInteger, nullable=False, server_default="0"),
    Column("waiting_since", Instant),  # oldest customer message without an answer
    Column("preview", Text, nullable=False, server_default=""),
    Column("preview_by", Text, nullable=False, server_default="visitor"),
    Column("last_message_at", Instant, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    # Lists use keyset pagination along these indexes; `id` breaks ties.
    Index("ix_tickets_list", "status", "last_message_at", "id"),
    Index("ix_tickets_channel", "status", "channel", "last_message_at", "id"),
    Index("ix_tickets_mine", "assignee_id", "status", "last_message_at", "id"),
    Index("ix_tickets_waiting", "status", "waiting_since", "id"),
)
# The wake-up reads due tickets along this index, which contains only snoozed ones.
Index(
    "ix_tickets_snoozed",
    tickets.c.snoozed_until,
    tickets.c.id,
    postgresql_where=text("snoozed_until IS NOT NULL"),
    sqlite_where=text("snoozed_until IS NOT NULL"),
)
# The badge counts unread tickets; a partial index contains only those.
Index(
    "ix_tickets_unread",
    tickets.c.status,
    postgresql_where=text("unread"),
    sqlite_where=text("unread = 1"),
)

# Each time a ticket is open: from its opening to its close. The last one is open unless the ticket is closed.
episodes = Table(
    "episodes",
    metadata,
    Column("id", Key, primary_key=True),
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("opened_by", Text, nullable=False),  # visitor | contact | agent | system
    Column("opened_by_id", BigInteger),  # the agent
    Column("first_reply_at", Instant),  # of an agent
    Column("first_reply_by", BigInteger, ForeignKey("users.id")),
    Column("closed_at", Instant),
    Column("closed_by", Text),
    Column("closed_by_id", BigInteger),
    Column("assignee_id", BigInteger, ForeignKey("users.id")),  # at the close
    Index("ix_episodes_ticket", "ticket_id", "id"),
)
Index(
    "uq_episodes_open",
    episodes.c.ticket_id,
    unique=True,
    postgresql_where=text("closed_at IS NULL"),
    sqlite_where=text("closed_at IS NULL"),
)

# Append-only: every visible change of a conversation is one row. A change of an earlier row is a new row whose
# `ref_seq` points back. `public_seq` is a dense counter for visitors, null for entries that they do not see.
timeline = Table(
    "timeline",
    metadata,
    Column("id", Key, primary_key=True),
    Column("thread_id", BigInteger, ForeignKey("threads.id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("public_seq", BigInteger),
    Column("kind", Text, nullable=False),  # message note status assigned seen contact delivery consent redacted mail
    Column("author_type", Text, nullable=False),  # visitor contact agent system
    Column("author_id", BigInteger),
    Column("author_name", Text, nullable=False, server_default=""),
    Column("body", Text, nullable=False, server_default=""),
    Column("data", Json, nullable=False),
    Column("ref_seq", BigInteger),
    Column("dedupe", Text, unique=True),  # "web:<visitor>:<key>", "agent:<user>:<key>"
    Column("body_hash", Text),  # same key with another body is a conflict
    Column("at", Instant, nullable=False),
    UniqueConstraint("thread_id", "seq"),
)
Index(
    "uq_timeline_thread_id_public_seq",
    timeline.c.thread_id,
    timeline.c.public_seq,
    unique=True,
    postgresql_where=text("public_seq IS NOT NULL"),
    sqlite_where=text("public_seq IS NOT NULL"),
)
# A page has 50 messages and the entries that refer to them, so delivery ticks do not fill it.
Index(
    "ix_timeline_messages",
    timeline.c.thread_id,
    timeline.c.seq,
    postgresql_where=text("kind IN ('message', 'note')"),
    sqlite_where=text("kind IN ('message', 'note')"),
)
Index(
    "ix_timeline_ref",
    timeline.c.thread_id,
    timeline.c.ref_seq,
    postgresql_where=text("ref_seq IS NOT NULL"),
    sqlite_where=text("ref_seq IS NOT NULL"),
)

# The content is in the files folder under `token`. A file has no thread until an entry attaches it.
attachments = Table(
    "attachments",
    metadata,
    Column("id", Key, primary_key=True),
    Column("token", Text, nullable=False, unique=True),
    Column("owner", Text, nullable=False),  # "agent:<user>" or "web:<visitor key>"
    Column("thread_id", BigInteger, ForeignKey("threads.id"), index=True),
    Column("public", Boolean, nullable=False, server_default=text("false")),  # attached to a public entry
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),  # 0: not fetched from the carrier yet
    Column("width", Integer),
    Column("height", Integer),
    Column("sha256", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

# Unsent text of agents, shared between their devices. A draft that is sent or deleted stays as an empty row, so that a late
# write of its text is recognised as older.
drafts = Table(
    "drafts",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True),
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), primary_key=True),
    Column("mode", Text, nullable=False),  # reply | note
    Column("body", Text, nullable=False),
    Column("rev", BigInteger, nullable=False, server_default="1"),  # raised by each change
    Column("at", Instant, nullable=False),
)

# Stored texts that agents insert into replies (SET-8).
quick_replies = Table(
    "quick_replies",
    metadata,
    Column("id", Key, primary_key=True),
    Column("shortcut", Text, nullable=False),
    Column("shortcut_key", Text, nullable=False, unique=True),  # the shortcut without case
    Column("text", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

# Actions on all tickets of a list, carried out by a job.
bulk_changes = Table(
    "bulk_changes",
    metadata,
    Column("id", Key, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("client_key", Text, nullable=False),
    Column("state", Text, nullable=False),  # running | done | undoing | undone
    Column("action", Text, nullable=False),
    Column("request", Json, nullable=False),  # filter, exceptions, assignee, time
    Column("as_of", Instant, nullable=False),
    Column("place", Json),  # where the next page begins; null at the beginning
    Column("total", BigInteger, nullable=False),
    Column("results", Json, nullable=False),  # tickets by code, as in bulk.Result
    Column("undo_results", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("user_id", "client_key"),
)

# The tickets that such an action changed and what they were before, until it can no longer be undone.
bulk_items = Table(
    "bulk_items",
    metadata,
    Column("bulk_id", BigInteger, ForeignKey("bulk_changes.id"), primary_key=True),
    Column("ticket_id", BigInteger, primary_key=True),
    Column("before", Json, nullable=False),
)

# Sites where the widget was loaded, for the check in Settings.
sites_seen = Table(
    "sites_seen",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("page", Text, nullable=False),
    Column("first_seen", Instant, nullable=False),
    Column("last_seen", Instant, nullable=False),
)

# Mails to visitors who left before they saw a reply: one row for each time they were away. A row that ends without a mail
# is deleted.
follow_ups = Table(
    "follow_ups",
    metadata,
    Column("id", Key, primary_key=True),
    Column("thread_id", BigInteger, ForeignKey("threads.id"), nullable=False, index=True),
    Column("first_seq", BigInteger, nullable=False),  # of the first reply since the visitor was there
    Column("mailed_seq", BigInteger),  # of the last reply in the mail
    Column("state", Text, nullable=False),  # waiting | queued
    Column("due_at", Instant, nullable=False),  # the delay after the last reply
    Column("check_at", Instant, nullable=False),  # when to look whether the visitor is away
    Column("absent_since", Instant),  # the visitor's `seen_at` at the last look, if they were away
    Column("outbound_id", BigInteger, ForeignKey("outbound.id")),  # the mail
    Column("link_hash", Text, unique=True),  # of the return link in the mail (G18)
    Column("link_expires_at", Instant),
    Column("returned_at", Instant),
    Column("created_at", Instant, nullable=False),
)
Index(
    "uq_follow_ups_current",
    follow_ups.c.thread_id,
    unique=True,
    postgresql_where=text("returned_at IS NULL"),
    sqlite_where=text("returned_at IS NULL"),
)
Index(
    "ix_follow_ups_due",
    follow_ups.c.check_at,
    follow_ups.c.id,
    postgresql_where=text("state = 'waiting'"),
    sqlite_where=text("state = 'waiting'"),
)
