"""Reads the orders of a contact, and of all contacts that are merged with it, and the state of the connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select

from server.kernel.sql import Conn, Statement
from server.schema import merged_set, order_lines, orders, refunds, shop_webhooks
from server.shop.settings import FETCH, SHOP

SHOWN = 10  # newest orders of a contact
LINES = 50  # shown of one order


class OrderLine(NamedTuple):
    order_id: int
    title: str
    variant: str
    sku: str
    quantity: int
    price: int


@dataclass(frozen=True, slots=True)
class ContactOrder:
    """Amounts are ten-thousandths of the currency's unit."""

    id: int
    shop_id: str
    name: str
    currency: str
    total: int
    refunded: int
    financial: str
    fulfilment: str
    status_url: str
    placed_at: datetime
    cancelled_at: datetime | None
    lines: list[OrderLine]


_refunded = (
    select(func.coalesce(func.sum(refunds.c.amount), 0))
    .where(refunds.c.order_shop_id == orders.c.shop_id)
    .correlate(orders)
    .scalar_subquery()
)
_ORDERS = Statement(
    select(
        orders.c.id,
        orders.c.shop_id,
        orders.c.name,
        orders.c.currency,
        orders.c.total,
        _refunded.label("refunded"),
        orders.c.financial,
        orders.c.fulfilment,
        orders.c.status_url,
        orders.c.placed_at,
        orders.c.cancelled_at,
    )
    .where(orders.c.contact_id.in_(merged_set(bindparam("contact"))), ~orders.c.test)
    .order_by(orders.c.placed_at.desc(), orders.c.id.desc())
    .limit(bindparam("n"))
)
_LINES = Statement(
    select(
        order_lines.c.order_id,
        order_lines.c.title,
        order_lines.c.variant,
        order_lines.c.sku,
        order_lines.c.quantity,
        order_lines.c.price,
    )
    .where(order_lines.c.order_id.in_(bindparam("orders", expanding=True)))
    .order_by(order_lines.c.order_id, order_lines.c.id)
)
_LAST_WEBHOOK = Statement(
    select(shop_webhooks.c.topic, shop_webhooks.c.at).order_by(shop_webhooks.c.id.desc()).limit(1)
)


def of_contact(conn: Conn, contact: int) -> list[ContactOrder]:
    """The newest orders of the contact's merged set, newest first, at most `SHOWN`."""
    rows = conn.all(_ORDERS, contact=contact, n=SHOWN)
    lines: dict[int, list[OrderLine]] = {}
    if rows:
        for row in conn.all(_LINES, orders=[row.id for row in rows]):
            lines.setdefault(row.order_id, []).append(OrderLine(*row))
    return [ContactOrder(**row._asdict(), lines=lines.get(row.id, [])[:LINES]) for row in rows]


def last_webhook(conn: Conn) -> tuple[str, datetime] | None:
    """Topic and time of the newest webhook that was handled."""
    row: Any = conn.first(_LAST_WEBHOOK)
    return None if row is None else (row.topic, row.at)


def knows_since(conn: Conn) -> datetime | None:
    """Since when all orders are known: the beginning of what was fetched, or the connection. None: nothing arrived yet."""
    fetched = FETCH.load(conn)
    if fetched.done_at is not None:
        return fetched.since
    return SHOP.load(conn).connected_at if last_webhook(conn) is not None else None
