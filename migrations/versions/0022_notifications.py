"""Adds notifications to users and each user's wishes about them."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Key

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pending_notices",
        sa.Column("id", Key, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("count", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_pending_notices_ticket_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_pending_notices_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_notices")),
    )
    op.create_table(
        "notifications",
        sa.Column("id", Key, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notifications_user_id")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_notifications_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
    )
    op.create_index("ix_notifications_user", "notifications", ["user_id", "at", "id"])
    op.create_table(
        "notification_wishes",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("tickets", sa.Text(), nullable=False),
        sa.Column("mail", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("reminder_minutes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reminded_to", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notification_wishes_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_notification_wishes")),
    )
