"""Changes the connection to the shop, and records each change without secrets in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from server.accounts.rules import Agent
from server.audit import versions
from server.audit.actions import record, settings_changed
from server.audit.versions import Versioned
from server.errors import Fault, Refused
from server.kernel.sealing import PURPOSE, seal
from server.kernel.sql import Conn, Tx
from server.shop import fetching
from server.shop.rules import SHOPIFY, shop_domain
from server.shop.settings import OLD_SECRET_FOR, SHOP, ShopSettings, connection


def _editable(document: ShopSettings) -> dict[str, Any]:
    return document.model_dump(
        mode="json", exclude={"old_secret_sealed", "old_secret_until", "connected_at", "removed_at"}
    )


def load(conn: Conn) -> Versioned[ShopSettings]:
    document = SHOP.load(conn)
    return Versioned(document, versions.version_of(conn, (SHOP.name,), _editable(document)))


def change(
    tx: Tx,
    agent: Agent,
    domain: str,
    secret: str | None,
    token: str | None,
    version: str | None,
    shown: Callable[[ShopSettings], dict[str, Any]],
    address: str,
) -> Versioned[ShopSettings]:
    """`secret`, `token`: None keeps the stored one, "" deletes it. Raises `Conflict` "stale_version", and `Refused` for a
    domain that is no shop's or a shop without a webhook secret."""
    versions.lock(tx, SHOP.name)
    before = SHOP.load(tx)
    versions.check(tx, version, (SHOP.name,), _editable(before), shown(before))
    key = tx.key(PURPOSE)
    values: dict[str, Any] = {"shop_domain": _domain(domain), "removed_at": None}
    if secret is not None:
        values["webhook_secret_sealed"] = seal(key, secret.strip())
        if before.webhook_secret_sealed and secret:
            values |= {"old_secret_sealed": before.webhook_secret_sealed, "old_secret_until": tx.now + OLD_SECRET_FOR}
        else:
            values |= {"old_secret_sealed": "", "old_secret_until": None}
    if token is not None:
        values["admin_token_sealed"] = seal(key, token.strip())
    if values["shop_domain"] != before.shop_domain:
        values["connected_at"] = tx.now if values["shop_domain"] else None
    after = before.model_copy(update=values)
    if after.shop_domain and not after.webhook_secret_sealed:
        raise Refused(
            "secret_missing", "Enter the webhook secret, which signs what the shop sends.", field="webhook_secret"
        )
    if not after.shop_domain and (after.webhook_secret_sealed or after.admin_token_sealed):
        raise Refused("invalid", "Enter the shop's domain.", field="shop_domain", fault="bad_shop")
    settings_changed(tx, agent.id, SHOP, after, address)
    if not after.admin_token_sealed:
        if before.admin_token_sealed:
            fetching.stop(tx)
    elif (token or after.shop_domain != before.shop_domain) and connection(after, key, tx.now).token:
        fetching.start(tx)
    return load(tx)


def _domain(text: str) -> str:
    if not text.strip():
        return ""
    domain = shop_domain(text)
    if domain is None:
        advice = "Enter the shop's own domain, which ends in .myshopify.com."
        raise Refused("invalid", advice, faults=[Fault("shop_domain", "bad_shop")], field="shop_domain")
    return domain


def mark_removed(tx: Tx, at: datetime) -> None:
    """The app was removed from the shop at `at`: no more orders arrive, and the Admin token is no longer valid."""
    document = SHOP.load(tx)
    if document.removed_at is None or document.removed_at < at:
        fetching.cancel(tx)
        SHOP.save(tx, document.model_copy(update={"removed_at": at}))
        record(tx, SHOPIFY, "shop_removed", document.shop_domain)


def mark_installed(tx: Tx, at: datetime) -> None:
    """A webhook that was triggered at `at`, after the removal: the app was installed again."""
    document = SHOP.load(tx)
    if document.removed_at is not None and document.removed_at < at:
        SHOP.save(tx, document.model_copy(update={"removed_at": None}))
