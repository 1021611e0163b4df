"""Tables of consent: the current state, the ledger that proves it, and suppressed addresses."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from server.kernel.columns import Instant, Json, Key
from server.schema.metadata import metadata

# Consents an owner defines beside the built-in ones (CIM-4); a purpose is then "consent:<id>".
consent_kinds = Table(
    "consent_kinds",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text, nullable=False, server_default=""),
    Column("channel", Text, nullable=False),  # general | email | sms
    Column("required", Boolean, nullable=False, server_default=text("false")),  # for every send on its channel (CIM-5)
    Column("deleted_at", Instant),
    Column("created_at", Instant, nullable=False),
)

# The current consent of each contact, one row per purpose (CON-1..2).
consents = Table(
    "consents",
    metadata,
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), primary_key=True),
    Column("purpose", Text, primary_key=True),  # email_marketing | sms_marketing | sms_transactional | consent:<id>
    Column("status", Text, nullable=False),  # subscribed | unsubscribed | never_subscribed
    Column("method", Text, nullable=False),  # consent.rules.Method: keyword | agent | gateway | deactivation …
    Column("source", Text, nullable=False, server_default=""),
    Column("happened_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("paused_at", Instant),  # the contact asked to stop in free text; an agent confirms or resumes (AMB-1)
    # a STOP ended it; START restores it (AMB-32)
    Column("taken", Boolean, nullable=False, server_default=text("false")),
)

Index("ix_consents_purpose", consents.c.purpose, consents.c.status, consents.c.contact_id)
Index(
    "ix_consents_paused",
    consents.c.contact_id,
    postgresql_where=text("paused_at IS NOT NULL"),
    sqlite_where=text("paused_at IS NOT NULL"),
)

# Every change, append-only; chained per contact with an HMAC whose key is not in the database (G14).
consent_ledger = Table(
    "consent_ledger",
    metadata,
    Column("id", Key, primary_key=True),
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), nullable=False),
    Column("n", Integer, nullable=False),  # 1, 2, 3 … of this contact
    Column("purpose", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("status", Text, nullable=False),  # as in consents; or paused | resumed | erased
    Column("applied", Boolean, nullable=False),  # false: kept as evidence, but a newer entry exists (CON, IMP-76)
    Column("method", Text, nullable=False),
    Column("source", Text, nullable=False, server_default=""),  # "sms:SM…", "user:3", "import:7", a form's address
    Column("wording", Text, nullable=False, server_default=""),  # the full text that was shown or received
    Column("language", Text, nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    # the phone number or e-mail address; blanked by erasure
    Column("address", Text, nullable=False, server_default=""),
    Column("salt", Text, nullable=False),
    # hash over the salt and each personal field, so that erased rows still verify
    Column("commitment", Text, nullable=False),
    Column("happened_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("mac", Text, nullable=False),
    UniqueConstraint("contact_id", "n"),
)

# The length and last MAC of each chain, to detect removed rows.
consent_heads = Table(
    "consent_heads",
    metadata,
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), primary_key=True),
    Column("length", Integer, nullable=False),
    Column("mac", Text, nullable=False),  # of the last row
    Column("seal", Text, nullable=False),  # HMAC of contact, length and mac, to detect an edited head
)

# One row: the number of chains and a sum over their contacts, to detect a removed chain.
consent_register = Table(
    "consent_register",
    metadata,
    Column("id", Key, primary_key=True),
    Column("chains", Integer, nullable=False),
    Column("total", Text, nullable=False),  # of a keyed hash of each contact, modulo 2^256, hex
    Column("seal", Text, nullable=False),
)

# Addresses that must not be sent to, whichever contact has them; imports and merges do not remove them (G12).
suppressions = Table(
    "suppressions",
    metadata,
    Column("channel", Text, primary_key=True),  # sms | email
    Column("address", Text, primary_key=True),  # E.164, or lower-case e-mail
    # stop | gateway | invalid | landline | dead | agent | deactivated | soft_bounces
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("at", Instant, nullable=False),
    Column("source", Text, nullable=False, server_default=""),  # "user:3", "import:7"; "": automatic
)
Index("ix_suppressions_at", suppressions.c.at, suppressions.c.channel, suppressions.c.address)

# E-mail addresses whose last mails were returned for a passing reason (SUP-3).
soft_bounces = Table(
    "soft_bounces",
    metadata,
    Column("address", Text, primary_key=True),
    Column("run", Integer, nullable=False),  # how many in a row
    Column("accepted_since", Integer, nullable=False),  # mails that the server accepted since the last bounce
    Column("last_at", Instant, nullable=False),
)

# The owner's list of people known for suing over texts; nothing is sent to them while the setting is on (CON-8).
litigators = Table(
    "litigators",
    metadata,
    Column("phone", Text, primary_key=True),  # E.164
    Column("added_at", Instant, nullable=False),
)

# Opt-in questions that wait for a confirmation (CON-9..11).
opt_ins = Table(
    "opt_ins",
    metadata,
    Column("contact_id", BigInteger, ForeignKey("contacts.id"), primary_key=True),
    Column("channel", Text, primary_key=True),  # of the question: sms | email
    Column("list_id", BigInteger, primary_key=True, autoincrement=False, server_default="0"),  # 0: none
    Column("purposes", Json, nullable=False),
    Column("keyword", Text, nullable=False, server_default=""),
    Column("source", Text, nullable=False, server_default=""),
    Column("wording", Text, nullable=False),
    Column("address", Text, nullable=False, server_default=""),  # where a mail is sent
    Column("link_hash", Text),  # of the mail's link
    Column("outbound_id", BigInteger),  # the mail
    Column("asked_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)
Index(
    "uq_opt_ins_link",
    opt_ins.c.link_hash,
    unique=True,
    postgresql_where=text("link_hash IS NOT NULL"),
    sqlite_where=text("link_hash IS NOT NULL"),
)
