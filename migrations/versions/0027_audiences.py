"""Adds typed properties of contacts, lists, segments, and what caused an event."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Json, Key

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def _partial(name: str, table: str, columns: list[str], where: str, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def upgrade() -> None:
    for date in ("date_added", "last_open", "last_click"):
        op.add_column("contacts", sa.Column(date, Instant(), nullable=True))
        _partial(f"ix_contacts_{date}", "contacts", [date, "id"], f"{date} IS NOT NULL")
    op.add_column("events", sa.Column("cause", sa.Text(), nullable=True))
    op.create_index("ix_events_metric", "events", ["metric", "happened_at", "contact_id"])
    _properties()
    _lists()
    _segments()
    op.create_table(
        "postal_codes",
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("latitude", sa.Integer(), nullable=False),
        sa.Column("longitude", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("country", "code", name=op.f("pk_postal_codes")),
    )


def _properties() -> None:
    op.create_table(
        "properties",
        sa.Column("id", Key, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("deleted_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_properties")),
    )
    _partial("uq_properties_key", "properties", ["key"], "deleted_at IS NULL", unique=True)
    op.create_table(
        "property_values",
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("property_id", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("text_key", sa.Text(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_property_values_contact_id")),
        sa.ForeignKeyConstraint(["property_id"], ["properties.id"], name=op.f("fk_property_values_property_id")),
        sa.PrimaryKeyConstraint("contact_id", "property_id", "n", name=op.f("pk_property_values")),
    )
    for kind, column in (("text", "text_key"), ("number", "number"), ("at", "at")):
        op.create_index(f"ix_property_values_{kind}", "property_values", ["property_id", column, "contact_id"])


def _lists() -> None:
    op.create_table(
        "lists",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("double_opt_in", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("rows", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("deleted_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lists")),
    )
    _partial("uq_lists_name", "lists", ["name_key"], "deleted_at IS NULL", unique=True)
    op.create_table(
        "list_members",
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("joined_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["lists.id"], name=op.f("fk_list_members_list_id")),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_list_members_contact_id")),
        sa.PrimaryKeyConstraint("list_id", "contact_id", name=op.f("pk_list_members")),
    )
    op.create_index("ix_list_members_contact", "list_members", ["contact_id", "list_id"])


def _segments() -> None:
    op.create_table(
        "segments",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("filter", Json(), nullable=False),
        sa.Column("rows", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("stale", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("refreshed_at", Instant(), nullable=True),
        sa.Column("changes_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.Column("deleted_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segments")),
    )
    _partial("uq_segments_name", "segments", ["name_key"], "deleted_at IS NULL", unique=True)
    op.create_table(
        "segment_members",
        sa.Column("segment_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("joined_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["segment_id"], ["segments.id"], name=op.f("fk_segment_members_segment_id")),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_segment_members_contact_id")),
        sa.PrimaryKeyConstraint("segment_id", "contact_id", name=op.f("pk_segment_members")),
    )
    op.create_index("ix_segment_members_contact", "segment_members", ["contact_id", "segment_id"])
    op.create_table(
        "segment_queue",
        sa.Column("contact_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cause", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("contact_id", name=op.f("pk_segment_queue")),
    )
