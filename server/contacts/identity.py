"""Changes what identifies one contact, as a user or a program entered it: name, e-mail address, number, CRM id, language."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.accounts.rules import Agent, ApiKey
from server.audit.actions import record
from server.contacts import actions
from server.contacts.rules import AddressKind, BadPhone, ContactChanged, normal_phone
from server.errors import Conflict, NotFound, Refused
from server.kernel.sql import Statement, Tx
from server.schema import addresses, contacts
from server.text import is_blank

CRM_CHARS = 200
_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class IdentityChange:
    """None: not changed. "": removed. `phone`: in any format with a country code; from a program in E.164."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    crm_id: str | None = None
    language: str | None = None


_CONTACT = Statement(
    select(contacts.c.id, contacts.c.phone, contacts.c.country, contacts.c.language, contacts.c.merged_into)
    .where(contacts.c.id == bindparam("contact"))
    .with_for_update()
)
_CRM_IDS = Statement(
    select(addresses.c.value).where(
        addresses.c.contact_id == bindparam("contact"), addresses.c.kind == AddressKind.CRM.value
    )
)
_HOLDER = Statement(
    select(addresses.c.contact_id).where(
        addresses.c.kind == AddressKind.CRM.value, addresses.c.value == bindparam("crm")
    )
)
_INSERT_ADDRESS = Statement(
    insert(addresses)
    .values(
        contact_id=bindparam("contact"),
        kind=bindparam("kind"),
        value=bindparam("value"),
        verified=False,
        created_at=bindparam("now"),
        active_at=bindparam("now"),
    )
    .on_conflict_do_nothing()
)
# An address that the person proved stays, because the person may use it again.
_DELETE_UNVERIFIED = Statement(
    delete(addresses).where(
        addresses.c.contact_id == bindparam("contact"),
        addresses.c.kind == bindparam("kind"),
        addresses.c.value == bindparam("value"),
        ~addresses.c.verified,
    )
)
_DELETE_CRM = Statement(
    delete(addresses).where(addresses.c.contact_id == bindparam("contact"), addresses.c.kind == AddressKind.CRM.value)
)
_SET = Statement(
    update(contacts)
    .where(contacts.c.id == bindparam("contact"))
    .values(phone=bindparam("new_phone"), country=bindparam("new_country"), language=bindparam("new_language"))
)


def change(tx: Tx, actor: Agent | ApiKey, contact: int, wanted: IdentityChange, address: str) -> int:
    """Changes the contact, or the one that remains of its merges, and returns its id. The audit log names only the fields.

    Consents stay with the person. A number or e-mail address that another contact has does not merge the two (IDN-1).
    Raises `NotFound`, `Refused` `invalid`, `Conflict` `vouched` or `crm_taken`.
    """
    phone, country = _phone(wanted.phone, actor)
    crm_id = _crm_id(wanted.crm_id)
    language = _language(wanted.language)
    if phone:
        tx.lock_names(f"sms:{phone}")
    row = tx.first(_CONTACT, contact=contact)
    if row is not None and row.merged_into is not None:
        row = tx.first(_CONTACT, contact=row.merged_into)
    if row is None:
        raise NotFound()
    contact = row.id
    if wanted.name is not None or wanted.email is not None:
        actions.set_name(tx, actor, contact, wanted.name, wanted.email, address)
    changed = []
    added: list[tuple[AddressKind, str]] = []
    if wanted.phone is not None and (phone or None) != row.phone:
        changed.append("phone")
        if row.phone is not None:
            tx.run(_DELETE_UNVERIFIED, contact=contact, kind=AddressKind.PHONE.value, value=row.phone)
        if phone and _add(tx, contact, AddressKind.PHONE, phone):
            added.append((AddressKind.PHONE, phone))
    else:
        phone, country = row.phone, row.country
    if language is not None and language != row.language:
        changed.append("language")
    if changed:
        new_language = row.language if language is None else language
        tx.run(_SET, contact=contact, new_phone=phone or None, new_country=country, new_language=new_language)
    if crm_id is not None and [crm.value for crm in tx.all(_CRM_IDS, contact=contact)] != ([crm_id] if crm_id else []):
        changed.append("crm_id")
        added += _change_crm_id(tx, contact, crm_id)
    if changed:
        record(tx, actor.by, "contact_changed", str(contact), address, settings=changed)
        tx.announce(ContactChanged(contact, actor.by, added=tuple(added)))
    return contact


def _add(tx: Tx, contact: int, kind: AddressKind, value: str) -> bool:
    return tx.run(_INSERT_ADDRESS, contact=contact, kind=kind.value, value=value, now=tx.now) > 0


def _change_crm_id(tx: Tx, contact: int, crm_id: str) -> list[tuple[AddressKind, str]]:
    holder = tx.first(_HOLDER, crm=crm_id) if crm_id else None
    if holder is not None and holder.contact_id != contact:
        raise Conflict(
            "crm_taken", "Another contact has this CRM id. Merge the two, or correct the id.", field="crm_id"
        )
    tx.run(_DELETE_CRM, contact=contact)
    if not crm_id:
        return []
    _add(tx, contact, AddressKind.CRM, crm_id)
    return [(AddressKind.CRM, crm_id)]


def _phone(text: str | None, actor: Agent | ApiKey) -> tuple[str, str]:
    """Number in E.164 and country; "" if it is removed or not changed."""
    if text is None or not text.strip():
        return "", ""
    if isinstance(actor, ApiKey) and _E164.fullmatch(text) is None:
        advice = "Write the number in E.164: + and digits, without spaces, like +12025550150."
        raise Refused("invalid", advice, field="phone", fault="phone_not_e164")
    parsed = normal_phone(text)
    if isinstance(parsed, BadPhone):
        raise Refused("invalid", parsed.reason, field="phone", fault=f"phone_{parsed.code}")
    return parsed.e164, parsed.country


def _crm_id(text: str | None) -> str | None:
    if text is None:
        return None
    crm_id = text.strip()
    if len(crm_id) > CRM_CHARS or not crm_id.isprintable() or (crm_id and is_blank(crm_id)):
        advice = f"A CRM id has at most {CRM_CHARS} characters that can be printed."
        raise Refused("invalid", advice, field="crm_id", fault="unreadable")
    return crm_id


def _language(text: str | None) -> str | None:
    if text is None or text == "":
        return text
    if _LANGUAGE.fullmatch(text) is None:
        raise Refused("invalid", "Write the language as a code like en or pl.", field="language", fault="no_choice")
    return text
