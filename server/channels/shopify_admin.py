"""Shopify's Admin API (GraphQL): fetches the orders of the last 60 days, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from server.channels.http_client import HttpClient, Limits, NoResponse, NotConnected
from server.channels.shopify import (
    BadPayload,
    Customer,
    Line,
    MarketingConsent,
    Order,
    Refund,
    amount,
    currency,
    moment,
)
from server.errors import ChannelError

VERSION = "2025-10"
PAGE = 25  # orders; one page costs less than the smallest rate limit of a shop
LINES = 50  # of one order
MAX_BODY = 16 * 1024 * 1024

_LIMITS = Limits(connections=2, connect_s=5, total_s=20, idle_s=30, answer=MAX_BODY)
_ORDERS = """query Orders($after: String, $search: String) { orders(first: PAGE, after: $after, query: $search, sortKey: CREATED_AT) {
 pageInfo { hasNextPage endCursor }
 nodes { id name email phone test createdAt processedAt updatedAt cancelledAt currencyCode displayFinancialStatus displayFulfillmentStatus statusPageUrl
  currentTotalPriceSet { shopMoney { amount currencyCode } }
  customer { id email phone firstName lastName
   emailMarketingConsent { marketingState consentUpdatedAt } smsMarketingConsent { marketingState consentUpdatedAt } }
  lineItems(first: LINES) { nodes { id title variantTitle sku quantity originalUnitPriceSet { shopMoney { amount } } } }
  refunds(first: 20) { id createdAt totalRefundedSet { shopMoney { amount currencyCode } } } } } }""".replace(
    "PAGE,", f"{PAGE},"
).replace("LINES)", f"{LINES})")
_SHOP = "query { shop { name } }"


@dataclass(frozen=True, slots=True)
class OrdersPage:
    """`unreadable`: orders that no reader understood. `after`: the cursor of the next page; None on the last one."""

    orders: list[Order]
    unreadable: int
    after: str | None


class Throttled(ChannelError):
    """The shop's rate limit is used up. `wait_s`: seconds until the request may be repeated."""

    def __init__(self, wait_s: float) -> None:
        super().__init__("Shopify answers too many requests.")
        self.wait_s = wait_s


