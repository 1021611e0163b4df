"""Reads what the account has that filters may name."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, literal, select

from server.audiences.conditions import LivesNear
from server.audiences.filters import Catalogue, FilterTree, conditions
from server.audiences.places import Circle, circle, normal_code
from server.consent import definitions
from server.consent.settings import LITIGATORS
from server.contacts import properties
from server.kernel.sql import Conn, Statement
from server.schema import contacts, lists, postal_codes, segments

_LISTS = Statement(select(lists.c.id).where(lists.c.deleted_at.is_(None)))
_SEGMENTS = Statement(select(segments.c.id, segments.c.filter).where(segments.c.deleted_at.is_(None)))
_MERGED = Statement(select(literal(1)).where(contacts.c.merged_into.is_not(None)).limit(1))
_ANY_CODE = Statement(select(literal(1)).select_from(postal_codes).limit(1))
_POSITION = Statement(
    select(postal_codes.c.latitude, postal_codes.c.longitude).where(
        postal_codes.c.country == bindparam("of_country"), postal_codes.c.code == bindparam("of_code")
    )
)


def load(conn: Conn, trees: Iterable[FilterTree] = ()) -> Catalogue:
    """The catalogue for the stored segments and for these trees, which are not stored (yet)."""
    stored = {row.id: FilterTree.model_validate(row.filter) for row in conn.all(_SEGMENTS)}
    defined = definitions.defined(conn)
    near = {
        condition
        for tree in (*stored.values(), *trees)
        for condition in conditions(tree)
        if isinstance(condition, LivesNear)
    }
    return Catalogue(
        properties={each.id: each for each in properties.definitions(conn)},
        lists=frozenset(row.id for row in conn.all(_LISTS)),
        segments=stored,
        consents=frozenset(each.id for each in defined),
        required={
            channel: tuple(each.purpose for each in defined if each.required and each.channel in ("general", channel))
            for channel in ("sms", "email")
        },
        litigators=LITIGATORS.load(conn).on,
        postal_codes=conn.first(_ANY_CODE) is not None,
        circles={each: found for each in near if (found := _circle(conn, each)) is not None},
        merges=conn.first(_MERGED) is not None,
    )


def _circle(conn: Conn, near: LivesNear) -> Circle | None:
    found = conn.first(_POSITION, of_country=near.country, of_code=normal_code(near.code))
    return None if found is None else circle(found.latitude, found.longitude, near.km)
