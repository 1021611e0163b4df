"""Consents an owner defines beside the built-in ones (CIM-4): a purpose is then "consent:<id>"."""

from __future__ import annotations

import unicodedata
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import bindparam, func, insert, select, update

from server.accounts.audit import record
from server.accounts.rules import Agent, is_blank, one_line
from server.errors import Conflict, NotFound
from server.kernel.documents import unfit
from server.kernel.sql import Conn, Row, Statement, Tx
from server.schema import consent_kinds, consents

MOST = 100  # each stands in every contact's panel


class Kind(BaseModel):
    """`required`: of everybody who is sent marketing or transactional messages on its channel (CIM-5)."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(min_length=1, max_length=80)
    description: str = Field("", max_length=500)
    channel: Literal["general", "email", "sms"] = "general"
    required: bool = False

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        value = one_line(value)
        if is_blank(value):
            raise unfit("invalid", "Give the consent a name.")
        return value

    @field_validator("description")
    @classmethod
    def _description(cls, value: str) -> str:
        return one_line(value)


class Defined(Kind):
    """One that exists; `purpose` as everything else names it."""

    id: int
    purpose: str


class Counted(Defined):
    """`given`: how many people say yes to it now."""

    given: int


_ALL = Statement(select(consent_kinds).where(consent_kinds.c.deleted_at.is_(None)).order_by(consent_kinds.c.id))
_NAMES = Statement(select(consent_kinds.c.id, consent_kinds.c.name))  # also of those that were removed
_ADD = Statement(
    insert(consent_kinds)
    .values({name: bindparam(name) for name in "name description channel required created_at".split()})
    .returning(consent_kinds.c.id)
)
_CHANGE = Statement(
    update(consent_kinds)
    .where(consent_kinds.c.id == bindparam("kind"), consent_kinds.c.deleted_at.is_(None))
    .values(
        name=bindparam("new_name"),
        description=bindparam("new_description"),
        channel=bindparam("new_channel"),
        required=bindparam("new_required"),
    )
)
# Not as a range of text: what stands between ":" and ";" is a matter of the database's collation.
_GIVEN = Statement(
    select(consents.c.purpose, func.count().label("people"))
    .where(consents.c.purpose.like("consent:%"), consents.c.status == "subscribed")
    .group_by(consents.c.purpose)
)
_DELETE = Statement(
    update(consent_kinds)
    .where(consent_kinds.c.id == bindparam("kind"), consent_kinds.c.deleted_at.is_(None))
    .values(deleted_at=bindparam("now"))
)


def defined(conn: Conn) -> list[Defined]:
    return [_defined(row) for row in conn.all(_ALL)]


def counted(conn: Conn) -> list[Counted]:
    """As `defined`; goes through everybody's consents, so it is for a slow reader."""
    found = defined(conn)
    given = {row.purpose: row.people for row in conn.all(_GIVEN)} if found else {}
    return [Counted(**one.model_dump(), given=given.get(one.purpose, 0)) for one in found]


def _defined(row: Row) -> Defined:
    return Defined(
        id=row.id,
        purpose=f"consent:{row.id}",
        name=row.name,
        description=row.description,
        channel=row.channel,
        required=row.required,
    )


def add(tx: Tx, agent: Agent, wanted: Kind, address: str) -> Defined:
    """Raises `Conflict` `name_taken`, also for a name that once was: nobody's old answer may count for a new question."""
    tx.hold("consent_kinds")
    _check_name(tx, wanted.name, None)
    if len(defined(tx)) >= MOST:
        raise Conflict("too_many", f"There can be {MOST} consents at most.")
    made = tx.value(_ADD, **wanted.model_dump(), created_at=tx.now)
    record(tx, agent.id, "consent_added", wanted.name, address, required=wanted.required)
    return Defined(id=made, purpose=f"consent:{made}", **wanted.model_dump())


def change(tx: Tx, agent: Agent, kind: int, wanted: Kind, address: str) -> Defined:
    """Raises `NotFound`, `Conflict` `name_taken`."""
    tx.hold("consent_kinds")
    before = _existing(tx, kind)
    if wanted.name != before.name:
        _check_name(tx, wanted.name, kind)
    tx.run(_CHANGE, kind=kind, **{f"new_{name}": value for name, value in wanted.model_dump().items()})
    renamed = {"name": [before.name, wanted.name]} if before.name != wanted.name else {}
    record(tx, agent.id, "consent_changed", wanted.name, address, required=wanted.required, **renamed)
    return Defined(id=kind, purpose=f"consent:{kind}", **wanted.model_dump())


def remove(tx: Tx, agent: Agent, kind: int, address: str) -> None:
    """It is asked of nobody any more; what people have said to it stays in the ledger.

    Raises `NotFound`, `Conflict` `in_use` while messages need it: whom it held back would be written to from then on,
    and that is to be said on its own and not by tidying up.
    """
    tx.hold("consent_kinds")
    found = _existing(tx, kind)
    if found.required:
        raise Conflict("in_use", "Messages need this consent. Make it optional first, then remove it.")
    tx.run(_DELETE, kind=kind, now=tx.now)
    record(tx, agent.id, "consent_removed", found.name, address)


def _existing(tx: Tx, kind: int) -> Defined:
    found = next((one for one in defined(tx) if one.id == kind), None)
    if found is None:
        raise NotFound()
    return found


def _check_name(tx: Tx, name: str, own: int | None) -> None:
    """People would not tell "Newsletter" from "newsletter"; nor would a file's heading."""
    if any(row.id != own and _folded(row.name) == _folded(name) for row in tx.all(_NAMES)):
        words = "There is a consent of this name, or there was one. Choose another, so that old answers stay apart."
        raise Conflict("name_taken", words, field="name")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
