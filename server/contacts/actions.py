"""Creates and changes contacts. Nothing else writes `contacts` and `addresses`.

A source passes what it knows of a person to `find_or_create`, which returns the contact. A shared phone number or
e-mail address means the contact that was active with it last (AMB-33).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Boolean, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # compiles on SQLite too

from server.accounts.rules import Agent, ApiKey
from server.audit.actions import record
from server.audit.rules import ActedBy, ActorType
from server.contacts import rules
from server.contacts.rules import (
    ALL_KINDS,
    UNIQUE_KINDS,
    AddressKind,
    ContactChanged,
    ContactCreated,
    Identifiers,
    NameAndEmail,
)
from server.errors import NotFound
from server.kernel.columns import Instant
from server.kernel.ids import guid
from server.kernel.sql import ROWS_PER_STATEMENT, Statement, Tx, chunks
from server.schema import addresses, contacts, merged_set
from server.text import search_key

BY_CONTACT = ActedBy(ActorType.CONTACT)


class Found(NamedTuple):
    """The contact that identifiers mean. `others`: other contacts with one of them, possible duplicates, the one that
    was active last first (AMB-33)."""

    contact: int
    created: bool
    others: list[int]

    @property
    def all_contacts(self) -> list[int]:
        return [self.contact, *self.others]


# A merged contact counts as its survivor. The address that was active last comes first.
_survivor = func.coalesce(contacts.c.merged_into, contacts.c.id)
_addresses_of_contacts = addresses.join(contacts, contacts.c.id == addresses.c.contact_id)
_newest_first = (addresses.c.active_at.desc(), addresses.c.id.desc())
_PHONES = Statement(
    select(addresses.c.id, addresses.c.value, _survivor.label("survivor"), addresses.c.contact_id.label("owner"))
    .select_from(_addresses_of_contacts)
    .where(addresses.c.kind == AddressKind.PHONE.value, addresses.c.value.in_(bindparam("numbers", expanding=True)))
    .order_by(*_newest_first),
    uses=("uq_addresses_kind_value_contact_id", "pk_contacts"),
)
_MATCHES = Statement(
    select(addresses.c.id, addresses.c.kind, addresses.c.value, _survivor.label("survivor"))
    .select_from(_addresses_of_contacts)
    .where(
        addresses.c.kind.in_(bindparam("kinds", expanding=True)),
        addresses.c.value.in_(bindparam("values", expanding=True)),
    )
    .order_by(*_newest_first),
    uses=("uq_addresses_kind_value_contact_id", "pk_contacts"),
)
# The ids of other systems that these contacts have, also those of contacts merged into them.
_UNIQUE_IDS = Statement(
    select(_survivor.label("survivor"), addresses.c.kind, addresses.c.value)
    .select_from(_addresses_of_contacts)
    .where(
        or_(
            contacts.c.id.in_(bindparam("people", expanding=True)),
            contacts.c.merged_into.in_(bindparam("people", expanding=True)),
        ),
        addresses.c.kind.in_(sorted(UNIQUE_KINDS)),
    )
)
_SET_ACTIVE = Statement(
    update(addresses).where(addresses.c.id.in_(bindparam("rows", expanding=True))).values(active_at=bindparam("now"))
)
_SET_ACTIVE_AND_VERIFIED = Statement(
    update(addresses)
    .where(addresses.c.id.in_(bindparam("rows", expanding=True)))
    .values(active_at=bindparam("now"), verified=or_(addresses.c.verified, bindparam("is_verified", type_=Boolean())))
)
_INSERT_CONTACT = Statement(
    insert(contacts)
    .values({name: bindparam(name) for name in "guid name name_key email phone country verified created_at".split()})
    .returning(contacts.c.id)
)
_INSERT_ADDRESSES = Statement(
    insert(addresses)
    .values({name: bindparam(name) for name in "contact_id kind value verified created_at active_at".split()})
    .returning(addresses.c.id, addresses.c.kind, addresses.c.value)
)
_INSERT_EMAIL = Statement(
    upsert(addresses)
    .values(
        contact_id=bindparam("contact"),
        kind=AddressKind.EMAIL.value,
        value=bindparam("email"),
        verified=False,
        created_at=bindparam("now"),
        active_at=bindparam("now"),
    )
    .on_conflict_do_nothing()
)
_DELETE_EMAIL = Statement(
    delete(addresses).where(
        addresses.c.kind == AddressKind.EMAIL.value,
        addresses.c.value == bindparam("email"),
        addresses.c.contact_id == bindparam("contact"),
    )
)
_PRIMARY = Statement(
    select(
        contacts.c.id,
        contacts.c.name,
        contacts.c.email,
        contacts.c.phone,
        contacts.c.country,
        contacts.c.verified,
        contacts.c.merged_into,
    )
    .where(contacts.c.id.in_(bindparam("people", expanding=True)))
    .order_by(contacts.c.id)
    .with_for_update()
)
_SET_PRIMARY = Statement(
    update(contacts)
    .where(contacts.c.id == bindparam("contact"))
    .values({name: bindparam(f"new_{name}") for name in "name name_key email phone country verified".split()})
)


# --- finding and creating -------------------------------------------------------------------------


def find_or_create(
    tx: Tx,
    person: Identifiers,
    by: ActedBy,
    *,
    verified: bool = False,
    overwrite: bool = False,
    find_by: frozenset[AddressKind] = ALL_KINDS,
) -> Found:
    """Returns the contact that these identifiers mean, and creates it if no contact has one of them (IDN-1).

    The strongest identifier decides (`AddressKind`); of several contacts with it, the one that was active last. An
    e-mail address or phone number does not mean a contact that has another shop, CRM or external id than the given
    one: that system says that they are two people. The contact gets the identifiers it lacks, except an id that
    another contact has, and counts as active with all of them. Its name, primary e-mail address and primary phone
    number are filled in if it has none; `overwrite` replaces name and e-mail address. `verified`: the person proved
    the addresses, or the shop signed them. `find_by`: the kinds that may decide. Announces `ContactCreated` or
    `ContactChanged`.

    Never pass what a visitor typed into the widget: it stays in `visitors` and identifies nobody.
    """
    (found,) = find_or_create_many(tx, [person], by, verified=verified, overwrite=overwrite, find_by=find_by)
    return found


def find_or_create_many(
    tx: Tx,
    people: Sequence[Identifiers],
    by: ActedBy,
    *,
    verified: bool = False,
    overwrite: bool = False,
    find_by: frozenset[AddressKind] = ALL_KINDS,
) -> list[Found]:
    """`find_or_create` for each person, in order. Known people together need one read and one write."""
    shared = {
        _lock_name(kind, value)
        for person in people
        for kind, value in person.addresses
        if kind not in UNIQUE_KINDS and kind in find_by
    }
    # Two transactions that know a new person by the same shared address must not both create a contact. A unique key
    # cannot prevent it, because several people may share the address.
    tx.lock_names(*shared)
    known = _Known(tx, people, find_by)
    found = [_find_or_create_one(tx, known, person, by, verified, overwrite, find_by) for person in people]
    for rows in chunks(sorted(known.active_rows), ROWS_PER_STATEMENT):
        tx.run(_SET_ACTIVE_AND_VERIFIED, rows=list(rows), now=tx.now, is_verified=verified)
    return found


@dataclass(slots=True)
class _Primary:
    """The fields of a contact that are copies of addresses, and its name."""

    name: str
    email: str | None
    phone: str | None
    country: str
    verified: bool


class _Known:
    """What the database knows of some people, kept up to date while contacts are created."""

    def __init__(self, tx: Tx, people: Sequence[Identifiers], find_by: frozenset[AddressKind]) -> None:
        self.matches: dict[tuple[str, str], list[tuple[int, int]]] = {}  # (address row, survivor), active last first
        self.active_rows: set[int] = set()
        pairs = sorted({address for person in people for address in person.addresses})
        for some in chunks(pairs, ROWS_PER_STATEMENT):
            kinds, values = sorted({kind for kind, _ in some}), sorted({value for _, value in some})
            for row in tx.all(_MATCHES, kinds=kinds, values=values):
                self.matches.setdefault((row.kind, row.value), []).append((row.id, row.survivor))
        ids_matter = any(kind in UNIQUE_KINDS for kind, _ in pairs) and not find_by <= UNIQUE_KINDS
        survivors = sorted({survivor for rows in self.matches.values() for _, survivor in rows}) if ids_matter else []
        self.unique_ids: dict[int, set[tuple[str, str]]] = {}
        for some_people in chunks(survivors, ROWS_PER_STATEMENT):
            for row in tx.all(_UNIQUE_IDS, people=list(some_people)):
                self.unique_ids.setdefault(row.survivor, set()).add((row.kind, row.value))
        self._primary: dict[int, _Primary] = {}

    def contacts_with(self, kind: str, value: str) -> list[int]:
        return [survivor for _, survivor in self.matches.get((kind, value), ())]

    def contradicts(self, contact: int, person: Identifiers) -> bool:
        """Whether the contact has another id of a kind that `person` has."""
        of_contact = self.unique_ids.get(contact, set())
        kinds = {kind for kind, _ in of_contact}
        return any(
            kind in UNIQUE_KINDS and kind in kinds and (kind, value) not in of_contact
            for kind, value in person.addresses
        )

    def primary(self, tx: Tx, contact: int) -> _Primary:
        if contact not in self._primary:
            self._primary[contact] = _Primary(*tx.one(_PRIMARY, people=[contact])[1:-1])
        return self._primary[contact]

    def add(self, row: int, kind: str, value: str, contact: int) -> None:
        self.matches.setdefault((kind, value), []).insert(0, (row, contact))
        if kind in UNIQUE_KINDS:
            self.unique_ids.setdefault(contact, set()).add((kind, value))

    def set_primary(self, contact: int, primary: _Primary) -> None:
        self._primary[contact] = primary


def _find_or_create_one(
    tx: Tx,
    known: _Known,
    person: Identifiers,
    by: ActedBy,
    verified: bool,
    overwrite: bool,
    find_by: frozenset[AddressKind],
) -> Found:
    matching_contacts: list[int] = []
    chosen: int | None = None
    for kind, value in person.addresses:
        for contact in known.contacts_with(kind, value):
            if contact not in matching_contacts:
                matching_contacts.append(contact)
            if chosen is None and kind in find_by and (kind in UNIQUE_KINDS or not known.contradicts(contact, person)):
                chosen = contact
    others = [contact for contact in matching_contacts if contact != chosen]
    # An id that another contact has stays with that contact.
    missing = [
        (kind, value)
        for kind, value in person.addresses
        if chosen not in (holders := known.contacts_with(kind, value)) and not (kind in UNIQUE_KINDS and holders)
    ]
    if chosen is None:
        contact = _create(tx, known, person, missing, verified)
        tx.announce(ContactCreated(contact, by, tuple(missing)))
        return Found(contact, True, others)
    for kind, value in person.addresses:
        known.active_rows.update(row for row, survivor in known.matches.get((kind, value), ()) if survivor == chosen)
    _add_addresses(tx, known, chosen, missing, verified)
    name, email = None, None
    if missing or person.name or overwrite:
        name, email = _fill_in(tx, known, chosen, person, missing, overwrite)
    if missing or name is not None or email is not None:
        tx.announce(ContactChanged(chosen, by, name, email, tuple(missing)))
    return Found(chosen, False, others)


def _create(tx: Tx, known: _Known, person: Identifiers, missing: list[tuple[AddressKind, str]], verified: bool) -> int:
    is_verified = any(kind is AddressKind.EXTERNAL for kind, _ in missing)
    contact: int = tx.value(
        _INSERT_CONTACT,
        guid=guid(tx.token(16)),
        name=person.name,
        name_key=search_key(person.name),
        email=person.email,
        phone=person.phone,
        country=person.country,
        verified=is_verified,
        created_at=tx.now,
    )
    known.set_primary(contact, _Primary(person.name, person.email, person.phone, person.country, is_verified))
    _add_addresses(tx, known, contact, missing, verified)
    return contact


def _add_addresses(tx: Tx, known: _Known, contact: int, missing: list[tuple[AddressKind, str]], verified: bool) -> None:
    rows = [
        {
            "contact_id": contact,
            "kind": kind.value,
            "value": value,
            "verified": verified,
            "created_at": tx.now,
            "active_at": tx.now,
        }
        for kind, value in missing
    ]
    for row in tx.all_many(_INSERT_ADDRESSES, rows):
        known.add(row.id, row.kind, row.value, contact)


def _fill_in(
    tx: Tx,
    known: _Known,
    contact: int,
    person: Identifiers,
    missing: list[tuple[AddressKind, str]],
    overwrite: bool,
) -> tuple[str | None, str | None]:
    """Updates name, primary addresses and `verified`. Returns the new name and the new e-mail address; None: not
    changed."""
    before = known.primary(tx, contact)
    fills_phone = before.phone is None and person.phone is not None
    after = _Primary(
        name=person.name if person.name and (overwrite or not before.name) else before.name,
        email=person.email if person.email and (overwrite or before.email is None) else before.email,
        phone=person.phone if fills_phone else before.phone,
        country=person.country if person.country and (fills_phone or not before.country) else before.country,
        verified=before.verified or any(kind is AddressKind.EXTERNAL for kind, _ in missing),
    )
    if after == before:
        return None, None
    _set_primary(tx, contact, after)
    if before.email is not None and after.email != before.email:
        tx.run(_DELETE_EMAIL, contact=contact, email=before.email)
    known.set_primary(contact, after)
    return (
        after.name if after.name != before.name else None,
        after.email if after.email != before.email else None,
    )


def _set_primary(tx: Tx, contact: int, primary: _Primary) -> None:
    tx.run(
        _SET_PRIMARY,
        contact=contact,
        new_name=primary.name,
        new_name_key=search_key(primary.name),
        new_email=primary.email,
        new_phone=primary.phone,
        new_country=primary.country,
        new_verified=primary.verified,
    )


def _lock_name(kind: str, address: str) -> str:
    """The name that serialises changes about an address. Consent locks the same names of numbers."""
    return f"{'sms' if kind in (AddressKind.PHONE, AddressKind.PEER) else kind}:{address}"


# --- texts ----------------------------------------------------------------------------------------


def touch_contacts_with(tx: Tx, numbers: list[str]) -> dict[str, int]:
    """Finds the contacts of several E.164 numbers and marks them active. Returns number → contact; unknown numbers are left
    out and no contact is created."""
    tx.lock_names(*(_lock_name(AddressKind.PHONE, number) for number in numbers))
    contact_of: dict[str, int] = {}
    rows = []
    for row, phone, survivor, _ in tx.all(_PHONES, numbers=numbers):
        if phone not in contact_of:
            contact_of[phone] = survivor
            rows.append(row)
    if rows:
        tx.run(_SET_ACTIVE, rows=sorted(rows), now=tx.now)
    return contact_of


def contacts_with_phone(tx: Tx, e164: str) -> list[int]:
    """All contacts with this number, also merged ones. A text from the number is by the first: its words about consent
    stay with that contact if the merge is undone."""
    return [row.owner for row in tx.all(_PHONES, numbers=[e164])]


def by_phone(tx: Tx, e164: str | None, peer: str, country: str = "") -> Found:
    """Returns the contact that a text is from, creating one if needed, and marks it active (IDN-1, INB-7).

    `peer`: the sender as the carrier names it; identifies the contact if `e164` is None.
    """
    person = Identifiers(phone=e164, peer=None if e164 else peer, country=country)
    return find_or_create(tx, person, BY_CONTACT, verified=True)


# --- changes by agents and programs ---------------------------------------------------------------


_SET_BLOCKED = Statement(
    update(contacts)
    .where(contacts.c.id.in_(merged_set(bindparam("contact"))))
    .values(blocked_at=bindparam("since", type_=Instant))
)
_BLOCKED_AT = Statement(select(contacts.c.blocked_at).where(contacts.c.id == bindparam("contact")))


def set_blocked(tx: Tx, agent: Agent, contact: int, blocked: bool, address: str) -> bool:
    """Blocks or unblocks the contact and all contacts merged with it. Returns False if they are so already. Raises
    `NotFound`."""
    row = tx.first(_BLOCKED_AT, contact=contact)
    if row is None:
        raise NotFound()
    if (row.blocked_at is not None) == blocked:
        return False
    tx.run(_SET_BLOCKED, contact=contact, since=tx.now if blocked else None)
    if blocked:
        record(tx, agent.by, "contact_blocked", str(contact), address)
    else:
        record(tx, agent.by, "contact_unblocked", str(contact), address)
    return True


def set_name(
    tx: Tx, actor: Agent | ApiKey, contact: int, new_name: str | None, new_email: str | None, address: str
) -> NameAndEmail:
    """Changes a contact's name and primary e-mail address. None: unchanged. "": removed.

    An address that another contact has does not merge the two (IDN-1). A replaced address no longer identifies the
    contact. The audit log names only the changed fields, because it outlives the contact. Raises `NotFound`, and what
    `rules.changed_details` raises.
    """
    row = tx.first(_PRIMARY, people=[contact])
    if row is not None and row.merged_into is not None:  # the name of a merged contact is the remaining one's
        contact = row.merged_into
        row = tx.first(_PRIMARY, people=[contact])
    if row is None:
        raise NotFound()
    current = _Primary(*row[1:-1])
    before = NameAndEmail(current.name, current.email, current.verified)
    after = rules.changed_details(before, new_name, new_email)
    if after == before:
        return after
    current.name, current.email = after.name, after.email
    _set_primary(tx, contact, current)
    added: tuple[tuple[AddressKind, str], ...] = ()
    if after.email != before.email:
        if before.email is not None:
            tx.run(_DELETE_EMAIL, contact=contact, email=before.email)
        if after.email is not None and tx.run(_INSERT_EMAIL, contact=contact, email=after.email, now=tx.now):
            added = ((AddressKind.EMAIL, after.email),)
    changed = ContactChanged(
        contact,
        actor.by,
        after.name if after.name != before.name else None,
        (after.email or "") if after.email != before.email else None,
        added,
    )
    record(tx, actor.by, "contact_changed", str(contact), address, settings=changed.fields)
    tx.announce(changed)
    return after
