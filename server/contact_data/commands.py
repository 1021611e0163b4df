"""Commands that erase a person."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import bindparam, select

from server.audit.rules import ActedBy, ActorType
from server.contact_data import erasing
from server.contact_data.erasing import Erasure
from server.contacts.rules import Phone, clean_email, normal_phone
from server.errors import NotFound, Refused
from server.kernel.context import App
from server.kernel.sql import Conn, Statement
from server.schema import addresses

_WITH_ADDRESS = Statement(
    select(addresses.c.contact_id).where(addresses.c.value == bindparam("value")).order_by(addresses.c.contact_id)
)


def find(conn: Conn, who: str) -> int:
    """The contact with this id ("42" or "#42"), e-mail address or phone number. Raises `NotFound` and `Refused` `ambiguous`."""
    if re.fullmatch(r"#?[0-9]{1,15}", who):
        return int(who.removeprefix("#"))
    phone = normal_phone(who)
    value = phone.e164 if isinstance(phone, Phone) else clean_email(who.strip())
    found = [] if value is None else [row.contact_id for row in conn.all(_WITH_ADDRESS, value=value)]
    if not found:
        raise NotFound("There is no contact with this id, e-mail address or phone number.")
    if len(found) > 1:
        ids = ", ".join(f"#{contact}" for contact in found[:10])
        raise Refused("ambiguous", f"Several contacts have this address: {ids}. Give the id of the one to erase.")
    return int(found[0])


async def erase_preview(app: App, who: str) -> dict[str, Any]:
    contact = await app.read(find, who)
    return shown(await app.read(erasing.preview, contact))


async def erase(app: App, contact: int) -> dict[str, Any]:
    by = ActedBy(ActorType.SYSTEM)
    return shown(await app.write(erasing.erase, contact, by, "command line", None, ""))


def shown(erasure: Erasure) -> dict[str, Any]:
    return {
        "contact": erasure.contacts[0],
        "contacts": len(erasure.contacts),
        "confirm": erasure.confirm,
        "removes": erasure.removes,
        "ledger_rows": erasure.ledger_rows,
        "numbers": erasure.numbers,
        "emails": erasure.emails,
    }
