"""The doctor's check of the connected shop: secrets, webhooks, and the Admin token."""

from __future__ import annotations

from server.channels.shopify_admin import Throttled
from server.errors import ChannelError
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.sealing import PURPOSE
from server.operations.findings import Finding, fail, ok, warn
from server.shop import queries
from server.shop.fetching import admin_api
from server.shop.rules import WEBHOOK
from server.shop.settings import SHOP, connection


async def check_shop(app: App) -> list[Finding]:
    """Asks Shopify only with an Admin token."""
    document = await app.read(SHOP.load)
    if not document.shop_domain:
        return [ok("No shop is connected.")]
    connected = connection(document, app.key(PURPOSE), app.clock.now())
    if not connected.secrets:
        advice = "Enter it again under Settings → Shop: it was sealed with another secret key."
        return [fail("The webhook secret cannot be read.", advice)]
    last = await app.read(queries.last_webhook)
    address = app.settings.public_url + WEBHOOK
    if last is None:
        findings = [warn("No webhook has arrived yet.", f"Let {document.shop_domain} send webhooks to {address}.")]
    else:
        findings = [ok(f"The last webhook of {document.shop_domain} arrived at {rfc3339(last[1])}: {last[0]}.")]
    if connected.token:
        findings.append(await _token(app, connected))
    return findings


async def _token(app: App, connected: object) -> Finding:
    api = admin_api(app, connected)  # type: ignore[arg-type]
    try:
        return ok(f"The Admin token works: {(await api.shop_name())[:100]}.")
    except Throttled:
        return ok("The Admin token works; Shopify is busy.")
    except ChannelError as error:
        return fail(str(error), "Check domain and token under Settings → Shop.")
    finally:
        await api.close()
