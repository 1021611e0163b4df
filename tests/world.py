"""How tests reach the product: a world with a database, a clock that stands still, and people in it.

    async def test_a_reply_reaches_the_visitor(world):
        ana, zoe = await world.agent("ana"), await world.visitor()
        await zoe.says("Where is my parcel?")
        await ana.replies(zoe, "On its way.")
        assert await zoe.sees("On its way.")

Nothing here goes over a network: people call the product's own actions and queries. The same world with
a real server around it, sockets and HTTP included, is `tests.online`.

A world opens in milliseconds because the slow part is done once per test run: a migrated database in
which an owner has set up the account and invited one colleague or two of every role, as people do.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import select

from server import migrate, schema
from server.accounts import actions as accounts
from server.accounts import links, passwords
from server.accounts.actions import Browser
from server.accounts.rules import Agent, Role
from server.app import JOBS, build, close
from server.inbox import actions, entries, files, queries, visitor_actions
from server.inbox.actions import Outgoing
from server.inbox.entries import Entry
from server.inbox.queries import ListQuery, Ticket
from server.inbox.timeline import Written
from server.inbox.visitor_actions import Inbound, VisitorInfo
from server.kernel.bus import LocalBus
from server.kernel.clock import ManualClock
from server.kernel.context import App
from server.kernel.ids import Ids, RandomIds
from server.kernel.jobs import Worker
from server.settings import Settings
from server.web import auth
from tests import texters
from tests.services import create_database
from tests.texters import Texter

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SECRET = "k3y-of-the-tests-0123456789abcdef"
PASSWORD = "kettle harbour mosaic"
HOME = Browser("203.0.113.7", "Firefox on a desk")

# Who works here. Everybody signed in once, with PASSWORD.
CAST: dict[str, Role] = {
    "olga": Role.OWNER,
    "adam": Role.ADMIN,
    "mona": Role.MANAGER,
    "nils": Role.ANALYST,
    "cora": Role.COORDINATOR,
    "kurt": Role.CREATOR,
    "ana": Role.SUPPORT,
    "ben": Role.SUPPORT,
}


def email_of(name: str) -> str:
    return f"{name}@shop.example"


def settings_for(folder: Path, database: str = "sqlite", **values: Any) -> Settings:
    """Settings of a test server; limits per minute are wide, because the clock that refills them stands still."""
    if database == "postgres":
        values.setdefault("database_url", create_database(_seed("postgres").url))
    values = {
        "public_url": "http://localhost:8000",
        "secret_key": SECRET,
        "sqlite_sync": "NORMAL",
        "reserve_mb": 0,  # a thousand tests would each keep their own
        "visitor_messages_per_minute": 100_000,
        "address_connects_per_minute": 100_000,
        "pg_writers": 3,  # enough to race, and each is a process of PostgreSQL's for every test
        "pg_readers": 2,
        "data_dir": folder,
        **values,
    }
    return Settings(_env_file=None, **values)


# --- the database everybody starts from -----------------------------------------------------------


@dataclass(frozen=True)
class Seed:
    """A migrated database with the cast in it. `tokens`: of their sessions, as their cookies hold them."""

    folder: Path
    url: str
    tokens: dict[str, str]


@cache
def _seed(database: str) -> Seed:
    """Made once per process, on a thread of its own: this may be called from inside a running loop."""
    found: list[Seed] = []
    failed: list[BaseException] = []

    def make() -> None:
        try:
            found.append(asyncio.run(_make_seed(database)))
        except BaseException as error:
            failed.append(error)

    import threading

    thread = threading.Thread(target=make, name="seed")
    if database == "postgres":
        create_database()  # here, not on the thread: it skips the test where there is no PostgreSQL
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


async def _make_seed(database: str) -> Seed:
    folder = Path(tempfile.mkdtemp(prefix="seed-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    url = create_database() if database == "postgres" else ""
    settings = settings_for(folder, **({"database_url": url} if url else {}))
    migrate.run(settings)
    app = await build(settings, clock=ManualClock(START), bus=LocalBus())
    try:
        olga = await accounts.set_up(app, email_of("olga"), "Olga", PASSWORD, HOME)
        tokens = {"olga": olga.token}
        owner = await signed_in(app, olga.token)
        for name, role in CAST.items():
            if name != "olga":
                _, link = await links.invite(app, owner, email_of(name), role, HOME.address)
                joined = await links.finish(app, link.partition("#")[2], name.capitalize(), PASSWORD, HOME)
                tokens[name] = joined.token
    finally:
        passwords.hashing(app).close()
        await close(app)
    return Seed(folder, url, tokens)


async def signed_in(app: App, token: str) -> Agent:
    """The agent whom the session of this token stands for."""
    found = await auth.agent_from_cookie(app, {"cookie": auth.session_cookie(app, token).partition(";")[0]})
    assert found is not None, "this session is not valid"
    return found


def lay_out(folder: Path, database: str, **values: Any) -> Settings:
    """A data folder (and a database) of its own, with the cast in it."""
    folder.mkdir(parents=True, exist_ok=True)
    if database == "sqlite":
        shutil.copy(_seed("sqlite").folder / "threadline.db", folder / "threadline.db")
    return settings_for(folder, database, **values)


@asynccontextmanager
async def open_world(
    folder: Path,
    database: str = "sqlite",
    *,
    bus: LocalBus | None = None,
    ids: Ids | None = None,
    settings: Settings | None = None,
    **values: Any,
) -> AsyncIterator[World]:
    """A world of its own. `values`: settings that differ; `settings`: an existing world's, to open it once more."""
    clock = ManualClock(START)
    settings = settings or lay_out(folder, database, **values)
    app = await build(settings, clock=clock, ids=ids or RandomIds(), bus=bus or LocalBus())
    world = World(app, database, clock)
    try:
        yield world
    finally:
        await world.worker.idle()
        passwords.hashing(app).close()
        await close(app)


