"""Stores customers, orders, refunds and carts of the shop, in whatever order they arrive.

Each step can be repeated: rows have the shop's id, an older state never replaces a newer one, and events have keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.channels import shopify
from server.channels.shopify import Checkout, Customer, Order, Refund
from server.consent import actions as consents
from server.consent.ledger import ConsentChange
from server.consent.rules import Method
from server.contacts import actions as people
from server.contacts.rules import Identifiers, Phone, clean_email, normal_phone
from server.events.recording import record
from server.events.rules import Metric, NewEvent
from server.kernel.columns import Instant
from server.kernel.sql import Row, Statement, Tx
from server.schema import carts, consent_ledger, order_lines, orders, refunds, shop_webhooks
from server.shop import removal, rules
from server.shop.rules import SHOPIFY
from server.text import one_line

SOURCE = "shopify"
NAME_CHARS = 80


def _upsert(table: Any, names: str) -> Statement:
    """Inserts a row by its shop id, or updates it unless the stored state is newer. Returns the row's id, or nothing."""
    columns = names.split()
    new = insert(table).values({name: bindparam(name) for name in ("shop_id", *columns)})
    changed: dict[str, Any] = {
        name: new.excluded[name] for name in columns if name not in ("contact_id", "recorded_at")
    }
    # A later webhook may not name the customer any more.
    changed["contact_id"] = func.coalesce(new.excluded.contact_id, table.c.contact_id)
    return Statement(
        new.on_conflict_do_update(
            index_elements=["shop_id"], set_=changed, where=new.excluded.updated_at >= table.c.updated_at
        ).returning(table.c.id, table.c.contact_id)
    )


_PUT_ORDER = _upsert(
    orders,
    "contact_id name currency total financial fulfilment status_url test placed_at cancelled_at updated_at recorded_at",
)
_PUT_CART = _upsert(carts, "contact_id currency total lines url started_at completed_at updated_at recorded_at")
_DELETE_LINES = Statement(delete(order_lines).where(order_lines.c.order_id == bindparam("order")))
_INSERT_LINES = Statement(
    insert(order_lines).values(
        {name: bindparam(name) for name in "order_id shop_id title variant sku quantity price".split()}
    )
)
_INSERT_REFUND = Statement(
    insert(refunds)
    .values({name: bindparam(name) for name in "shop_id order_shop_id amount currency refunded_at recorded_at".split()})
    .on_conflict_do_nothing(index_elements=["shop_id"])
)
_ORDER = Statement(
    select(orders.c.id, orders.c.contact_id, orders.c.currency).where(orders.c.shop_id == bindparam("order"))
)
_REFUNDS = Statement(
    select(refunds.c.shop_id, refunds.c.amount, refunds.c.currency, refunds.c.refunded_at).where(
        refunds.c.order_shop_id == bindparam("order")
    )
)
_CANCEL_DELETED = Statement(
    update(orders)
    .where(orders.c.shop_id == bindparam("order"), orders.c.cancelled_at.is_(None))
    .values(cancelled_at=bindparam("now", type_=Instant))
)
_INSERT_WEBHOOK = Statement(
    insert(shop_webhooks)
    .values(webhook_id=bindparam("webhook"), topic=bindparam("topic"), at=bindparam("now"))
    .on_conflict_do_nothing(index_elements=["webhook_id"])
)
_STATED_BEFORE = Statement(
    select(consent_ledger.c.n)
    .where(
        consent_ledger.c.contact_id == bindparam("contact"),
        consent_ledger.c.purpose == bindparam("purpose"),
        consent_ledger.c.source == bindparam("source"),
        consent_ledger.c.status == bindparam("status"),
        or_(
            consent_ledger.c.happened_at == bindparam("at", type_=Instant),
            bindparam("undated", type_=consent_ledger.c.applied.type),
        ),
    )
    .limit(1)
)


def receive(tx: Tx, webhook: str, topic: str, store: Callable[..., None], *args: Any) -> bool:
    """Runs a step once per webhook id. Returns False for a repeat."""
    if not tx.run(_INSERT_WEBHOOK, webhook=webhook, topic=topic, now=tx.now):
        return False
    store(tx, *args)
    return True


def store_customer(tx: Tx, customer: Customer) -> int | None:
    """Finds or creates the contact and records the consents that the shop states. None: nobody is named."""
    person = identifiers(customer)
    if not person.addresses:
        return None
    contact = people.find_or_create(tx, person, SHOPIFY).contact
    _record_consents(tx, contact, customer, person)
    return contact


def identifiers(customer: Customer) -> Identifiers:
    """The person's identifiers. An invalid address is left out, because the other identifiers may suffice."""
    email = clean_email(customer.email) if customer.email else None
    phone = normal_phone(customer.phone) if customer.phone else None
    known = phone if isinstance(phone, Phone) else None
    return Identifiers(
        shop=customer.id,
        email=email,
        phone=known.e164 if known else None,
        name=one_line(customer.name)[:NAME_CHARS],
        country=known.country if known else "",
    )


def _record_consents(tx: Tx, contact: int, customer: Customer, person: Identifiers) -> None:
    """Records the consents that the shop states. An order or a cart is no consent (IMP-7). A repeated statement is recorded once."""
    source = f"{SOURCE}:{customer.id or ''}"
    for channel, stated, address in (
        ("email", customer.email_consent, person.email),
        ("sms", customer.sms_consent, person.phone),
    ):
        status = None if stated is None else rules.STATED.get(stated.state)
        if stated is None or status is None or address is None:
            continue
        purpose = rules.CONSENTS[channel]
        at = tx.now if stated.at is None else min(stated.at, tx.now)
        undated = stated.at is None
        if tx.first(
            _STATED_BEFORE, contact=contact, purpose=purpose.value, source=source, status=status, at=at, undated=undated
        ):
            continue
        change = ConsentChange(
            contact, purpose, status, Method.API, source=source, happened_at=at, reason="Shopify", address=address
        )
        consents.record(tx, change)


