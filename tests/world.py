"""How tests use the product: a world with a database, a clock that only tests advance, and people in it.

    async def test_a_reply_reaches_the_visitor(world):
        ana, zoe = await world.agent("ana"), await world.visitor()
        await zoe.says("Where is my parcel?")
        await ana.replies(zoe, "On its way.")
        assert await zoe.sees("On its way.")

Nothing here uses the network: people call the product's own actions and queries. `tests.online` adds a real server
with sockets and HTTP.

A world opens in milliseconds, because the slow part is done once per process: a migrated database in which an owner
has set up the account and invited colleagues of every role.
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
from server.accounts import passwords, single_use_links
from server.accounts.actions import Browser
from server.accounts.rules import Agent, Role
from server.app import JOBS, build, close
from server.files import rows, storage
from server.inbox import actions, blocking, drafts, lists, snoozing
from server.inbox.actions import Outgoing
from server.inbox.drafts import Draft, DraftWrite
from server.inbox.lists import ListQuery
from server.kernel.bus import LocalBus
from server.kernel.clock import ManualClock
from server.kernel.context import App
from server.kernel.ids import Ids, RandomIds
from server.kernel.jobs import Worker
from server.settings import Settings
from server.sms import eligibility
from server.threads import entries, tickets
from server.threads.entries import Entry
from server.threads.tickets import INBOX_TOPIC, Ticket, Written
from server.web import auth
from server.webchat import actions as webchat_actions
from server.webchat import receiving, visitors
from server.webchat.actions import VisitorInfo
from server.webchat.receiving import Inbound
from tests import texters
from tests.services import create_database
from tests.texters import Texter

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SECRET = "k3y-of-the-tests-0123456789abcdef"
PASSWORD = "kettle harbour mosaic"
HOME = Browser("203.0.113.7", "Firefox on a desk")

# The team. Everybody has signed in once, with PASSWORD.
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
    """Settings of a test server. Limits per minute are high, because only tests advance the clock that refills them."""
    if database == "postgres":
        values.setdefault("database_url", create_database(_seed("postgres").url))
    values = {
        "public_url": "http://localhost:8000",
        "secret_key": SECRET,
        "sqlite_sync": "NORMAL",
        "reserve_mb": 0,  # otherwise every test reserves disk space of its own
        "visitor_messages_per_minute": 100_000,
        "address_messages_per_minute": 100_000,
        "address_connects_per_minute": 100_000,
        "pg_writers": 3,  # enough for races; each is a PostgreSQL process
        "pg_readers": 2,
        "data_dir": folder,
        **values,
    }
    return Settings(_env_file=None, **values)


# --- the initial database --------------------------------------------------------------------------


@dataclass(frozen=True)
class Seed:
    """A migrated database with the team in it. `tokens`: the session tokens of their cookies, by name."""

    folder: Path
    url: str
    tokens: dict[str, str]


@cache
def _seed(database: str) -> Seed:
    """Created once per process, in a thread of its own, because a caller may be inside a running event loop."""
    results: list[Seed] = []
    failed: list[BaseException] = []

    def make() -> None:
        try:
            results.append(asyncio.run(_make_seed(database)))
        except BaseException as error:
            failed.append(error)

    import threading

    thread = threading.Thread(target=make, name="seed")
    if database == "postgres":
        create_database()  # created here and not in the thread, because it skips the test if there is no PostgreSQL
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return results[0]


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
                _, link = await single_use_links.invite(app, owner, email_of(name), role, HOME.address)
                joined = await single_use_links.finish(app, link.partition("#")[2], name.capitalize(), PASSWORD, HOME)
                tokens[name] = joined.token
    finally:
        passwords.hashing(app).close()
        await close(app)
    return Seed(folder, url, tokens)


async def signed_in(app: App, token: str) -> Agent:
    """The agent of the session with this token."""
    result = await auth.agent_from_cookie(app, {"cookie": auth.session_cookie(app, token).partition(";")[0]})
    assert result is not None, "this session is not valid"
    return result


def lay_out(folder: Path, database: str, **values: Any) -> Settings:
    """A new data folder (and database) with the team in it."""
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
    """Opens a new world. `values`: settings that differ; `settings`: those of an existing world, to open it again."""
    clock = ManualClock(START)
    settings = settings or lay_out(folder, database, **values)
    app = await build(settings, clock=clock, ids=ids or RandomIds(), bus=bus or LocalBus())
    world = World(app, database, clock)
    summaries = Summaries(app)
    try:
        yield world
        summaries.check()
    finally:
        await world.worker.idle()
        passwords.hashing(app).close()
        await close(app)


class Summaries:
    """Checks published summaries: each `rev` of a ticket has one, because clients and the encoder ignore a second one.

    Presence is not compared.
    """

    def __init__(self, app: App) -> None:
        self._summaries: dict[tuple[int, int], Ticket] = {}
        self._contradictions: list[tuple[Ticket, Ticket]] = []
        app.bus.watch(INBOX_TOPIC, self)

    def check(self) -> None:
        assert not self._contradictions, (
            "a ticket's summary changed and its rev did not: open consoles never receive it"
        )

    def on_published(self, topic: str, hint: Any) -> None:
        if isinstance(hint, Ticket):
            summary = hint._replace(visitor_seen_at=None)
            first_summary = self._summaries.setdefault((hint.id, hint.rev), summary)
            if first_summary != summary:
                self._contradictions.append((first_summary, summary))

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...


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
        """Advances the clock, then runs all due jobs."""
        self.clock.advance(timedelta(minutes=minutes, seconds=seconds, hours=hours))
        while await self.worker.claim_batch():
            await self.worker.idle()

    def key(self) -> str:
        """A new client key."""
        return f"key-{next(self._numbers):08d}"

    # --- people

    async def agent(self, name: str = "ana", role: Role | str | None = None) -> Desk:
        """A member of the team, or, with a `role`, a new colleague whom the owner invites."""
        if name in CAST:
            assert role is None or Role(role) is CAST[name], f"{name} is {CAST[name].value}"
            token = _seed(self.database).tokens[name]
        else:
            owner = await signed_in(self.app, _seed(self.database).tokens["olga"])
            new_role = Role(role or Role.SUPPORT)
            _, link = await single_use_links.invite(self.app, owner, email_of(name), new_role, HOME.address)
            joined = await single_use_links.finish(self.app, link.partition("#")[2], name.capitalize(), PASSWORD, HOME)
            token = joined.token
        return Desk(self, await signed_in(self.app, token), token)

    async def visitor(self, *, identity: str | None = None, name: str = "", token: str | None = None) -> Guest:
        """An anonymous visitor; with `identity`, one with a signed identity; with `token`, another tab of that visitor."""
        if identity is not None:
            return Guest(self, f"ext:{identity}", "", VisitorInfo(name=name))
        token = token or auth.mint_visitor_token(self.app)
        return Guest(self, auth.visitor_key(self.app, token, None).key, token)

    async def conversation(self, text: str = "Hello?") -> tuple[Guest, Ticket]:
        """A new visitor who has sent one message, and their ticket."""
        guest = await self.visitor()
        return guest, (await guest.says(text)).ticket

    async def texter(self, number: str | None = None, *, agreed: bool = False) -> Texter:
        """A customer with a phone; `agreed`: has consented to transactional texts, so that agents can reply."""
        await texters.our_numbers(self)
        result = Texter(self, texters.new_number() if number is None else number)
        if agreed:
            await result.agrees()
        return result

    async def sms_ticket(self, text: str = "Hi by SMS") -> Ticket:
        """An SMS ticket whose customer has consented to replies."""
        maria = await self.texter(agreed=True)
        await maria.says(text)
        ticket = await maria.ticket()
        assert ticket is not None
        return ticket

    # --- reads

    async def entries(self, thread: int) -> list[Entry]:
        """A thread's whole timeline, in order."""
        return await self.app.read(entries.since, thread, False, 0, 100_000)

    async def public_entries(self, thread: int) -> list[Entry]:
        return await self.app.read(entries.since, thread, True, 0, 100_000)

    async def ticket(self, ticket: Ticket | int) -> Ticket:
        """The ticket as it is now."""
        result = await self.app.read(tickets.by_id, ticket if isinstance(ticket, int) else ticket.id)
        assert result is not None, "there is no such ticket"
        return result

    async def shown_reason(self, ticket: Ticket | int) -> str | None:
        """Why an agent cannot reply, as the console shows it."""
        return eligibility.shown_reason(await self.ticket(ticket), await self.app.read(eligibility.our_numbers))

    async def rows(self, table: Any, *where: Any) -> list[Any]:
        """Rows of a table, by id; for data that no query returns."""
        return await self.app.read(
            lambda conn: conn.all(select(table).where(*where).order_by(*table.primary_key.columns))
        )

    async def count(self, table: Any) -> int:
        return len(await self.rows(table))


