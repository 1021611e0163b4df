"""Writes of contacts: who is meant by a number that texts, and who an agent says it is."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, insert, select, update

from server.accounts.audit import record
from server.accounts.rules import Agent
from server.contacts import rules
from server.contacts.rules import ContactChanged, Known
from server.errors import NotFound
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
_MEANT = Statement(
    select(contacts.c.phone, _meant.label("meant"))
    .where(contacts.c.phone.in_(bindparam("numbers", expanding=True)))
    .order_by(func.coalesce(contacts.c.active_at, contacts.c.created_at).desc(), _meant.desc())
)
_ALL_ACTIVE = Statement(
    update(contacts).where(contacts.c.id.in_(bindparam("people", expanding=True))).values(active_at=bindparam("now"))
)
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


def texted(tx: Tx, numbers: list[str]) -> dict[str, int]:
    """As `by_phone` at one look for several numbers in E.164: whom each is. Who is missing is known to nobody."""
    tx.hold(*map(_lock_of, numbers))
    found: dict[str, int] = {}
    for phone, meant in tx.all(_MEANT, numbers=numbers):
        found.setdefault(phone, meant)
    if found:
        tx.run(_ALL_ACTIVE, people=sorted(set(found.values())), now=tx.now)
    return found


def everybody(tx: Tx, e164: str) -> list[int]:
    """All who have this number, whoever is meant by it first."""
    return [row.meant for row in tx.all(_WITH_PHONE, address=e164)]


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
    _hold(tx, address)
    rows = tx.all(having, address=address)
    if not rows:
        return None
    contact, *others = [row.meant for row in rows]
    tx.run(_ACTIVE, contact=contact, now=tx.now)
    return ByPhone(contact, others, False)


def _hold(tx: Tx, address: str) -> None:
    """Makes the first two texts of a stranger, at once on two nodes, one contact; a unique key could not, because people
    share numbers."""
    tx.hold(_lock_of(address))


def _lock_of(address: str) -> str:
    return f"sms:{address}"


_KNOWN = Statement(
    select(contacts.c.name, contacts.c.email, contacts.c.external_id)
    .where(contacts.c.id == bindparam("contact"))
    .with_for_update()
)
_WRITE_DOWN = Statement(
    update(contacts)
    .where(contacts.c.id == bindparam("contact"))
    .values(name=bindparam("new_name"), email=bindparam("new_email"))
)


def name(tx: Tx, agent: Agent, contact: int, new_name: str | None, new_email: str | None, address: str) -> Known:
    """Writes down who somebody is, as an agent knows it; None leaves what stands there, "" takes it away.

    An address that somebody else has makes nobody one with them (IDN-1): the panel shows who it may be. The log tells
    what was changed and not to what, because it outlives the contact. Raises `NotFound`, and what `rules.renamed` does.
    """
    row = tx.first(_KNOWN, contact=contact)
    if row is None:
        raise NotFound()
    before = Known(row.name, row.email, row.external_id is not None)
    after = rules.renamed(before, new_name, new_email)
    if after != before:
        tx.run(_WRITE_DOWN, contact=contact, new_name=after.name, new_email=after.email)
        changed = ContactChanged(
            contact,
            agent.id,
            agent.name,
            after.name if after.name != before.name else None,
            (after.email or "") if after.email != before.email else None,
        )
        record(tx, agent.id, "contact_changed", str(contact), address, settings=changed.fields)
        tx.announce(changed)
    return after
