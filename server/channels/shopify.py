"""Shopify: checks the signature of a webhook and reads what it says. Pure.

Amounts are whole ten-thousandths of the currency's unit. Every reader raises `BadPayload` instead of guessing.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

SIGNATURE, TOPIC, SHOP, WEBHOOK_ID, TRIGGERED_AT = (
    "x-shopify-hmac-sha256",
    "x-shopify-topic",
    "x-shopify-shop-domain",
    "x-shopify-webhook-id",
    "x-shopify-triggered-at",
)
SCALE = 10_000
MAX_AMOUNT = Decimal(10) ** 12
MAX_LINES = 1_000
_TEXT = 300  # characters kept of a title or a name
_URL = 2_000


class BadPayload(ValueError):
    """The reason, without quoting the payload."""


def signature(secret: str, body: bytes) -> str:
    """The value of the header `X-Shopify-Hmac-Sha256` for these raw bytes."""
    return b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


def signed_with(secrets: Sequence[str], body: bytes, given: str) -> bool:
    """Whether one of the secrets signed exactly these bytes."""
    expected = [hmac.compare_digest(signature(secret, body).encode(), given.encode()) for secret in secrets if secret]
    return any(expected)


@dataclass(frozen=True, slots=True)
class MarketingConsent:
    """What the shop states about one channel. `state`: subscribed, unsubscribed, not_subscribed, pending …"""

    state: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Customer:
    """`id` None: an order or checkout of a guest."""

    id: str | None
    email: str | None
    phone: str | None
    name: str
    email_consent: MarketingConsent | None = None
    sms_consent: MarketingConsent | None = None


@dataclass(frozen=True, slots=True)
class Line:
    id: str
    title: str
    variant: str
    sku: str
    quantity: int
    price: int


@dataclass(frozen=True, slots=True)
class Refund:
    id: str
    order: str
    amount: int
    currency: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Order:
    id: str
    name: str
    customer: Customer
    currency: str
    total: int
    financial: str
    fulfilment: str
    status_url: str
    test: bool
    placed_at: datetime
    updated_at: datetime
    cancelled_at: datetime | None
    lines: tuple[Line, ...]
    refunds: tuple[Refund, ...]


@dataclass(frozen=True, slots=True)
class Checkout:
    id: str
    customer: Customer
    currency: str
    total: int
    lines: tuple[Line, ...]
    url: str
    started_at: datetime
    updated_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Redaction:
    """Whose data the shop wants to have deleted. `customer`: the id in the shop."""

    customer: str
    orders: tuple[str, ...]


# --- readers of JSON ----------------------------------------------------------------------------------


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadPayload(f"{what} is no object")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadPayload(f"{what} is no list")
    return value[:MAX_LINES]


def deleted_order(value: Any) -> str:
    """The id of the deleted order, from the payload of `orders/delete`."""
    return _id(_object(value, "the order").get("id"), "the order")


def redaction(value: Any) -> Redaction:
    """Of `customers/redact`."""
    payload = _object(value, "the request")
    customer_id = _id(_object(payload.get("customer"), "the customer").get("id"), "the customer")
    order_ids = _list(payload.get("orders_to_redact"), "the list of orders")
    return Redaction(customer_id, tuple(_id(one, "an order") for one in order_ids))


def triggered_at(header: str) -> datetime | None:
    """When the shop triggered the webhook, by its header; None without a valid one."""
    return _moment(header)


def _id(value: Any, what: str) -> str:
    """The id as text. Webhooks have a number, the Admin API a path that ends with it ("gid://shopify/Order/17")."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value):
        raise BadPayload(f"{what} has no id")
    return str(value).rpartition("/")[2].partition("?")[0][:100]


def _text(value: Any, most: int = _TEXT) -> str:
    return (
        "".join(char if char.isprintable() else " " for char in value[:most]).strip() if isinstance(value, str) else ""
    )


