"""Adds API keys, and the type of the actor to the audit log: agent, visitor, system, flow, import or API key."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Json, Key

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", Key, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("token_hash", sa.Text, nullable=False, unique=True),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("created_by", sa.BigInteger, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("used_at", Instant),
        sa.Column("revoked_at", Instant),
    )
    op.add_column("audit", sa.Column("actor_type", sa.Text, nullable=False, server_default="agent"))
    op.add_column("audit", sa.Column("actor_id", sa.BigInteger))
    fill(op.get_bind())


def fill(bind: sa.Connection) -> None:
    audit = sa.table(
        "audit",
        *(sa.column(name, sa.Text) for name in ("actor_type", "address")),
        *(sa.column(name, sa.BigInteger) for name in ("actor_id", "user_id")),
    )
    nobody = audit.c.user_id.is_(None)
    bind.execute(sa.update(audit).values(actor_id=audit.c.user_id))
    # An old line without a user is a visitor's if it has an address; otherwise the server or the command line wrote it.
    bind.execute(sa.update(audit).where(nobody, audit.c.address != "").values(actor_type="visitor"))
    bind.execute(sa.update(audit).where(nobody, audit.c.address == "").values(actor_type="system"))
