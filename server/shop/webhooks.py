"""Receives Shopify's webhooks. The signature over the raw bytes is verified before anything else."""

from __future__ import annotations

import asyncio

import orjson
import structlog

from server.channels import shopify
from server.channels.shopify import BadPayload
from server.kernel.context import App
from server.kernel.tally import tally
from server.shop import settings, settings_actions, storing
from server.shop.rules import REDACT, SHOP_REDACT, UNINSTALLED, WEBHOOK
from server.web.webhooks import StatusCode, WebhookRequest, alert, count_refusal

log = structlog.get_logger()

MAX_BODY = 8 * 1024 * 1024  # an order with a thousand lines has about 3 MB
LARGE_BODY = 64 * 1024


async def receive(app: App, request: WebhookRequest) -> StatusCode:
    """Stores one webhook. 401 for a wrong signature, 403 for another shop, 422 for an invalid body; 200 also for a repeat."""
    if request.method != "POST":
        return count_refusal(405, "bad_webhook")
    shop = await settings.current(app)
    if not shop.secrets:
        return count_refusal(404, "no_shop")
    given, body = request.headers.get(shopify.SIGNATURE, ""), request.body
    if len(body) <= LARGE_BODY:
        signed = shopify.signed_with(shop.secrets, body, given)
    else:
        signed = await asyncio.to_thread(shopify.signed_with, shop.secrets, body, given)
    if not signed:
        alert(app, "shopify_bad_signature", "The webhook secret in Settings → Shop differs from Shopify's.")
        return count_refusal(401, "bad_signature")
    if request.headers.get(shopify.SHOP, "").lower() != shop.domain:
        alert(app, "shopify_other_shop", "Another shop than the one in Settings → Shop sends webhooks.")
        return count_refusal(403, "other_shop")
    topic, webhook = request.headers.get(shopify.TOPIC, ""), request.headers.get(shopify.WEBHOOK_ID, "")
    if not webhook or len(webhook) > 200 or len(topic) > 100:
        return count_refusal(422, "bad_webhook")
    try:
        # In a thread if it takes milliseconds, so that sockets are served meanwhile.
        payload = orjson.loads(body) if len(body) <= LARGE_BODY else await asyncio.to_thread(orjson.loads, body)
        if not isinstance(payload, dict):
            raise BadPayload("the body is no object")
        triggered = shopify.triggered_at(request.headers.get(shopify.TRIGGERED_AT, ""))
        if topic == UNINSTALLED:
            await app.write(
                storing.receive, webhook, topic, settings_actions.mark_removed, triggered or app.clock.now()
            )
            return 200
        if shop.removed_at is not None and triggered is not None and topic not in (REDACT, SHOP_REDACT):
            await app.write(settings_actions.mark_installed, triggered)
        parse, store = storing.STORES.get(topic, (None, None))
        if parse is None or store is None:
            if count := tally(app).add(f"{WEBHOOK} {topic[:60]}"):
                log.info("shopify_topic_ignored", topic=topic[:60], count=count)
            return 200
        parsed = parse(payload)
    except (orjson.JSONDecodeError, BadPayload) as error:
        log.warning("shopify_unreadable", topic=topic[:60], why=str(error)[:200])
        return count_refusal(422, "unreadable")
    new = await app.write(storing.receive, webhook, topic, store, parsed)
    if not new:
        log.debug("shopify_repeated", topic=topic)
    return 200
