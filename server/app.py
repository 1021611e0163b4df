"""Puts the application together: endpoints, jobs, sockets, `build()`. Only processes and tests import this module."""

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
import server.audiences.http
import server.audiences.segment_http
import server.audit.http
import server.campaigns.http
import server.chat_mail.http
import server.consent.http
import server.contact_data.http
import server.contact_data.pages
import server.contact_data.suppression_http
import server.contacts.http
import server.delivery.http
import server.delivery.jobs
import server.delivery.mail_http
import server.delivery.webhooks
import server.events.http
import server.files.jobs
import server.imports.http
import server.imports.working
import server.inbox.block_http
import server.inbox.bulk_http
import server.inbox.http
import server.inbox.jobs
import server.inbox.quick_reply_http
import server.inbox.snooze_http
import server.links.http
import server.live.http
import server.notifications.http
import server.notifications.jobs
import server.operations.http
import server.people.http
import server.shop.http
import server.shop.webhooks
import server.sms.jobs
import server.sms.webhooks
import server.webchat.http
import server.webchat.pages
from server import migrate
from server.account_mail import composing
from server.accounts import mailed_links
from server.accounts.rules import Can
from server.audiences import keeping, lists
from server.campaigns import actions as campaign_actions
from server.campaigns import mails as campaign_mails
from server.campaigns import review as campaign_review
from server.campaigns import running as campaign_running
from server.channels import twilio_sms
from server.channels.base import SmsChannel
from server.channels.mail import MailChannel, MailServer
from server.chat_mail import composing as chat_composing
from server.chat_mail import follow_ups
from server.consent import revocation
from server.contact_data import erasing, joining
from server.contacts import properties
from server.delivery import deactivations, testing_mail
from server.delivery.mail import Composer
from server.delivery.pump import MailPump, Pump
from server.delivery.rules import webhook_url
from server.delivery.segments import segments
from server.delivery.settings import Account
from server.errors import BadRequest, NotFound, Refused
from server.events import readers, retention
from server.imports import mails as import_mails
from server.inbox import snoozing
from server.kernel.bus import LocalBus, RedisBus
from server.kernel.clock import Clock, SystemClock
from server.kernel.context import App, step_services
from server.kernel.db import open_database
from server.kernel.ids import Ids, RandomIds, derive
from server.kernel.jobs import Handler, Worker
from server.kernel.processes import Heartbeat
from server.kernel.sql import Tx
from server.links.click_buffer import Clicks
from server.links.http import OwnDomain
from server.live.hub import Hub
from server.live.sockets import AgentSocket, VisitorSocket
from server.notifications import mails, reminding
from server.operations import key, metrics_http
from server.reactions import REACTIONS
from server.settings import Settings
from server.shop import fetching
from server.shop.rules import WEBHOOK
from server.simulator import carrier as simulator
from server.simulator.mail import Catcher
from server.threads import hints
from server.web import openapi, pages, webhooks
from server.web.http import Call, Endpoint, error_response, refusal_response
from server.web.router import Router

log = structlog.get_logger()


async def describe(app: App, call: Call) -> Any:
    """Describe this interface as OpenAPI 3.1."""
    return openapi.document(ENDPOINTS, app.settings.public_url)


ENDPOINTS: list[Endpoint] = [
    *server.accounts.http.ENDPOINTS,
    *server.audiences.http.ENDPOINTS,
    *server.audiences.segment_http.ENDPOINTS,
    *server.audit.http.ENDPOINTS,
    *server.campaigns.http.ENDPOINTS,
    *server.chat_mail.http.ENDPOINTS,
    *server.consent.http.ENDPOINTS,
    *server.contacts.http.ENDPOINTS,
    *server.contact_data.http.ENDPOINTS,
    *server.contact_data.suppression_http.ENDPOINTS,
    *server.delivery.http.ENDPOINTS,
    *server.delivery.mail_http.ENDPOINTS,
    *server.events.http.ENDPOINTS,
    *server.imports.http.ENDPOINTS,
    *server.inbox.http.ENDPOINTS,
    *server.inbox.snooze_http.ENDPOINTS,
    *server.inbox.block_http.ENDPOINTS,
    *server.inbox.bulk_http.ENDPOINTS,
    *server.inbox.quick_reply_http.ENDPOINTS,
    *server.links.http.ENDPOINTS,
    *server.shop.http.ENDPOINTS,
    *server.live.http.ENDPOINTS,
    *server.notifications.http.ENDPOINTS,
    *server.webchat.http.ENDPOINTS,
    *server.operations.http.ENDPOINTS,
    *server.people.http.ENDPOINTS,
    Endpoint("GET", "/api/openapi.json", describe, Can.SIGNED_IN, response=openapi.Description),
]

JOBS: dict[str, Handler] = {
    **mailed_links.HANDLERS,
    **follow_ups.HANDLERS,
    **revocation.HANDLERS,
    **erasing.HANDLERS,
    **lists.HANDLERS,
    **keeping.HANDLERS,
    **properties.HANDLERS,
    **server.delivery.jobs.HANDLERS,
    **campaign_running.HANDLERS,
    **campaign_review.HANDLERS,
    **retention.HANDLERS,
    **fetching.HANDLERS,
    **server.files.jobs.HANDLERS,
    **server.imports.working.HANDLERS,
    **server.inbox.jobs.HANDLERS,
    **server.notifications.jobs.HANDLERS,
    **server.sms.jobs.HANDLERS,
}

