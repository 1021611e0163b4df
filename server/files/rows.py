"""Rows of files: reads by token, stores, and attaches files to a thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.errors import NotFound
from server.kernel.sql import Conn, Statement, Tx
from server.schema import attachments, contacts, threads, visitors


@dataclass(frozen=True, slots=True)
class Attachment:
    """A stored file. `visitor_key`: the visitor of its thread; None while it has no thread."""

    token: str
    owner: str
    thread: int | None
    public: bool
    name: str
    type: str
    size: int
    width: int | None
    height: int | None
    visitor_key: str | None
    blocked: bool  # the contact of its thread is blocked

    def wire(self) -> dict[str, Any]:
        return {
            "token": self.token,
            "name": self.name,
            "type": self.type,
            "size": self.size,
            "width": self.width,
            "height": self.height,
        }


_BY_TOKENS = Statement(
    select(
        attachments.c.token,
        attachments.c.owner,
        attachments.c.thread_id,
        attachments.c.public,
        attachments.c.name,
        attachments.c.type,
        attachments.c.size,
        attachments.c.width,
        attachments.c.height,
        visitors.c.key,
        contacts.c.blocked_at.is_not(None).label("blocked"),
    )
    .select_from(
        attachments.outerjoin(threads, attachments.c.thread_id == threads.c.id)
        .outerjoin(visitors, threads.c.visitor_id == visitors.c.id)
        .outerjoin(contacts, threads.c.contact_id == contacts.c.id)
    )
    .where(attachments.c.token.in_(bindparam("tokens", expanding=True)))
)


def files(conn: Conn, tokens: Sequence[str]) -> dict[str, Attachment]:
    return {row.token: Attachment(*row) for row in conn.all(_BY_TOKENS, tokens=list(tokens))} if tokens else {}


_INSERT_FILE = Statement(
    insert(attachments).values(
        {name: bindparam(name) for name in "token owner name type size width height sha256 created_at".split()}
    )
)


_ATTACH_FILE = Statement(
    update(attachments)
    .where(
        attachments.c.token == bindparam("file_token"),
        attachments.c.owner == bindparam("file_owner"),
        or_(attachments.c.thread_id.is_(None), attachments.c.thread_id == bindparam("thread")),
    )
    .values(
        thread_id=bindparam("thread"),
        public=or_(attachments.c.public, bindparam("is_public", type_=attachments.c.public.type)),
    )
)


def store_file(tx: Tx, file: Attachment, sha256: str) -> None:
    """Stores the row of a file whose bytes are already on disk."""
    tx.run(
        _INSERT_FILE,
        token=file.token,
        owner=file.owner,
        name=file.name,
        type=file.type,
        size=file.size,
        width=file.width,
        height=file.height,
        sha256=sha256,
        created_at=tx.now,
    )


def check_attachable(conn: Conn, tokens: Sequence[str], owner: str, thread: int | None) -> None:
    """Raises `NotFound` where `attach` would. `thread`: None for a thread that does not exist yet."""
    attachments = files(conn, tokens)
    for token in tokens:
        file = attachments.get(token)
        if file is None or file.owner != owner or file.thread not in (None, thread):
            raise _file_not_found()


def attach(tx: Tx, tokens: Sequence[str], owner: str, thread: int, *, public: bool) -> list[dict[str, Any]]:
    """Attaches files to a thread. Raises `NotFound` unless `owner` uploaded them and they belong to no other thread."""
    if not tokens:
        return []
    attachments = files(tx, tokens)
    for token in tokens:
        if token not in attachments or not tx.run(
            _ATTACH_FILE, file_token=token, file_owner=owner, thread=thread, is_public=public
        ):
            raise _file_not_found()
    return [attachments[token].wire() for token in tokens]


def _file_not_found() -> NotFound:
    return NotFound("An attached file no longer exists. Attach it again.")
