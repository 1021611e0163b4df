"""Moves what identifies a contact into the table `addresses`, and gives each contact an unguessable id."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Key

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# A random UUID (version 4) for each row.
GUID = {
    "sqlite": """lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
        || substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))""",
    "postgresql": "gen_random_uuid()::text",
}
# Kind, column, and whether the address is verified. Numbers and peers come from texts. An e-mail address is verified if
# the shop signed it.
COLUMNS = (
    ("phone", "phone", "true"),
    ("peer", "peer", "true"),
    ("email", "email", "external_id IS NOT NULL"),
    ("external", "external_id", "true"),
)


def upgrade() -> None:
    op.create_table(
        "addresses",
        sa.Column("id", Key, nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("active_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_addresses_contact_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_addresses")),
        sa.UniqueConstraint("kind", "value", "contact_id", name=op.f("uq_addresses_kind_value_contact_id")),
    )
    for kind, column, verified in COLUMNS:
        op.execute(
            f"INSERT INTO addresses (contact_id, kind, value, verified, created_at, active_at) "  # noqa: S608
            f"SELECT id, '{kind}', {column}, {verified}, created_at, coalesce(active_at, created_at) FROM contacts "
            f"WHERE {column} IS NOT NULL ORDER BY id"
        )
    op.create_index(op.f("ix_addresses_contact_id"), "addresses", ["contact_id"])
    unique_kinds = sa.text("kind IN ('crm', 'external', 'shop')")
    op.create_index(
        "uq_addresses_id",
        "addresses",
        ["kind", "value"],
        unique=True,
        sqlite_where=unique_kinds,
        postgresql_where=unique_kinds,
    )
    op.add_column("contacts", sa.Column("guid", sa.Text(), nullable=True))
    op.add_column("contacts", sa.Column("verified", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    guid = GUID[op.get_bind().dialect.name]
    op.execute(f"UPDATE contacts SET guid = {guid}, verified = external_id IS NOT NULL")  # noqa: S608
    op.drop_index("ix_contacts_peer", table_name="contacts")
    with op.batch_alter_table("contacts") as batch:
        batch.alter_column("guid", existing_type=sa.Text(), nullable=False)
        batch.drop_constraint("uq_contacts_external_id", type_="unique")
        for column in ("external_id", "peer", "active_at"):
            batch.drop_column(column)
    op.create_index(op.f("ix_contacts_guid"), "contacts", ["guid"], unique=True)
    merged = sa.text("merged_into IS NOT NULL")
    op.create_index(
        "ix_contacts_merged_into", "contacts", ["merged_into"], sqlite_where=merged, postgresql_where=merged
    )