# Providers' webhooks, answered ahead of the routes: signed, not signed in.
WEBHOOKS: dict[str, webhooks.Handler] = {
    "/webhooks/twilio/status": server.delivery.webhooks.status,
    server.sms.webhooks.TEXTS: server.sms.webhooks.receive,
    WEBHOOK: server.shop.webhooks.receive,
}
LARGE_WEBHOOKS = {WEBHOOK: server.shop.webhooks.MAX_BODY}  # bytes, by path

READY_S = 1.5  # timeout of the database check of /readyz

# By template: the function that writes a queued mail when it is sent.
COMPOSERS: dict[str, Composer] = {
    **composing.COMPOSERS,
    **chat_composing.COMPOSERS,
    **joining.COMPOSERS,
    **mails.COMPOSERS,
    **import_mails.COMPOSERS,
    **campaign_mails.COMPOSERS,
    testing_mail.TEMPLATE: testing_mail.compose,
}

SOCKETS = {"/ws/agent": AgentSocket, "/ws/visitor": VisitorSocket}


async def build(
    settings: Settings, *, clock: Clock | None = None, ids: Ids | None = None, bus: LocalBus | None = None
) -> App:
    """Opens keys, bus and database. Raises `Refused` with instructions."""
    clock, ids = clock or SystemClock(), ids or RandomIds()
    stored_secret = key.load(settings)
    node = ids.token(9)
    if bus is None:
        bus = RedisBus(settings.redis_url, node, hints.pack, hints.revive) if settings.redis_url else LocalBus()

    def key_for(purpose: str) -> bytes:
        return derive(secret, purpose)  # `secret` is set before the first step runs

    db = await open_database(settings, clock, step_services(REACTIONS, ids, key_for), bus.publish)
    try:
        if stored_secret is not None:
            await key.check_strength(stored_secret, db)
        secret = stored_secret or await key.create(settings, db)
    except Refused:
        await db.close()
        raise
    app = App(settings=settings, clock=clock, ids=ids, bus=bus, db=db, secret=secret, node=node)
    app.register(Pump(app, twilio))
    app.register(MailPump(app, smtp, COMPOSERS))
    await bus.start()
    return app


def twilio(account: Account, url: str) -> SmsChannel:
    return twilio_sms.connect(account.sid, account.user, account.password, account.service, url)


def smtp(server: MailServer) -> MailChannel:
    from server.channels import smtp  # not at start

    return smtp.connect(server)


async def close(app: App) -> None:
    await app.part(Pump).close()
    await app.part(MailPump).close()
    await app.bus.close()
    await app.db.close()


@dataclass
class Serving:
    """The parts that run in this process: web, worker, or both."""

    web: bool = True
    worker: bool = True


def _first_jobs(tx: Tx) -> None:
    readers.keep_order(tx)
    server.delivery.jobs.start(tx)
    server.files.jobs.start(tx)
    retention.start(tx)
    reminding.start(tx)
    snoozing.plan_next(tx)
    keeping.start(tx)
    campaign_actions.start_jobs(tx)


async def _start_jobs(app: App) -> asyncio.Task[None] | None:
    """Enqueues the recurring jobs before the worker starts; if the disk is full, retries until there is room (G27)."""

    async def later() -> None:
        while True:
            await asyncio.sleep(1)
            with contextlib.suppress(Refused):
                await app.write(_first_jobs)
                return

    try:
        await app.write(_first_jobs)
    except Refused:
        return asyncio.create_task(later(), name="first-jobs")
    return None


@contextlib.asynccontextmanager
async def running(app: App, serving: Serving) -> AsyncIterator[None]:
    """Runs the live hub and the worker, and closes them at the end."""
    heartbeat = Heartbeat(app, web=serving.web, worker=serving.worker)
    worker = Worker(app, JOBS, node=app.node) if serving.worker else None
    starting: asyncio.Task[None] | None = None
    hub = app.register(Hub(app))
    await app.db.reserve.start()
    await heartbeat.start()
    if serving.web:
        await hub.start()
        await hub.settings.get()
        Clicks.of(app).start()
        if app.settings.mode == "development":
            await _simulated_carrier(app).start()
    if worker is not None:
        starting = await _start_jobs(app)
        await worker.start()
    try:
        yield
    finally:
        if starting is not None:
            starting.cancel()
        if worker is not None:
            await worker.close()
        if app.has(simulator.Carrier):
            await simulator.of(app).close()
        if app.has(Catcher):
            await app.part(Catcher).close()
        await hub.close()
        await Clicks.of(app).close()
        await heartbeat.close()
        await app.db.reserve.close()