def amount(value: Any, what: str) -> int:
    """An amount in ten-thousandths, from a decimal text or a number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadPayload(f"{what} is no amount")
    try:
        number = Decimal(str(value)[:40])
    except InvalidOperation:
        raise BadPayload(f"{what} is no amount") from None
    if not number.is_finite() or abs(number) >= MAX_AMOUNT:
        raise BadPayload(f"{what} is no amount")
    return int((number * SCALE).to_integral_value())


def moment(value: Any, what: str) -> datetime:
    at = _moment(value)
    if at is None:
        raise BadPayload(f"{what} is no time")
    return at


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo is not None and 1990 <= at.year <= 2200 else None


def currency(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 3 or not (value.isascii() and value.isalpha()):
        raise BadPayload("the currency is missing")
    return value.upper()


def _consent(value: Any) -> MarketingConsent | None:
    if not isinstance(value, dict) or not isinstance(value.get("state"), str):
        return None
    return MarketingConsent(value["state"].lower()[:40], _moment(value.get("consent_updated_at")))


def customer(value: Any) -> Customer:
    """The customer in the payload of `customers/create` or `customers/update`, or in that of an order."""
    person = _object(value, "the customer")
    name = f"{_text(person.get('first_name'))} {_text(person.get('last_name'))}".strip()
    return Customer(
        None if person.get("id") is None else _id(person["id"], "the customer"),
        _address(person.get("email")),
        _address(person.get("phone")),
        name[:_TEXT],
        _consent(person.get("email_marketing_consent")),
        _consent(person.get("sms_marketing_consent")),
    )


def consent_change(value: Any) -> Customer:
    """The changed consent, from the payload of `customers_email_marketing_consent/update` or `customers_marketing_consent/update`."""
    change = _object(value, "the consent")
    return Customer(
        _id(change.get("customer_id"), "the consent"),
        _address(change.get("email_address")),
        _address(change.get("phone")),
        "",
        _consent(change.get("email_marketing_consent")),
        _consent(change.get("sms_marketing_consent")),
    )


def _address(value: Any) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() and len(value) <= 400 else None


def _buyer(payload: Mapping[str, Any]) -> Customer:
    """The customer of an order or checkout, with the addresses that were entered there if the customer has none."""
    known = payload.get("customer")
    person = customer(known) if isinstance(known, dict) else Customer(None, None, None, "")
    place = payload.get("shipping_address") or payload.get("billing_address")
    name = person.name or (_text(place.get("name")) if isinstance(place, dict) else "")
    email, phone = person.email or _address(payload.get("email")), person.phone or _address(payload.get("phone"))
    return Customer(person.id, email, phone, name, person.email_consent, person.sms_consent)


def _lines(value: Any, what: str) -> tuple[Line, ...]:
    lines: list[Line] = []
    for position, item in enumerate(_list(value, what)):
        line = _object(item, "a line")
        quantity = line.get("quantity")
        if isinstance(quantity, bool) or not isinstance(quantity, int) or not 0 <= quantity < 10**9:
            raise BadPayload("a line has no quantity")
        price = amount(line.get("price", "0"), "a price")
        # Lines of a checkout have no id, but a key.
        own_id = str(line.get("id") or line.get("key") or position)[:100]
        title, variant = _text(line.get("title")), _text(line.get("variant_title"))
        lines.append(Line(own_id, title, variant, _text(line.get("sku")), quantity, price))
    return tuple({line.id: line for line in lines}.values())


def order(value: Any) -> Order:
    """The order, from the payload of any topic `orders/…` except `orders/delete`."""
    payload = _object(value, "the order")
    own_id, money = _id(payload.get("id"), "the order"), currency(payload.get("currency"))
    placed_at = moment(payload.get("processed_at") or payload.get("created_at"), "the time of the order")
    return Order(
        own_id,
        _text(payload.get("name")) or f"#{own_id}",
        _buyer(payload),
        money,
        amount(payload.get("current_total_price") or payload.get("total_price"), "the total"),
        _text(payload.get("financial_status")) or "pending",
        _text(payload.get("fulfillment_status")) or "unfulfilled",
        _link(payload.get("order_status_url")),
        payload.get("test") is True,
        placed_at,
        _moment(payload.get("updated_at")) or placed_at,
        _moment(payload.get("cancelled_at")),
        _lines(payload.get("line_items"), "the lines"),
        tuple(refund(item, money, own_id) for item in _list(payload.get("refunds"), "the refunds")),
    )


def _link(value: Any) -> str:
    text = _text(value, _URL)
    return text if text.startswith("https://") else ""


def refund(value: Any, order_currency: str = "", order_id: str | None = None) -> Refund:
    """The refund, from the payload of `refunds/create`. The amount is what was paid back; without payments, the value of the returned lines."""
    payload = _object(value, "the refund")
    total, money = 0, order_currency
    payments = [_object(item, "a payment") for item in _list(payload.get("transactions"), "the payments")]
    for payment in payments:
        if payment.get("kind") == "refund" and payment.get("status") in ("success", "pending"):
            total += amount(payment.get("amount"), "a payment")
        money = money or payment.get("currency") or ""
    if not payments:
        for item in _list(payload.get("refund_line_items"), "the returned lines"):
            total += amount(_object(item, "a returned line").get("subtotal", "0"), "a returned line")
    return Refund(
        _id(payload.get("id"), "the refund"),
        order_id or _id(payload.get("order_id"), "the order of the refund"),
        total,
        currency(money) if money else "",
        moment(payload.get("processed_at") or payload.get("created_at"), "the time of the refund"),
    )


def checkout(value: Any) -> Checkout:
    """The cart, from the payload of `checkouts/create` or `checkouts/update`."""
    payload = _object(value, "the checkout")
    started_at = moment(payload.get("created_at"), "the time of the checkout")
    return Checkout(
        _id(payload.get("token") or payload.get("id"), "the checkout"),
        _buyer(payload),
        currency(payload.get("currency") or payload.get("presentment_currency")),
        amount(payload.get("total_price", "0"), "the total"),
        _lines(payload.get("line_items"), "the lines"),
        _link(payload.get("abandoned_checkout_url")),
        started_at,
        _moment(payload.get("updated_at")) or started_at,
        _moment(payload.get("completed_at")),
    )
