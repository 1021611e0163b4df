"""A reader with a bookmark (DESIGN 7): the one way anything reaches a screen.

A doorbell marks a thread dirty and wakes the connection; it reads what stands after its bookmark and
sends it. Order, gaps and duplicates are right by construction, and a slow client only lags: its queue
is bounded, and what does not fit is read again later. A hint that is exactly the next row saves the read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import structlog

from server.accounts.rules import Agent
from server.errors import Refused
from server.inbox import entries
from server.inbox.entries import RESUME, Entry
from server.inbox.queries import Ticket
from server.live import wire
from server.live.frames import PROTOCOL_VERSION

if TYPE_CHECKING:
    from server.live.hub import Hub

log = structlog.get_logger()

QUEUE = 128  # frames waiting for a slow client; more are left to be read again
REVS = 2_000  # ticket revisions remembered per agent
SUMMARIES_S = 0.05  # a console gets ticket summaries at most so often; they are state, and only the newest counts

SendText = Callable[[str], Awaitable[None]]


def _never(text: str) -> bool:
    return False


class Connection:
    """One socket's or one poll's outgoing side. Subclasses say what a thread looks like to them."""

    __slots__ = (
        "_flusher", "_out", "abort", "bookmarks", "closing", "dirty", "end", "hub", "last_heard", "on_idle", "send",
        "sending_since", "write_now",
    )  # fmt: skip
    public = False

    def __init__(self, hub: Hub, send: SendText, end: Callable[[], Awaitable[None]], abort: Callable[[], None]) -> None:
        self.hub = hub
        self.send = send
        self.end = end  # closes the socket with `closing`
        self.abort = abort  # drops it at once
        self.write_now: Callable[[str], bool] = _never  # sends without waiting, if that can be done
        self.bookmarks: dict[int, int] = {}
        self.dirty: set[int] = set()
        self._out: list[str] = []  # nearly always empty, and then ten times smaller than a deque
        self._flusher: asyncio.Task[None] | None = None
        self.sending_since = 0.0
        self.last_heard = hub.monotonic()
        self.closing: tuple[int, str] | None = None
        self.on_idle: Callable[[], None] | None = None

    # --- what comes from the bus

    def heard(self, topic: str, hint: Any) -> None:
        if topic.startswith("thread:"):
            self.hub.feed.rung()
            self._thread_rung(int(topic[7:]), hint)

    def whispered(self, topic: str, payload: dict[str, Any]) -> None: ...

    def _thread_rung(self, thread: int, hint: Any) -> None:
        bookmark = self.bookmarks.get(thread)
        if bookmark is None:
            return
        if isinstance(hint, Entry) and thread not in self.dirty:
            seq = hint.public_seq if self.public else hint.seq
            if seq is None or seq <= bookmark:
                return
            if seq == bookmark + 1 and len(self._out) < QUEUE:
                self.bookmarks[thread] = seq
                self.push(self.encode(hint))
                return
        self.catch_up(thread)

    def catch_up(self, thread: int) -> None:
        """Reads what stands after the bookmark, and sends it."""
        self.dirty.add(thread)
        self.wake()

    # --- sending

    def push(self, text: str) -> None:
        """Sends at once while the peer keeps up and nothing waits before it; else in turn."""
        if self._out or self._flusher is not None or not self.write_now(text):
            self._out.append(text)
            self.wake()

    def wake(self) -> None:
        """Starts a flush unless one is under way: an idle connection owns no task for sending."""
        if self._flusher is None and not (self.closing and not self._out):
            self._flusher = self.hub.spawn(self._flush())

    async def _flush(self) -> None:
        retry = False
        try:
            while True:
                while self._out:
                    self.sending_since = self.hub.monotonic()
                    await self.send(self._out.pop(0))
                self.sending_since = 0.0
                try:
                    if not await self.read_more():
                        break
                except Exception as error:  # the database is busy or away: still dirty, look again soon
                    log.warning("feed_read_failed", error=type(error).__name__)
                    retry = True
                    break
        except Exception as error:
            # The peer is gone, or sending to it failed: its reading side ends the connection.
            log.debug("send_failed", error=type(error).__name__)
            self._out.clear()
        finally:
            self.sending_since = 0.0
            self._flusher = None
        if retry:
            self.hub.loop.call_later(0.5, self.wake)
        elif self.on_idle is not None:
            self.on_idle()

    @property
    def drained(self) -> bool:
        return not self._out and self._flusher is None

    async def read_more(self) -> bool:
        """Reads one dirty thing into the queue; False when there is none."""
        if not self.dirty:
            return False
        thread = next(iter(self.dirty))
        bookmark = self.bookmarks.get(thread)
        if bookmark is None:
            self.dirty.discard(thread)
            return True
        # Taken off before reading: a bell during the read marks it again.
        self.dirty.discard(thread)
        try:
            entries = await self.hub.feed.since(thread, self.public, bookmark, RESUME + 1)
        except Exception:
            self.dirty.add(thread)
            raise
        if self.bookmarks.get(thread) != bookmark:
            # Moved meanwhile (left, or opened again elsewhere): start over if it is still followed.
            if thread in self.bookmarks:
                self.dirty.add(thread)
            return True
        if len(entries) > RESUME:
            await self.fell_behind(thread)
            return True
        for entry in entries:
            seq = entry.public_seq if self.public else entry.seq
            assert seq is not None
            self.bookmarks[thread] = seq
            self._out.append(self.encode(entry))
        return True

    def encode(self, entry: Entry) -> str:
        raise NotImplementedError

    async def fell_behind(self, thread: int) -> None:
        """More than `RESUME` entries behind: the client drops what it holds and fetches anew."""
        raise NotImplementedError

    # --- following

    def follow(self, thread: int, after: int) -> None:
        """Registers first and reads second, so nothing falls between."""
        if thread not in self.bookmarks:
            self.hub.bus.watch(f"thread:{thread}", self)
        self.bookmarks[thread] = after
        self.catch_up(thread)

    def leave(self, thread: int) -> None:
        if self.bookmarks.pop(thread, None) is not None:
            self.hub.bus.unwatch(f"thread:{thread}", self)
            self.dirty.discard(thread)

    def refuse(self, error: Refused, key: str | None = None) -> None:
        self.hub.count_refusal(error.code)
        self.push(wire.refused(error, key))

    def close(self, code: int, reason: str, after: float | None = None) -> None:
        """Asks the reading side to end the socket with `code`, after a `bye` that says why."""
        if self.closing is None:
            self.push(wire.bye(reason, after))
            self.closing = (code, reason)
            self.hub.close_soon(self)

    def detach(self) -> None:
        """Forgets every topic; called once when the socket is over."""
        for thread in list(self.bookmarks):
            self.leave(thread)


class AgentConnection(Connection):
    """Follows any thread it opens, and every ticket's summary."""

    __slots__ = ("_rest_until", "_timer", "agent", "sent_revs", "tickets", "typed_at", "viewing")

    def __init__(
        self, hub: Hub, send: SendText, end: Callable[[], Awaitable[None]], abort: Callable[[], None], agent: Agent
    ) -> None:
        super().__init__(hub, send, end, abort)
        self.agent = agent
        self.tickets: dict[int, Ticket | None] = {}  # to send; None: read it first
        self.sent_revs: dict[int, int] = {}
        self._rest_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.typed_at = 0.0
        self.viewing: int | None = None  # the thread opened last, as the colleagues who have it open know

    def start(self) -> None:
        self.hub.bus.watch("inbox", self)
        self.hub.bus.watch("team", self)
        self.hub.bus.watch(f"user:{self.agent.id}", self)
        self.push(
            wire.dump({"type": "ready", "version": PROTOCOL_VERSION, "now": self.hub.now_text(), "user": self.agent.id})
        )

    def detach(self) -> None:
        super().detach()
        if self._timer is not None:
            self._timer.cancel()
        for topic in ("inbox", "team", f"user:{self.agent.id}"):
            self.hub.bus.unwatch(topic, self)

    def heard(self, topic: str, hint: Any) -> None:
        if topic == "inbox":
            if isinstance(hint, Ticket):
                # One that is still to be read stays so: this hint may be older than what rang for it.
                held = self.tickets.get(hint.id, hint)
                if held is not None and held.rev <= hint.rev:
                    self.tickets[hint.id] = hint
                    self._show_soon()
            elif isinstance(hint, int):
                self.hub.feed.rung()
                self.tickets[hint] = None
                self.wake()
        elif topic.startswith("user:"):
            self.hub.recheck_soon()
        else:
            super().heard(topic, hint)

    # --- who else looks at a thread: whispered among those who have it open, and stored nowhere

    def look_at(self, thread: int | None) -> None:
        """This one looks at `thread` now, or at none, and no longer at the one before; whoever is there says so, too."""
        if self.viewing != thread:
            self.look_away()
            self.viewing = thread
        self.say_viewing(asking=True)

    def look_away(self) -> None:
        thread, self.viewing = self.viewing, None
        if thread is not None:
            self.hub.bus.whisper(f"thread:{thread}", self._view(thread, False))

    def say_viewing(self, *, asking: bool = False) -> None:
        if self.viewing is not None:
            self.hub.bus.whisper(f"thread:{self.viewing}", self._view(self.viewing, True) | {"asking": asking})

    def _view(self, thread: int, online: bool) -> dict[str, Any]:
        return {"type": "presence", "thread": thread, "user": self.agent.id, "online": online}

    def _viewed(self, view: dict[str, Any]) -> None:
        mine, here = view["user"] == self.agent.id, view["thread"] == self.viewing
        # Asked by a colleague; or another window of the same person left, and this one is still there.
        if here and ((mine and not view["online"]) or (not mine and view.get("asking"))):
            self.say_viewing()
        if not mine and len(self._out) < QUEUE:
            self.push(wire.dump({name: view[name] for name in ("type", "thread", "user", "online")}))

    def leave(self, thread: int) -> None:
        super().leave(thread)
        if thread == self.viewing:
            self.look_away()

    def whispered(self, topic: str, payload: dict[str, Any]) -> None:
        if topic == "team" and payload.get("user") == self.agent.id:
            return
        if payload.get("type") == "presence" and payload.keys() >= {"thread", "user"}:
            self._viewed(payload)
            return
        if payload.get("type") == "typing" and payload["author"].get("id") == self.agent.id:
            return
        if len(self._out) < QUEUE:
            self.push(wire.dump(payload))

    async def read_more(self) -> bool:
        if not self.tickets:
            return await super().read_more()
        batch = dict(list(self.tickets.items())[:50])
        missing = tuple(ticket_id for ticket_id, ticket in batch.items() if ticket is None)
        for ticket_id in batch:
            del self.tickets[ticket_id]
        if missing:
            try:
                for ticket in await self.hub.feed.tickets(missing):
                    batch[ticket.id] = ticket
            except Exception:
                self.tickets.update(batch)
                raise
        for found in batch.values():
            if found is not None:
                self._show(found)
        return True

    def _show_soon(self) -> None:
        """Now, if nothing was shown for a while; else together with what else comes until then."""
        if self._timer is None:
            wait = self._rest_until - self.hub.monotonic()
            if wait <= 0:
                self._show_gathered()
            else:
                self._timer = self.hub.loop.call_later(wait, self._show_gathered)

    def pong(self) -> None:
        """After all that was due before the ping."""
        if self._timer is not None:
            self._timer.cancel()
            self._show_gathered()
        self.push(wire.PONG)

    def _show_gathered(self) -> None:
        self._timer = None
        self._rest_until = self.hub.monotonic() + SUMMARIES_S
        for ticket in [known for known in self.tickets.values() if known is not None]:
            if not self.drained:
                break
            del self.tickets[ticket.id]
            self._show(ticket)
        if self.tickets:  # in turn, after what waits already
            self.wake()

    def _show(self, ticket: Ticket) -> None:
        """Sends the summary unless a newer one was sent."""
        if self.sent_revs.get(ticket.id, -1) >= ticket.rev:
            return
        self.sent_revs[ticket.id] = ticket.rev
        if len(self.sent_revs) > REVS:
            self.sent_revs.pop(next(iter(self.sent_revs)))
        self.push(self.hub.encoder.ticket(ticket, self.hub.now()))

    def encode(self, entry: Entry) -> str:
        return self.hub.encoder.entry_for_agents(entry, media=self.hub.inbox.latest.show_media.sms)

    async def fell_behind(self, thread: int) -> None:
        self.leave(thread)
        self._out.append(wire.reset(thread))