def routes(app: App) -> list[BaseRoute]:
    all_routes: list[BaseRoute] = [endpoint.route(app) for endpoint in ENDPOINTS]
    all_routes += pages.routes(app)
    all_routes += server.webchat.pages.routes(app)
    all_routes += server.contact_data.pages.routes(app)
    all_routes += metrics_http.routes(app)
    all_routes.append(Route("/readyz", _ready(app), methods=["GET"]))
    if pages.STATIC.is_dir():
        all_routes.append(Mount("/static", pages.Static(directory=pages.STATIC)))
    if app.settings.mode == "development":
        from server.simulator import mail_page, phone, shop, shopify, twilio

        carrier = _simulated_carrier(app)
        phones = phone.Phones(app, carrier, lambda: app.write(deactivations.run_now))
        all_routes += mail_page.MailPage(app, app.part(Catcher, Catcher)).routes()
        all_routes += shopify.Orders(app).routes()
        all_routes += shop.routes(app) + phones.routes() + twilio.RestApi(carrier).routes()
    return all_routes


def _simulated_carrier(app: App) -> simulator.Carrier:
    """The simulated carrier of a development server; it gets the product's segment count as a function."""

    def make(app: App) -> simulator.Carrier:
        return simulator.Carrier(app, segments, webhook_url(app.settings.public_url))

    return app.part(simulator.Carrier, make)


def _ready(app: App) -> Any:
    async def ready(request: Request) -> Response:
        """Is the server ready? Checks the database and reveals no details."""
        try:
            async with asyncio.timeout(READY_S):
                await app.read(lambda conn: None)
            if app.db.waiting >= app.settings.writer_queue or not app.db.healthy:
                raise BadRequest("busy", "The writer's queue is full, or the database file is gone.")
        except Exception as error:
            log.warning("not_ready", error=type(error).__name__)
            return PlainTextResponse("not ready", 503, {"cache-control": "no-store"})
        return PlainTextResponse("ready", headers={"cache-control": "no-store"})

    return ready


class Web:
    """The ASGI application: dispatches sockets, webhooks, short links and HTTP requests."""

    def __init__(self, settings: Settings, serving: Serving | None = None, **parts: Any) -> None:
        self._settings, self._serving, self._parts = settings, serving or Serving(), parts
        self._sockets: dict[str, Any] = {}
        self._http: ASGIApp | None = None
        self._router: Router | None = None
        self._webhooks: dict[str, ASGIApp] = {}
        self._links: OwnDomain | None = None
        self.app: App | None = None

    def announce_restart(self) -> None:
        """Ends the requests that would keep a stopping server waiting; uvicorn closes the sockets."""
        if self.app is not None and self.app.has(Hub):
            self.app.part(Hub).announce_restart()
            if self.app.has(simulator.Carrier):
                simulator.of(self.app).release_waiting()
            if self.app.has(Catcher):
                self.app.part(Catcher).release_waiting()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            endpoint = self._sockets.get(scope["path"], _no_socket)
            await endpoint(scope, receive, send)
        elif (webhook := self._webhooks.get(scope["path"])) is not None:
            await webhook(scope, receive, send)
        else:
            assert self._http is not None and self._router is not None and self._links is not None
            if await self._links.handles(scope):
                await self._links(scope, receive, send)
                return
            match = self._router.find(scope["method"], scope["path"])
            if match is None:
                await self._http(scope, receive, send)
            else:
                answer, scope["path_params"] = match
                await answer(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        failure = await self._run(receive, send)
        # Sent last: uvicorn then stops the loop, and a reader that is still open would keep its thread.
        if failure is not None:
            await send({"type": "lifespan.startup.failed", "message": failure})
        else:
            await send({"type": "lifespan.shutdown.complete"})

    async def _run(self, receive: Receive, send: Send) -> str | None:
        """Runs from start to shutdown; returns the reason if the start failed."""
        try:
            app = await build(self._settings, **self._parts)
        except Refused as error:
            return error.message
        self.app = app
        try:
            await app.read(migrate.check_current)
            async with running(app, self._serving):
                hub = app.part(Hub)
                self._sockets = {path: endpoint(app, hub) for path, endpoint in SOCKETS.items()}
                self._http = starlette(app)
                self._router = Router(app, ENDPOINTS)
                self._webhooks = {
                    path: webhooks.Webhook(app, path, answer, LARGE_WEBHOOKS.get(path, webhooks.MAX_BODY))
                    for path, answer in WEBHOOKS.items()
                }
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
            if (redirect := await server.links.http.follow_below_l(app, request)) is not None:
                return redirect
            if (page := pages.not_found_page(app, request)) is not None:
                return page
            return refusal_response(app, NotFound())
        code = {405: "method_not_allowed", 400: "bad_request"}.get(status, "bad_request")
        return error_response(status, code, "This request is not valid here.", ref=app.ids.token(9))

    application = Starlette(routes=routes(app), exception_handlers={HTTPException: refused})
    # No redirects for an extra slash: they would lead to the Host header of the request.
    application.router.redirect_slashes = False
    return application


async def _no_socket(scope: Scope, receive: Receive, send: Send) -> None:
    from server.live.sockets import refuse_handshake

    await refuse_handshake(send, receive, 404, "not_found", "There is no WebSocket at this address.")
