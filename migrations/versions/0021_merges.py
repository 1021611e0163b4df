"""Adds merges of contacts that can be undone, and names the thread where a merged contact's conversation continues."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Json, Key

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "merges",
        sa.Column("id", Key, nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("survivor_id", sa.BigInteger(), nullable=False),
        sa.Column("by_type", sa.Text(), nullable=False),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.Column("by_name", sa.Text(), server_default="", nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("before", Json(), nullable=False),
        sa.Column("undone_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_merges_contact_id")),
        sa.ForeignKeyConstraint(["survivor_id"], ["contacts.id"], name=op.f("fk_merges_survivor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merges")),
    )
    op.create_index(op.f("ix_merges_survivor_id"), "merges", ["survivor_id"])
    live = sa.text("undone_at IS NULL")
    op.create_index(
        "uq_merges_contact", "merges", ["contact_id"], unique=True, sqlite_where=live, postgresql_where=live
    )
    with op.batch_alter_table("threads") as batch:
        batch.add_column(sa.Column("continued_in", sa.BigInteger(), nullable=True))
        batch.create_foreign_key(op.f("fk_threads_continued_in"), "threads", ["continued_in"], ["id"])
