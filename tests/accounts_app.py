"""A small real server for the tests of accounts: a database of its own, a clock that stands still, local bells."""

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

from server.accounts import actions, links, passwords
from server.accounts.actions import Browser, SignedIn
from server.accounts.http import ENDPOINTS
from server.accounts.rules import Agent, Role
from server.kernel.bus import LocalBus
from server.kernel.clock import ManualClock
from server.kernel.context import App, around
from server.kernel.db import open_database
from server.kernel.ids import RandomIds, derive
from server.schema import audit, metadata
from server.settings import Settings
from server.web import auth

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
HOME = Browser("203.0.113.7", "Firefox on a desk")
PASSWORD = "kettle harbour mosaic"
OTHER_PASSWORD = "walnut ferry telescope"


@asynccontextmanager
async def accounts_app(folder: Path, database: str = "sqlite", **values: Any) -> AsyncIterator[App]:
    """`database`: sqlite or postgres. `values`: settings that differ."""
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
    db = await open_database(settings, clock, around({}, ids, partial(derive, secret)), bus.ring)
    app = App(settings, clock, ids, bus, db, secret)
    try:
        yield app
    finally:
        passwords.hashing(app).close()
        await db.close()


def http_app(app: App) -> Starlette:
    return Starlette(routes=[endpoint.route(app) for endpoint in ENDPOINTS])


@dataclass
class Desk:
    """Someone at a browser: keeps cookies, and sends the headers that browsers send."""

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
        wanted = {
            "origin": self.app.settings.public_url,
            "sec-fetch-site": "same-origin",
            "user-agent": "Firefox on a desk",
            "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()) or None,
            **(headers or {}),
        }
        for name, value in wanted.items():
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
        return answer

    async def get(self, path: str, **more: Any) -> httpx2.Response:
        return await self.send("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        return await self.send("POST", path, {} if body is None else body, **more)

    async def patch(self, path: str, body: Any, **more: Any) -> httpx2.Response:
        return await self.send("PATCH", path, body, **more)

    async def delete(self, path: str, **more: Any) -> httpx2.Response:
        return await self.send("DELETE", path, **more)

    async def sign_in(self, email: str, password: str = PASSWORD) -> httpx2.Response:
        return await self.post("/api/login", {"email": email, "password": password})


# --- verbs --------------------------------------------------------------------------------------


async def owner(app: App, email: str = "olga@shop.example", name: str = "Olga Owner") -> Agent:
    return await agent(app, await actions.set_up(app, email, name, PASSWORD, HOME))


async def agent(app: App, signed_in: SignedIn) -> Agent:
    """The agent that the new session's cookie stands for."""
    found = await auth.agent_from_cookie(app, cookie(app, signed_in.token))
    assert found is not None
    return found


def cookie(app: App, token: str) -> dict[str, str]:
    return {"cookie": auth.session_cookie(app, token).partition(";")[0]}


async def colleague(app: App, by: Agent, role: Role, email: str | None = None, name: str = "") -> Agent:
    """Somebody invited as `role` who accepted with PASSWORD; signed in."""
    _, url = await links.invite(app, by, email or f"{role.value}@shop.example", role, HOME.address)
    signed_in = await links.finish(app, token_of(url), name or f"Colleague {role.value}", PASSWORD, HOME)
    return await agent(app, signed_in)


def token_of(url: str) -> str:
    return url.partition("#")[2]


async def signed_in_as(app: App, token: str) -> Agent | None:
    return await auth.agent_from_cookie(app, cookie(app, token))


async def rows(app: App, table: Any) -> list[Any]:
    return await app.read(lambda conn: conn.all(select(table).order_by(table.c.id)))


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


async def settled(app: App) -> None:
    """Until what was submitted without waiting is done."""
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

    def heard(self, topic: str, hint: Any) -> None:
        self.topics.append(topic)

    def whispered(self, topic: str, payload: dict[str, Any]) -> None: ...


def listen(app: App, user: Agent) -> Listener:
    listener = Listener()
    app.bus.watch(f"user:{user.id}", listener)
    return listener


class app_with:
    """Other settings for a while."""

    def __init__(self, app: App, **values: Any) -> None:
        self._app, self._values, self._kept = app, values, app.settings

    async def __aenter__(self) -> None:
        self._app.settings = self._kept.model_copy(update=self._values)

    async def __aexit__(self, *_: object) -> None:
        self._app.settings = self._kept
