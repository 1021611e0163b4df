"""Sends entries and ticket summaries to one client, by reading after a bookmark.

A notification marks a thread dirty and wakes the connection, which reads the entries after its bookmark and sends
them. So a client gets every entry once and in order. A slow client only lags: its queue is bounded, and entries that
do not fit are read again later. A notification that carries exactly the next entry saves the read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from server.accounts.queries import TEAM_TOPIC
from server.accounts.rules import Agent, may
from server.errors import Refused
from server.frames import PROTOCOL_VERSION
from server.kernel import metrics
from server.kernel.documents import TOPIC as SETTINGS_TOPIC
from server.live import encoding, rights
from server.live.context import Context
from server.notifications.rules import notices_topic
from server.sms.eligibility import shown_reason
from server.threads import entries, mails
from server.threads.entries import MAX_RESUMED_ENTRIES, Entry
from server.threads.tickets import Ticket

log = structlog.get_logger()

MAX_QUEUED = 128  # frames queued for a slow client; further entries are read again later
MAX_REVS = 2_000  # ticket revisions remembered per agent
SUMMARIES_S = 0.05  # shortest time between two batches of ticket summaries; only the newest of a ticket is sent

SendText = Callable[[str], Awaitable[None]]


def _never(text: str) -> bool:
    return False


class Connection:
    """The outgoing side of one socket or poll. Subclasses encode entries for agents or for visitors."""

    __slots__ = (
        "_flusher", "_out", "abort", "bookmarks", "closing", "context", "dirty", "end", "last_received", "on_idle", "resetting",
        "send", "sending_since", "write_now",
    )  # fmt: skip
    public = False

    def __init__(
        self, context: Context, send: SendText, end: Callable[[], Awaitable[None]], abort: Callable[[], None]
    ) -> None:
        self.context = context
        self.send = send
        self.end = end  # closes the socket with `closing`
        self.abort = abort  # drops the socket at once
        self.write_now: Callable[[str], bool] = _never  # sends without waiting; False: not possible now
        self.bookmarks: dict[int, int] = {}
        self.dirty: set[int] = set()
        self.resetting = False  # a `reset` was sent and the client has not caught up, so no second one is sent
        self._out: list[str] = []  # nearly always empty: an empty list is much smaller than an empty deque
        self._flusher: asyncio.Task[None] | None = None
        self.sending_since = 0.0
        self.last_received = context.monotonic()
        self.closing: tuple[int, str] | None = None
        self.on_idle: Callable[[], None] | None = None

    # --- what comes from the bus

    def on_published(self, topic: str, hint: Any) -> None:
        if topic.startswith("thread:"):
            self.context.feed.published()
            self._thread_published(int(topic[7:]), hint)

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...

    def _thread_published(self, thread: int, hint: Any) -> None:
        bookmark = self.bookmarks.get(thread)
        if bookmark is None or not self.may_receive_entries:
            return
        if isinstance(hint, Entry) and thread not in self.dirty:
            seq = hint.public_seq if self.public else hint.seq
            if seq is None or seq <= bookmark:
                return
            if seq == bookmark + 1 and len(self._out) < MAX_QUEUED:
                self.bookmarks[thread] = seq
                self.push(self.encode(hint))
                return
        self.catch_up(thread)

    @property
    def may_receive_entries(self) -> bool:
        return True

    def catch_up(self, thread: int) -> None:
        """Reads the entries after the bookmark and sends them."""
        self.dirty.add(thread)
        self.wake()

    # --- sending

    def push(self, text: str) -> None:
        """Sends at once if the peer keeps up and the queue is empty; otherwise appends to the queue."""
        if self._out or self._flusher is not None or not self.write_now(text):
            self._out.append(text)
            self.wake()

    def wake(self) -> None:
        """Starts a flush unless one is running. An idle connection has no sending task."""
        if self._flusher is None and not (self.closing and not self._out):
            self._flusher = self.context.spawn(self._flush())

    async def _flush(self) -> None:
        retry = False
        try:
            while True:
                while self._out:
                    self.sending_since = self.context.monotonic()
                    await self.send(self._out.pop(0))
                self.sending_since = 0.0
                try:
                    if not await self.read_more():
                        break
                except Exception as error:  # the database is busy or down: the thread stays dirty; retry soon
                    log.warning("feed_read_failed", error=type(error).__name__)
                    retry = True
                    break
        except Exception as error:
            # The peer disconnected or sending failed: the reading side ends the connection.
            log.debug("send_failed", error=type(error).__name__)
            self._out.clear()
        finally:
            self.sending_since = 0.0
            self._flusher = None
        if retry:
            self.context.loop.call_later(0.5, self.wake)
        elif self.on_idle is not None:
            self.on_idle()

    @property
    def drained(self) -> bool:
        return not self._out and self._flusher is None

    async def read_more(self) -> bool:
        """Reads the new entries of one dirty thread into the queue; False when no thread is dirty."""
        if not self.dirty:
            return False
        thread = next(iter(self.dirty))
        bookmark = self.bookmarks.get(thread)
        if bookmark is None:
            self.dirty.discard(thread)
            return True
        # Removed before reading: a notification during the read marks the thread dirty again.
        self.dirty.discard(thread)
        try:
            entries = await self.context.feed.since(thread, self.public, bookmark, MAX_RESUMED_ENTRIES + 1)
            if self.bookmarks.get(thread) != bookmark:
                # During the read the client left the thread or opened it at another place: read again if it follows.
                if thread in self.bookmarks:
                    self.dirty.add(thread)
                return True
            if not self.may_receive_entries:  # the role changed while we read
                return True
            if len(entries) > MAX_RESUMED_ENTRIES and not self.resetting:
                await self.fell_behind(thread)
                return True
        except Exception:
            self.dirty.add(thread)
            raise
        if len(entries) > MAX_RESUMED_ENTRIES:
            # The newest page needs more than one read; another reset would repeat it for ever.
            self.dirty.add(thread)
        else:
            self.resetting = False
        for entry in entries[:MAX_RESUMED_ENTRIES]:
            seq = entry.public_seq if self.public else entry.seq
            assert seq is not None
            self.bookmarks[thread] = seq
            self._out.append(self.encode(entry))
        return True

    def encode(self, entry: Entry) -> str:
        raise NotImplementedError

    async def fell_behind(self, thread: int) -> None:
        """Tells a client that is more than `MAX_RESUMED_ENTRIES` entries behind to drop its entries and load the newest page."""
        raise NotImplementedError

    # --- following

    def follow(self, thread: int, after: int) -> None:
        """Subscribes to a thread, then reads its entries after `after`. In this order no entry is missed."""
        if thread not in self.bookmarks:
            self.context.bus.watch(f"thread:{thread}", self)
        self.bookmarks[thread] = after
        self.catch_up(thread)

    def leave(self, thread: int) -> None:
        if self.bookmarks.pop(thread, None) is not None:
            self.context.bus.unwatch(f"thread:{thread}", self)
            self.dirty.discard(thread)

    def refuse(self, error: Refused, key: str | None = None) -> None:
        self.context.count_refusal(error.code)
        self.push(encoding.refused(error, key))

    def close(self, code: int, reason: str, after: float | None = None) -> None:
        """Sends a `bye` with the reason, then asks the reading side to close the socket with `code`."""
        if self.closing is None:
            self.push(encoding.bye(reason, after))
            self.closing = (code, reason)
            metrics.EVICTIONS.labels(reason).inc()
            self.context.spawn(self._end())

    async def _end(self) -> None:
        # Wait for the `bye` to be sent, but not longer than a second.
        for _ in range(20):
            if self.drained:
                break
            await asyncio.sleep(0.05)
        await self.end()

    def detach(self) -> None:
        """Unsubscribes from every topic; called once when the socket has ended."""
        for thread in list(self.bookmarks):
            self.leave(thread)


class AgentConnection(Connection):
    """Follows any thread it opens, and every ticket's summary."""

    __slots__ = ("_next_summaries_at", "_summary_timer", "agent", "sent_revs", "tickets", "typed_at", "viewing")

    def __init__(
        self,
        context: Context,
        send: SendText,
        end: Callable[[], Awaitable[None]],
        abort: Callable[[], None],
        agent: Agent,
    ) -> None:
        super().__init__(context, send, end, abort)
        self.agent = agent
        self.tickets: dict[int, Ticket | None] = {}  # summaries to send; None: read the ticket first
        self.sent_revs: dict[int, int] = {}
        self._next_summaries_at = 0.0
        self._summary_timer: asyncio.TimerHandle | None = None
        self.typed_at = 0.0
        self.viewing: int | None = None  # the thread that colleagues see this agent viewing

    def start(self) -> None:
        for topic in self._topics():
            self.context.bus.watch(topic, self)
        self.push_frame(
            {"type": "ready", "version": PROTOCOL_VERSION, "now": self.context.now_text(), "user": self.agent.id}
        )

    def _topics(self) -> tuple[str, ...]:
        return ("inbox", TEAM_TOPIC, SETTINGS_TOPIC, f"user:{self.agent.id}", notices_topic(self.agent.id))

    def detach(self) -> None:
        super().detach()
        if self._summary_timer is not None:
            self._summary_timer.cancel()
        for topic in self._topics():
            self.context.bus.unwatch(topic, self)

    # --- what this agent may receive

    def push_frame(self, frame: dict[str, Any]) -> None:
        """Sends the frame if the agent's role may receive it."""
        if may(self.agent, rights.needed(frame)):
            self.push(encoding.dump(frame))

    @property
    def may_receive_entries(self) -> bool:
        return may(self.agent, rights.OUT["entry"])

    def change_agent(self, agent: Agent) -> None:
        """Takes over the agent as the session has them now, perhaps with another role."""
        before, self.agent = self.agent, agent
        if before.role is agent.role:
            return
        self._out.clear()  # the queue may contain frames that only the old role may receive
        if not may(agent, rights.FROM_AGENTS["open"]):
            self.stop_viewing()
        self._push_changed("me")
        for thread in self.bookmarks:  # entries that the old role could not receive
            self.catch_up(thread)

    def on_published(self, topic: str, hint: Any) -> None:
        if topic == "inbox":
            self._ticket_published(hint)
        elif topic == TEAM_TOPIC:
            self._push_changed("team")
        elif topic == SETTINGS_TOPIC:
            self._settings_published(hint)
        elif topic == notices_topic(self.agent.id):
            self._push_changed("notifications")
        elif topic.startswith("user:"):
            self._push_changed("me")
            self.context.recheck_soon()
        elif hint == mails.MAIL_THREAD_BEGAN:
            self._push_changed("mails")
        else:
            super().on_published(topic, hint)

    def _ticket_published(self, hint: Any) -> None:
        if isinstance(hint, Ticket):
            # None means that the ticket must be read. It stays None, because this hint may be older than the last one.
            pending = self.tickets.get(hint.id, hint)
            if pending is not None and pending.rev <= hint.rev:
                self.tickets[hint.id] = hint
                self._send_summaries_soon()
        elif isinstance(hint, int):
            self.context.feed.published()
            self.tickets[hint] = None
            self.wake()

    def _settings_published(self, name: str | None) -> None:
        """`name`: the changed document; None after a gap in the bus, when any settings may have changed. Agents are not told
        about internal documents."""
        if name is None:
            self._push_changed("settings")
        elif name in rights.SETTINGS:
            self._push_changed("settings", name)

    def _push_changed(self, what: str, name: str | None = None) -> None:
        self.push_frame({"type": "changed", "what": what, "name": name})

    # --- who views a thread: broadcast to the agents who have it open, stored nowhere

    def set_viewed_thread(self, thread: int | None) -> None:
        """Tells colleagues that this agent now views `thread` (or none) and no longer the thread before, and asks the
        agents who view `thread` to say so too."""
        if self.viewing != thread:
            self.stop_viewing()
            self.viewing = thread
        self.broadcast_viewing(asking=True)

    def stop_viewing(self) -> None:
        thread, self.viewing = self.viewing, None
        if thread is not None:
            self.context.bus.broadcast(f"thread:{thread}", self._viewing_frame(thread, False))

    def broadcast_viewing(self, *, asking: bool = False) -> None:
        if self.viewing is not None:
            self.context.bus.broadcast(
                f"thread:{self.viewing}", self._viewing_frame(self.viewing, True) | {"asking": asking}
            )

    def _viewing_frame(self, thread: int, online: bool) -> dict[str, Any]:
        return {"type": "presence", "thread": thread, "user": self.agent.id, "online": online}

    def _on_viewing(self, view: dict[str, Any]) -> None:
        own_view, same_thread = view["user"] == self.agent.id, view["thread"] == self.viewing
        # Answer if a colleague asked, or if this agent's other window stopped viewing while this one still views the thread.
        if same_thread and ((own_view and not view["online"]) or (not own_view and view.get("asking"))):
            self.broadcast_viewing()
        if not own_view and len(self._out) < MAX_QUEUED:
            self.push_frame({name: view[name] for name in ("type", "thread", "user", "online")})

    def leave(self, thread: int) -> None:
        super().leave(thread)
        if thread == self.viewing:
            self.stop_viewing()

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None:
        if topic == TEAM_TOPIC and payload.get("user") == self.agent.id:
            return
        if payload.get("type") == "presence" and payload.keys() >= {"thread", "user"}:
            self._on_viewing(payload)
            return
        if payload.get("type") == "typing" and payload["author"].get("id") == self.agent.id:
            return
        if len(self._out) < MAX_QUEUED:
            self.push_frame(payload)

    async def read_more(self) -> bool:
        if not self.tickets:
            return await super().read_more()
        batch = dict(list(self.tickets.items())[:50])
        missing = tuple(ticket_id for ticket_id, ticket in batch.items() if ticket is None)
        for ticket_id in batch:
            del self.tickets[ticket_id]
        if missing:
            try:
                for ticket in await self.context.feed.tickets(missing):
                    batch[ticket.id] = ticket
            except Exception:
                self.tickets.update(batch)
                raise
        for summary in batch.values():
            if summary is not None:
                self._send_summary(summary)
        return True

    def _send_summaries_soon(self) -> None:
        """Sends now if the last batch is at least `SUMMARIES_S` old; otherwise with the next batch."""
        if self._summary_timer is None:
            wait = self._next_summaries_at - self.context.monotonic()
            if wait <= 0:
                self._send_summaries()
            else:
                self._summary_timer = self.context.loop.call_later(wait, self._send_summaries)

    def send_pong(self) -> None:
        """Sends the summaries that were due before the ping, then the pong."""
        if self._summary_timer is not None:
            self._summary_timer.cancel()
            self._send_summaries()
        self.push(encoding.PONG)

    def _send_summaries(self) -> None:
        self._summary_timer = None
        self._next_summaries_at = self.context.monotonic() + SUMMARIES_S
        for ticket in [summary for summary in self.tickets.values() if summary is not None]:
            if not self.drained:
                break
            del self.tickets[ticket.id]
            self._send_summary(ticket)
        if self.tickets:  # the flush sends these after the queued frames
            self.wake()

    def _send_summary(self, ticket: Ticket) -> None:
        """Sends the summary unless the same or a newer revision was sent."""
        if self.sent_revs.get(ticket.id, -1) >= ticket.rev or not may(self.agent, rights.OUT["ticket"]):
            return
        self.sent_revs[ticket.id] = ticket.rev
        if len(self.sent_revs) > MAX_REVS:
            self.sent_revs.pop(next(iter(self.sent_revs)))
        self.push(
            self.context.encoder.ticket(ticket, self.context.now(), shown_reason(ticket, self.context.numbers.latest))
        )

    def encode(self, entry: Entry) -> str:
        return self.context.encoder.entry_for_agents(entry, media=self.context.inbox.latest.show_media.sms)

    async def fell_behind(self, thread: int) -> None:
        self.leave(thread)
        self._out.append(encoding.reset(thread))


