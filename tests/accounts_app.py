"""A small app for the tests of accounts: its own database, a manual clock and a local bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import create_engine, select
from starlette.applications import Starlette

from server.accounts import actions, commands, passwords, single_use_links
from server.accounts import http as accounts_http
from server.accounts.actions import Browser, SignedIn
from server.accounts.rules import Agent, Role
from server.audit import http as audit_http
from server.kernel.bus import LocalBus
from server.kernel.clock import ManualClock
from server.kernel.context import App, step_services
from server.kernel.db import open_database
from server.kernel.ids import RandomIds, derive
from server.schema import audit, metadata
from server.settings import Settings
from server.web import auth
from tests import contract

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
HOME_BROWSER = Browser("203.0.113.7", "Firefox on a desk")
PASSWORD = "kettle harbour mosaic"
OTHER_PASSWORD = "walnut ferry telescope"
OLGA = {"name": "Olga", "email": "olga@shop.example", "password": PASSWORD}


@asynccontextmanager
async def accounts_app(folder: Path, database: str = "sqlite", **values: Any) -> AsyncIterator[App]:
    """`database`: sqlite or postgres. `values`: settings that differ from the defaults."""
    values = {
        "public_url": "http://localhost:8000",
        "secret_key": "k3y-of-the-tests-0123456789abcdef",
        **values,
    }
    if database == "postgres":
        from tests.services import create_database

        values["database_url"] = create_database()
    settings = Settings(data_dir=folder, sqlite_sync="NORMAL", _env_file=None, **values)
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    engine = create_engine(settings.sqlalchemy_url())
    metadata.create_all(engine)
    engine.dispose()
    clock, bus = ManualClock(START), LocalBus()
    ids, secret = RandomIds(), settings.secret() or b""
    db = await open_database(settings, clock, step_services({}, ids, partial(derive, secret)), bus.publish)
    app = App(settings, clock, ids, bus, db, secret)
    try:
        yield app
    finally:
        passwords.hashing(app).close()
        await db.close()


ENDPOINTS = [*accounts_http.ENDPOINTS, *audit_http.ENDPOINTS]


def http_app(app: App) -> Starlette:
    return Starlette(routes=[endpoint.route(app) for endpoint in ENDPOINTS])


@dataclass
class Desk:
    """A person at a browser: keeps cookies, and sends the headers that browsers send."""

    app: App
    address: str = "127.0.0.1"
    cookies: dict[str, str] = field(default_factory=dict)

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str | None] | None = None,
        **more: Any,
    ) -> httpx2.Response:
        sent: dict[str, str] = {}
        all_headers = {
            "origin": self.app.settings.public_url,
            "sec-fetch-site": "same-origin",
            "user-agent": "Firefox on a desk",
            "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()) or None,
            **(headers or {}),
        }
        for name, value in all_headers.items():
            if value is not None:
                sent[name] = value
        transport = httpx2.ASGITransport(http_app(self.app), client=(self.address, 5000))
        async with httpx2.AsyncClient(transport=transport, base_url=self.app.settings.public_url) as client:
            answer = await client.request(method, path, json=body, headers=sent, **more)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        contract.check(method, path, answer.status_code, answer.content)
        return answer

    async def get(self, path: str, **more: Any) -> httpx2.Response:
        return await self.send("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        return await self.send("POST", path, {} if body is None else body, **more)

    async def patch(self, path: str, body: Any, **more: Any) -> httpx2.Response:
        return await self.send("PATCH", path, body, **more)

    async def delete(self, path: str, **more: Any) -> httpx2.Response:
        return await self.send("DELETE", path, **more)

    async def set_up(self, owner: dict[str, str]) -> httpx2.Response:
        """Creates the owner with the set-up link that the server prints."""
        return await self.post("/api/setup", {**owner, "token": commands.setup_token(self.app)})

    async def sign_in(self, email: str, password: str = PASSWORD) -> httpx2.Response:
        return await self.post("/api/login", {"email": email, "password": password})


# --- helpers ------------------------------------------------------------------------------------


async def create_owner(app: App, email: str = "olga@shop.example", name: str = "Olga Owner") -> Agent:
    return await agent_of(app, await actions.set_up(app, email, name, PASSWORD, HOME_BROWSER))


async def agent_of(app: App, signed_in: SignedIn) -> Agent:
    """The agent of the new session's cookie."""
    result = await auth.agent_from_cookie(app, cookie(app, signed_in.token))
    assert result is not None
    return result


def cookie(app: App, token: str) -> dict[str, str]:
    return {"cookie": auth.session_cookie(app, token).partition(";")[0]}


async def add_colleague(app: App, by: Agent, role: Role, email: str | None = None, name: str = "") -> Agent:
    """A signed-in colleague who was invited as `role` and accepted with PASSWORD."""
    _, url = await single_use_links.invite(app, by, email or f"{role.value}@shop.example", role, HOME_BROWSER.address)
    signed_in = await single_use_links.finish(
        app, token_of(url), name or f"Colleague {role.value}", PASSWORD, HOME_BROWSER
    )
    return await agent_of(app, signed_in)


def token_of(url: str) -> str:
    return url.partition("#")[2]


async def signed_in_as(app: App, token: str) -> Agent | None:
    return await auth.agent_from_cookie(app, cookie(app, token))


async def rows(app: App, table: Any) -> list[Any]:
    return await app.read(lambda conn: conn.all(select(table).order_by(table.c.id)))


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


async def wait_for_writes(app: App) -> None:
    """Waits until every submitted write is done."""
    await app.write(lambda tx: None)
    while app.db.waiting:  # noqa: ASYNC110 - nothing to wait on but the figure
        await asyncio.sleep(0.001)


def advance(app: App, delta: timedelta) -> None:
    assert isinstance(app.clock, ManualClock)
    app.clock.advance(delta)


async def actions_logged(app: App) -> list[str]:
    return [row.action for row in await rows(app, audit)]


class Listener:
    def __init__(self) -> None:
        self.topics: list[str] = []

    def on_published(self, topic: str, hint: Any) -> None:
        self.topics.append(topic)

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...


def listen(app: App, user: Agent) -> Listener:
    listener = Listener()
    app.bus.watch(f"user:{user.id}", listener)
    return listener


class app_with:
    """An app with other settings until the block ends."""

    def __init__(self, app: App, **values: Any) -> None:
        self._app, self._values, self._kept = app, values, app.settings

    async def __aenter__(self) -> None:
        self._app.settings = self._kept.model_copy(update=self._values)

    async def __aexit__(self, *_: object) -> None:
        self._app.settings = self._kept


async def join_as(olga: Desk, role: str, email: str = "") -> Desk:
    """The browser of somebody who accepted an invitation as `role`."""
    created = await olga.post("/api/invites", {"email": email or f"{role}@shop.example", "role": role})
    desk = Desk(olga.app)
    body = {"token": token_of(created.json()["url"]), "name": role.title(), "password": PASSWORD}
    assert (await desk.post("/api/links/finish", body)).status_code == 200
    return desk


async def me(desk: Desk) -> Any:
    return (await desk.get("/api/session")).json()["user"]


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]