# --- the world --------------------------------------------------------------------------------------


class World:
    """An `App` and the people in it. Time moves only by `advance`."""

    def __init__(self, app: App, database: str, clock: ManualClock) -> None:
        self.app, self.database, self.clock = app, database, clock
        self.worker = Worker(app, JOBS)
        self._numbers = itertools.count(1)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    async def advance(self, *, minutes: float = 0, seconds: float = 0, hours: float = 0) -> None:
        """Moves the clock, then runs what has become due, until nothing is."""
        self.clock.advance(timedelta(minutes=minutes, seconds=seconds, hours=hours))
        while await self.worker.step():
            await self.worker.idle()

    def key(self) -> str:
        """A client key nobody has used."""
        return f"key-{next(self._numbers):08d}"

    # --- people

    async def agent(self, name: str = "ana", role: Role | str | None = None) -> Desk:
        """Somebody of the cast, or, with a `role`, a new colleague whom the owner invites."""
        if name in CAST:
            assert role is None or Role(role) is CAST[name], f"{name} is {CAST[name].value}"
            token = _seed(self.database).tokens[name]
        else:
            owner = await signed_in(self.app, _seed(self.database).tokens["olga"])
            wanted = Role(role or Role.SUPPORT)
            _, link = await links.invite(self.app, owner, email_of(name), wanted, HOME.address)
            joined = await links.finish(self.app, link.partition("#")[2], name.capitalize(), PASSWORD, HOME)
            token = joined.token
        return Desk(self, await signed_in(self.app, token), token)

    async def visitor(self, *, identity: str | None = None, name: str = "", token: str | None = None) -> Guest:
        """An anonymous browser; with `identity`, whom the shop vouches for; with `token`, that browser's other tab."""
        if identity is not None:
            return Guest(self, f"ext:{identity}", "", VisitorInfo(name=name))
        token = token or auth.mint_visitor_token(self.app)
        return Guest(self, auth.visitor_key(self.app, token, None).key, token)

    async def conversation(self, text: str = "Hello?") -> tuple[Guest, Ticket]:
        """A new visitor who has said one thing, and their ticket."""
        guest = await self.visitor()
        return guest, (await guest.says(text)).ticket

    async def texter(self, number: str | None = None, *, agreed: bool = False) -> Texter:
        """Somebody with a phone; `agreed`: to transactional texts, so that they can be answered."""
        await texters.our_numbers(self)
        found = Texter(self, texters.new_number() if number is None else number)
        if agreed:
            await found.agrees()
        return found

    async def sms_ticket(self, text: str = "Hi by SMS") -> Ticket:
        """A ticket of the other channel, whose customer can be answered."""
        maria = await self.texter(agreed=True)
        await maria.says(text)
        ticket = await maria.ticket()
        assert ticket is not None
        return ticket

    # --- looking

    async def entries(self, thread: int) -> list[Entry]:
        """A thread's whole timeline, in order."""
        return await self.app.read(entries.since, thread, False, 0, 100_000)

    async def public_entries(self, thread: int) -> list[Entry]:
        return await self.app.read(entries.since, thread, True, 0, 100_000)

    async def ticket(self, ticket: Ticket | int) -> Ticket:
        """As it is now."""
        found = await self.app.read(queries.ticket, ticket if isinstance(ticket, int) else ticket.id)
        assert found is not None, "there is no such ticket"
        return found

    async def rows(self, table: Any, *where: Any) -> list[Any]:
        """Rows of a table, by id. For what no query shows."""
        return await self.app.read(
            lambda conn: conn.all(select(table).where(*where).order_by(*table.primary_key.columns))
        )

    async def count(self, table: Any) -> int:
        return len(await self.rows(table))


