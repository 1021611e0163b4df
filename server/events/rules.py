"""Names of events, and the checks of an event that a program sends. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any


class Metric(StrEnum):
    """The events that Threadline records itself. Programs choose other names (`metric_name`)."""

    MESSAGE_RECEIVED = "message_received"  # the contact wrote to us
    MESSAGE_SENT = "message_sent"  # a colleague or an automatic reply wrote to the contact
    MESSAGE_DELIVERED = "message_delivered"
    MESSAGE_FAILED = "message_failed"
    MESSAGE_BOUNCED = "message_bounced"
    MESSAGE_SKIPPED = "message_skipped"  # a rule blocked it
    LINK_CLICKED = "link_clicked"
    TICKET_OPENED = "ticket_opened"
    TICKET_CLOSED = "ticket_closed"
    TICKET_SNOOZED = "ticket_snoozed"
    SNOOZE_ENDED = "snooze_ended"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    CHECKOUT_STARTED = "checkout_started"
    ORDER_PLACED = "order_placed"
    ORDER_CANCELLED = "order_cancelled"
    ORDER_FULFILLED = "order_fulfilled"
    ORDER_REFUNDED = "order_refunded"
    CONTACT_CHANGED = (
        "contact_changed"  # created by a colleague or program; properties, addresses, merges, suppressions
    )
    LIST_JOINED = "list_joined"
    LIST_LEFT = "list_left"
    SEGMENT_ENTERED = "segment_entered"
    SEGMENT_LEFT = "segment_left"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to store. `happened_at` None: now. `value`: ten-thousandths of the currency's unit. `dedupe`: the same key
    is stored once. `cause`: what caused it, if not the contact."""

    contact: int
    metric: str
    source: str
    happened_at: datetime | None = None
    data: dict[str, Any] | None = None
    value: int | None = None
    currency: str | None = None
    dedupe: str | None = None
    cause: str | None = None


METRIC_CHARS = 60
_METRIC = re.compile(r"[a-z][a-z0-9_.:-]{0,59}")
_CURRENCY = re.compile(r"[A-Z]{3}")
MAX_AHEAD = timedelta(minutes=10)  # a clock that is ahead by less counts as right
MAX_AMOUNT = Decimal(10) ** 12
SCALE = 10_000  # parts of a currency's unit; the smallest unit of any currency is a thousandth


def metric_name(text: str) -> str | None:
    """The name of an event in the form that is stored, or None. Threadline's own names are refused: a program could
    otherwise invent deliveries or consents."""
    name = text.strip().lower().replace(" ", "_")
    return name if _METRIC.fullmatch(name) and name not in set(Metric) else None


def moment(happened_at: datetime, now: datetime) -> datetime | None:
    """The time to store: the given time, or now if the sender's clock is a little ahead. None: too far in the future."""
    if happened_at <= now:
        return happened_at
    return now if happened_at - now <= MAX_AHEAD else None


def amount(value: int | float | str) -> int | None:
    """An amount of money in ten-thousandths, or None if it is no number, has more decimals, or is a trillion or more."""
    try:
        number = Decimal(str(value).strip()[:40])
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number) >= MAX_AMOUNT:
        return None
    scaled = number * SCALE
    return int(scaled) if scaled == scaled.to_integral_value() else None


def currency_code(text: str) -> str | None:
    """An ISO 4217 code in upper case, or None."""
    code = text.strip().upper()
    return code if _CURRENCY.fullmatch(code) else None


def shown_amount(scaled: int) -> str:
    """The amount as a decimal: "19.9" is "19.90", and whole thousandths keep three or four places."""
    text = f"{Decimal(scaled) / SCALE:.4f}"
    return text[:-2] if text.endswith("00") else text
