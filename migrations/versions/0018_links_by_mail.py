"""Adds the language of mail to a user, and the second link of an invitation, which is mailed."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("language", sa.Text, nullable=False, server_default=""))
    op.add_column("links", sa.Column("mailed_for", sa.BigInteger))
