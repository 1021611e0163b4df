"""Removes an erased person from imports: their rows' values, and the files and previews that contain them.

An import keeps its counts, the verdict of each row and the hash of its file, which the consent ledger refers to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import null, select, update

from server.errors import Conflict
from server.files.jobs import UNSENT
from server.kernel.sql import ROWS_PER_STATEMENT, Tx, chunks
from server.schema import attachments, import_rows, imports


def forget(tx: Tx, people: Sequence[int]) -> None:
    """Raises `Conflict` `import_running`."""
    for some in chunks(list(people), ROWS_PER_STATEMENT):
        mine = import_rows.c.contact_id.in_(list(some))
        found = tx.all(
            select(imports.c.id, imports.c.file_token, imports.c.described, imports.c.ended_at)
            .where(imports.c.id.in_(select(import_rows.c.import_id).where(mine)))
            .with_for_update()
        )
        if any(row.ended_at is None for row in found):
            raise Conflict("import_running", "An import with this person is still running. Wait until it has ended.")
        tx.run(update(import_rows).where(mine).values(detail=null()))
        tokens = [row.file_token for row in found if row.file_token]
        # The hourly job removes the bytes of files that belong to nothing, then their rows.
        tx.run(update(attachments).where(attachments.c.token.in_(tokens)).values(owner=UNSENT, name="", thread_id=None))
        for row in found:
            tx.run(
                update(imports)
                .where(imports.c.id == row.id)
                .values(described=_without_samples(row.described), rehearsal=null(), file_token="")
            )


def _without_samples(described: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the reader found, without the cells that it showed."""
    if described is None:
        return None
    columns = [{**column, "samples": []} for column in described.get("columns", [])]
    return {**described, "columns": columns, "preview": []}
