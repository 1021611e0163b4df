"""Keys opt-in questions by contact, channel and list, and adds the link of a question by mail."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Json

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

OLD = ("contact_id", "purposes", "keyword", "source", "wording", "asked_at", "expires_at")


def upgrade() -> None:
    connection = op.get_bind()
    pending = [tuple(row) for row in connection.execute(sa.text(f"SELECT {', '.join(OLD)} FROM opt_ins"))]  # noqa: S608
    op.drop_table("opt_ins")
    op.create_table(
        "opt_ins",
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("purposes", Json(), nullable=False),
        sa.Column("keyword", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("link_hash", sa.Text(), nullable=True),
        sa.Column("outbound_id", sa.BigInteger(), nullable=True),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_opt_ins_contact_id")),
        sa.PrimaryKeyConstraint("contact_id", "channel", "list_id", name=op.f("pk_opt_ins")),
    )
    condition = sa.text("link_hash IS NOT NULL")
    op.create_index(
        "uq_opt_ins_link", "opt_ins", ["link_hash"], unique=True, sqlite_where=condition, postgresql_where=condition
    )
    names = ", ".join(f":{name}" for name in OLD)
    for row in pending:
        connection.execute(
            sa.text(f"INSERT INTO opt_ins (channel, {', '.join(OLD)}) VALUES ('sms', {names})"),  # noqa: S608
            dict(zip(OLD, row, strict=True)),
        )
