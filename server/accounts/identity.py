"""The secret with which a shop's server signs who is chatting: shown, and made anew.

No secret is stored: it is derived from the server's key and a number, and a rotation counts the number
up. The one before is accepted for a day, so that the shop can change over.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts import queries
from server.accounts.audit import record
from server.accounts.rules import Agent, Rotation
from server.kernel.clock import rfc3339
from server.kernel.sql import Tx
from server.schema import settings

OVERLAP = timedelta(hours=24)


def rotate(tx: Tx, agent: Agent, address: str) -> Rotation:
    """The next secret is in force from now on."""
    number, until = queries.identity_rotation(tx).number + 1, tx.now + OVERLAP
    put = insert(settings).values(
        name="identity", value={"number": number, "previous_until": rfc3339(until)}, updated_at=tx.now
    )
    tx.run(
        put.on_conflict_do_update(
            index_elements=["name"], set_={"value": put.excluded.value, "updated_at": put.excluded.updated_at}
        )
    )
    record(tx, agent.id, "identity_secret_rotated", "", address)
    return Rotation(number, until)
