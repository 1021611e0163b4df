"""The demo shop's orders: sends signed webhooks to this server, as Shopify does. Development only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from server.channels import shopify
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.simulator.state import PEOPLE

DOMAIN = "fern-kettle.myshopify.com"
PATH = "/webhooks/shopify"
WHAT = ("order", "refund", "second_currency")
TIMEOUT_S = 5.0  # Shopify's own


def secret(app: App) -> str:
    """The demo shop's webhook secret, derived from the server's key and stored nowhere but in the settings."""
    return app.key("simulator shop").hex()[:32]


def _line(number: int, title: str, quantity: int, price: str) -> dict[str, Any]:
    return {"id": number, "title": title, "variant_title": None, "sku": "", "quantity": quantity, "price": price}


def _order(app: App, number: int, currency: str, lines: list[dict[str, Any]], total: str) -> dict[str, Any]:
    buyer, now = PEOPLE[0], app.clock.now()
    first, _, last = buyer.name.partition(" ")
    return {
        "id": number,
        "name": f"#{number % 100_000}",
        "created_at": rfc3339(now - timedelta(minutes=3)),
        "updated_at": rfc3339(now),
        "currency": currency,
        "current_total_price": total,
        "financial_status": "paid",
        "fulfillment_status": None,
        "order_status_url": f"https://{DOMAIN}/orders/{number}",
        "customer": {
            "id": 7001,
            "email": "maya@mail.example",
            "phone": buyer.number,
            "first_name": first,
            "last_name": last,
        },
        "line_items": lines,
        "refunds": [],
    }


def webhook(app: App, what: str, number: int, last_order: int) -> tuple[str, dict[str, Any]]:
    """Topic and payload: an order of three lines, a refund of the last order, or an order in a second currency."""
    if what == "refund":
        payment = {"kind": "refund", "status": "success", "amount": "14.00", "currency": "USD"}
        return "refunds/create", {
            "id": number,
            "order_id": last_order,
            "created_at": rfc3339(app.clock.now()),
            "transactions": [payment],
        }
    if what == "second_currency":
        lines = [_line(1, "Rose cups", 1, "31.00"), _line(2, "Oolong, spring", 1, "17.50")]
        return "orders/create", _order(app, number, "EUR", lines, "48.50")
    lines = [
        _line(1, "Moss teapot", 1, "48.00"),
        _line(2, "Oolong, spring", 2, "19.00"),
        _line(3, "Mist bottle", 1, "14.00"),
    ]
    return "orders/create", _order(app, number, "USD", lines, "100.00")


class Orders:
    """Remembers the last order, so that a refund has one."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._last_order = 0

    async def send(self, what: str) -> int:
        """Sends one signed webhook and returns the server's status."""
        import aiohttp  # not at start

        number = int.from_bytes(self._app.ids.token(6).encode()[:6])
        if what == "refund" and not self._last_order:
            await self.send("order")
        topic, payload = webhook(self._app, what, number, self._last_order)
        if topic == "orders/create":
            self._last_order = number
        body = orjson.dumps(payload)
        headers = {
            "content-type": "application/json",
            shopify.TOPIC: topic,
            shopify.SHOP: DOMAIN,
            shopify.WEBHOOK_ID: self._app.ids.token(16),
            shopify.SIGNATURE: shopify.signature(secret(self._app), body),
        }
        timeout = aiohttp.ClientTimeout(TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.post(self._app.settings.public_url + PATH, data=body, headers=headers) as answer,
        ):
            return answer.status

    async def _sent(self, request: Request) -> Response:
        what = request.path_params["what"]
        if what not in WHAT:
            return JSONResponse({"status": 404}, 404)
        return JSONResponse({"status": await self.send(what)})

    def routes(self) -> list[BaseRoute]:
        return [Route("/demo/orders/{what}", self._sent, methods=["POST"])]
