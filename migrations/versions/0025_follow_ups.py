"""Adds follow-up mails to visitors who left, and visitors who came by the link in such a mail."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Key

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "follow_ups",
        sa.Column("id", Key, nullable=False),
        sa.Column("thread_id", sa.BigInteger(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("mailed_seq", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("check_at", Instant(), nullable=False),
        sa.Column("absent_since", Instant(), nullable=True),
        sa.Column("outbound_id", sa.BigInteger(), nullable=True),
        sa.Column("link_hash", sa.Text(), nullable=True),
        sa.Column("link_expires_at", Instant(), nullable=True),
        sa.Column("returned_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["thread_id"], ["threads.id"], name=op.f("fk_follow_ups_thread_id")),
        sa.ForeignKeyConstraint(["outbound_id"], ["outbound.id"], name=op.f("fk_follow_ups_outbound_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_ups")),
        sa.UniqueConstraint("link_hash", name=op.f("uq_follow_ups_link_hash")),
    )
    current = sa.text("returned_at IS NULL")
    op.create_index(
        "uq_follow_ups_current",
        "follow_ups",
        ["thread_id"],
        unique=True,
        sqlite_where=current,
        postgresql_where=current,
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "ix_follow_ups_due", "follow_ups", ["check_at", "id"], sqlite_where=waiting, postgresql_where=waiting
    )
    op.create_index(op.f("ix_follow_ups_thread_id"), "follow_ups", ["thread_id"])
    with op.batch_alter_table("visitors") as batch:
        batch.add_column(sa.Column("guest_of", sa.BigInteger(), nullable=True))
