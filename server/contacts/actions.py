"""Writes of contacts: who is meant by a number that texts."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, insert, select, update

from server.kernel.sql import Statement, Tx
from server.schema import contacts


@dataclass(frozen=True, slots=True)
class ByPhone:
    """`others`: who else has this number, possible duplicates (AMB-33)."""

    contact: int
    others: list[int]
    created: bool

    @property
    def everybody(self) -> list[int]:
        return [self.contact, *self.others]


# A merged contact is its survivor. Of several the one active last is meant; of those equally active, the newest.
_meant = func.coalesce(contacts.c.merged_into, contacts.c.id)


def _with(column_name: str) -> Statement:
    column = contacts.c[column_name]
    active = func.max(func.coalesce(contacts.c.active_at, contacts.c.created_at))
    return Statement(
        select(_meant.label("meant"))
        .where(column == bindparam("address"))
        .group_by(_meant)
        .order_by(active.desc(), _meant.desc())
    )


_WITH_PHONE, _WITH_PEER = _with("phone"), _with("peer")
_ACTIVE = Statement(update(contacts).where(contacts.c.id == bindparam("contact")).values(active_at=bindparam("now")))
_NEW = Statement(
    insert(contacts)
    .values(
        phone=bindparam("phone"),
        peer=bindparam("peer"),
        country=bindparam("country"),
        active_at=bindparam("now"),
        created_at=bindparam("now"),
    )
    .returning(contacts.c.id)
)


def known(tx: Tx, e164: str) -> ByPhone | None:
    """As `by_phone` for a number in its canonical form, which somebody has; None: nobody has exactly this."""
    return _found(tx, _WITH_PHONE, e164)


def by_phone(tx: Tx, e164: str | None, peer: str, country: str = "") -> ByPhone:
    """The contact a text is from; a new one where nobody has this number (IDN-1, INB-7). Counts as their activity.

    `peer`: whom the carrier named; it tells people apart where `e164` is None.
    """
    found = _found(tx, _WITH_PHONE if e164 else _WITH_PEER, e164 or peer)
    if found is not None:
        return found
    new = tx.one(_NEW, phone=e164, peer=None if e164 else peer, country=country, now=tx.now)
    return ByPhone(new.id, [], True)


def _found(tx: Tx, having: Statement, address: str) -> ByPhone | None:
    """The lock makes the first two texts of a stranger, at once on two nodes, one contact; a unique key could not,
    because people share numbers."""
    tx.hold(f"sms:{address}")
    rows = tx.all(having, address=address)
    if not rows:
        return None
    contact, *others = [row.meant for row in rows]
    tx.run(_ACTIVE, contact=contact, now=tx.now)
    return ByPhone(contact, others, False)
