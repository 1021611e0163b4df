"""One process's live side: its connections, one wheel that looks after them all, and the sweep.

There is no timer and no ping task per socket: the wheel turns once a second and closes what is silent,
stuck, unauthorised or never said hello. The sweep rings what changed lately, so a doorbell that was
lost on the way costs seconds, not messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import bindparam, func, select

from server.accounts.rules import Can, may
from server.errors import Refused
from server.inbox import queries, search, visitor_actions, widget
from server.inbox.badge import counted
from server.inbox.rules import ONLINE_TTL
from server.inbox.settings import INBOX
from server.kernel import metrics
from server.kernel.clock import rfc3339
from server.kernel.columns import Instant
from server.kernel.context import App
from server.kernel.sql import Conn, Statement
from server.live import wire
from server.live.connection import AgentConnection, Connection, VisitorConnection
from server.live.feed import Feed
from server.schema import threads, tickets, users, visitors
from server.web import auth, limits

log = structlog.get_logger()

HELLO_S = 10.0  # a socket says hello within this (W20)
SILENT_S = 40.0  # clients ping every 20 s (G7)
STUCK_S = 15.0  # a send that does not finish (G6)
RECHECK_S = 4.0  # sessions of open sockets (G17)
PRESENCE_S = 20.0
SWEEP_S = 20.0
SWEEP_CUT_OFF_S = 2.0  # while other processes are not reached
RETURN_S = 6.0  # over which those told of a restart come back: not a quarter of them in one second (G8), nor near it
OFFLINE_AFTER_S = 30.0  # no live socket for this long means gone (AMB-11)
# A socket that was heard within this is touched; a dead one is not, however long it takes to find out.
HEARD_S = PRESENCE_S + 2

_CHANGED = Statement(
    select(threads.c.id, tickets.c.id.label("ticket"), threads.c.created_at, visitors.c.key)
    .select_from(
        threads.join(tickets, tickets.c.thread_id == threads.c.id).outerjoin(
            visitors, threads.c.visitor_id == visitors.c.id
        )
    )
    .where(threads.c.changed_at >= bindparam("after", type_=Instant))
    .limit(5_000)
)
_TEAM_ONLINE = Statement(
    select(func.count().label("n")).where(
        users.c.seen_at >= bindparam("after", type_=Instant), ~users.c.away, users.c.disabled_at.is_(None)
    )
)


@dataclass(frozen=True, slots=True)
class _Left:
    """Somebody's last socket here is over: when to say so, when they were last heard, and when last touched at most."""

    say_at: float
    heard_at: datetime
    touched: datetime


