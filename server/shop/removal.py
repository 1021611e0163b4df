"""Deletes what the shop said about a customer."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select

from server.audit.actions import record
from server.channels.shopify import Redaction
from server.events.retention import delete_of_source
from server.events.rules import Metric
from server.kernel.sql import Statement, Tx
from server.schema import addresses, carts, order_lines, orders, refunds
from server.shop.rules import SHOPIFY

_CONTACT = Statement(
    select(addresses.c.contact_id).where(addresses.c.kind == "shop", addresses.c.value == bindparam("customer"))
)
_ORDERS = Statement(
    select(orders.c.id, orders.c.shop_id).where(
        (orders.c.contact_id == bindparam("contact")) | orders.c.shop_id.in_(bindparam("named", expanding=True))
    )
)
_REFUNDS = Statement(select(refunds.c.shop_id).where(refunds.c.order_shop_id.in_(bindparam("orders", expanding=True))))
_CARTS = Statement(select(carts.c.shop_id).where(carts.c.contact_id == bindparam("contact")))
_DELETE_LINES = Statement(delete(order_lines).where(order_lines.c.order_id.in_(bindparam("orders", expanding=True))))
_DELETE_REFUNDS = Statement(delete(refunds).where(refunds.c.order_shop_id.in_(bindparam("orders", expanding=True))))
_DELETE_ORDERS = Statement(delete(orders).where(orders.c.id.in_(bindparam("orders", expanding=True))))
_DELETE_CARTS = Statement(delete(carts).where(carts.c.contact_id == bindparam("contact")))
_ORDER_METRICS = (Metric.ORDER_PLACED, Metric.ORDER_CANCELLED, Metric.ORDER_FULFILLED)


def delete_customer(tx: Tx, redaction: Redaction) -> None:
    """Deletes the customer's orders, refunds, carts and the events that came from the shop. The contact stays with what
    did not come from the shop, such as conversations, and so do consents, which are evidence."""
    contact = tx.value(_CONTACT, customer=redaction.customer)
    found = tx.all(_ORDERS, contact=contact, named=list(redaction.orders))
    # A refund can arrive before its order, so refunds of the named orders may have none.
    shop_ids = [*{*(order.shop_id for order in found), *redaction.orders}]
    refund_ids = [row.shop_id for row in tx.all(_REFUNDS, orders=shop_ids)]
    cart_ids = [row.shop_id for row in tx.all(_CARTS, contact=contact)]
    keys = [f"shopify:{metric.value}:{order}" for metric in _ORDER_METRICS for order in shop_ids]
    keys += [f"shopify:{Metric.ORDER_REFUNDED.value}:{refund}" for refund in refund_ids]
    keys += [f"shopify:{Metric.CHECKOUT_STARTED.value}:{cart}" for cart in cart_ids]
    delete_of_source(tx, contact, "shopify", keys)
    ids = [order.id for order in found]
    tx.run(_DELETE_LINES, orders=ids)
    tx.run(_DELETE_REFUNDS, orders=shop_ids)
    tx.run(_DELETE_ORDERS, orders=ids)
    tx.run(_DELETE_CARTS, contact=contact)
    target = "" if contact is None else str(contact)
    record(tx, SHOPIFY, "shop_customer_erased", target, orders=len(ids), carts=len(cart_ids))
