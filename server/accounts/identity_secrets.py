"""Rotates the secret with which a shop's server signs the identity of its customers.

The secret is not stored: it is derived from the server's key and a number that each rotation increments. The previous
secret is accepted for a day, so that the shop can switch.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts import queries
from server.accounts.rules import Agent, Rotation
from server.audit.actions import record
from server.kernel.clock import rfc3339
from server.kernel.documents import publish_change
from server.kernel.sql import Tx
from server.schema import settings

OVERLAP = timedelta(hours=24)


def rotate(tx: Tx, agent: Agent, address: str) -> Rotation:
    """Makes the next secret the current one."""
    number, until = queries.identity_rotation(tx).number + 1, tx.now + OVERLAP
    upsert = insert(settings).values(
        name="identity", value={"number": number, "previous_until": rfc3339(until)}, updated_at=tx.now
    )
    tx.run(
        upsert.on_conflict_do_update(
            index_elements=["name"], set_={"value": upsert.excluded.value, "updated_at": upsert.excluded.updated_at}
        )
    )
    publish_change(tx, "identity")
    record(tx, agent.id, "identity_secret_rotated", "", address)
    return Rotation(number, until)
