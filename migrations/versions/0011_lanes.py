"""Adds lanes, an index for each search of the queue, mail in the queue, and credits by day.

The column `priority` meant both urgency and "is a reply"; the lane is derived from the kind of a message. Messages of a
stopped sender wait with that sender; a separate list no longer exists.
"""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Json

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# A copy from `server/delivery/rules.py`, as it was when this migration was written.
SET_LANE = """
UPDATE outbound SET lane = CASE WHEN kind IN ('keyword', 'auto_reply') THEN 1 WHEN kind = 'opt_in' THEN 2
WHEN priority = 0 THEN 0 WHEN priority = 10 THEN 3 ELSE 4 END
"""
# A day has 86,400,000,000 microseconds.
ADD_UP_CREDITS = """
INSERT INTO credit_days (day, kind, country, messages, credits)
SELECT at - at % 86400000000, kind, country, count(*), sum(total) FROM credits
GROUP BY at - at % 86400000000, kind, country
"""
INDEXES = (
    ("ix_outbound_due", ["channel", "sender", "lane", "due_at", "id"], "state = 'queued'"),
    ("ix_outbound_moved", ["moved_from", "id"], "state = 'queued' AND moved_from IS NOT NULL"),
    ("ix_outbound_in_turn", ["thread_id", "id"], "lane <= 2 AND state IN ('claimed', 'queued', 'sending')"),
    ("ix_outbound_claimed", ["claimed_until"], "state = 'claimed'"),
    ("ix_outbound_sending", ["dispatched_at"], "state = 'sending'"),
    ("ix_outbound_unknown", ["id"], "state = 'unknown'"),
)


def upgrade() -> None:
    for name in ("ix_outbound_due", "ix_outbound_open"):
        op.drop_index(name, table_name="outbound")
    op.add_column("outbound", sa.Column("lane", sa.SmallInteger(), nullable=True))
    op.execute(SET_LANE)
    with op.batch_alter_table("outbound") as batch:
        batch.alter_column("lane", existing_type=sa.SmallInteger(), nullable=False)
        batch.alter_column("contact_id", existing_type=sa.BigInteger(), nullable=True)
        batch.drop_column("priority")
        batch.add_column(sa.Column("moved_from", sa.Text(), nullable=True))
        batch.add_column(sa.Column("template", sa.Text(), nullable=True))
        batch.add_column(sa.Column("data", Json(), nullable=True))
    for name, columns, where in INDEXES:
        op.create_index(name, "outbound", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.drop_index("ix_carrier_reports_outbound_id", table_name="carrier_reports")
    for name, column, where in (
        ("ix_carrier_reports_outbound_id", "outbound_id", "outbound_id IS NOT NULL"),
        ("ix_carrier_reports_parked", "sid", "outbound_id IS NULL"),
    ):
        condition = sa.text(where)
        op.create_index(name, "carrier_reports", [column], sqlite_where=condition, postgresql_where=condition)
    op.create_index(
        "ix_jobs_running", "jobs", ["node"], sqlite_where=sa.text("running = 1"), postgresql_where=sa.text("running")
    )
    op.create_index("ix_jobs_dead", "jobs", ["id"], sqlite_where=sa.text("dead = 1"), postgresql_where=sa.text("dead"))
    op.create_table(
        "credit_days",
        sa.Column("day", Instant(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "kind", "country", name=op.f("pk_credit_days")),
    )
    op.execute(ADD_UP_CREDITS)
