"""The table of contents: what exists, put together. Nothing imports this but `__main__` and tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

import server.accounts.http
import server.consent.http
import server.contacts.http
import server.delivery.http
import server.delivery.jobs
import server.delivery.webhooks
import server.inbox.http
import server.inbox.jobs
import server.inbox.sms
import server.inbox.sms_http
import server.inbox.webhooks
import server.links.http
import server.live.http
import server.operations.http
from server import migrate
from server.accounts.rules import Can
from server.channels import twilio_sms
from server.channels.base import SmsChannel
from server.delivery import deactivations
from server.delivery.pump import Pump
from server.delivery.rules import webhook_url
from server.delivery.segments import segments
from server.delivery.settings import Account
from server.errors import BadRequest, NotFound, Refused
from server.inbox import hints
from server.kernel.bus import LocalBus, RedisBus
from server.kernel.clock import Clock, SystemClock
from server.kernel.context import App, around
from server.kernel.db import open_database
from server.kernel.ids import Ids, RandomIds, derive
from server.kernel.jobs import Handler, Worker
from server.kernel.processes import Heart
from server.links.clicks import Clicks
from server.links.http import OwnDomain
from server.live.hub import Hub
from server.live.sockets import AgentSocket, VisitorSocket
from server.operations import figures, key
from server.reactions import REACTIONS
from server.settings import Settings
from server.simulator import carrier as simulator
from server.web import openapi, pages, webhooks
from server.web.http import Call, Endpoint, error_response, refusal_response
from server.web.switchboard import Switchboard

log = structlog.get_logger()


async def describe(app: App, call: Call) -> Any:
    """Describe this interface as OpenAPI 3.1."""
    return openapi.document(ENDPOINTS, app.settings.public_url)


ENDPOINTS: list[Endpoint] = [
    *server.accounts.http.ENDPOINTS,
    *server.consent.http.ENDPOINTS,
    *server.contacts.http.ENDPOINTS,
    *server.delivery.http.ENDPOINTS,
    *server.inbox.http.ENDPOINTS,
    *server.inbox.sms_http.ENDPOINTS,
    *server.links.http.ENDPOINTS,
    *server.live.http.ENDPOINTS,
    *server.operations.http.ENDPOINTS,
    Endpoint("GET", "/api/openapi.json", describe, Can.SIGNED_IN),
]

JOBS: dict[str, Handler] = {
    **server.delivery.jobs.HANDLERS,
    **server.inbox.jobs.HANDLERS,
}

# Providers' webhooks, answered ahead of the routes: signed, not signed in.
WEBHOOKS: dict[str, webhooks.Handler] = {
    "/webhooks/twilio/status": server.delivery.webhooks.status,
    server.inbox.webhooks.TEXTS: server.inbox.webhooks.receive,
}

SOCKETS = {"/ws/agent": AgentSocket, "/ws/visitor": VisitorSocket}


async def build(
    settings: Settings, *, clock: Clock | None = None, ids: Ids | None = None, bus: LocalBus | None = None
) -> App:
    """Opens everything an action needs: keys, bus, database. Raises `Refused` with what to do."""
    clock, ids = clock or SystemClock(), ids or RandomIds()
    kept = key.stored(settings)
    node = ids.token(9)
    if bus is None:
        bus = RedisBus(settings.redis_url, node, hints.pack, hints.revive) if settings.redis_url else LocalBus()

    def key_for(purpose: str) -> bytes:
        return derive(secret, purpose)  # known by the time a step asks

    db = await open_database(settings, clock, around(REACTIONS, ids, key_for), bus.ring)
    try:
        secret = kept or await key.first(settings, db)
    except Refused:
        await db.close()
        raise
    app = App(settings=settings, clock=clock, ids=ids, bus=bus, db=db, secret=secret, node=node)
    app.parts["pump"] = Pump(app, twilio)
    app.parts["receive_text"] = server.inbox.sms.receive_listed
    await bus.start()
    return app


def twilio(account: Account, url: str) -> SmsChannel:
    return twilio_sms.connect(account.sid, account.user, account.password, account.service, url)


async def close(app: App) -> None:
    await app.parts["pump"].close()
    await app.bus.close()
    await app.db.close()


@dataclass
class Serving:
    """What runs in one process: the web side, the worker, or both."""

    web: bool = True
    worker: bool = True


async def _start_delivery(app: App) -> asyncio.Task[None] | None:
    """Before the worker claims anything; on a full disk, on which a server starts too (G27), as soon as there is room."""

    async def later() -> None:
        while True:
            await asyncio.sleep(1)
            with contextlib.suppress(Refused):
                await app.write(server.delivery.jobs.start)
                return

    try:
        await app.write(server.delivery.jobs.start)
    except Refused:
        return asyncio.create_task(later(), name="delivery-start")
    return None


@contextlib.asynccontextmanager
async def running(app: App, serving: Serving) -> AsyncIterator[None]:
    """The live hub and the worker, from start to clean end."""
    heart = Heart(app, web=serving.web, worker=serving.worker)
    worker = Worker(app, JOBS, node=app.node) if serving.worker else None
    starting: asyncio.Task[None] | None = None
    hub = Hub(app)
    app.parts["hub"] = hub
    await app.db.reserve.start()
    await heart.start()
    if serving.web:
        await hub.start()
        await hub.settings.get()
        Clicks.of(app).start()
        if app.settings.mode == "development":
            await _simulated(app).start()
    if worker is not None:
        starting = await _start_delivery(app)
        await worker.start()
    try:
        yield
    finally:
        if starting is not None:
            starting.cancel()
        if worker is not None:
            await worker.close()
        if simulator.PART in app.parts:
            await simulator.of(app).close()
        await hub.close()
        await Clicks.of(app).close()
        await heart.close()
        await app.db.reserve.close()


def routes(app: App) -> list[BaseRoute]:
    found: list[BaseRoute] = [endpoint.route(app) for endpoint in ENDPOINTS]
    found += pages.routes(app)
    found += figures.routes(app)
    found.append(Route("/readyz", _ready(app), methods=["GET"]))
    if pages.STATIC.is_dir():
        found.append(Mount("/static", pages.Static(directory=pages.STATIC)))
    if app.settings.mode == "development":
        from server.simulator import phone, shop, twilio

        carrier = _simulated(app)
        phones = phone.Phones(app, carrier, lambda: app.write(deactivations.ask_now))
        found += shop.routes(app) + phones.routes() + twilio.Dialect(carrier).routes()
    return found


def _simulated(app: App) -> simulator.Carrier:
    """The stand-in carrier of a development server. It counts segments as the product does, and knows nothing else of it."""
    if simulator.PART not in app.parts:
        app.parts[simulator.PART] = simulator.Carrier(app, segments, webhook_url(app.settings.public_url))
    return simulator.of(app)


def _ready(app: App) -> Any:
    async def ready(request: Request) -> Response:
        """Can it serve? Asks the database; says nothing of the inside."""
        try:
            await app.read(lambda conn: None)
            if app.db.waiting >= app.settings.writer_queue or not app.db.sound:
                raise BadRequest("busy", "The writer's queue is full, or its file is gone.")
        except Exception:
            return PlainTextResponse("not ready", 503, {"cache-control": "no-store"})
        return PlainTextResponse("ready", headers={"cache-control": "no-store"})

    return ready


class Web:
    """The ASGI application. Sockets go straight to their endpoint, everything else through the routes."""

    def __init__(self, settings: Settings, serving: Serving | None = None, **parts: Any) -> None:
        self._settings, self._serving, self._parts = settings, serving or Serving(), parts
        self._sockets: dict[str, Any] = {}
        self._http: ASGIApp | None = None
        self._switchboard: Switchboard | None = None
        self._webhooks: dict[str, ASGIApp] = {}
        self._links: OwnDomain | None = None
        self.app: App | None = None

    def let_go(self) -> None:
        """Ends what would keep a stopping server waiting; sockets are closed by uvicorn itself."""
        if self.app is not None and "hub" in self.app.parts:
            self.app.parts["hub"].let_go()
            if simulator.PART in self.app.parts:
                simulator.of(self.app).let_go()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            endpoint = self._sockets.get(scope["path"], _no_socket)
            await endpoint(scope, receive, send)
        elif (webhook := self._webhooks.get(scope["path"])) is not None:
            await webhook(scope, receive, send)
        else:
            assert self._http is not None and self._switchboard is not None and self._links is not None
            if await self._links.answers(scope):
                await self._links(scope, receive, send)
                return
            found = self._switchboard.find(scope["method"], scope["path"])
            if found is None:
                await self._http(scope, receive, send)
            else:
                answer, scope["path_params"] = found
                await answer(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        failure = await self._live(receive, send)
        # Told last: once uvicorn knows, it stops the loop, and an open reader's thread would outlive it.
        if failure is not None:
            await send({"type": "lifespan.startup.failed", "message": failure})
        else:
            await send({"type": "lifespan.shutdown.complete"})

    async def _live(self, receive: Receive, send: Send) -> str | None:
        """From start to end; the reason when it could not start."""
        try:
            app = await build(self._settings, **self._parts)
        except Refused as error:
            return error.message
        self.app = app
        try:
            await app.read(migrate.check_current)
            async with running(app, self._serving):
                hub = app.parts["hub"]
                self._sockets = {path: endpoint(app, hub) for path, endpoint in SOCKETS.items()}
                self._http = starlette(app)
                self._switchboard = Switchboard(app, ENDPOINTS)
                self._webhooks = {path: webhooks.Webhook(app, path, answer) for path, answer in WEBHOOKS.items()}
                self._links = OwnDomain(app)
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Refused as error:
            return error.message
        finally:
            await close(app)
        return None


def starlette(app: App) -> Starlette:
    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status == 404:
            if (found := pages.missing(app, request)) is not None:
                return found
            return refusal_response(NotFound(), app.ids.token(9))
        code = {405: "method_not_allowed", 400: "bad_request"}.get(status, "bad_request")
        return error_response(status, code, "This request does not fit here.", ref=app.ids.token(9))

    found = Starlette(routes=routes(app), exception_handlers={HTTPException: refused})
    # An address with one slash too many is no address: the redirect would lead to whatever Host the request named.
    found.router.redirect_slashes = False
    return found


async def _no_socket(scope: Scope, receive: Receive, send: Send) -> None:
    from server.live.sockets import deny

    await deny(send, receive, 404, "not_found", "There is no socket here.")
