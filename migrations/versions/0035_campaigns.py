"""Adds campaigns, receipts and Smart Sending timers."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Json, Key

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def _partial(name: str, columns: list[str], where: str, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, "receipts", columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def upgrade() -> None:
    op.add_column("outbound", sa.Column("smart", sa.Text(), nullable=True))
    op.add_column("outbound", sa.Column("expires_at", Instant(), nullable=True))
    op.create_table(
        "smart_timers",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.Column("outbound_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "address", "kind", name=op.f("pk_smart_timers")),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("include", Json(), nullable=False),
        sa.Column("exclude", Json(), nullable=False),
        sa.Column("content", Json(), nullable=False),
        sa.Column("smart", sa.Text(), nullable=False),
        sa.Column("audience_at", sa.Text(), nullable=False),
        sa.Column("edits", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("time_zone", sa.Text(), server_default="", nullable=False),
        sa.Column("scheduled_at", Instant(), nullable=True),
        sa.Column("approved_by", sa.BigInteger(), nullable=True),
        sa.Column("prepared_to", sa.BigInteger(), nullable=True),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("ends_at", Instant(), nullable=True),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("forgiven", Json(), nullable=True),
        sa.Column("review", Json(), nullable=True),
        sa.Column("review_of", sa.Integer(), nullable=True),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["approved_by"], ["users.id"], name=op.f("fk_campaigns_approved_by")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_campaigns_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
    )
    op.create_index("ix_campaigns_changed", "campaigns", ["changed_at", "id"])
    op.create_table(
        "receipts",
        sa.Column("id", Key, nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("outbound_id", sa.BigInteger(), nullable=True),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("sent_at", Instant(), nullable=True),
        sa.Column("clicked_at", Instant(), nullable=True),
        sa.Column("clicks", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("replied_at", Instant(), nullable=True),
        sa.Column("reply_thread", sa.BigInteger(), nullable=True),
        sa.Column("reply_seq", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_receipts_contact_id")),
        sa.ForeignKeyConstraint(["outbound_id"], ["outbound.id"], name=op.f("fk_receipts_outbound_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
        sa.UniqueConstraint("outbound_id", name=op.f("uq_receipts_outbound_id")),
    )
    op.create_index("ix_receipts_contact_id", "receipts", ["contact_id"])
    op.create_index("uq_receipts_cause_contact_id", "receipts", ["cause", "contact_id"], unique=True)
    op.create_index("ix_receipts_state", "receipts", ["cause", "state", "reason", "id"])
    _partial("uq_receipts_address", ["cause", "address"], "outbound_id IS NOT NULL", unique=True)
    _partial("ix_receipts_waiting", ["cause", "country", "id"], "state = 'waiting'")
    _partial("ix_receipts_sent", ["address", "sent_at"], "sent_at IS NOT NULL")
