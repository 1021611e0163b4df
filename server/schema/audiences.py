"""Tables of audiences: lists, segments, and the positions of postal codes."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, text

from server.kernel.columns import Instant, Json, Key
from server.schema.metadata import metadata

lists = Table(
    "lists",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),  # `text.search_key` of the name
    Column("double_opt_in", Boolean, nullable=False, server_default=text("true")),  # CON-9
    Column("rows", Integer, nullable=False, server_default=text("0")),  # of `list_members`
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
)
Index(
    "uq_lists_name",
    lists.c.name_key,
    unique=True,
    postgresql_where=text("deleted_at IS NULL"),
    sqlite_where=text("deleted_at IS NULL"),
)

# Of merged contacts, any membership counts as the remaining contact's; undoing the merge gives each its own back.
list_members = Table(
    "list_members",
    metadata,
    Column("list_id", BigInteger, ForeignKey("lists.id"), primary_key=True),
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), primary_key=True),
    Column("joined_at", Instant, nullable=False),
    Index("ix_list_members_contact", "contact_id", "list_id"),
)

segments = Table(
    "segments",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),  # `text.search_key` of the name
    Column("filter", Json, nullable=False),  # `audiences.filters.FilterTree` as JSON
    Column("rows", Integer, nullable=False, server_default=text("0")),  # of `segment_members`
    Column("stale", Boolean, nullable=False, server_default=text("true")),  # needs a full refresh
    # Members are right for all changes by the clock up to this moment. None: the segment is not filled yet.
    Column("refreshed_at", Instant),
    Column("changes_at", Instant),  # when the clock changes a membership next
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("deleted_at", Instant),
)
Index(
    "uq_segments_name",
    segments.c.name_key,
    unique=True,
    postgresql_where=text("deleted_at IS NULL"),
    sqlite_where=text("deleted_at IS NULL"),
)

# Only contacts that are not merged into another are members.
segment_members = Table(
    "segment_members",
    metadata,
    Column("segment_id", BigInteger, ForeignKey("segments.id"), primary_key=True),
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), primary_key=True),
    Column("joined_at", Instant, nullable=False),
    Index("ix_segment_members_contact", "contact_id", "segment_id"),
)

# Uploaded by the owner; without it no segment can ask for a distance. In hundred-thousandths of a degree.
postal_codes = Table(
    "postal_codes",
    metadata,
    Column("country", Text, primary_key=True),  # ISO 3166, upper case
    Column("code", Text, primary_key=True),  # `places.normal_code`: lower case, without spaces and hyphens
    Column("latitude", Integer, nullable=False),
    Column("longitude", Integer, nullable=False),
)
