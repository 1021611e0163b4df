"""Versions of settings documents: a save that is based on an older version is refused, with a list of the changes since
then.

A version is the id of the newest audit line about the document and a hash of the document's values. A save is compared
by the hash; the id selects the newer audit lines for the refusal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic

import orjson
from pydantic import BaseModel
from sqlalchemy import bindparam, func, select

from server.audit.actions import settings_changed
from server.errors import Conflict
from server.kernel.clock import rfc3339
from server.kernel.documents import Document, M
from server.kernel.sql import Conn, Row, Statement, Tx
from server.schema import audit, users

MAX_CHANGES = 20  # changes in a refusal's list
MAX_READ = 200  # newest audit lines in which they are looked for

_NEWEST = Statement(select(func.max(audit.c.id)).where(audit.c.action.in_(bindparam("actions", expanding=True))))
_SINCE = Statement(
    select(audit.c.at, audit.c.target, audit.c.detail, users.c.id.label("user_id"), users.c.name)
    .select_from(audit.outerjoin(users, users.c.id == audit.c.user_id))
    .where(audit.c.action.in_(bindparam("actions", expanding=True)), audit.c.id > bindparam("after"))
    .order_by(audit.c.id.desc())
    .limit(bindparam("limit"))
)


def version_of(conn: Conn, documents: tuple[str, ...], values: Mapping[str, Any]) -> str:
    """`documents`: the names of the documents with these values. `values`: the form's values, as JSON."""
    newest = conn.value(_NEWEST, actions=_actions(documents)) or 0
    digest = hashlib.sha256(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return f"{newest}.{digest[:16]}"


def lock(tx: Tx, *documents: str) -> None:
    """Call it before `check` and before any row is locked: otherwise two saves of the same version could both be
    accepted."""
    tx.lock_names(*(f"settings:{name}" for name in documents))


def check(
    conn: Conn,
    sent_version: str | None,
    documents: tuple[str, ...],
    values: Mapping[str, Any],
    shown: Mapping[str, Any],
    concerns: Callable[[Row], bool] = lambda line: True,
) -> None:
    """Raises `Conflict` "stale_version" unless `sent_version` is the version of `values`. `shown`: the current response of
    GET. `concerns`: whether an audit line is about these values, if the documents' lines are about several things."""
    current = version_of(conn, documents, values)
    if sent_version is not None and sent_version.partition(".")[2] == current.partition(".")[2]:
        return
    after = sent_version.partition(".")[0] if sent_version is not None else ""
    changes = []
    if after.isascii() and after.isdecimal() and len(after) <= 15:
        rows = conn.all(_SINCE, actions=_actions(documents), after=int(after), limit=MAX_READ)
        changes = [
            {
                "at": rfc3339(row.at),
                "who": None if row.user_id is None else {"id": row.user_id, "name": row.name},
                "fields": row.detail.get("settings", []),
            }
            for row in list(filter(concerns, rows))[:MAX_CHANGES]
        ]
    raise Conflict(
        "stale_version",
        "Somebody changed these settings since you opened them. Load them again, then make your change."
        if sent_version is not None
        else "Send the version of the settings that your change is based on.",
        conflict={"current": {**shown, "version": current}, "changes": changes},
    )


def changes_any_of(form: type[BaseModel]) -> Callable[[Row], bool]:
    """For `check`: whether an audit line changed a field of this form, if a document has several forms."""
    fields = set(form.model_fields)
    return lambda line: bool(fields & set(line.detail.get("settings", [])))


def _actions(documents: tuple[str, ...]) -> list[str]:
    return [f"{name}_changed" for name in documents]


@dataclass(frozen=True, slots=True)
class Versioned(Generic[M]):
    """The values of a document and their version."""

    values: M
    version: str

    def json(self) -> dict[str, Any]:
        return {**self.values.model_dump(mode="json"), "version": self.version}


def load(conn: Conn, document: Document[M]) -> Versioned[M]:
    values = document.load(conn)
    return Versioned(values, version_of(conn, (document.name,), values.model_dump(mode="json")))


def save(
    tx: Tx, user_id: int, document: Document[M], new_values: M, sent_version: str | None, address: str
) -> Versioned[M]:
    """Saves the document if `sent_version` is its version, and records the change. Raises as `check`."""
    lock(tx, document.name)
    current = document.load(tx).model_dump(mode="json")
    check(tx, sent_version, (document.name,), current, current)
    settings_changed(tx, user_id, document, new_values, address)
    return load(tx, document)
