"""Quick replies: stored texts that agents insert into a reply and may edit before they send it (SET-8).

A text may contain variables: `{{ first_name|default("there") }}`. The console fills them when the text is inserted; the
server only checks that they can be filled.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import bindparam, delete, func, insert, select, update

from server.accounts.rules import Agent
from server.audit import versions
from server.audit.actions import record
from server.delivery.segments import MAX_TEXT
from server.errors import Conflict, NotFound
from server.kernel.documents import input_error, publish_change
from server.kernel.sql import Conn, Row, Statement, Tx
from server.schema import quick_replies
from server.text import clean_text, is_blank

MAX_REPLIES = 200
MAX_SHORTCUT = 32

# What the console can fill in. A customer's details may be unknown, so they need a default.
CUSTOMER_VARIABLES = ("first_name", "name")
VARIABLES = (*CUSTOMER_VARIABLES, "agent_name", "brand")

_SHORTCUT = re.compile(r"[\w\-]+")
_IN_BRACES = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_VARIABLE = re.compile(r"""\s*(\w+)\s*(?:\|\s*default\(\s*(?:"([^"{}\n]*)"|'([^'{}\n]*)')\s*\)\s*)?""", re.ASCII)


class QuickReply(BaseModel):
    """`shortcut`: what agents type after "/"; unique without regard to case."""

    model_config = ConfigDict(extra="ignore")

    shortcut: str = Field(min_length=1, max_length=MAX_SHORTCUT)
    text: str = Field(min_length=1, max_length=MAX_TEXT)

    @field_validator("shortcut")
    @classmethod
    def _shortcut(cls, value: str) -> str:
        value = unicodedata.normalize("NFC", value.strip().removeprefix("/"))
        if not _SHORTCUT.fullmatch(value):
            raise input_error("bad_shortcut", "A shortcut has letters, digits, - and _, without spaces.")
        return value

    @field_validator("text")
    @classmethod
    def _text(cls, value: str) -> str:
        value = clean_text(value).strip()
        if is_blank(value):
            raise input_error("required", "Write the text of the quick reply.")
        check_variables(value)
        return value


class VersionedReply(QuickReply):
    id: int
    version: str


class ReplyChange(QuickReply):
    """`version`: of the quick reply that the change is based on."""

    version: str | None = None


def check_variables(text: str) -> None:
    """Raises `input_error` for a variable that does not exist, or that lacks the default it needs."""
    for found in _IN_BRACES.finditer(text):
        written = found[0][:60]
        variable = _VARIABLE.fullmatch(found[1])
        if variable is None or variable[1] not in VARIABLES:
            raise input_error(
                "unknown_variable",
                f"{written} is not a variable. You can use: {', '.join(VARIABLES)}.",
                text=written,
                names=", ".join(VARIABLES),
            )
        default = variable[2] if variable[2] is not None else variable[3]
        if variable[1] in CUSTOMER_VARIABLES and not default:
            raise input_error(
                "default_missing",
                f'{written} needs a default for customers without it: {{{{ {variable[1]}|default("there") }}}}.',
                text=written,
                name=variable[1],
            )
    rest = _IN_BRACES.sub("", text)
    if "{{" in rest or "}}" in rest:
        raise input_error("open_variable", "A variable begins with {{ and ends with }}.")


_ALL = Statement(select(quick_replies).order_by(quick_replies.c.shortcut_key))
_ONE = Statement(select(quick_replies).where(quick_replies.c.id == bindparam("reply")))
_COUNT = Statement(select(func.count()).select_from(quick_replies))
_WITH_SHORTCUT = Statement(select(quick_replies.c.id).where(quick_replies.c.shortcut_key == bindparam("key")))
_INSERT = Statement(
    insert(quick_replies)
    .values({name: bindparam(name) for name in "shortcut shortcut_key text created_at".split()})
    .returning(quick_replies.c.id)
)
_UPDATE = Statement(
    update(quick_replies)
    .where(quick_replies.c.id == bindparam("reply"))
    .values(
        shortcut=bindparam("new_shortcut"),
        shortcut_key=bindparam("new_key"),
        text=bindparam("new_text"),
    )
)
_DELETE = Statement(delete(quick_replies).where(quick_replies.c.id == bindparam("reply")))