class VisitorConnection(Connection):
    """Follows the visitor's own thread, by public sequence."""

    __slots__ = ("key", "present_as", "session", "thread", "thread_token")
    public = True

    def __init__(
        self, context: Context, send: SendText, end: Callable[[], Awaitable[None]], abort: Callable[[], None], key: str
    ) -> None:
        super().__init__(context, send, end, abort)
        self.key = key
        self.present_as = key  # whose presence the connection shows: of a guest, the visitor whose chat it is
        self.thread: int | None = None
        self.thread_token = ""
        self.session: Any = None  # live.visitor.VisitorSession; it switches to a new chat when one begins

    def start(self) -> None:
        self.context.bus.watch(f"visitor:{self.key}", self)
        self.context.bus.watch("team_online", self)

    def detach(self) -> None:
        super().detach()
        self.context.bus.unwatch(f"visitor:{self.key}", self)
        self.context.bus.unwatch("team_online", self)

    def adopt(self, thread: int, token: str, after: int, *, reset: bool, newest: bool = False) -> None:
        """Follows this thread from now on. `reset`: the client drops its entries first. `newest`: `after` is where the
        newest page begins."""
        if self.thread is not None and self.thread != thread:
            self.leave(self.thread)
        self.thread, self.thread_token = thread, token
        self.resetting = newest
        if reset:
            self.push(encoding.reset(token))
        self.follow(thread, after)

    def on_published(self, topic: str, hint: Any) -> None:
        if topic.startswith("visitor:"):
            if self.session is not None:
                self.session.chat_changed()
        else:
            super().on_published(topic, hint)

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None:
        kind = payload.get("type")
        if kind == "typing":
            if payload["author"]["type"] != "agent":
                return
            frame = {
                "type": "typing",
                "thread": self.thread_token,
                "author": {"type": "agent", "name": payload["author"]["name"]},
            }
            if len(self._out) < MAX_QUEUED:
                self.push(encoding.dump(frame))
        elif kind == "presence" and topic == "team_online":
            self.push(encoding.dump(payload))

    def encode(self, entry: Entry) -> str:
        return self.context.encoder.entry_for_visitor(entry, self.thread_token)

    async def fell_behind(self, thread: int) -> None:
        before = self.bookmarks[thread]
        start = await self.context.app.read(entries.public_seq_before_newest_page, thread)
        self.dirty.add(thread)
        if self.bookmarks.get(thread) == before:
            self._out.append(encoding.reset(self.thread_token))
            self.bookmarks[thread] = start
            self.resetting = True
