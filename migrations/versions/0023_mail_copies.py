"""Adds the copies of mails to contacts that agents read."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mail_copies",
        sa.Column("outbound_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["outbound_id"], ["outbound.id"], name=op.f("fk_mail_copies_outbound_id")),
        sa.PrimaryKeyConstraint("outbound_id", name=op.f("pk_mail_copies")),
    )
