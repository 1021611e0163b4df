"""Settings of the connected shop, with sealed secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import BaseModel, Field

from server.kernel.context import App
from server.kernel.documents import Document
from server.kernel.sealing import PURPOSE, Unsealable, unseal

OLD_SECRET_FOR = timedelta(days=1)  # Shopify may sign with the old secret for an hour after a change


class ShopSettings(BaseModel):
    """The document "shop". Fields that end in `_sealed` hold ciphertext and are never returned."""

    shop_domain: str = Field("", max_length=200)  # "fern-kettle.myshopify.com"; empty: no shop
    webhook_secret_sealed: str = ""
    old_secret_sealed: str = ""
    old_secret_until: datetime | None = None
    connected_at: datetime | None = None  # since when webhooks of this shop are expected
    removed_at: datetime | None = None  # when the app was removed from the shop
    admin_token_sealed: str = ""  # optional: fetches the orders of the last 60 days


SHOP: Document[ShopSettings] = Document("shop", ShopSettings)


class FetchState(BaseModel):
    """The document "shop_fetch": what was fetched with the Admin token."""

    since: datetime | None = None  # orders since this time are complete, or will be
    orders: int = 0
    done_at: datetime | None = None
    error: str = ""


FETCH: Document[FetchState] = Document("shop_fetch", FetchState)


@dataclass(frozen=True, slots=True)
class Connection:
    """The shop with its secrets unsealed. In memory only; never logged."""

    domain: str
    secrets: tuple[str, ...] = field(repr=False)  # newest first
    token: str = field(repr=False)
    removed_at: datetime | None = None


def connection(document: ShopSettings, key: bytes, now: datetime) -> Connection:
    """A secret that was sealed with another key counts as not set."""

    def opened(sealed: str) -> str:
        try:
            return unseal(key, sealed)
        except Unsealable:
            return ""

    old_counts = document.old_secret_until is not None and now < document.old_secret_until
    sealed = (document.webhook_secret_sealed, document.old_secret_sealed if old_counts else "")
    secrets = tuple(secret for secret in map(opened, sealed) if secret)
    return Connection(document.shop_domain, secrets, opened(document.admin_token_sealed), document.removed_at)


@dataclass(frozen=True, slots=True)
class _Unsealed:
    """The connection of one version of the document, and until when it is valid."""

    document: ShopSettings
    until: datetime
    connection: Connection


async def current(app: App) -> Connection:
    """The connection, at most three seconds old; unsealed once a minute and after each change."""
    document, now = await SHOP.latest(app), app.clock.now()
    if app.has(_Unsealed):
        known = app.part(_Unsealed)
        if known.document is document and now < known.until:
            return known.connection
    unsealed = connection(document, app.key(PURPOSE), now)
    app.register(_Unsealed(document, now + timedelta(minutes=1), unsealed))
    return unsealed