# --- people -----------------------------------------------------------------------------------------


@dataclass
class Desk:
    """An agent at work, by the product's own actions. Ticket arguments may be a visitor: their current chat."""

    world: World
    agent: Agent
    token: str  # of the session, as the cookie holds it

    @property
    def id(self) -> int:
        return self.agent.id

    async def _id(self, of: Guest | Ticket | int) -> int:
        if isinstance(of, Guest):
            of = await of.ticket()
        return of if isinstance(of, int) else of.id

    async def _do(self, step: Callable[..., Any], *args: Any) -> Any:
        return await self.world.app.write(step, *args)

    async def replies(
        self, to: Guest | Ticket | int, text: str, *, key: str | None = None, files: tuple[str, ...] = ()
    ) -> Written:
        said = Outgoing(await self._id(to), key or self.world.key(), text, files)
        return await actions.reply(self.world.app, self.agent, said)

    async def notes(
        self, on: Guest | Ticket | int, text: str, *, key: str | None = None, files: tuple[str, ...] = ()
    ) -> Written:
        said = Outgoing(await self._id(on), key or self.world.key(), text, files, "note")
        return await actions.reply(self.world.app, self.agent, said)

    async def closes(self, what: Guest | Ticket | int, *, key: str | None = None) -> Ticket:
        return await self._do(actions.close, self.agent, await self._id(what), key or self.world.key())

    async def undoes_close(self, what: Guest | Ticket | int, *, key: str | None = None) -> Ticket:
        return await self._do(actions.undo_close, self.agent, await self._id(what), key or self.world.key())

    async def closes_for_good(self, what: Guest | Ticket | int) -> Ticket:
        """Closes, and waits until nobody can take it back (INB-26)."""
        ticket = await self._id(what)
        await self.closes(ticket)
        await self.world.advance(seconds=5)
        return await self.world.ticket(ticket)

    async def reopens(self, what: Guest | Ticket | int, *, key: str | None = None) -> Ticket:
        return await self._do(actions.reopen, self.agent, await self._id(what), key or self.world.key())

    async def assigns(self, what: Guest | Ticket | int, to: Desk | int | None, *, key: str | None = None) -> Ticket:
        user = to.id if isinstance(to, Desk) else to
        return await self._do(actions.assign, self.agent, await self._id(what), user, key or self.world.key())

    async def reads(self, what: Guest | Ticket | int, seq: int | None = None) -> Ticket:
        """Reads up to `seq`; without it, everything."""
        ticket = await self.world.ticket(await self._id(what))
        return await self._do(actions.read, self.agent, ticket.id, ticket.last_seq if seq is None else seq)

    async def marks_unread(self, what: Guest | Ticket | int) -> Ticket:
        return await self._do(actions.mark_unread, await self._id(what))

    async def drafts(self, on: Guest | Ticket | int, text: str, mode: str = "reply") -> None:
        await self._do(actions.keep_draft, self.agent, await self._id(on), mode, text)

    async def my_drafts(self) -> list[queries.Draft]:
        return await self.world.app.read(queries.drafts_of, self.id)

    async def uploads(self, data: bytes, name: str = "file.bin") -> str:
        """A file's token."""
        return await upload(self.world.app, f"agent:{self.id}", data, name)

    async def lists(self, **wanted: Any) -> list[Ticket]:
        """Tickets as the inbox shows them: open ones, newest first, unless something else is `wanted`."""
        defaults = {"status": "open", "channel": None, "view": "all", "sort": "newest", "limit": 100}
        return await self.world.app.read(queries.list_tickets, ListQuery(user=self.id, **{**defaults, **wanted}))

    async def opens(self, what: Guest | Ticket | int, before: int | None = None, limit: int = 50) -> entries.Page:
        """A page of the thread, as the console fetches it."""
        ticket = await self.world.ticket(await self._id(what))
        return await self.world.app.read(entries.page, ticket.thread, before, limit)

    async def sees(self, text: str) -> bool:
        """Does it stand in any thread?"""
        return bool(await self.world.rows(schema.timeline, schema.timeline.c.body == text))


