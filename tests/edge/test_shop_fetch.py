"""The orders of the last 60 days are fetched page by page from a server that speaks Shopify's Admin API over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from server.schema import contacts, events, orders, refunds, settings
from server.shop import fetching
from tests.edge.test_shop import Shop
from tests.online import Online, open_online

TOKEN = "shpat_secret"
COUNT, PER_PAGE = 7, 3


def node(number: int) -> dict[str, Any]:
    money = {"shopMoney": {"amount": f"{number}.50", "currencyCode": "EUR"}}
    return {
        "id": f"gid://shopify/Order/{number}",
        "name": f"#{number}",
        "createdAt": "2026-11-01T10:00:00Z",
        "updatedAt": "2026-11-02T10:00:00Z",
        "currencyCode": "EUR",
        "displayFinancialStatus": "PARTIALLY_REFUNDED",
        "displayFulfillmentStatus": "FULFILLED",
        "currentTotalPriceSet": money,
        "customer": {"id": f"gid://shopify/Customer/{number % 2}", "email": f"c{number % 2}@mail.example", "firstName": "C"},
        "lineItems": {"nodes": [{"id": f"gid://shopify/LineItem/{number}", "title": "Tea", "quantity": 1,
                                 "originalUnitPriceSet": money}]},
        "refunds": [{"id": f"gid://shopify/Refund/{number}", "createdAt": "2026-11-02T10:00:00Z", "totalRefundedSet": money}],
    }  # fmt: skip


class FakeShopify:
    """Serves `COUNT` orders. `answers`: what the next requests get instead of orders."""

    def __init__(self) -> None:
        self.answers: list[Callable[[], web.Response]] = []
        self.searches: list[str] = []

    async def graphql(self, request: web.Request) -> web.Response:
        if request.headers.get("x-shopify-access-token") != TOKEN:
            return web.json_response({"errors": "Invalid token"}, status=401)
        body = await request.json()
        if "shop {" in body["query"] and "orders" not in body["query"]:
            return web.json_response({"data": {"shop": {"name": "Fern & Kettle"}}})
        if self.answers:
            return self.answers.pop(0)()
        variables = body["variables"]
        self.searches.append(variables["search"])
        start = int(variables["after"] or 0)
        end = min(start + PER_PAGE, COUNT)
        page = {"hasNextPage": end < COUNT, "endCursor": str(end)}
        nodes = [node(number) for number in range(start + 1, end + 1)]
        return web.json_response({"data": {"orders": {"pageInfo": page, "nodes": nodes}}})


@asynccontextmanager
async def serving(tmp_path: Path, database: str = "sqlite") -> AsyncIterator[tuple[FakeShopify, Online, Shop]]:
    fake = FakeShopify()
    application = web.Application()
    application.router.add_post("/admin/api/{version}/graphql.json", fake.graphql)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with open_online(tmp_path / "data", database, shopify_url=f"http://127.0.0.1:{port}") as online:
            yield fake, online, Shop(online, await online.agent("olga", socket=False))
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_all_pages_are_stored_once_also_when_the_shop_is_busy(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "PAGES_PER_RUN", 1)
    async with serving(tmp_path, database) as (fake, online, shop):
        busy = {
            "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
            "extensions": {"cost": {"requestedQueryCost": 200, "throttleStatus": {"currentlyAvailable": 0, "restoreRate": 50}}},
        }  # fmt: skip
        fake.answers = [lambda: web.json_response(busy), lambda: web.Response(status=429, headers={"retry-after": "2"})]
        assert (await shop.connect(admin_token=TOKEN)).status == 200
        await online.world.advance(seconds=1)
        assert not await online.world.rows(orders), "the shop asked to wait four seconds"
        for _ in range(3):
            await online.world.advance(seconds=5)
        assert len(await online.world.rows(orders)) == COUNT == len(await online.world.rows(refunds))
        assert {search[:26] for search in fake.searches} == {"created_at:>='2026-09-22T0"}
        assert len(await online.world.rows(contacts)) == 2
        metrics = sorted(row.metric for row in await online.world.rows(events))
        assert metrics == ["order_fulfilled"] * COUNT + ["order_placed"] * COUNT + ["order_refunded"] * COUNT
        state = (await shop.olga.get("/api/shop")).json()
        assert (state["fetched_orders"], state["fetch_error"]) == (COUNT, "") and state["fetched_at"]
        assert state["knows_since"].startswith("2026-09-22")
        await shop.connect(admin_token=TOKEN)
        await online.world.advance(seconds=60)
        assert len(await online.world.rows(events)) == 3 * COUNT, "fetching again changes nothing"


async def test_a_refused_token_is_shown_and_is_never_in_the_error(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, online, shop):
        await shop.connect(admin_token="shpat_wrong")
        await online.world.advance(seconds=5)
        state = (await shop.olga.get("/api/shop")).json()
        assert state["fetch_error"] == "Shopify refuses the Admin token." and state["fetched_at"] is None
        findings = (await shop.olga.post("/api/shop/test", {})).json()["findings"]
        assert [finding["state"] for finding in findings] == ["warn", "fail"]
        assert "shpat_wrong" not in str([tuple(row) for row in await online.world.rows(settings)]) + str(findings)
        await shop.connect(admin_token=TOKEN)
        findings = (await shop.olga.post("/api/shop/test", {})).json()["findings"]
        assert findings[1]["message"] == "The Admin token works: Fern & Kettle."


async def test_an_unreadable_answer_is_tried_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as (fake, online, shop):
        fake.answers = [
            lambda: web.Response(text="<html>", status=502),
            lambda: web.Response(text="<html>"),
            lambda: web.json_response({"data": {"orders": None}}),
        ]
        await shop.connect(admin_token=TOKEN)
        await online.world.advance(seconds=1)
        assert (await shop.olga.get("/api/shop")).json()["fetch_error"] == "Shopify answered with status 502."
        for _ in range(5):
            await online.world.advance(minutes=2)
        assert len(await online.world.rows(orders)) == COUNT
        assert (await shop.olga.get("/api/shop")).json()["fetch_error"] == ""