def listed(conn: Conn) -> list[VersionedReply]:
    """All quick replies, by shortcut."""
    return [_versioned(conn, row) for row in conn.all(_ALL)]


def _values(reply: QuickReply | Row) -> dict[str, str]:
    return {"shortcut": reply.shortcut, "text": reply.text}


def _versioned(conn: Conn, row: Row) -> VersionedReply:
    version = versions.version_of(conn, ("quick_reply",), _values(row))
    return VersionedReply.model_construct(id=row.id, shortcut=row.shortcut, text=row.text, version=version)


def _key(shortcut: str) -> str:
    return unicodedata.normalize("NFKC", shortcut).casefold()


def add(tx: Tx, agent: Agent, reply: QuickReply, address: str) -> VersionedReply:
    """Raises `Conflict` `shortcut_taken` and `too_many_replies`."""
    tx.lock_names("quick_replies")
    _check_shortcut(tx, reply.shortcut, None)
    if tx.value(_COUNT) >= MAX_REPLIES:
        raise Conflict(
            "too_many_replies",
            f"You can have at most {MAX_REPLIES} quick replies. Remove one that you do not need.",
            params={"max": MAX_REPLIES},
        )
    reply_id = tx.value(_INSERT, **_values(reply), shortcut_key=_key(reply.shortcut), created_at=tx.now)
    publish_change(tx, "quick_replies")
    record(tx, agent.id, "quick_reply_added", reply.shortcut, address)
    return _versioned(tx, _existing(tx, reply_id))


def change(tx: Tx, agent: Agent, reply_id: int, reply: ReplyChange, address: str) -> VersionedReply:
    """Raises `NotFound`, `Conflict` "stale_version" and `shortcut_taken`."""
    tx.lock_names("quick_replies")
    before = _existing(tx, reply_id)
    old, new = _values(before), _values(reply)
    versions.check(
        tx,
        reply.version,
        ("quick_reply",),
        old,
        {"id": reply_id, **old},
        lambda line: bool(line.detail.get("quick_reply") == reply_id),
    )
    _check_shortcut(tx, reply.shortcut, reply_id)
    tx.run(_UPDATE, reply=reply_id, new_shortcut=reply.shortcut, new_key=_key(reply.shortcut), new_text=reply.text)
    publish_change(tx, "quick_replies")
    detail: dict[str, Any] = {
        "quick_reply": reply_id,
        "settings": sorted(name for name in new if new[name] != old[name]),
    }
    if old["shortcut"] != new["shortcut"]:
        detail["name"] = [old["shortcut"], new["shortcut"]]
    record(tx, agent.id, "quick_reply_changed", reply.shortcut, address, **detail)
    return _versioned(tx, _existing(tx, reply_id))


def remove(tx: Tx, agent: Agent, reply_id: int, address: str) -> None:
    """Raises `NotFound`."""
    tx.lock_names("quick_replies")
    reply = _existing(tx, reply_id)
    tx.run(_DELETE, reply=reply_id)
    publish_change(tx, "quick_replies")
    record(tx, agent.id, "quick_reply_removed", reply.shortcut, address)


def _existing(tx: Tx, reply_id: int) -> Row:
    row = tx.first(_ONE, reply=reply_id)
    if row is None:
        raise NotFound()
    return row


def _check_shortcut(tx: Tx, shortcut: str, own_id: int | None) -> None:
    other = tx.value(_WITH_SHORTCUT, key=_key(shortcut))
    if other is not None and other != own_id:
        raise Conflict("shortcut_taken", "Another quick reply has this shortcut. Choose another one.", field="shortcut")
