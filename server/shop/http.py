"""The shop over HTTP: its settings, and the orders of a contact."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from server.accounts.rules import Can
from server.contacts import queries as people
from server.errors import NotFound
from server.events.rules import shown_amount
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.kernel.documents import TOPIC
from server.kernel.sql import Conn
from server.shop import queries, settings_actions
from server.shop.queries import ContactOrder
from server.shop.rules import TOPICS, WEBHOOK
from server.shop.settings import FETCH, SHOP, FetchState, ShopSettings
from server.web.http import Call, Endpoint, path_id

Text = Annotated[str, Field(max_length=300)]


class ShopBody(BaseModel):
    """A secret that is null stays as it is; "" deletes it."""

    model_config = ConfigDict(extra="ignore", strict=True)

    shop_domain: Text
    webhook_secret: Text | None = None
    admin_token: Text | None = None
    version: str | None = None


class SecretOut(BaseModel):
    set: bool


class LastWebhook(BaseModel):
    topic: str
    at: str


class ShopOut(BaseModel):
    """`knows_since`: orders since then are known; null: none yet. `fetch_error`: why fetching stopped.
    `removed_at`: when the app was removed from the shop; null: it is installed."""

    shop_domain: str
    webhook_secret: SecretOut
    admin_token: SecretOut
    webhook_url: str
    topics: list[str]
    last_webhook: LastWebhook | None
    knows_since: str | None
    fetched_orders: int
    fetched_at: str | None
    fetch_error: str
    removed_at: str | None
    version: str


class OrderLineOut(BaseModel):
    title: str
    variant: str
    sku: str
    quantity: int
    price: str


class OrderOut(BaseModel):
    """Amounts are decimal text in `currency`. `financial` and `fulfilment` are Shopify's words."""

    id: int
    name: str
    placed_at: str
    cancelled_at: str | None
    currency: str
    total: str
    refunded: str | None
    financial: str
    fulfilment: str
    status_url: str | None
    lines: list[OrderLineOut]


class ContactOrders(BaseModel):
    """`connected` false: there is no shop, and the panel shows nothing. `knows_since`: older orders are not known."""

    connected: bool
    knows_since: str | None
    orders: list[OrderOut]


def _state(conn: Conn) -> tuple[Any, Any, FetchState, Any]:
    return settings_actions.load(conn), queries.last_webhook(conn), FETCH.load(conn), queries.knows_since(conn)


def _shop(app: App, document: ShopSettings, version: str, last: Any, fetch: FetchState, since: Any) -> ShopOut:
    return ShopOut(
        shop_domain=document.shop_domain,
        webhook_secret=SecretOut(set=bool(document.webhook_secret_sealed)),
        admin_token=SecretOut(set=bool(document.admin_token_sealed)),
        webhook_url=app.settings.public_url + WEBHOOK,
        topics=list(TOPICS),
        last_webhook=None if last is None else LastWebhook(topic=last[0], at=rfc3339(last[1])),
        knows_since=None if since is None else rfc3339(since),
        fetched_orders=fetch.orders,
        fetched_at=None if fetch.done_at is None else rfc3339(fetch.done_at),
        fetch_error=fetch.error,
        removed_at=None if document.removed_at is None else rfc3339(document.removed_at),
        version=version,
    )


async def show_shop(app: App, call: Call) -> Any:
    """Show the connected shop without its secrets."""
    loaded, last, fetch, since = await app.read(_state)
    return _shop(app, loaded.values, loaded.version, last, fetch, since)


async def change_shop(app: App, call: Call) -> Any:
    """Connect a shop, change its secrets, or disconnect it."""
    body: ShopBody = call.body

    def shown(document: ShopSettings) -> dict[str, Any]:
        return _shop(app, document, "", None, FetchState(), None).model_dump(mode="json")

    await app.write(
        settings_actions.change,
        call.agent,
        body.shop_domain,
        body.webhook_secret,
        body.admin_token,
        body.version,
        shown,
        call.address,
    )
    SHOP.cached(app).on_published(TOPIC, None)
    return await show_shop(app, call)


async def orders(app: App, call: Call) -> Any:
    """List a contact's newest orders, at most ten, with what is known of the shop."""
    found = await app.read(_orders, path_id(call, "contact"))
    if found is None:
        raise NotFound()
    connected, since, listed = found
    return ContactOrders(
        connected=connected,
        knows_since=None if since is None else rfc3339(since),
        orders=[_order(order) for order in listed],
    )


def _orders(conn: Conn, contact: int) -> tuple[bool, Any, list[ContactOrder]] | None:
    if people.brief(conn, contact) is None:
        return None
    return bool(SHOP.load(conn).shop_domain), queries.knows_since(conn), queries.of_contact(conn, contact)


def _order(order: ContactOrder) -> OrderOut:
    return OrderOut(
        id=order.id,
        name=order.name,
        placed_at=rfc3339(order.placed_at),
        cancelled_at=None if order.cancelled_at is None else rfc3339(order.cancelled_at),
        currency=order.currency,
        total=shown_amount(order.total),
        refunded=shown_amount(order.refunded) if order.refunded else None,
        financial=order.financial,
        fulfilment=order.fulfilment,
        status_url=order.status_url or None,
        lines=[
            OrderLineOut(
                title=line.title,
                variant=line.variant,
                sku=line.sku,
                quantity=line.quantity,
                price=shown_amount(line.price),
            )
            for line in order.lines
        ],
    )


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/api/shop", show_shop, Can.SECRETS, response=ShopOut),
    Endpoint("PUT", "/api/shop", change_shop, Can.SECRETS, ShopBody, response=ShopOut),
    Endpoint("GET", "/api/contacts/{contact}/orders", orders, Can.CONTACTS_SEE, response=ContactOrders, keys=True),
]
