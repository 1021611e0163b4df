"""What a visitor's frames do, over a socket or a long-poll alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from server.errors import Busy, NotFound, RateLimited, Refused, SignInRequired
from server.inbox import entries, queries, rules, signing_in, visitor_actions
from server.inbox.entries import RESUME
from server.inbox.queries import VisitorView
from server.inbox.timeline import Written
from server.inbox.visitor_actions import Inbound, VisitorInfo
from server.inbox.widget import WidgetSettings
from server.kernel import failpoints, metrics
from server.kernel.sql import Conn
from server.live import frames, wire
from server.live.connection import VisitorConnection
from server.live.hub import Hub
from server.web import auth

log = structlog.get_logger()

TYPING_EVERY_S = 3.0
Settled = Callable[[], None]


def _view(conn: Conn, key: str) -> VisitorView | None:
    return queries.visitor_view(conn, key)


class VisitorSession:
    """One visitor behind one connection: who they are, where they stand, what they may do."""

    __slots__ = (
        "_again", "_looking", "_page", "_saying", "_typed_at", "_typed_email", "_typed_name", "_user_agent", "before", "connection", "hub",
        "identity",
    )  # fmt: skip

    def __init__(
        self, hub: Hub, connection: VisitorConnection, identity: auth.VisitorIdentity, user_agent: str
    ) -> None:
        self.hub = hub
        self.connection = connection
        self.identity = identity
        self._page = frames.Page()
        self._user_agent = user_agent
        self._typed_email: str | None = None
        self._typed_name: str | None = None
        self._saying = 0  # messages at the writer, whose outcome is not known yet
        self._typed_at = 0.0
        self._looking = False
        self._again = False
        self.before: str | None = None  # who they were before they signed in, if they say so
        connection.session = self

    # --- hello

    async def greet(self, hello: frames.Hello, minted: str | None) -> None:
        """Sends `ready` and what stands after the client's bookmark. Stores nothing for a stranger."""
        hub, connection = self.hub, self.connection
        settings = await hub.settings.get()
        if settings.signed_in_only and not self.identity.verified:
            raise SignInRequired("Please sign in to chat with us.", "signin_required")
        # A bell that tells of another chat waits until this hello is answered, or we would stand in the older one.
        self._looking = True
        connection.start()
        try:
            await self._greet(hello, minted, settings)
        finally:
            self._looking = False
        if self._again:
            self.chat_changed()

    async def _greet(self, hello: frames.Hello, minted: str | None, settings: WidgetSettings) -> None:
        hub, connection = self.hub, self.connection
        await failpoints.pause("subscribed")
        if hello.page is not None:
            self._page = hello.page
        if self.before is not None and await hub.app.read(signing_in.has_open_chat, self.before):
            await hub.app.write(signing_in.carry_over, self.before, self.identity.key, self._info())
        view = await hub.app.read(_view, self.identity.key)
        await failpoints.pause("snapshot_read")
        known = view is not None and view.thread is not None
        connection.push(
            wire.dump(
                {
                    "type": "ready",
                    "version": frames.PROTOCOL_VERSION,
                    "now": hub.now_text(),
                    "token": minted,
                    "thread": view.token if view else None,
                    "last_seq": view.last_public_seq if view else 0,
                    "team_seen": view.team_seen_public if view else 0,
                    "ended": bool(view and view.status == "closed"),
                    "known_email": bool((view and view.email) or self.identity.email),
                    "online": hub.team_online,
                    "config": settings.public(),
                }
            )
        )
        if view is not None and known:
            await self._stand(view, hello.bookmark)
            if hello.page is not None:
                await hub.app.write(visitor_actions.visitor_moved, self.identity.key, self._info())
            assert view.thread is not None
            hub.say_online(view.thread)

    async def _stand(self, view: VisitorView, bookmark: frames.Bookmark | None) -> None:
        """Follows the current chat from the bookmark, or from its newest page after a `reset`."""
        assert view.thread is not None and view.token is not None
        if bookmark is not None and bookmark.thread == view.token:
            behind = view.last_public_seq - bookmark.after
            if 0 <= behind <= RESUME:
                self.connection.adopt(view.thread, view.token, bookmark.after, tell=False)
                return
        start = await self.hub.app.read(entries.public_start, view.thread)
        self.connection.adopt(view.thread, view.token, start, tell=True)

    async def stand_quietly(self) -> None:
        """For one frame over HTTP: stands at the end of the current chat, so only what it causes is answered."""
        view = await self.hub.app.read(_view, self.identity.key)
        if view is not None and view.thread is not None and view.token is not None:
            self.connection.adopt(view.thread, view.token, view.last_public_seq, tell=False)

    def chat_changed(self) -> None:
        """Another tab began a new chat (or the first): stand in that one."""
        if self._looking:
            self._again = True
            return
        self._looking = True
        self.hub.spawn(self._look())

    async def _look(self) -> None:
        try:
            while True:
                self._again = False
                view = await self.hub.app.read(_view, self.identity.key)
                if view and view.thread is not None and view.token and view.thread != self.connection.thread:
                    self.connection.adopt(view.thread, view.token, 0, tell=True)
                elif view and view.thread is None and self.connection.thread is not None:
                    # They signed in in another tab, and the chat went along: this one comes back as who they are.
                    self.connection.close(1012, "signed_in", after=0.2)
                if not self._again:
                    return
        except Refused as refusal:
            log.warning("chat_lookup_refused", code=refusal.code)
            self.hub.loop.call_later(0.5, self.chat_changed)
        finally:
            self._looking = False

    # --- frames

    def handle(self, frame: Any, settled: Settled | None = None) -> None:
        """Acts on one frame. `settled` is called when its outcome stands in the connection's queue.

        Raises `Refused` for what is wrong at once; what the database says comes as a frame.
        """
        failpoints.reach("in_frame")
        done = settled or _nothing
        match frame:
            case frames.Say():
                self._say(frame, done)
                return
            case frames.Seen():
                self._submit(None, done, visitor_actions.visitor_seen, self.identity.key, frame.seq)
                return
            case frames.End():
                self._submit(frame.id, done, visitor_actions.visitor_end, self.identity.key, frame.id)
                return
            case frames.Introduce():
                self._introduce(frame, done)
                return
            case frames.Moved():
                self._page = frame.page
                if self.connection.thread is not None:
                    self._submit(None, done, visitor_actions.visitor_moved, self.identity.key, self._info())
                    return
            case frames.Typing():
                self._typing()
            case frames.Ping():
                self.connection.push(wire.PONG)
            case _:
                raise Refused("bad_frame", "This frame does not fit here.")
        done()

    def _say(self, frame: frames.Say, done: Settled) -> None:
        wait = self.hub.messages.take(self.identity.key)
        if wait:
            raise RateLimited("You are writing faster than we can read. Wait a moment; nothing is lost.", wait)
        settings = self.hub.settings.latest
        if frame.files and not settings.visitor_files:
            raise NotFound("Files cannot be sent in this chat.")
        said = Inbound(
            key=self.identity.key,
            client_key=frame.id,
            text=frame.text,
            files=tuple(frame.files),
            welcome=settings.welcome if settings.welcome_on else "",
            info=self._info() if self.connection.thread is None else _UNCHANGED,
        )
        started = self.hub.monotonic()

        def settle(written: Written | None, error: BaseException | None) -> None:
            self._saying -= 1
            if error is not None:
                self._failed(error, frame.id)
            elif written is not None and written.entry is not None:
                self._stored(written)
                metrics.ACK_SECONDS.observe(self.hub.monotonic() - started)
            done()

        self._saying += 1
        self.hub.app.submit_joined(visitor_actions.receive, said, done=settle, lane=self.identity.key)

    def _stored(self, written: Written) -> None:
        """Runs before the bells of the same commit ring, so a new chat is followed from its first entry."""
        entry, connection = written.entry, self.connection
        assert entry is not None
        if written.repeated:
            bookmark = connection.bookmarks.get(entry.thread)
            if bookmark is not None and bookmark < (entry.public_seq or 0):
                # It comes in its turn. Sent before what stands before it, that would be taken for old.
                connection.catch_up(entry.thread)
            else:
                connection.push(self.hub.encoder.entry_for_visitor(entry, written.ticket.token))
        if connection.thread != entry.thread and not written.repeated:
            connection.adopt(entry.thread, written.ticket.token, 0, tell=True)
            self.hub.say_online(entry.thread)

    def _introduce(self, frame: frames.Introduce, done: Settled) -> None:
        email = None
        if frame.email is not None:
            email = rules.clean_email(frame.email)
            if email is None:
                raise Refused("invalid", "This does not look like an e-mail address.", field="email")
        if frame.email is None and frame.name is None:
            raise Refused("invalid", "Tell a name or an e-mail address.")
        if self.connection.thread is None and not self._saying:
            if frame.name is not None:
                match rules.visitor_name(frame.name, frozenset()):
                    case rules.Name():
                        pass
                    case rules.Impossible(code, message):
                        raise Refused(code, message, field="name")
            self._keep(email, frame.name)
            done()
            return

        # The first message may be at the writer without what was typed here: this follows it in its lane.
        def settle(written: Any, error: BaseException | None) -> None:
            if error is not None:
                self._failed(error, frame.id)
            elif written is None:
                self._keep(email, frame.name)  # that message was refused: with the next one, then
            done()

        step = visitor_actions.introduce
        self.hub.app.submit(step, self.identity.key, frame.id, email, frame.name, done=settle, lane=self.identity.key)

    def _keep(self, email: str | None, name: str | None) -> None:
        """Nothing is stored before the first message; what was typed goes along with it."""
        self._typed_email = email or self._typed_email
        self._typed_name = rules.clean_line(name, 80) if name is not None else self._typed_name

    def _typing(self) -> None:
        now = self.hub.monotonic()
        thread = self.connection.thread
        if thread is None or now - self._typed_at < TYPING_EVERY_S:
            return
        self._typed_at = now
        self.hub.bus.whisper(
            f"thread:{thread}", {"type": "typing", "thread": thread, "author": {"type": "visitor", "name": ""}}
        )

    def _submit(self, key: str | None, done: Settled, step: Any, *args: Any) -> None:
        def settle(_: Any, error: BaseException | None) -> None:
            if error is not None:
                self._failed(error, key)
            done()

        self.hub.app.submit(step, *args, done=settle, lane=self.identity.key)

    def _failed(self, error: BaseException, key: str | None) -> None:
        if not isinstance(error, Refused):
            log.error("frame_failed", error=type(error).__name__)
            error = Busy("This could not be stored. It is kept here; try again.")
        self.connection.refuse(error, key)

    def _info(self) -> VisitorInfo:
        page = self._page
        return VisitorInfo(
            page_url=rules.clean_url(page.url),
            page_title=rules.clean_line(page.title, 300),
            referrer=rules.clean_url(page.referrer),
            user_agent=rules.clean_line(self._user_agent, 400),
            locale=rules.clean_locale(page.locale),
            time_zone=rules.clean_time_zone(page.time_zone),
            name=rules.clean_line(self.identity.name or "", 80),
            email=self.identity.email,
            typed_name=self._typed_name,
            typed_email=self._typed_email,
        )


_UNCHANGED = VisitorInfo()


def _nothing() -> None: ...
