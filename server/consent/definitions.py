"""Consents that an owner defines besides the built-in ones (CIM-4). Their purpose is "consent:<id>"."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import bindparam, func, insert, select, update

from server.accounts.rules import Agent
from server.audit import versions
from server.audit.actions import record
from server.errors import Conflict, NotFound
from server.kernel.documents import input_error, publish_change
from server.kernel.json_schema import Named
from server.kernel.sql import Conn, Row, Statement, Tx
from server.schema import consent_kinds, consents
from server.text import is_blank, one_line

MAX_DEFINITIONS = 100  # every contact's panel lists all of them


ConsentChannel = Annotated[Literal["general", "email", "sms"], Named("ConsentChannel")]


class ConsentDefinition(BaseModel):
    """`required`: marketing and transactional messages on its channel need this consent (CIM-5)."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(min_length=1, max_length=80)
    description: str = Field("", max_length=500)
    channel: ConsentChannel = "general"
    required: bool = False

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        value = one_line(value)
        if is_blank(value):
            raise input_error("required", "Give the consent a name.")
        return value

    @field_validator("description")
    @classmethod
    def _description(cls, value: str) -> str:
        return one_line(value)


class DefinedConsent(ConsentDefinition):
    """A stored definition. `purpose`: "consent:<id>"."""

    id: int
    purpose: str


class VersionedConsent(DefinedConsent):
    version: str


class ConsentChange(ConsentDefinition):
    """`version`: of the definition that the change is based on."""

    version: str | None = None


class CountedConsent(VersionedConsent):
    """`given`: how many contacts are subscribed now."""

    given: int


_DEFINED = Statement(select(consent_kinds).where(consent_kinds.c.deleted_at.is_(None)).order_by(consent_kinds.c.id))
_ALL_NAMES = Statement(select(consent_kinds.c.id, consent_kinds.c.name))  # including removed definitions
_INSERT_DEFINITION = Statement(
    insert(consent_kinds)
    .values({name: bindparam(name) for name in "name description channel required created_at".split()})
    .returning(consent_kinds.c.id)
)
_UPDATE_DEFINITION = Statement(
    update(consent_kinds)
    .where(consent_kinds.c.id == bindparam("kind"), consent_kinds.c.deleted_at.is_(None))
    .values(
        name=bindparam("new_name"),
        description=bindparam("new_description"),
        channel=bindparam("new_channel"),
        required=bindparam("new_required"),
    )
)
# LIKE instead of a text range, because the order of ":" and ";" depends on the database's collation.
_COUNT_SUBSCRIBED = Statement(
    select(consents.c.purpose, func.count().label("people"))
    .where(consents.c.purpose.like("consent:%"), consents.c.status == "subscribed")
    .group_by(consents.c.purpose)
)
_MARK_DELETED = Statement(
    update(consent_kinds)
    .where(consent_kinds.c.id == bindparam("kind"), consent_kinds.c.deleted_at.is_(None))
    .values(deleted_at=bindparam("now"))
)


def defined(conn: Conn) -> list[DefinedConsent]:
    return [_defined(row) for row in conn.all(_DEFINED)]


def counted(conn: Conn) -> list[CountedConsent]:
    """The owner's definitions with the number of subscribers. Scans all consents, so call it with `app.read_slowly`."""
    definitions = defined(conn)
    people_by_purpose = {row.purpose: row.people for row in conn.all(_COUNT_SUBSCRIBED)} if definitions else {}
    return [
        CountedConsent(**_versioned(conn, definition).model_dump(), given=people_by_purpose.get(definition.purpose, 0))
        for definition in definitions
    ]


def _defined(row: Row) -> DefinedConsent:
    return DefinedConsent(
        id=row.id,
        purpose=f"consent:{row.id}",
        name=row.name,
        description=row.description,
        channel=row.channel,
        required=row.required,
    )


def _values(definition: ConsentDefinition) -> dict[str, Any]:
    """The fields that a form can overwrite."""
    return {name: getattr(definition, name) for name in ConsentDefinition.model_fields}


def _versioned(conn: Conn, defined: DefinedConsent) -> VersionedConsent:
    version = versions.version_of(conn, ("consent",), _values(defined))
    return VersionedConsent(**defined.model_dump(), version=version)


def add(tx: Tx, agent: Agent, definition: ConsentDefinition, address: str) -> VersionedConsent:
    """Raises `Conflict` `too_many`, and `name_taken` also for a removed definition's name: an old answer must not look
    like an answer to a new question."""
    tx.lock_names("consent_kinds")
    _check_name(tx, definition.name, None)
    if len(defined(tx)) >= MAX_DEFINITIONS:
        raise Conflict("too_many", f"You can define at most {MAX_DEFINITIONS} consents.")
    definition_id = tx.value(_INSERT_DEFINITION, **definition.model_dump(), created_at=tx.now)
    publish_change(tx, "consents")
    record(tx, agent.id, "consent_added", definition.name, address, required=definition.required)
    return _versioned(tx, _existing(tx, definition_id))


def change(tx: Tx, agent: Agent, kind: int, definition: ConsentChange, address: str) -> VersionedConsent:
    """Raises `NotFound`, `Conflict` "stale_version" and `name_taken`."""
    tx.lock_names("consent_kinds")
    before = _existing(tx, kind)
    old, new = _values(before), _values(definition)
    shown = before.model_dump(mode="json")
    versions.check(
        tx, definition.version, ("consent",), old, shown, lambda line: bool(line.detail.get("consent") == kind)
    )
    if definition.name != before.name:
        _check_name(tx, definition.name, kind)
    tx.run(_UPDATE_DEFINITION, kind=kind, **{f"new_{name}": value for name, value in new.items()})
    renamed = {"name": [before.name, definition.name]} if before.name != definition.name else {}
    publish_change(tx, "consents")
    detail = renamed | {"consent": kind, "settings": sorted(name for name in new if new[name] != old[name])}
    record(tx, agent.id, "consent_changed", definition.name, address, required=definition.required, **detail)
    return _versioned(tx, _existing(tx, kind))


def remove(tx: Tx, agent: Agent, kind: int, address: str) -> None:
    """Removes a definition; the ledger keeps what contacts answered.

    Raises `NotFound`, and `Conflict` `in_use` while messages need it: contacts without it would get messages from then
    on, so the owner must first make it optional.
    """
    tx.lock_names("consent_kinds")
    definition = _existing(tx, kind)
    if definition.required:
        raise Conflict("in_use", "Messages require this consent. Make it optional first, then remove it.")
    tx.run(_MARK_DELETED, kind=kind, now=tx.now)
    publish_change(tx, "consents")
    record(tx, agent.id, "consent_removed", definition.name, address)


def _existing(tx: Tx, kind: int) -> DefinedConsent:
    existing = next((definition for definition in defined(tx) if definition.id == kind), None)
    if existing is None:
        raise NotFound()
    return existing


def _check_name(tx: Tx, name: str, own_id: int | None) -> None:
    """Raises `Conflict` `name_taken` if another definition has this name, ignoring case."""
    if any(row.id != own_id and _folded(row.name) == _folded(name) for row in tx.all(_ALL_NAMES)):
        words = "A consent with this name exists or existed. Choose another name, so that old answers stay separate."
        raise Conflict("name_taken", words, field="name")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
