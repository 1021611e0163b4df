"""Tables of contacts: people, and the browsers they came with."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Table, Text

from server.kernel.columns import Instant, Key
from server.schema.metadata import metadata

# A person. What a visitor typed is on `visitors`; here stands what is known (IDN-1).
contacts = Table(
    "contacts",
    metadata,
    Column("id", Key, primary_key=True),
    Column("external_id", Text, unique=True),  # `sub` of a signed identity token
    Column("name", Text, nullable=False, server_default=""),
    Column("email", Text, index=True),
    Column("phone", Text, index=True),  # E.164
    Column("peer", Text, index=True),  # whom texts came from that is no phone number: a short code, "whatsapp:+…"
    Column("country", Text, nullable=False, server_default=""),  # ISO 3166 of the phone, upper case; "" unknown
    Column("language", Text, nullable=False, server_default=""),  # of their keywords, as ISO 639; "" unknown
    Column("active_at", Instant),  # newest inbound; of two people with one number the newest is meant (AMB-33)
    Column("merged_into", BigInteger, ForeignKey("contacts.id")),
    Column("created_at", Instant, nullable=False),
)

# A browser (anonymous: the hash of its token) or a signed-in person ("ext:<sub>") on a website.
# Nothing is stored before the first message.
visitors = Table(
    "visitors",
    metadata,
    Column("id", Key, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), nullable=False, index=True),
    Column("thread_id", BigInteger),  # the current chat; a new one starts when it is closed (AMB-37)
    Column("email", Text),  # typed, unverified: selects no contact, grants nothing
    Column("name", Text),
    Column("page_url", Text, nullable=False, server_default=""),
    Column("page_title", Text, nullable=False, server_default=""),
    Column("referrer", Text, nullable=False, server_default=""),
    Column("user_agent", Text, nullable=False, server_default=""),
    Column("locale", Text, nullable=False, server_default=""),
    Column("time_zone", Text, nullable=False, server_default=""),
    Column("seen_at", Instant),  # presence, with a TTL
    Column("created_at", Instant, nullable=False),
)