# --- people -----------------------------------------------------------------------------------------


@dataclass
class Desk:
    """An agent who calls the product's actions. Ticket arguments may be a visitor, which means their current chat."""

    world: World
    agent: Agent
    token: str  # the session's, from the cookie

    @property
    def id(self) -> int:
        return self.agent.id

    async def _id(self, target: Guest | Ticket | int) -> int:
        if isinstance(target, Guest):
            target = await target.ticket()
        return target if isinstance(target, int) else target.id

    async def _do(self, step: Callable[..., Any], *args: Any) -> Any:
        return await self.world.app.write(step, *args)

    async def replies(
        self,
        target: Guest | Ticket | int,
        text: str,
        *,
        key: str | None = None,
        files: tuple[str, ...] = (),
        draft: int | None = None,
        reopen: bool = False,
    ) -> Written:
        message = Outgoing(await self._id(target), key or self.world.key(), text, files, draft=draft, reopen=reopen)
        return await actions.reply(self.world.app, self.agent, message)

    async def notes(
        self, target: Guest | Ticket | int, text: str, *, key: str | None = None, files: tuple[str, ...] = ()
    ) -> Written:
        message = Outgoing(await self._id(target), key or self.world.key(), text, files, "note")
        return await actions.reply(self.world.app, self.agent, message)

    async def closes(self, target: Guest | Ticket | int, *, key: str | None = None) -> Ticket:
        return await self._do(actions.close, self.agent, await self._id(target), key or self.world.key())

    async def undoes_close(self, target: Guest | Ticket | int, *, key: str | None = None) -> Ticket:
        return await self._do(actions.undo_close, self.agent, await self._id(target), key or self.world.key())

    async def closes_for_good(self, target: Guest | Ticket | int) -> Ticket:
        """Closes the ticket and waits until the close can no longer be undone (INB-26)."""
        ticket = await self._id(target)
        await self.closes(ticket)
        await self.world.advance(seconds=5)
        return await self.world.ticket(ticket)

    async def reopens(self, target: Guest | Ticket | int, *, key: str | None = None) -> Ticket:
        return await self._do(actions.reopen, self.agent, await self._id(target), key or self.world.key())

    async def assigns(self, target: Guest | Ticket | int, to: Desk | int | None, *, key: str | None = None) -> Ticket:
        user = to.id if isinstance(to, Desk) else to
        return await self._do(actions.assign, self.agent, await self._id(target), user, key or self.world.key())

    async def snoozes(self, target: Guest | Ticket | int, until: str = "later", *, key: str | None = None) -> Ticket:
        return await self._do(snoozing.snooze, self.agent, await self._id(target), until, key or self.world.key())

    async def wakes(self, target: Guest | Ticket | int, *, key: str | None = None) -> Ticket:
        return await self._do(snoozing.wake, self.agent, await self._id(target), key or self.world.key())

    async def blocks(self, contact: int) -> None:
        await self._do(blocking.block, self.agent, contact, HOME.address)

    async def unblocks(self, contact: int) -> None:
        await self._do(blocking.unblock, self.agent, contact, HOME.address)

    async def reads(self, target: Guest | Ticket | int, seq: int | None = None, rev: int | None = None) -> Ticket:
        """Marks the ticket read up to `seq`, by default completely. `rev`: the revision that the agent saw."""
        ticket = await self.world.ticket(await self._id(target))
        return await self._do(actions.read, self.agent, ticket.id, ticket.last_seq if seq is None else seq, rev)

    async def marks_unread(self, target: Guest | Ticket | int) -> Ticket:
        return await self._do(actions.mark_unread, await self._id(target))

    async def drafts(
        self, target: Guest | Ticket | int, text: str, mode: str = "reply", rev: int | None = None
    ) -> DraftWrite:
        """Keeps a draft. `rev`: the revision it is based on; without one, the newest."""
        ticket = await self._id(target)
        if rev is None:
            rows = await self.world.rows(
                schema.drafts, schema.drafts.c.user_id == self.id, schema.drafts.c.ticket_id == ticket
            )
            rev = rows[0].rev if rows else 0
        saved: DraftWrite = await self._do(drafts.save_draft, self.agent, ticket, mode, text, rev)
        return saved

    async def my_drafts(self) -> list[Draft]:
        return await self.world.app.read(drafts.drafts_of, self.id)

    async def uploads(self, data: bytes, name: str = "file.bin") -> str:
        """Uploads a file and returns its token."""
        return await upload(self.world.app, f"agent:{self.id}", data, name)

    async def lists(self, **wanted: Any) -> list[Ticket]:
        """Lists tickets as the inbox does: by default open ones, newest first."""
        defaults = {"status": "open", "channel": None, "view": "all", "sort": "newest", "limit": 100}
        return await self.world.app.read(lists.list_tickets, ListQuery(user=self.id, **{**defaults, **wanted}))

    async def opens(self, target: Guest | Ticket | int, limit: int = 50, **place: int) -> entries.Page:
        """A page of the thread, as the console loads it."""
        ticket = await self.world.ticket(await self._id(target))
        return await self.world.app.read(lambda conn: entries.page(conn, ticket.thread, limit, **place))

    async def sees(self, text: str) -> bool:
        """True if an entry of any thread has this text."""
        return bool(await self.world.rows(schema.timeline, schema.timeline.c.body == text))


