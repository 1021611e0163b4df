"""Owns the connections of one process and runs their housekeeping once a second.

There is no timer or ping task per socket. The housekeeping loop closes sockets that are silent, stuck, signed out or
without a hello. A periodic sweep publishes recent changes again, so a lost notification delays a message by seconds
but never loses it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from server.accounts import presence
from server.accounts.account_settings import ACCOUNT
from server.accounts.queries import TEAM_TOPIC
from server.errors import Refused
from server.inbox import badge, search_index
from server.inbox.badge import badge_cache
from server.kernel import metrics
from server.kernel.context import App
from server.kernel.documents import TOPIC as SETTINGS_TOPIC
from server.kernel.sql import Tx, chunks
from server.live import encoding
from server.live.connection import AgentConnection, Connection, VisitorConnection
from server.live.context import Context
from server.sms.eligibility import concerns_numbers
from server.sms.rules import OurNumbers
from server.threads import entries, tickets
from server.web import auth, limits
from server.web.visitor_limits import VisitorAddresses, visitor_limits
from server.webchat import hours
from server.webchat import presence as webchat_presence
from server.webchat.hours import HOURS
from server.webchat.settings import WIDGET

log = structlog.get_logger()

HELLO_S = 10.0  # a socket must say hello within this time (W20)
SILENT_S = 40.0  # clients ping every 20 s (G7)
STUCK_S = 15.0  # a socket whose send takes longer is closed (G6)
RECHECK_S = 4.0  # between two checks of the sessions of open sockets (G17)
PRESENCE_S = 20.0
SWEEP_S = 20.0
SWEEP_CUT_OFF_S = 2.0  # between two sweeps while other processes cannot be reached
RECONNECT_SPREAD_S = 6.0  # clients reconnect spread over this time after a restart (G8)
STORE_ADDRESSES_EVERY_S = 60  # between two writes of the visitors' addresses
OFFLINE_AFTER_S = 30.0  # a visitor without a live socket for this long is offline (AMB-11)
DEPARTURES_PER_COMMIT = 500  # visitors
# Presence is refreshed only for sockets that sent something within this time.
ALIVE_S = PRESENCE_S + 2


@dataclass(frozen=True, slots=True)
class _Departure:
    """A visitor or agent whose last socket of this process has closed."""

    report_at: float  # monotonic
    last_received: datetime
    touched: datetime  # this process did not refresh their presence after this time


class Hub(Context):
    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.agents: set[AgentConnection] = set()
        self.visitors: set[VisitorConnection] = set()
        self._open: Counter[str] = Counter()  # open connections by visitor key
        self.waiting_hello: dict[Callable[[], None], float] = {}  # function that closes the socket -> waiting since
        self.settings = WIDGET.cached(app)
        self.visitor_limits = visitor_limits(app)
        self.visitor_addresses = app.part(VisitorAddresses, lambda app: VisitorAddresses())
        self.connect_rate = limits.Rate(app.clock, app.settings.address_connects_per_minute, 60)
        self.address_places = limits.ConcurrencyLimit(app.settings.address_sockets, app.settings.max_sockets)
        # Includes visitors whose hello is not answered yet, who are not in `visitors`.
        self.visitor_places = limits.ConcurrencyLimit(app.settings.visitor_sockets)
        self.team_online = False  # somebody can answer, within the business hours
        self._shown_hours: dict[str, str] = {}  # as visitors last saw them
        self._ticker: asyncio.Task[None] | None = None
        self._recheck = False
        self._recheck_at = 0.0
        self._departed_visitors: dict[str, _Departure] = {}  # by visitor key
        self._departed_agents: dict[int, _Departure] = {}
        self._counts_dirty = False
        self._unindexed = True
        self._sweep_soon = False
        self._counts: badge.Badge | None = None
        self._shown_numbers: OurNumbers | None = None  # our numbers as the agents' consoles last saw them
        self._last_sweep = app.clock.now()  # connections read earlier changes when they begin
        self.waiting_polls: set[asyncio.Event] = set()  # setting an event ends its poll

    # --- called by connections

    def recheck_soon(self) -> None:
        self._recheck = True
        self.spawn(self._recheck_sessions())

    # --- life

    async def start(self) -> None:
        self.bus.watch("inbox", self)
        self.bus.watch(SETTINGS_TOPIC, self)
        self._ticker = asyncio.create_task(self._tick_forever(), name="live-ticker")

    def announce_restart(self) -> None:
        """The server is about to stop: tells every client to reconnect, spread over `RECONNECT_SPREAD_S`, and answers
        the waiting polls with the frames they have."""
        everybody = [*self.agents, *self.visitors]
        random.shuffle(everybody)
        for index, connection in enumerate(everybody):
            # Each client gets its own slice of the time, so that chance does not bunch them.
            share = (index + random.uniform(0, 1)) / len(everybody)  # noqa: S311 - spreads load
            connection.push(encoding.bye("restart", round(0.2 + share * (RECONNECT_SPREAD_S - 0.2), 2)))
        for wake in self.waiting_polls:
            wake.set()

    async def close(self) -> None:
        self.bus.unwatch("inbox", self)
        self.bus.unwatch(SETTINGS_TOPIC, self)
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def on_published(self, topic: str, hint: Any) -> None:
        if topic == SETTINGS_TOPIC:
            if concerns_numbers(hint):
                self.spawn(self._check_numbers())
            if hint in (None, HOURS.name, ACCOUNT.name):
                self.spawn(self._check_team_online())
            return
        self._counts_dirty = self._unindexed = True
        if hint is None:  # the bus had a gap and does not know which tickets changed: sweep now and at the next tick
            self._sweep_soon = True
            self.spawn(self.sweep())

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...

    def add(self, connection: AgentConnection | VisitorConnection) -> None:
        if isinstance(connection, AgentConnection):
            self.agents.add(connection)
            if self._shown_numbers is None:
                self._shown_numbers = self.numbers.latest
            metrics.SOCKETS.labels("agent").set(len(self.agents))
            self.bus.broadcast(TEAM_TOPIC, {"type": "presence", "user": connection.agent.id, "online": True})
            self._departed_agents.pop(connection.agent.id, None)
            self.spawn(self._touch_presence([], [connection.agent.id]))
        else:
            self.visitors.add(connection)
            self._open[connection.present_as] += 1
            metrics.SOCKETS.labels("visitor").set(len(self.visitors))
            self._departed_visitors.pop(connection.present_as, None)

    def remove(self, connection: AgentConnection | VisitorConnection) -> None:
        connection.detach()
        if isinstance(connection, AgentConnection):
            self.agents.discard(connection)
            metrics.SOCKETS.labels("agent").set(len(self.agents))
            if not any(other.agent.id == connection.agent.id for other in self.agents):
                self.bus.broadcast(TEAM_TOPIC, {"type": "presence", "user": connection.agent.id, "online": False})
                # If the agent has a socket at another process, that process refreshes their presence before this report.
                self._departed_agents[connection.agent.id] = self._departure(connection, 2 * ALIVE_S - 1)
        elif connection in self.visitors:
            self.visitors.discard(connection)
            self.visitor_places.give(connection.key)
            metrics.SOCKETS.labels("visitor").set(len(self.visitors))
            present_as = connection.present_as
            self._open[present_as] -= 1
            if not self._open[present_as]:
                del self._open[present_as]
                if connection.thread is not None:
                    self._departed_visitors[present_as] = self._departure(connection, OFFLINE_AFTER_S)

    def _departure(self, connection: Connection, after_s: float) -> _Departure:
        """The departure of a closed connection. Its times count from the last received frame, because a dead connection was
        silent long before it was closed."""
        silent_s = self.monotonic() - connection.last_received
        last_received = self.now() - timedelta(seconds=silent_s)
        touched = self.now() - timedelta(seconds=max(0.0, silent_s - ALIVE_S))
        return _Departure(max(self.monotonic(), connection.last_received + after_s), last_received, touched)

    def broadcast_online(self, thread: int) -> None:
        self.bus.broadcast(f"thread:{thread}", {"type": "presence", "thread": thread, "online": True})

    # --- housekeeping

    async def _tick_forever(self) -> None:
        tick = 0
        while True:
            await asyncio.sleep(1.0)
            tick += 1
            try:
                await self.tick(tick)
            except Refused as refusal:
                log.warning("housekeeping_busy", code=refusal.code)
            except Exception:  # an error must not end the housekeeping
                log.exception("housekeeping_failed")

    async def tick(self, tick: int) -> None:
        """One second of housekeeping."""
        now = self.monotonic()
        self._close_dead_sockets(now)
        if self.agents:
            await self.inbox.get()  # refreshes the cached settings if they may have changed
            await self._check_numbers()
        if self._recheck or now >= self._recheck_at:
            await self._recheck_sessions()
        if self._counts_dirty and self.agents:
            await self._send_counts()
        if self._departed_visitors or self._departed_agents:
            await self._report_departures(now)
        if tick % int(PRESENCE_S) == 1:
            for connection in self.agents:  # clients drop a viewer who was not announced for 45 s
                connection.broadcast_viewing()
            await self._touch_presence(
                [c.present_as for c in self.visitors if c.thread is not None and now - c.last_received < ALIVE_S],
                [c.agent.id for c in self.agents if now - c.last_received < ALIVE_S],
            )
        if tick % 5 == 1:
            await self._check_team_online()
        if tick % STORE_ADDRESSES_EVERY_S == 0:
            await self.visitor_addresses.store(self.app)
        if self._sweep_soon or tick % int(SWEEP_S if self.bus.connected else SWEEP_CUT_OFF_S) == 0:
            self._sweep_soon = False
            await self.sweep()
        if self._unindexed:
            self._unindexed = False
            try:
                await search_index.index_new_entries(self.app)
            except Refused:
                self._unindexed = True
                raise

    def _close_dead_sockets(self, now: float) -> None:
        for pending, since in list(self.waiting_hello.items()):
            if now - since > HELLO_S:
                self.waiting_hello.pop(pending, None)
                pending()
        connection: Connection
        for connection in (*self.agents, *self.visitors):
            if connection.sending_since and now - connection.sending_since > STUCK_S:
                metrics.EVICTIONS.labels("too_slow").inc()
                connection.abort()
            elif connection.closing is None and now - connection.last_received > SILENT_S:
                connection.close(4410, "gone_quiet", after=1.0)

    async def _recheck_sessions(self) -> None:
        """Closes the sockets of ended sessions; the others get the agent as they are now, perhaps with another role."""
        self._recheck = False
        self._recheck_at = self.monotonic() + RECHECK_S
        if not self.agents:
            return
        open_now = list(self.agents)
        valid = await auth.valid_sessions(self.app, sorted({c.agent.session for c in open_now}))
        for connection in open_now:
            agent = valid.get(connection.agent.session)
            if agent is None:
                connection.close(4401, "auth_required")
            else:
                connection.change_agent(agent)

    async def _send_counts(self) -> None:
        self._counts_dirty = False
        counts = await badge_cache(self.app).get()
        if counts != self._counts:
            self._counts = counts
            for connection in self.agents:
                connection.push_frame({"type": "counts", "unread": counts.unread, "open": counts.open})

    async def _check_numbers(self) -> None:
        """Tells every console if our numbers have changed, because other contacts may now be reachable."""
        before, self._shown_numbers = self._shown_numbers, await self.numbers.get()
        if before is not None and before != self._shown_numbers:
            for connection in self.agents:
                connection.push_frame({"type": "changed", "what": "tickets", "name": None})

    async def _touch_presence(self, keys: list[str], ids: list[int]) -> None:
        if keys or ids:
            for start in range(0, max(len(keys), 1), 500):
                await self.app.write(_touch_presence, keys[start : start + 500], ids if start == 0 else [])

    async def _check_team_online(self) -> None:
        await hours.refresh(self.app)
        available = hours.availability(self.app)
        # Outside the business hours the team is away, whoever is online (HRS-1).
        online = available.open and await self.app.read(presence.team_online, self.now())
        if (online, available.wire()) != (self.team_online, self._shown_hours):
            self.team_online, self._shown_hours = online, available.wire()
            frame = {"type": "presence", "online": online, **self._shown_hours}
            for connection in self.visitors:
                connection.on_broadcast("team_online", frame)

    async def _report_departures(self, now: float) -> None:
        due = [(key, departure) for key, departure in self._departed_visitors.items() if now >= departure.report_at]
        # Many in one commit: a provider's outage may disconnect a thousand visitors in one second.
        for batch in chunks(due, DEPARTURES_PER_COMMIT):
            # A visitor whose presence was refreshed later has a socket at another process and stays online.
            departed = {key: (departure.last_received, departure.touched) for key, departure in batch}
            threads = await self.app.write(webchat_presence.mark_visitors_offline, departed)
            for key, departure in batch:
                if self._departed_visitors.get(key) is departure:  # the visitor did not reconnect meanwhile
                    del self._departed_visitors[key]
                    if (thread := threads.get(key)) is not None:
                        self.bus.broadcast(f"thread:{thread}", {"type": "presence", "thread": thread, "online": False})
        for user, departure in list(self._departed_agents.items()):
            if now >= departure.report_at:
                await self.app.write(presence.mark_agent_offline, user, departure.last_received, departure.touched)
                if self._departed_agents.get(user) is departure:
                    del self._departed_agents[user]

    async def sweep(self) -> None:
        """Publishes everything that changed since the last sweep, with overlap; connections skip what they have sent."""
        now = self.now()
        # The wall clock may have been set back since the last sweep (G23).
        one_interval_ago = now - timedelta(seconds=SWEEP_S)
        after = min(self._last_sweep, one_interval_ago) - timedelta(seconds=5)
        since, last = after, 0
        while True:
            changed = await self.app.read(tickets.changed_since, since, last)
            self.feed.published()  # an earlier shared read may have missed some of these changes
            for row in changed:
                self.bus.deliver(f"thread:{row.id}", None)
                self.bus.deliver("inbox", row.ticket)
                if row.key is not None and row.created_at >= after:
                    self.bus.deliver(f"visitor:{row.key}", None)  # other tabs may not know of the new chat
            if len(changed) < entries.CHANGED_PAGE:
                break
            since, last = changed[-1].changed_at, changed[-1].id
        # Set after the loop, so that the next sweep repeats a failed one.
        self._last_sweep = now


def _touch_presence(tx: Tx, visitor_keys: list[str], user_ids: list[int]) -> None:
    """Refreshes the presence of all connected visitors and agents of a process in one transaction."""
    if visitor_keys:
        webchat_presence.touch_visitors(tx, visitor_keys)
    if user_ids:
        presence.touch_agents(tx, user_ids)