def store_order(tx: Tx, order: Order) -> None:
    contact = store_customer(tx, order.customer)
    row: Row | None = tx.first(
        _PUT_ORDER,
        shop_id=order.id,
        contact_id=contact,
        name=order.name,
        currency=order.currency,
        total=order.total,
        financial=order.financial,
        fulfilment=order.fulfilment,
        status_url=order.status_url,
        test=order.test,
        placed_at=order.placed_at,
        cancelled_at=order.cancelled_at,
        updated_at=order.updated_at,
        recorded_at=tx.now,
    )
    if row is not None:  # None: the stored state is newer
        tx.run(_DELETE_LINES, order=row.id)
        lines = [
            {
                "order_id": row.id,
                "shop_id": line.id,
                "title": line.title,
                "variant": line.variant,
                "sku": line.sku,
                "quantity": line.quantity,
                "price": line.price,
            }
            for line in order.lines
        ]
        tx.run_many(_INSERT_LINES, lines)
        contact = row.contact_id
    for refund in order.refunds:
        _insert_refund(tx, refund)
    if contact is None or order.test:
        return
    fulfilled_at = order.updated_at if order.fulfilment == "fulfilled" else None
    data = {"order": order.id, "name": order.name}
    new = [
        NewEvent(contact, metric, SOURCE, min(at, tx.now), data, order.total, order.currency, key)
        for metric, at, key in rules.order_events(order.id, order.placed_at, order.cancelled_at, fulfilled_at)
    ]
    record(tx, [*new, *_refund_events(tx, contact, order.id, order.currency)])


def store_refund(tx: Tx, refund: Refund) -> None:
    """A refund that arrives before its order becomes an event with the order."""
    _insert_refund(tx, refund)
    order = tx.first(_ORDER, order=refund.order)
    if order is not None and order.contact_id is not None:
        record(tx, _refund_events(tx, order.contact_id, refund.order, order.currency))


def _insert_refund(tx: Tx, refund: Refund) -> None:
    tx.run(
        _INSERT_REFUND,
        shop_id=refund.id,
        order_shop_id=refund.order,
        amount=refund.amount,
        currency=refund.currency,
        refunded_at=refund.at,
        recorded_at=tx.now,
    )


def _refund_events(tx: Tx, contact: int, order: str, currency: str) -> list[NewEvent]:
    return [
        NewEvent(
            contact,
            Metric.ORDER_REFUNDED,
            SOURCE,
            min(row.refunded_at, tx.now),
            {"order": order, "refund": row.shop_id},
            row.amount,
            row.currency or currency,
            f"shopify:{Metric.ORDER_REFUNDED.value}:{row.shop_id}",
        )
        for row in tx.all(_REFUNDS, order=order)
    ]


def delete_order(tx: Tx, order: str) -> None:
    """An order that the shop deleted counts as cancelled, so that the contact's history stays."""
    tx.run(_CANCEL_DELETED, order=order, now=tx.now)


def store_checkout(tx: Tx, checkout: Checkout) -> None:
    contact = store_customer(tx, checkout.customer)
    row: Row | None = tx.first(
        _PUT_CART,
        shop_id=checkout.id,
        contact_id=contact,
        currency=checkout.currency,
        total=checkout.total,
        lines=[{"title": line.title, "quantity": line.quantity} for line in checkout.lines],
        url=checkout.url,
        started_at=checkout.started_at,
        completed_at=checkout.completed_at,
        updated_at=checkout.updated_at,
        recorded_at=tx.now,
    )
    owner = contact if row is None else row.contact_id
    if owner is not None:  # the first webhook of a checkout often names nobody yet
        key = f"shopify:{Metric.CHECKOUT_STARTED.value}:{checkout.id}"
        at = min(checkout.started_at, tx.now)
        data = {"cart": checkout.id}
        new = NewEvent(owner, Metric.CHECKOUT_STARTED, SOURCE, at, data, checkout.total, checkout.currency, key)
        record(tx, [new])


def store_orders(tx: Tx, some: Sequence[Order]) -> int:
    """Stores orders that were fetched with the Admin API."""
    for order in some:
        store_order(tx, order)
    return len(some)


# By topic: what reads the payload, and the step that stores it.
STORES: dict[str, tuple[Callable[[Any], Any], Callable[[Tx, Any], Any]]] = {
    "customers/create": (shopify.customer, store_customer),
    "customers/update": (shopify.customer, store_customer),
    "customers_email_marketing_consent/update": (shopify.consent_change, store_customer),
    "customers_marketing_consent/update": (shopify.consent_change, store_customer),
    **{
        f"orders/{what}": (shopify.order, store_order)
        for what in ("create", "updated", "paid", "fulfilled", "partially_fulfilled", "cancelled", "edited")
    },
    "orders/delete": (shopify.deleted_order, delete_order),
    rules.REDACT: (shopify.redaction, removal.delete_customer),
    "refunds/create": (shopify.refund, store_refund),
    "checkouts/create": (shopify.checkout, store_checkout),
    "checkouts/update": (shopify.checkout, store_checkout),
}