class VisitorConnection(Connection):
    """Follows one thread, its own, by public sequence."""

    __slots__ = ("key", "session", "thread", "thread_token")
    public = True

    def __init__(
        self, hub: Hub, send: SendText, end: Callable[[], Awaitable[None]], abort: Callable[[], None], key: str
    ) -> None:
        super().__init__(hub, send, end, abort)
        self.key = key
        self.thread: int | None = None
        self.thread_token = ""
        self.session: Any = None  # live.visitor.VisitorSession, which re-reads when a new chat began

    def start(self) -> None:
        self.hub.bus.watch(f"visitor:{self.key}", self)
        self.hub.bus.watch("team_online", self)

    def detach(self) -> None:
        super().detach()
        self.hub.bus.unwatch(f"visitor:{self.key}", self)
        self.hub.bus.unwatch("team_online", self)

    def adopt(self, thread: int, token: str, after: int, *, tell: bool) -> None:
        """Stands in this thread from now on; `tell`: the client must drop what it holds first."""
        if self.thread is not None and self.thread != thread:
            self.leave(self.thread)
        self.thread, self.thread_token = thread, token
        if tell:
            self.push(wire.reset(token))
        self.follow(thread, after)

    def heard(self, topic: str, hint: Any) -> None:
        if topic.startswith("visitor:"):
            if self.session is not None:
                self.session.chat_changed()
        else:
            super().heard(topic, hint)

    def whispered(self, topic: str, payload: dict[str, Any]) -> None:
        kind = payload.get("type")
        if kind == "typing":
            if payload["author"]["type"] != "agent":
                return
            shown = {
                "type": "typing",
                "thread": self.thread_token,
                "author": {"type": "agent", "name": payload["author"]["name"]},
            }
            if len(self._out) < QUEUE:
                self.push(wire.dump(shown))
        elif kind == "presence" and topic == "team_online":
            self.push(wire.dump({"type": "presence", "online": payload["online"]}))

    def encode(self, entry: Entry) -> str:
        return self.hub.encoder.entry_for_visitor(entry, self.thread_token)

    async def fell_behind(self, thread: int) -> None:

        start = await self.hub.app.read(entries.public_start, thread)
        self._out.append(wire.reset(self.thread_token))
        self.bookmarks[thread] = start
        self.dirty.add(thread)