@dataclass
class Guest:
    """A visitor who calls the product's actions."""

    world: World
    key: str
    token: str = ""
    info: VisitorInfo = field(default_factory=VisitorInfo)
    welcome: str = ""  # the greeting the widget showed

    async def says(
        self, text: str, *, key: str | None = None, files: tuple[str, ...] = (), lane: Any = None
    ) -> Written:
        """Sends a message. `lane`: as sockets pass it; without a lane, PostgreSQL's writers may race."""
        message = self.words(text, key=key, files=files)
        return await self.world.app.write_joined(receiving.receive, message, lane=lane)

    def words(self, text: str, *, key: str | None = None, files: tuple[str, ...] = ()) -> Inbound:
        return Inbound(self.key, key or self.world.key(), text, files, self.welcome, self.info)

    async def view(self) -> visitors.VisitorView | None:
        return await self.world.app.read(visitors.visitor_view, self.key)

    async def ticket(self) -> Ticket:
        """The ticket of the current chat."""
        view = await self.view()
        assert view is not None and view.thread is not None, "this visitor has no chat"
        result = await self.world.app.read(tickets.by_thread, view.thread)
        assert result is not None
        return result

    async def entries(self) -> list[Entry]:
        """The entries that the visitor sees: the public entries of the current chat."""
        view = await self.view()
        if view is None or view.thread is None:
            return []
        return await self.world.public_entries(view.thread)

    async def sees(self, text: str) -> bool:
        return any(entry.for_visitor()["text"] == text for entry in await self.entries())

    async def has_seen(self, public_seq: int) -> None:
        await self.world.app.write(webchat_actions.visitor_seen, self.key, public_seq)

    async def ends(self, *, key: str | None = None) -> Entry | None:
        return await self.world.app.write(webchat_actions.visitor_end, self.key, key or self.world.key())

    async def introduces(
        self, *, email: str | None = None, name: str | None = None, key: str | None = None
    ) -> Entry | None:
        return await self.world.app.write(webchat_actions.introduce, self.key, key or self.world.key(), email, name)

    async def uploads(self, data: bytes, name: str = "file.bin") -> str:
        return await upload(self.world.app, f"web:{self.key}", data, name)


async def upload(app: App, owner: str, data: bytes, name: str) -> str:
    row, sha256 = await storage.store_bytes(app, owner, name, data)
    await app.write(rows.store_file, row, sha256)
    return row.token


# --- helpers ------------------------------------------------------------------------------------------


async def at_once(*calls: Any) -> list[Any]:
    """Runs the awaitables concurrently; returns results and exceptions in their order."""
    return await asyncio.gather(*calls, return_exceptions=True)


def numbered(entries: list[Entry]) -> list[int]:
    return [entry.seq for entry in entries]


def publicly_numbered(entries: list[Entry]) -> list[int]:
    return [entry.public_seq for entry in entries if entry.public_seq is not None]


def is_dense(numbers: list[int]) -> bool:
    """True for 1, 2, 3 … without gaps and repeats."""
    return numbers == list(range(1, len(numbers) + 1))