class Hub:
    def __init__(self, app: App) -> None:
        self.app = app
        self.bus = app.bus
        self.loop = asyncio.get_running_loop()
        self.feed = Feed(app)
        self.encoder = wire.Encoder()
        self.agents: set[AgentConnection] = set()
        self.visitors: set[VisitorConnection] = set()
        self.waiting_hello: dict[Callable[[], None], float] = {}  # what ends the socket -> since when
        self.settings = widget.cached(app)
        self.inbox = INBOX.cached(app)
        rate = app.settings.visitor_messages_per_minute
        self.messages = limits.Rate(app.clock, rate, 60)
        self.pages = limits.Rate(app.clock, 120, 60)  # a visitor who scrolls back
        self.connects = limits.Rate(app.clock, app.settings.address_connects_per_minute, 60)
        self.held = limits.Held(app.settings.address_sockets, app.settings.max_sockets)
        self.team_online = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._wheel: asyncio.Task[None] | None = None
        self._recheck = False
        self._recheck_at = 0.0
        self._gone: dict[str, _Left] = {}  # by visitor key
        self._gone_users: dict[int, _Left] = {}
        self._counts_dirty = False
        self._unindexed = True
        self._sweep_soon = False
        self._counts: queries.Badge | None = None
        self._last_sweep = app.clock.now()  # nobody here can have missed what was before
        self.polls: set[asyncio.Event] = set()  # what wakes each long-poll that waits

    # --- small things connections need

    def monotonic(self) -> float:
        return self.loop.time()

    def now(self) -> datetime:
        return self.app.clock.now()

    def now_text(self) -> str:
        return rfc3339(self.now())

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task with an owner: kept until done, cancelled at close."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def count_refusal(self, code: str) -> None:
        metrics.REFUSALS.labels(code).inc()

    def recheck_soon(self) -> None:
        self._recheck = True
        self.spawn(self._recheck_sessions())

    def close_soon(self, connection: Connection) -> None:
        """Wakes the reading side, which sits in `receive`, so that it can end the socket."""
        metrics.EVICTIONS.labels(connection.closing[1] if connection.closing else "").inc()
        self.spawn(self._end(connection))

    async def _end(self, connection: Connection) -> None:
        # Let the `bye` leave first; a peer that does not read goes without it.
        for _ in range(20):
            if connection.drained:
                break
            await asyncio.sleep(0.05)
        await connection.end()

    # --- life

    async def start(self) -> None:
        self.bus.watch("inbox", self)
        self._wheel = asyncio.create_task(self._turn_forever(), name="live-wheel")

    def let_go(self) -> None:
        """The server is about to stop: everybody is told to come back, spread over `RETURN_S`, and polls are answered
        with what they have."""
        everybody = [*self.agents, *self.visitors]
        random.shuffle(everybody)
        for place, connection in enumerate(everybody):
            # Each has a slice of the time, so that chance makes no crowd of it.
            share = (place + random.uniform(0, 1)) / len(everybody)  # noqa: S311 - spreads load
            connection.push(wire.bye("restart", round(0.2 + share * (RETURN_S - 0.2), 2)))
        for wake in self.polls:
            wake.set()

    async def close(self) -> None:
        self.bus.unwatch("inbox", self)
        if self._wheel is not None:
            self._wheel.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._wheel
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def heard(self, topic: str, hint: Any) -> None:
        self._counts_dirty = self._unindexed = True
        if hint is None:  # the bus had a gap and cannot say which tickets changed: now, and at the next turn once more
            self._sweep_soon = True
            self.spawn(self.sweep())

    def whispered(self, topic: str, payload: dict[str, Any]) -> None: ...

    def add(self, connection: AgentConnection | VisitorConnection) -> None:
        if isinstance(connection, AgentConnection):
            self.agents.add(connection)
            metrics.SOCKETS.labels("agent").set(len(self.agents))
            self.bus.whisper("team", {"type": "presence", "user": connection.agent.id, "online": True})
            self._gone_users.pop(connection.agent.id, None)
            self.spawn(self._touch([], [connection.agent.id]))
        else:
            self.visitors.add(connection)
            metrics.SOCKETS.labels("visitor").set(len(self.visitors))
            self._gone.pop(connection.key, None)

    def remove(self, connection: AgentConnection | VisitorConnection) -> None:
        connection.detach()
        if isinstance(connection, AgentConnection):
            self.agents.discard(connection)
            metrics.SOCKETS.labels("agent").set(len(self.agents))
            if not any(other.agent.id == connection.agent.id for other in self.agents):
                self.bus.whisper("team", {"type": "presence", "user": connection.agent.id, "online": False})
                # Whoever has a socket at another process is touched there before this is looked at.
                self._gone_users[connection.agent.id] = self._left(connection, 2 * HEARD_S - 1)
        elif connection in self.visitors:
            self.visitors.discard(connection)
            metrics.SOCKETS.labels("visitor").set(len(self.visitors))
            if connection.thread is not None and not any(other.key == connection.key for other in self.visitors):
                self._gone[connection.key] = self._left(connection, OFFLINE_AFTER_S)

    def _left(self, connection: Connection, after_s: float) -> _Left:
        """Counted from the last sign of life: a dead link was silent long before it was closed."""
        silent_s = self.monotonic() - connection.last_heard
        heard_at = self.now() - timedelta(seconds=silent_s)
        touched = self.now() - timedelta(seconds=max(0.0, silent_s - HEARD_S))
        return _Left(max(self.monotonic(), connection.last_heard + after_s), heard_at, touched)

    def say_online(self, thread: int) -> None:
        self.bus.whisper(f"thread:{thread}", {"type": "presence", "thread": thread, "online": True})

    # --- the wheel

    async def _turn_forever(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(1.0)
            turn += 1
            try:
                await self.turn(turn)
            except Refused as refusal:
                log.warning("wheel_busy", code=refusal.code)
            except Exception:  # the wheel must keep turning
                log.exception("wheel_failed")

    async def turn(self, turn: int) -> None:
        """One second of housekeeping."""
        now = self.monotonic()
        self._watch_over(now)
        if self.agents:
            await self.inbox.get()  # what agents may be shown; asks again only when it may have changed
        if self._recheck or now >= self._recheck_at:
            await self._recheck_sessions()
        if self._counts_dirty and self.agents:
            await self._send_counts()
        if self._gone or self._gone_users:
            await self._say_offline(now)
        if turn % int(PRESENCE_S) == 1:
            for connection in self.agents:  # a client forgets who has not been named for 45 s
                connection.say_viewing()
            await self._touch(
                [c.key for c in self.visitors if c.thread is not None and now - c.last_heard < HEARD_S],
                [c.agent.id for c in self.agents if now - c.last_heard < HEARD_S],
            )
        if turn % 5 == 1:
            await self._look_for_team()
        if self._sweep_soon or turn % int(SWEEP_S if self.bus.remote else SWEEP_CUT_OFF_S) == 0:
            self._sweep_soon = False
            await self.sweep()
        if self._unindexed:
            self._unindexed = False
            try:
                await search.keep_up(self.app)
            except Refused:
                self._unindexed = True
                raise

    def _watch_over(self, now: float) -> None:
        for pending, since in list(self.waiting_hello.items()):
            if now - since > HELLO_S:
                self.waiting_hello.pop(pending, None)
                pending()
        connection: Connection
        for connection in (*self.agents, *self.visitors):
            if connection.sending_since and now - connection.sending_since > STUCK_S:
                metrics.EVICTIONS.labels("too_slow").inc()
                connection.abort()
            elif connection.closing is None and now - connection.last_heard > SILENT_S:
                connection.close(4410, "gone_quiet", after=1.0)

    async def _recheck_sessions(self) -> None:
        """Ends the sockets of sessions that are over, and of agents who may no longer see the inbox."""
        self._recheck = False
        self._recheck_at = self.monotonic() + RECHECK_S
        if not self.agents:
            return
        open_now = list(self.agents)
        valid = await auth.still_valid(self.app, sorted({c.agent.session for c in open_now}))
        for connection in open_now:
            agent = valid.get(connection.agent.session)
            if agent is None:
                connection.close(4401, "auth_required")
            elif not may(agent, Can.INBOX):
                connection.close(4403, "forbidden")
            else:
                connection.agent = agent

    async def _send_counts(self) -> None:
        self._counts_dirty = False
        counts = await counted(self.app).get()
        if counts != self._counts:
            self._counts = counts
            text = wire.dump({"type": "counts", "unread": counts.unread, "open": counts.open})
            for connection in self.agents:
                connection.push(text)

    async def _touch(self, keys: list[str], ids: list[int]) -> None:
        if keys or ids:
            for start in range(0, max(len(keys), 1), 500):
                await self.app.write(
                    visitor_actions.touch_presence, keys[start : start + 500], ids if start == 0 else []
                )

    async def _look_for_team(self) -> None:
        online = await self.app.read(team_online, self.now())
        if online != self.team_online:
            self.team_online = online
            for connection in self.visitors:
                connection.whispered("team_online", {"type": "presence", "online": online})

    async def _say_offline(self, now: float) -> None:
        for key, left in list(self._gone.items()):
            if now < left.say_at:
                continue
            del self._gone[key]
            # Seen after they left here: another process holds a socket of theirs.
            thread = await self.app.write(visitor_actions.visitor_gone, key, left.heard_at, left.touched)
            if thread is not None:
                self.bus.whisper(f"thread:{thread}", {"type": "presence", "thread": thread, "online": False})
        for user, left in list(self._gone_users.items()):
            if now >= left.say_at:
                del self._gone_users[user]
                await self.app.write(visitor_actions.agent_gone, user, left.heard_at, left.touched)

    async def sweep(self) -> None:
        """Rings what changed since the last sweep, with overlap; connections skip what they have."""
        now = self.now()
        # The wall clock may have been set back since the last sweep (G23).
        usual = now - timedelta(seconds=SWEEP_S)
        after = min(self._last_sweep, usual) - timedelta(seconds=5)
        self.feed.rung()
        changed = await self.app.read(_changed, after)
        # Not sooner: what a look that failed would have rung is looked for again.
        self._last_sweep = now
        for row in changed:
            self.bus.hear(f"thread:{row.id}", None)
            self.bus.hear("inbox", row.ticket)
            if row.key is not None and row.created_at >= after:
                self.bus.hear(f"visitor:{row.key}", None)  # another tab of theirs may not know of the new chat


def _changed(conn: Conn, after: datetime) -> list[Any]:
    return conn.all(_CHANGED, after=after)


def team_online(conn: Conn, now: datetime) -> bool:
    """Is somebody of the team there and not away?"""
    return bool(conn.value(_TEAM_ONLINE, after=now - ONLINE_TTL))
