"""Writes the audit log: who did what to accounts, settings and consents, when, from where. Append-only."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from server.audit.rules import ActedBy, ActorType
from server.kernel.documents import Document, M
from server.kernel.sql import Tx
from server.schema import audit


def record(
    tx: Tx, actor: int | ActedBy | None, action: str, target: str = "", address: str = "", **detail: Any
) -> None:
    """Adds a line to the audit log. It must not contain a password, token or link. `actor`: a user's id or another actor;
    None: somebody who is not signed in or, without an address, the server itself."""
    if actor is None:
        actor = ActedBy(ActorType.VISITOR if address else ActorType.SYSTEM)
    elif isinstance(actor, int):
        actor = ActedBy(ActorType.AGENT, actor)
    tx.run(
        insert(audit).values(
            at=tx.now,
            user_id=actor.id if actor.type is ActorType.AGENT else None,
            action=action,
            target=target,
            detail=detail,
            address=address,
            actor_type=actor.type.value,
            actor_id=actor.id,
        )
    )


def settings_changed(tx: Tx, user_id: int, document: Document[M], new_settings: M, address: str) -> M:
    """Saves the settings of one area; the audit log names the changed settings and not their values."""
    before = document.load(tx)
    changed = sorted(name for name, value in new_settings if value != getattr(before, name))
    if changed:
        record(tx, user_id, f"{document.name}_changed", "", address, settings=changed)
    return document.save(tx, new_settings)
