"""Tables of imports: what was uploaded and decided, and what became of each row."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, text

from server.kernel.columns import Instant, Json, Key
from server.schema.metadata import metadata

imports = Table(
    "imports",
    metadata,
    Column("id", Key, primary_key=True),
    Column("kind", Text, nullable=False),  # contacts | suppressions
    Column("state", Text, nullable=False),  # imports.rules.State
    Column("version", Integer, nullable=False, server_default="1"),  # of what the user decided
    Column("source", Text, nullable=False, server_default=""),  # where the user says that the file comes from
    Column("file_name", Text, nullable=False, server_default=""),
    Column("file_size", BigInteger, nullable=False, server_default="0"),
    Column("file_token", Text, nullable=False, server_default=""),  # of the original, in `attachments`
    Column("sha256", Text, nullable=False, server_default=""),
    Column("reading", Json, nullable=False),  # imports.mapping.Reading
    Column("described", Json),  # what the reader found: files, columns, preview
    Column("mapping", Json),  # imports.mapping.Mapping
    Column("problem", Json),  # why the file cannot be read, or why the work stopped
    Column("rows", Integer, nullable=False, server_default="0"),
    Column("done", Integer, nullable=False, server_default="0"),  # rows of the current stage that are handled
    Column("position", Json),  # where the current stage continues
    Column("counts", Json, nullable=False),  # rows by verdict and reason, and consents
    Column("rehearsal", Json),  # counts and samples of the rehearsal
    Column("columns", Json),  # the property of each mapped column, by number; set when the import starts
    Column("list_id", BigInteger),
    Column("grants", Boolean, nullable=False, server_default=text("false")),  # may grant consent, as its starter may
    Column("suppresses", Boolean, nullable=False, server_default=text("false")),
    Column("by_user", BigInteger, ForeignKey("users.id")),
    Column("by_name", Text, nullable=False, server_default=""),
    Column("created_at", Instant, nullable=False),
    Column("uploaded_at", Instant),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("undone_at", Instant),
    Column("cancelled", Boolean, nullable=False, server_default=text("false")),
    Index("ix_imports_state", "state"),
)

# The verdict of each row. The primary key makes a row that is repeated after a crash impossible.
import_rows = Table(
    "import_rows",
    metadata,
    Column("import_id", BigInteger, ForeignKey("imports.id"), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),  # from 0
    Column("file", Integer, nullable=False),
    Column("line", Integer, nullable=False),
    Column("verdict", Text, nullable=False),  # imports.rules.Verdict
    Column("reason", Text, nullable=False, server_default=""),
    # the row, or one of its cells, was not taken
    Column("problem", Boolean, nullable=False, server_default=text("false")),
    Column("contact_id", BigInteger),
    Column("detail", Json),  # values before and after, consents, faulty cells: for the report and for undo
)
Index(
    "ix_import_rows_problem",
    import_rows.c.import_id,
    import_rows.c.n,
    postgresql_where=text("problem"),
    sqlite_where=text("problem = 1"),
)
