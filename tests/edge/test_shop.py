"""Shopify's webhooks over HTTP: signatures, repeats, any order, large bodies; the tables, events and consents they lead to."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from server import up
from server.channels import shopify
from server.schema import carts, consents, contacts, events, order_lines, orders, outbound, settings
from server.shop import queries
from tests.online import Agent, Answer, Online, open_online

DOMAIN, SECRET = "fern-kettle.myshopify.com", "hush-hush-webhook-secret"
_ids = itertools.count(1)


class Shop:
    """A shop that sends signed webhooks to the server."""

    def __init__(self, online: Online, olga: Agent) -> None:
        self.online, self.olga = online, olga

    async def connect(self, **values: Any) -> Answer:
        version = (await self.olga.get("/api/shop")).json()["version"]
        body = {"shop_domain": DOMAIN, "webhook_secret": SECRET, "version": version, **values}
        return await self.olga.send("PUT", "/api/shop", body)

    async def sends(
        self, topic: str, payload: Any, *, secret: str = SECRET, webhook: str | None = None, **headers: str
    ) -> int:
        body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
        sent = {
            "content-type": "application/json",
            "X-Shopify-Topic": topic,
            "X-Shopify-Hmac-Sha256": shopify.signature(secret, body),
            "X-Shopify-Shop-Domain": DOMAIN,
            "X-Shopify-Webhook-Id": webhook or f"webhook-{next(_ids)}",
            **headers,
        }
        async with self.online.http.post(self.online.url + "/webhooks/shopify", data=body, headers=sent) as answer:
            return answer.status


@pytest.fixture(params=["sqlite", "postgres"])
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_online(tmp_path / "data", request.param) as online:
        connected = Shop(online, await online.agent("olga", socket=False))
        assert (await connected.connect()).status == 200
        yield connected


def customer(number: int = 7, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "email": "maria@mail.example",
        "phone": "+12025550142",
        "first_name": "Maria",
        "last_name": "Silva",
        **more,
    }


def order(number: int = 1001, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"#{number}",
        "email": "maria@mail.example",
        "created_at": "2026-11-20T10:00:00-05:00",
        "updated_at": "2026-11-20T10:00:00-05:00",
        "currency": "EUR",
        "current_total_price": "64.70",
        "financial_status": "paid",
        "fulfillment_status": None,
        "order_status_url": "https://fern-kettle.myshopify.com/orders/abc",
        "customer": customer(),
        "line_items": [
            {"id": 1, "title": "Night kettle", "variant_title": "Green", "sku": "NK", "quantity": 1, "price": "49.90"},
            {"id": 2, "title": "Sencha", "variant_title": None, "sku": None, "quantity": 2, "price": "6.40"},
            {"id": 3, "title": "Gift wrap", "quantity": 1, "price": "2.00"},
        ],
        "refunds": [],
        **more,
    }


def refund(number: int = 5, of: int = 1001, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "order_id": of,
        "created_at": "2026-11-21T08:00:00Z",
        "transactions": [{"kind": "refund", "status": "success", "amount": "12.80", "currency": "EUR"}],
        **more,
    }


async def metrics(shop: Shop) -> list[tuple[str, int | None, str | None]]:
    rows = await shop.online.world.rows(events)
    return sorted((row.metric, row.value, row.currency) for row in rows)


async def test_an_order_is_stored_with_lines_contact_and_event(shop: Shop) -> None:
    assert await shop.sends("orders/create", order()) == 200
    (row,) = await shop.online.world.rows(orders)
    (person,) = await shop.online.world.rows(contacts)
    assert (row.name, row.currency, row.total, row.contact_id) == ("#1001", "EUR", 647_000, person.id)
    assert (person.name, person.email, person.phone) == ("Maria Silva", "maria@mail.example", "+12025550142")
    lines = await shop.online.world.rows(order_lines)
    assert [(line.title, line.quantity, line.price) for line in lines] == [
        ("Night kettle", 1, 499_000),
        ("Sencha", 2, 64_000),
        ("Gift wrap", 1, 20_000),
    ]
    assert await metrics(shop) == [("order_placed", 647_000, "EUR")]
    answer = (await shop.olga.get(f"/api/contacts/{person.id}/orders")).json()
    (shown,) = answer["orders"]
    assert answer["connected"] and (shown["total"], shown["refunded"], len(shown["lines"])) == ("64.70", None, 3)
    state = (await shop.olga.get("/api/shop")).json()
    assert state["last_webhook"]["topic"] == "orders/create" and state["knows_since"] is not None


async def test_a_wrong_signature_or_another_shop_stores_nothing(shop: Shop) -> None:
    body = orjson.dumps(order())
    assert await shop.sends("orders/create", body, secret="another") == 401
    # The signature covers the raw bytes: the same JSON with a space is another body.
    wrong_signature = {"X-Shopify-Hmac-Sha256": shopify.signature(SECRET, body)}
    assert await shop.sends("orders/create", body.replace(b":", b": ", 1), **wrong_signature) == 401
    assert await shop.sends("orders/create", body, **{"X-Shopify-Hmac-Sha256": "é".encode().decode("latin-1")}) == 401
    other = {"X-Shopify-Shop-Domain": "other.myshopify.com"}
    assert await shop.sends("orders/create", body, **other) == 403
    assert not await shop.online.world.rows(orders) and not await shop.online.world.rows(contacts)


async def test_a_repeated_webhook_is_stored_once(shop: Shop) -> None:
    for _ in range(3):
        assert await shop.sends("orders/create", order(), webhook="same") == 200
    assert await shop.sends("orders/create", order()) == 200, "another webhook with the same order"
    assert len(await shop.online.world.rows(orders)) == 1 and len(await shop.online.world.rows(order_lines)) == 3
    assert len(await metrics(shop)) == 1


STATES: list[tuple[str, Any]] = [
    ("orders/create", order()),
    ("orders/updated", order(updated_at="2026-11-20T16:00:00Z", current_total_price="60.00")),
    (
        "orders/fulfilled",
        order(updated_at="2026-11-20T18:00:00Z", current_total_price="60.00", fulfillment_status="fulfilled"),
    ),
    ("refunds/create", refund()),
]


@pytest.mark.parametrize("sequence", list(itertools.permutations(range(4)))[::3])
async def test_webhooks_in_any_order_lead_to_the_same_state(tmp_path: Path, sequence: tuple[int, ...]) -> None:
    async with open_online(tmp_path / "data") as online:
        shop = Shop(online, await online.agent("olga", socket=False))
        await shop.connect()
        for place in sequence:
            assert await shop.sends(*STATES[place]) == 200
        (row,) = await online.world.rows(orders)
        assert (row.total, row.fulfilment) == (600_000, "fulfilled")
        (known,) = await online.world.app.read(queries.of_contact, row.contact_id)
        assert known.refunded == 128_000 and len(known.lines) == 3
        assert [(metric, value) for metric, value, _ in await metrics(shop) if metric != "order_placed"] == [
            ("order_fulfilled", 600_000),
            ("order_refunded", 128_000),
        ]
        assert len([metric for metric, _, _ in await metrics(shop) if metric == "order_placed"]) == 1


async def test_each_currency_keeps_its_amounts(shop: Shop) -> None:
    await shop.sends("orders/create", order(1, currency="JPY", current_total_price="6470"))
    await shop.sends("orders/create", order(2, currency="KWD", current_total_price="6.475"))
    (person,) = await shop.online.world.rows(contacts)
    answer = (await shop.olga.get(f"/api/contacts/{person.id}/orders")).json()
    assert {(shown["currency"], shown["total"]) for shown in answer["orders"]} == {
        ("JPY", "6470.00"),
        ("KWD", "6.4750"),
    }


async def test_five_megabytes_are_read_and_more_than_the_limit_is_refused(shop: Shop) -> None:
    long = order(note="x" * 5_000_000)
    assert await shop.sends("orders/create", long) == 200
    assert await shop.sends("orders/create", order(2, note="x" * 9_000_000)) == 413
    assert len(await shop.online.world.rows(orders)) == 1


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        {},
        order(id=None),
        order(id=True),
        order(currency="euros"),
        order(current_total_price="NaN"),
        order(current_total_price="1e20"),
        order(line_items=[{"id": 1, "quantity": -1}]),
        order(line_items="many"),
        order(created_at="yesterday"),
        order(refunds=[{"id": 3}]),
    ],
)
async def test_an_invalid_body_is_refused_and_stores_nothing(tmp_path: Path, payload: Any) -> None:
    async with open_online(tmp_path / "data") as online:
        shop = Shop(online, await online.agent("olga", socket=False))
        await shop.connect()
        assert await shop.sends("orders/create", payload) == 422
        assert not await online.world.rows(orders) and not await online.world.rows(contacts)
        assert await shop.sends("themes/publish", {"id": 1}) == 200, "a topic that is not needed is answered"


async def test_an_order_grants_no_consent_and_a_stated_consent_is_recorded_once(shop: Shop) -> None:
    await shop.sends("orders/create", order())
    await shop.sends("checkouts/create", {"token": "t1", "created_at": "2026-11-20T10:00:00Z", "currency": "EUR",
                                          "email": "maria@mail.example", "total_price": "10.00"})  # fmt: skip
    pending = {"state": "not_subscribed", "consent_updated_at": None}
    await shop.sends(
        "customers/update",
        customer(email_marketing_consent={"state": "pending"}, sms_marketing_consent=pending),
    )
    assert not await shop.online.world.rows(consents)
    at = "2026-11-19T10:00:00Z"
    stated = {"state": "subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": at}
    for _ in range(2):
        await shop.sends("customers/update", customer(email_marketing_consent=stated, sms_marketing_consent=pending))
    (row,) = await shop.online.world.rows(consents)
    assert (row.purpose, row.status, row.source) == ("email_marketing", "subscribed", "shopify:7")
    change = {"customer_id": 7, "email_address": "maria@mail.example"}
    later = {"state": "unsubscribed", "consent_updated_at": "2026-11-20T10:00:00Z"}
    await shop.sends("customers_email_marketing_consent/update", change | {"email_marketing_consent": later})
    await shop.sends("customers/update", customer(email_marketing_consent=stated))
    (row,) = await shop.online.world.rows(consents)
    assert row.status == "unsubscribed", "an older statement does not restore a consent"
    changes = [metric for metric, _, _ in await metrics(shop) if metric.endswith("subscribed")]
    assert changes == ["subscribed", "unsubscribed"]


async def test_a_stop_by_text_is_stronger_than_what_the_shop_states(shop: Shop) -> None:
    maria = await shop.online.world.texter("+12025550142")
    await maria.says("STOP")
    stated = {"state": "subscribed", "consent_updated_at": "2026-11-21T08:59:00Z"}
    await shop.sends("customers/update", customer(sms_marketing_consent=stated))
    (row,) = await shop.online.world.rows(consents, consents.c.purpose == "sms_marketing")
    assert row.status == "unsubscribed"


async def test_a_cart_belongs_to_its_contact_once_the_checkout_names_one(shop: Shop) -> None:
    cart = {"token": "t1", "created_at": "2026-11-20T10:00:00Z", "updated_at": "2026-11-20T10:00:00Z", "currency": "EUR",
            "total_price": "10.00", "line_items": [{"key": "a", "title": "Sencha", "quantity": 2, "price": "5.00"}],
            "abandoned_checkout_url": "https://fern-kettle.myshopify.com/recover"}  # fmt: skip
    await shop.sends("checkouts/create", cart)
    assert await metrics(shop) == []
    cart_with_customer = cart | {"email": "maria@mail.example", "updated_at": "2026-11-20T10:05:00Z"}
    await shop.sends("checkouts/update", cart_with_customer)
    await shop.sends("checkouts/update", cart_with_customer | {"completed_at": "2026-11-20T10:06:00Z"})
    (row,) = await shop.online.world.rows(carts)
    (person,) = await shop.online.world.rows(contacts)
    assert (
        row.contact_id == person.id
        and row.completed_at is not None
        and row.lines == [{"title": "Sencha", "quantity": 2}]
    )
    assert await metrics(shop) == [("checkout_started", 100_000, "EUR")]
    assert not await shop.online.world.rows(outbound)


async def test_an_order_keeps_its_contact_when_a_later_webhook_names_nobody(shop: Shop) -> None:
    await shop.sends("orders/create", order())
    nobody = {
        "customer": None,
        "email": None,
        "updated_at": "2026-11-21T10:00:00-05:00",
        "financial_status": "refunded",
    }
    await shop.sends("orders/updated", order(**nobody))
    (row,) = await shop.online.world.rows(orders)
    (person,) = await shop.online.world.rows(contacts)
    assert (row.contact_id, row.financial) == (person.id, "refunded")


async def test_a_test_order_is_ignored(shop: Shop) -> None:
    await shop.sends("orders/create", order(test=True))
    (person,) = await shop.online.world.rows(contacts)
    assert (await shop.olga.get(f"/api/contacts/{person.id}/orders")).json()["orders"] == []
    assert await metrics(shop) == []


async def test_the_old_secret_is_valid_for_a_day_after_a_change(shop: Shop) -> None:
    assert (await shop.connect(webhook_secret="new-secret")).status == 200
    assert await shop.sends("orders/create", order(1)) == 200
    assert await shop.sends("orders/create", order(2), secret="new-secret") == 200
    await shop.online.world.advance(hours=25)
    assert await shop.sends("orders/create", order(3)) == 401
    assert await shop.sends("orders/create", order(4), secret="new-secret") == 200


async def test_secrets_are_sealed_and_only_their_role_connects_a_shop(shop: Shop) -> None:
    await shop.connect(admin_token="shpat_canary")
    answer = await shop.olga.get("/api/shop")
    assert answer.json()["webhook_secret"] == {"set": True} == answer.json()["admin_token"]
    stored = str([tuple(row) for row in await shop.online.world.rows(settings)])
    assert all(secret not in stored and secret.encode() not in answer.body for secret in (SECRET, "shpat_canary"))
    for name in ("mona", "ana", "nils"):
        person = await shop.online.agent(name, socket=False)
        assert (await person.get("/api/shop")).status == 403
        assert (await person.send("PUT", "/api/shop", {"shop_domain": ""})).status == 403
        assert (await person.post("/api/shop/test", {})).status == 403


@pytest.mark.parametrize("domain", ["fern-kettle.example", "x", "a.myshopify.com.evil.example", "_.myshopify.com"])
async def test_a_domain_that_is_no_shop_s_is_refused(shop: Shop, domain: str) -> None:
    refused = await shop.connect(shop_domain=domain)
    assert (refused.status, refused.code) == (422, "invalid")
    assert (await shop.olga.get("/api/shop")).json()["shop_domain"] == DOMAIN


async def test_without_a_shop_webhooks_are_refused_and_the_panel_shows_nothing(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data") as online:
        shop = Shop(online, await online.agent("olga", socket=False))
        assert await shop.sends("orders/create", order()) == 404
        ticket = (await online.world.conversation())[1]
        answer = (await shop.olga.get(f"/api/contacts/{ticket.contact}/orders")).json()
        assert answer == {"connected": False, "knows_since": None, "orders": []}
        assert (await shop.connect(webhook_secret=None)).status == 422, "a shop needs its secret"


async def test_the_demo_shop_sends_signed_webhooks_of_an_order_a_refund_and_a_second_currency(tmp_path: Path) -> None:
    async with open_online(tmp_path / "data", mode="development", demo_url="http://demo.test") as online:
        await up.connect_demo_shop(online.world.app)
        for what in ("refund", "second_currency"):  # the demo shop places an order first, because a refund needs one
            answer = await online.send("POST", f"/demo/orders/{what}", {})
            assert answer.json() == {"status": 200}
        (person,) = await online.world.rows(contacts)
        olga = await online.agent("olga", socket=False)
        shown = (await olga.get(f"/api/contacts/{person.id}/orders")).json()["orders"]
        assert sorted((item["currency"], item["total"], item["refunded"], len(item["lines"])) for item in shown) == [
            ("EUR", "48.50", None, 2),
            ("USD", "100.00", "14.00", 3),
        ]
        assert (await online.send("POST", "/demo/orders/everything", {})).status == 404
