"""Tables of contacts, their addresses, and visitors."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Column,
    CompoundSelect,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
    text,
)

from server.kernel.columns import Instant, Json, Key
from server.schema.metadata import metadata

# A person; unverified input of a visitor is in `visitors` (IDN-1). Only `contacts/actions.py` writes this table.
contacts = Table(
    "contacts",
    metadata,
    Column("id", Key, primary_key=True),
    Column("guid", Text, nullable=False, index=True, unique=True),  # unguessable, for other systems (IDN-2)
    Column("name", Text, nullable=False, server_default=""),
    Column("name_key", Text, nullable=False, server_default=""),  # `text.search_key` of the name
    Column("email", Text, index=True),  # the primary e-mail address and phone number, copies of rows of `addresses`
    Column("phone", Text, index=True),  # E.164
    Column("country", Text, nullable=False, server_default=""),  # ISO 3166 of the phone, upper case; "" unknown
    Column("language", Text, nullable=False, server_default=""),  # of their keywords, as ISO 639; "" unknown
    # a copy: whether the contact has an external id
    Column("verified", Boolean, nullable=False, server_default=text("false")),
    # after a merge, the contact that remains; it is never merged itself
    Column("merged_into", BigInteger, ForeignKey("contacts.id")),
    # Since when the team reads and answers nothing of this person; merged contacts are blocked together (AMB-5).
    Column("blocked_at", Instant),
    Column("erased_at", Instant),  # nothing names the person any more; the ledger refers to the row
    # The fixed properties (IMP-12). Our own opens and clicks move the last two forward.
    Column("date_added", Instant),
    Column("last_open", Instant),
    Column("last_click", Instant),
    # Since when the contact is an empty row that only keeps its consent ledger, because the import that created it was undone.
    Column("hidden_at", Instant),
    Column("created_at", Instant, nullable=False),
)
for _date in ("date_added", "last_open", "last_click"):
    Index(
        f"ix_contacts_{_date}",
        contacts.c[_date],
        contacts.c.id,
        postgresql_where=text(f"{_date} IS NOT NULL"),
        sqlite_where=text(f"{_date} IS NOT NULL"),
    )
# The table of contacts is read along these.
Index("ix_contacts_created", contacts.c.created_at, contacts.c.id)
Index("ix_contacts_name", contacts.c.name_key, contacts.c.id)
Index(
    "ix_contacts_blocked",
    contacts.c.blocked_at,
    postgresql_where=text("blocked_at IS NOT NULL"),
    sqlite_where=text("blocked_at IS NOT NULL"),
)
Index(
    "ix_contacts_merged_into",
    contacts.c.merged_into,
    postgresql_where=text("merged_into IS NOT NULL"),
    sqlite_where=text("merged_into IS NOT NULL"),
)

# What identifies a contact. Several people may share a phone number or an e-mail address: such an address then means
# the one whose row was active last (AMB-33).
addresses = Table(
    "addresses",
    metadata,
    Column("id", Key, primary_key=True),
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),  # contacts.rules.AddressKind
    Column("value", Text, nullable=False),  # canonical: E.164, or lower-case e-mail
    # the person texted from it, or the shop signed it; False: somebody entered it
    Column("verified", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("active_at", Instant, nullable=False),  # when it last identified the contact
    UniqueConstraint("kind", "value", "contact_id"),
)
# These ids have one contact each.
Index(
    "uq_addresses_id",
    addresses.c.kind,
    addresses.c.value,
    unique=True,
    postgresql_where=text("kind IN ('crm', 'external', 'shop')"),
    sqlite_where=text("kind IN ('crm', 'external', 'shop')"),
)

# Each merge of two contacts. Merges that are not undone form trees; `contacts.merged_into` names the root.
merges = Table(
    "merges",
    metadata,
    Column("id", Key, primary_key=True),
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), nullable=False),
    Column("survivor_id", BigInteger, ForeignKey("contacts.id"), nullable=False, index=True),
    Column("by_type", Text, nullable=False),  # audit.rules.ActorType
    Column("by_id", BigInteger),
    Column("by_name", Text, nullable=False, server_default=""),
    Column("at", Instant, nullable=False),
    Column("before", Json, nullable=False),  # what undo restores
    Column("undone_at", Instant),
)
Index(
    "uq_merges_contact",
    merges.c.contact_id,
    unique=True,
    postgresql_where=text("undone_at IS NULL"),
    sqlite_where=text("undone_at IS NULL"),
)


def merged_set(contact: BindParameter[Any]) -> CompoundSelect[Any]:
    """The ids of all contacts that are merged with this one, and its own."""
    member = contacts.alias("one")
    root = select(func.coalesce(member.c.merged_into, member.c.id)).where(member.c.id == contact).scalar_subquery()
    remaining, others = contacts.alias("remaining"), contacts.alias("others")
    return (
        select(remaining.c.id)
        .where(remaining.c.id == root)
        .union_all(select(others.c.id).where(others.c.merged_into == root))
    )


# What a team calls a property of its contacts. Its key can be used again after it is deleted.
properties = Table(
    "properties",
    metadata,
    Column("id", Key, primary_key=True),
    Column("key", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),  # contacts.property_rules.PropertyType
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
)
Index(
    "uq_properties_key",
    properties.c.key,
    unique=True,
    postgresql_where=text("deleted_at IS NULL"),
    sqlite_where=text("deleted_at IS NULL"),
)

# The values, one row each; a list has a row for each item. Only `contacts/properties.py` writes this table.
property_values = Table(
    "property_values",
    metadata,
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), primary_key=True),
    Column("property_id", BigInteger, ForeignKey("properties.id"), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),  # place in a list; otherwise 0
    Column("text", Text),
    Column("text_key", Text),  # as filters compare it: without case and accents, cut to `property_rules.KEY_CHARS`
    Column("number", BigInteger),  # in millionths; of a boolean 0 or 1
    Column("at", Instant),
    Index("ix_property_values_text", "property_id", "text_key", "contact_id"),
    Index("ix_property_values_number", "property_id", "number", "contact_id"),
    Index("ix_property_values_at", "property_id", "at", "contact_id"),
)

# A browser (anonymous: the hash of its token) or a signed-in person ("ext:<sub>") on a website.
# Nothing is stored before the first message.
visitors = Table(
    "visitors",
    metadata,
    Column("id", Key, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), nullable=False, index=True),
    Column("thread_id", BigInteger),  # the current chat; the next message after its close begins a new one (AMB-37)
    Column("email", Text),  # unverified: identifies no contact and grants nothing
    Column("name", Text),
    Column("name_key", Text, nullable=False, server_default=""),  # `text.search_key` of the name
    Column("page_url", Text, nullable=False, server_default=""),
    Column("page_title", Text, nullable=False, server_default=""),
    Column("referrer", Text, nullable=False, server_default=""),
    Column("user_agent", Text, nullable=False, server_default=""),
    Column("locale", Text, nullable=False, server_default=""),
    Column("time_zone", Text, nullable=False, server_default=""),
    Column("seen_at", Instant),  # presence, with a TTL
    # came by the return link of a follow-up mail: reads and writes only this thread, and never begins another chat
    Column("guest_of", BigInteger),
    Column("created_at", Instant, nullable=False),
)