@dataclass
class Guest:
    """A visitor, by the product's own actions."""

    world: World
    key: str
    token: str = ""
    info: VisitorInfo = field(default_factory=VisitorInfo)
    welcome: str = ""  # what the widget greeted them with

    async def says(
        self, text: str, *, key: str | None = None, files: tuple[str, ...] = (), lane: Any = None
    ) -> Written:
        """`lane`: as sockets do it; without one, writers of PostgreSQL may race."""
        said = self.words(text, key=key, files=files)
        return await self.world.app.write_joined(visitor_actions.receive, said, lane=lane)

    def words(self, text: str, *, key: str | None = None, files: tuple[str, ...] = ()) -> Inbound:
        return Inbound(self.key, key or self.world.key(), text, files, self.welcome, self.info)

    async def view(self) -> queries.VisitorView | None:
        return await self.world.app.read(queries.visitor_view, self.key)

    async def ticket(self) -> Ticket:
        """Of the current chat."""
        view = await self.view()
        assert view is not None and view.thread is not None, "this visitor has no chat"
        found = await self.world.app.read(queries.ticket_of, view.thread)
        assert found is not None
        return found

    async def entries(self) -> list[Entry]:
        """What the visitor's own screen is made of: the public entries of the current chat."""
        view = await self.view()
        if view is None or view.thread is None:
            return []
        return await self.world.public_entries(view.thread)

    async def sees(self, text: str) -> bool:
        return any(entry.for_visitor()["text"] == text for entry in await self.entries())

    async def has_seen(self, public_seq: int) -> None:
        await self.world.app.write(visitor_actions.visitor_seen, self.key, public_seq)

    async def ends(self, *, key: str | None = None) -> Entry | None:
        return await self.world.app.write(visitor_actions.visitor_end, self.key, key or self.world.key())

    async def introduces(
        self, *, email: str | None = None, name: str | None = None, key: str | None = None
    ) -> Entry | None:
        return await self.world.app.write(visitor_actions.introduce, self.key, key or self.world.key(), email, name)

    async def uploads(self, data: bytes, name: str = "file.bin") -> str:
        return await upload(self.world.app, f"web:{self.key}", data, name)


async def upload(app: App, owner: str, data: bytes, name: str) -> str:
    row, sha256 = await files.keep(app, owner, name, data)
    await app.write(files.store_file, row, sha256)
    return row.token


# --- for many tests -----------------------------------------------------------------------------------


async def at_once(*calls: Any) -> list[Any]:
    """Runs the awaitables together; results and exceptions, in their order."""
    return await asyncio.gather(*calls, return_exceptions=True)


def numbered(entries: list[Entry]) -> list[int]:
    return [entry.seq for entry in entries]


def publicly_numbered(entries: list[Entry]) -> list[int]:
    return [entry.public_seq for entry in entries if entry.public_seq is not None]


def is_dense(numbers: list[int]) -> bool:
    """1, 2, 3 … without a gap, a repeat or a step back."""
    return numbers == list(range(1, len(numbers) + 1))
