"""Suppressed addresses of erased people, stored as keyed hashes: they bar sends and name nobody.

The key is derived from the server's secret, because phone numbers are few enough to try them all. So only a transaction,
which has the key, finds such a suppression; the consent check of every send runs in one.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from sqlalchemy import bindparam, delete

from server.consent.rules import Channel, Suppressed
from server.kernel.sql import Conn, Statement, Tx
from server.schema import litigators, soft_bounces, suppressions

PURPOSE = "erased-addresses"
PREFIX = "erased:"

_DELETE = Statement(
    delete(suppressions).where(
        suppressions.c.channel == bindparam("channel"),
        suppressions.c.address.in_(bindparam("addresses", expanding=True)),
    )
)
_INSERT = Statement(
    suppressions.insert().values(
        {name: bindparam(name) for name in ("channel", "address", "reason", "at")} | {"detail": "", "source": ""}
    )
)
_DELETE_LITIGATOR = Statement(delete(litigators).where(litigators.c.phone == bindparam("address")))
_DELETE_RUN = Statement(delete(soft_bounces).where(soft_bounces.c.address == bindparam("address")))


def erased_form(tx: Tx, channel: str, address: str) -> str:
    """The address as it is stored after its person was erased."""
    return PREFIX + hmac.digest(tx.key(PURPOSE), f"{channel}:{address}".encode(), "sha256").hex()


def forms_of(conn: Conn, channel: str, addresses: Iterable[str]) -> dict[str, str]:
    """Erased form → address. Empty outside of a transaction: it has no key."""
    if not isinstance(conn, Tx):
        return {}
    return {erased_form(conn, channel, address): address for address in addresses if address}


def suppress_erased(tx: Tx, channel: Channel, address: str) -> None:
    """Replaces the address by its hash, with or without an earlier suppression. The caller has locked the address."""
    form = erased_form(tx, channel, address)
    tx.run(_DELETE, channel=channel, addresses=[address, form])
    tx.run(_INSERT, channel=channel, address=form, reason=Suppressed.ERASED, at=tx.now)
    if channel == "sms":
        tx.run(_DELETE_LITIGATOR, address=address)
    else:
        tx.run(_DELETE_RUN, address=address)
