"""The events and consents that follow from an order, a refund and a stated consent. Pure."""

from __future__ import annotations

import re
from datetime import datetime

from server.audit.rules import ActedBy, ActorType
from server.consent.rules import Purpose, Status
from server.events.rules import Metric

WEBHOOK = "/webhooks/shopify"
# Topics that Threadline needs. Webhooks of other topics are acknowledged and ignored.
TOPICS = (
    "customers/create",
    "customers/update",
    "customers_email_marketing_consent/update",
    "customers_marketing_consent/update",
    "orders/create",
    "orders/updated",
    "refunds/create",
    "checkouts/create",
    "checkouts/update",
    "app/uninstalled",
    "customers/redact",
)
# The app was removed from the shop; requests about stored data still arrive.
UNINSTALLED = "app/uninstalled"
REDACT = "customers/redact"
SHOP_REDACT = "shop/redact"
SHOPIFY = ActedBy(ActorType.SYSTEM, name="Shopify")
_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,99}\.myshopify\.com")
# Shopify's states that change a consent. Other states ("not_subscribed", "pending") change nothing (IMP-7).
STATED = {"subscribed": Status.SUBSCRIBED, "unsubscribed": Status.UNSUBSCRIBED}
CONSENTS = {"email": Purpose.EMAIL_MARKETING, "sms": Purpose.SMS_MARKETING}


def shop_domain(text: str) -> str | None:
    """The shop's own domain at Shopify, from what a person pasted, or None."""
    domain = text.strip().lower().removeprefix("https://").removeprefix("http://").partition("/")[0]
    return domain if _DOMAIN.fullmatch(domain) else None


def order_events(
    order: str, placed_at: datetime, cancelled_at: datetime | None, fulfilled_at: datetime | None
) -> list[tuple[Metric, datetime, str]]:
    """Metric, time and deduplication key of each event that an order's state implies, whatever came before."""
    moments = (
        (Metric.ORDER_PLACED, placed_at),
        (Metric.ORDER_CANCELLED, cancelled_at),
        (Metric.ORDER_FULFILLED, fulfilled_at),
    )
    return [(metric, at, f"shopify:{metric.value}:{order}") for metric, at in moments if at is not None]
