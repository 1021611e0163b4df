"""Tables of short links and their clicks."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Table, Text

from server.kernel.columns import Instant, Key
from server.schema.metadata import metadata

# Short links lead only to addresses that the team entered (G22).
short_links = Table(
    "short_links",
    metadata,
    Column("id", Key, primary_key=True),
    Column("code", Text, nullable=False, unique=True),  # 8 unguessable base62 characters
    Column("target", Text, nullable=False),  # http or https
    Column("contact_id", BigInteger, ForeignKey("contacts.id")),
    Column("outbound_id", BigInteger, ForeignKey("outbound.id"), index=True),
    Column("clicks", BigInteger, nullable=False, server_default="0"),
    Column("bot_clicks", BigInteger, nullable=False, server_default="0"),
    Column("first_click_at", Instant),
    Column("created_at", Instant, nullable=False),
)

link_clicks = Table(
    "link_clicks",
    metadata,
    Column("id", Key, primary_key=True),
    Column("link_id", BigInteger, ForeignKey("short_links.id"), nullable=False, index=True),
    Column("token", Text, nullable=False, unique=True),  # of the click, so that a repeated flush counts once
    Column("at", Instant, nullable=False),
    Column("bot", Boolean, nullable=False),
    Column("user_agent", Text, nullable=False, server_default=""),
    Column("referrer", Text, nullable=False, server_default=""),
)
