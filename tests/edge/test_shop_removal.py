"""The shop asks to delete a customer, or removes the app: what is deleted, what stays, and what Settings say."""

from __future__ import annotations

from typing import Any

from server.events.recording import record
from server.events.rules import NewEvent
from server.schema import audit, carts, consent_ledger, contacts, events, order_lines, orders, refunds
from tests.edge.test_shop import Shop, customer, order, refund, shop

__all__ = ["shop"]

OTHER = {"email": "other@mail.example", "phone": "+12025550199"}


def redact(number: int = 7, *order_ids: int) -> dict[str, Any]:
    return {
        "shop_id": 1,
        "shop_domain": "fern-kettle.myshopify.com",
        "customer": {"id": number, "email": "maria@mail.example", "phone": "+12025550142"},
        "orders_to_redact": list(order_ids),
    }


def cart(token: str, **more: Any) -> dict[str, Any]:
    return {
        "token": token,
        "created_at": "2026-11-20T10:00:00Z",
        "updated_at": "2026-11-20T10:00:00Z",
        "currency": "EUR",
        "total_price": "10.00",
        "abandoned_checkout_url": "https://fern-kettle.myshopify.com/cart/1",
        "line_items": [{"id": 1, "title": "Sencha", "quantity": 1, "price": "10.00"}],
        "customer": customer(),
        **more,
    }


async def test_a_customer_is_deleted_with_orders_carts_and_events_and_others_stay(shop: Shop) -> None:
    world = shop.online.world
    await shop.sends("orders/create", order(fulfillment_status="fulfilled"))
    await shop.sends("refunds/create", refund())
    await shop.sends("checkouts/create", cart("c1"))
    # A guest's order with another address, which the request names.
    await shop.sends("orders/create", order(1002, customer=None, email="guest@mail.example"))
    await shop.sends("orders/create", order(1003, customer=customer(8, **OTHER), email=OTHER["email"]))
    await shop.sends("checkouts/create", cart("c2", customer=customer(8, **OTHER)))
    maria = (await world.rows(orders, orders.c.shop_id == "1001"))[0].contact_id
    # An event of the shop whose order is not stored.
    unkeyed = NewEvent(maria, "order_placed", "shopify")
    await world.app.write(record, [NewEvent(maria, "visited", "key:1"), unkeyed])
    ledger, people = await world.count(consent_ledger), await world.count(contacts)
    assert await shop.sends("customers/redact", redact(7, 1001, 1002)) == 200
    assert [row.shop_id for row in await world.rows(orders)] == ["1003"]
    assert [row.shop_id for row in await world.rows(carts)] == ["c2"]
    assert await world.rows(refunds) == [] and await world.count(order_lines) == 3
    left = [(row.contact_id == maria, row.metric, row.source) for row in await world.rows(events)]
    assert sorted(left) == [
        (False, "checkout_started", "shopify"), (False, "order_placed", "shopify"), (True, "visited", "key:1"),
    ]  # fmt: skip
    # Consents are evidence, and the person may have conversations.
    assert (await world.count(consent_ledger), await world.count(contacts)) == (ledger, people)
    [line] = await world.rows(audit, audit.c.action == "shop_customer_erased")
    assert (line.target, line.detail["orders"], line.detail["carts"]) == (str(maria), 2, 1)
    for unknown in (redact(99), redact(7, 1001)):
        assert await shop.sends("customers/redact", unknown) == 200
    assert await world.count(orders) == 1


async def test_a_request_without_a_customer_is_refused(shop: Shop) -> None:
    for wrong in ({}, {"customer": None}, {"customer": {"id": None}}, {**redact(), "orders_to_redact": 5}):
        assert await shop.sends("customers/redact", wrong) == 422


async def test_settings_say_that_the_app_was_removed_until_it_is_installed_again(shop: Shop) -> None:
    async def removed() -> str | None:
        return (await shop.olga.get("/api/shop")).json()["removed_at"]  # type: ignore[no-any-return]

    version = (await shop.olga.get("/api/shop")).json()["version"]
    at = {"X-Shopify-Triggered-At": "2026-11-20T12:00:00Z"}
    assert await removed() is None
    assert await shop.sends("app/uninstalled", {"id": 1}, **at) == 200
    assert await removed() == "2026-11-20T12:00:00.000Z"
    assert (await shop.olga.get("/api/shop")).json()["version"] == version, "an open form can still be saved"
    # Late webhooks and requests to delete data are no sign of a new installation.
    await shop.sends("orders/create", order(), **{"X-Shopify-Triggered-At": "2026-11-20T11:59:59Z"})
    await shop.sends("orders/create", order(1002))
    await shop.sends("customers/redact", redact(), **{"X-Shopify-Triggered-At": "2026-11-22T12:00:00Z"})
    await shop.sends("app/uninstalled", {"id": 1}, **at)
    assert await removed() == "2026-11-20T12:00:00.000Z"
    assert len(await shop.online.world.rows(audit, audit.c.action == "shop_removed")) == 1
    await shop.sends("orders/create", order(1003), **{"X-Shopify-Triggered-At": "2026-11-23T12:00:00Z"})
    assert await removed() is None
    assert await shop.sends("app/uninstalled", {"id": 1}) == 200
    assert await removed() is not None
    assert (await shop.connect(webhook_secret=None)).status == 200
    assert await removed() is None, "a person who saves the connection says that it is there"