class AdminApi:
    """One shop with its Admin token. `base`: the address of the shop, without a path."""

    def __init__(self, base: str, token: str) -> None:
        self._url = f"{base}/admin/api/{VERSION}/graphql.json"
        self._headers = {
            "content-type": "application/json",
            "accept": "application/json",
            "x-shopify-access-token": token,
        }
        self._client = HttpClient(_LIMITS)

    async def close(self) -> None:
        await self._client.close()

    async def shop_name(self) -> str:
        return str((await self._query(_SHOP, {})).get("shop", {}).get("name", ""))

    async def orders(self, since: datetime, after: str | None) -> OrdersPage:
        """A page of the orders that were created since `since`, oldest first. Raises `ChannelError`."""
        search = f"created_at:>='{since.isoformat(timespec='seconds')}'"
        data = await self._query(_ORDERS, {"after": after, "search": search})
        listed = data.get("orders")
        if not isinstance(listed, dict) or not isinstance(listed.get("nodes"), list):
            raise ChannelError("Shopify's answer has no orders.")
        orders: list[Order] = []
        unreadable = 0
        for node in listed["nodes"]:
            try:
                orders.append(order_of(node))
            except (BadPayload, AttributeError, TypeError):
                unreadable += 1
        page = listed.get("pageInfo") or {}
        return OrdersPage(orders, unreadable, page.get("endCursor") if page.get("hasNextPage") else None)

    async def _query(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        body = orjson.dumps({"query": query, "variables": dict(variables)})
        try:
            answer = await self._client.send_request("POST", self._url, self._headers, body)
        except (NotConnected, NoResponse) as error:
            raise ChannelError(f"Shopify cannot be reached: {error}.") from None
        if answer.status in (401, 403):
            raise ChannelError("Shopify refuses the Admin token.", permanent=True)
        if answer.status == 404:
            raise ChannelError("There is no shop at this domain.", permanent=True)
        if answer.status == 429:
            raise Throttled(_seconds(answer.header("retry-after"), 2.0))
        try:
            payload = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            payload = None
        if answer.status != 200 or not isinstance(payload, dict):
            raise ChannelError(f"Shopify answered with status {answer.status}.")
        if errors := payload.get("errors"):
            raise _refusal(errors, payload)
        data = payload.get("data")
        return data if isinstance(data, dict) else {}


def _refusal(errors: Any, payload: Mapping[str, Any]) -> ChannelError:
    listed = [item for item in errors if isinstance(item, dict)] if isinstance(errors, list) else []
    codes = {(item.get("extensions") or {}).get("code") for item in listed}
    if "THROTTLED" in codes:
        cost = (payload.get("extensions") or {}).get("cost") or {}
        status = cost.get("throttleStatus") or {}
        missing = _seconds(cost.get("requestedQueryCost"), 100) - _seconds(status.get("currentlyAvailable"), 0)
        return Throttled(min(max(missing / (_seconds(status.get("restoreRate"), 50) or 50), 1.0), 60.0))
    if "ACCESS_DENIED" in codes:
        return ChannelError("The Admin token may not read orders and customers.", permanent=True)
    message = str(listed[0].get("message", ""))[:200] if listed else str(errors)[:200]
    return ChannelError(f"Shopify refuses the request: {message}", permanent=True)


def _seconds(value: Any, default: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return default


def _number(gid: Any) -> str:
    if not isinstance(gid, str) or not gid:
        raise BadPayload("an id is missing")
    return gid.rpartition("/")[2].partition("?")[0]


def _amount_and_currency(value: Any, what: str) -> tuple[int, str]:
    shop = (value or {}).get("shopMoney") or {}
    return amount(shop.get("amount"), what), str(shop.get("currencyCode") or "")


def _state(value: Any) -> str:
    """The word that a webhook uses for this state: the same in lower case, except "partial" for PARTIALLY_FULFILLED."""
    word = str(value or "").lower()
    return "partial" if word == "partially_fulfilled" else word


def _consent(value: Any) -> MarketingConsent | None:
    if not value:
        return None
    at = value.get("consentUpdatedAt")
    return MarketingConsent(str(value.get("marketingState", "")).lower(), moment(at, "a consent") if at else None)


def order_of(node: Any) -> Order:
    """An order of the Admin API in the form that a webhook has."""
    own_id, total = _number(node.get("id")), _amount_and_currency(node.get("currentTotalPriceSet"), "the total")
    currency_code = currency(total[1] or node.get("currencyCode"))
    buyer = node.get("customer") or {}
    customer = Customer(
        _number(buyer["id"]) if buyer.get("id") else None,
        buyer.get("email") or node.get("email"),
        buyer.get("phone") or node.get("phone"),
        f"{buyer.get('firstName') or ''} {buyer.get('lastName') or ''}".strip(),
        _consent(buyer.get("emailMarketingConsent")),
        _consent(buyer.get("smsMarketingConsent")),
    )
    lines = tuple(
        Line(
            _number(item.get("id")),
            str(item.get("title") or "")[:300],
            str(item.get("variantTitle") or "")[:300],
            str(item.get("sku") or "")[:300],
            int(item.get("quantity") or 0),
            _amount_and_currency(item.get("originalUnitPriceSet"), "a price")[0],
        )
        for item in (node.get("lineItems") or {}).get("nodes") or []
    )
    refunds = tuple(
        Refund(
            _number(item.get("id")),
            own_id,
            _amount_and_currency(item.get("totalRefundedSet"), "a refund")[0],
            currency_code,
            moment(item.get("createdAt"), "a refund"),
        )
        for item in node.get("refunds") or []
    )
    placed_at = moment(node.get("processedAt") or node.get("createdAt"), "the order")
    status_url = str(node.get("statusPageUrl") or "")
    return Order(
        own_id,
        str(node.get("name") or f"#{own_id}")[:300],
        customer,
        currency_code,
        total[0],
        _state(node.get("displayFinancialStatus")) or "pending",
        _state(node.get("displayFulfillmentStatus")) or "unfulfilled",
        status_url[:2000] if status_url.startswith("https://") else "",
        node.get("test") is True,
        placed_at,
        moment(node["updatedAt"], "the order") if node.get("updatedAt") else placed_at,
        moment(node["cancelledAt"], "the order") if node.get("cancelledAt") else None,
        lines,
        refunds,
    )
