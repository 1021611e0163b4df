"""Adds imports, the verdicts of their rows, and contacts that are hidden because their import was undone."""

import sqlalchemy as sa
from alembic import op

from server.kernel.columns import Instant, Json, Key

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contacts", sa.Column("hidden_at", Instant(), nullable=True))
    op.create_table(
        "imports",
        sa.Column("id", Key, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("file_name", sa.Text(), server_default="", nullable=False),
        sa.Column("file_size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("file_token", sa.Text(), server_default="", nullable=False),
        sa.Column("sha256", sa.Text(), server_default="", nullable=False),
        sa.Column("reading", Json(), nullable=False),
        sa.Column("described", Json(), nullable=True),
        sa.Column("mapping", Json(), nullable=True),
        sa.Column("problem", Json(), nullable=True),
        sa.Column("rows", sa.Integer(), server_default="0", nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("position", Json(), nullable=True),
        sa.Column("counts", Json(), nullable=False),
        sa.Column("rehearsal", Json(), nullable=True),
        sa.Column("columns", Json(), nullable=True),
        sa.Column("list_id", sa.BigInteger(), nullable=True),
        sa.Column("grants", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("suppresses", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("by_user", sa.BigInteger(), nullable=True),
        sa.Column("by_name", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("uploaded_at", Instant(), nullable=True),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("undone_at", Instant(), nullable=True),
        sa.Column("cancelled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["by_user"], ["users.id"], name=op.f("fk_imports_by_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index("ix_imports_state", "imports", ["state"])
    op.create_table(
        "import_rows",
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("file", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("problem", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=True),
        sa.Column("detail", Json(), nullable=True),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_import_rows_import_id")),
        sa.PrimaryKeyConstraint("import_id", "n", name=op.f("pk_import_rows")),
    )
    op.create_index(
        "ix_import_rows_problem",
        "import_rows",
        ["import_id", "n"],
        sqlite_where=sa.text("problem = 1"),
        postgresql_where=sa.text("problem"),
    )
