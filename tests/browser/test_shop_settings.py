"""Settings → Shop, General and E-mail → Domain: an owner connects a shop, chooses the time zone, and makes a DKIM key."""

from __future__ import annotations

import itertools
from typing import Any

import aiohttp
import orjson
import pytest
from playwright.async_api import Page, expect

from server.channels import shopify
from tests.browser.axe import serious
from tests.browser.people import People

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

DOMAIN, SECRET = "tea-and-more.myshopify.com", "hush-hush-webhook-secret"
_ids = itertools.count(1)


async def webhook(people: People, topic: str, payload: dict[str, Any], triggered_at: str) -> None:
    body = orjson.dumps(payload)
    headers = {
        "content-type": "application/json",
        shopify.TOPIC: topic,
        shopify.SIGNATURE: shopify.signature(SECRET, body),
        shopify.SHOP: DOMAIN,
        shopify.WEBHOOK_ID: f"settings-{next(_ids)}",
        shopify.TRIGGERED_AT: triggered_at,
    }
    url = f"{people.site.console}/webhooks/shopify"
    async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=headers) as answer:
        assert answer.status == 200


async def save(page: Page) -> None:
    button = page.get_by_role("button", name="Save")
    await button.click()
    await expect(button).to_have_count(0)


async def test_an_owner_connects_a_shop_and_sees_that_the_app_was_removed(own_people: People) -> None:
    own_people.watch.forgive("status of 422 .*api/shop")
    page = (await own_people.agent("olga", "/settings/shop")).page
    await expect(page.get_by_role("heading", level=1, name="Shop")).to_be_visible()
    await page.get_by_label("Domain of the shop").fill("tea-and-more.example")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_label("Domain of the shop")).to_have_attribute("aria-invalid", "true")
    await page.get_by_label("Domain of the shop").fill(f"https://{DOMAIN}/admin")
    await page.get_by_label("Webhook secret", exact=True).fill(SECRET)
    await save(page)
    await expect(page.get_by_label("Domain of the shop")).to_have_value(DOMAIN)
    await expect(page.get_by_label("Webhook secret", exact=True)).to_have_value("")
    for topic in ("orders/create", "app/uninstalled", "customers/redact"):
        await expect(page.get_by_role("listitem").get_by_text(topic, exact=True)).to_be_visible()
    assert await serious(page) == []
    assert SECRET not in await page.content()

    # An open page shows the removal and a new installation without a reload.
    removed = page.get_by_role("alert").filter(has_text="The app was removed from the shop on")
    await webhook(own_people, "app/uninstalled", {"id": 1}, "2026-11-20T12:00:00Z")
    await expect(removed).to_be_visible()
    assert await serious(page) == []
    await webhook(own_people, "customers/create", {"id": 7, "email": "maria@mail.example"}, "2026-11-21T12:00:00Z")
    await expect(removed).to_have_count(0)
    await page.reload()
    await expect(page.get_by_text("customers/create)")).to_be_visible()


async def test_an_owner_chooses_the_time_zone_of_the_account(own_people: People) -> None:
    page = (await own_people.agent("olga", "/settings/general", timezone_id="Asia/Seoul")).page
    await expect(page.get_by_role("heading", level=1, name="General")).to_be_visible()
    await page.get_by_role("button", name="Use this browser's zone: Asia/Seoul").click()
    await save(page)
    zone = page.get_by_role("combobox", name="Time zone")
    await expect(zone).to_have_value("Asia/Seoul")
    await zone.fill("Warsaw")
    await page.get_by_role("option", name="Europe/Warsaw").click()
    await save(page)
    assert await serious(page) == []
    await page.reload()
    await expect(zone).to_have_value("Europe/Warsaw")


async def test_an_owner_makes_a_dkim_key_and_removes_it(own_people: People) -> None:
    page = (await own_people.agent("olga", "/settings/mail")).page
    await page.get_by_label("From", exact=True).fill("care@tea-and-more.example")
    await save(page)
    await page.get_by_role("tab", name="Domain").click()
    records = page.get_by_role("listitem").filter(has_text="DMARC")
    await expect(records).to_be_visible()
    await expect(page.get_by_role("radio", name="Threadline signs")).to_be_disabled()
    await page.get_by_role("button", name="Create a key").click()
    record = page.get_by_text("._domainkey.tea-and-more.example").first
    await expect(record).to_be_visible()
    await expect(page.get_by_text("v=DKIM1").first).to_be_visible()
    await expect(page.get_by_text("Signs nothing yet.")).to_be_visible()
    assert await serious(page) == []
    await page.get_by_role("button", name="Remove", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Remove").click()
    await expect(record).to_have_count(0)
