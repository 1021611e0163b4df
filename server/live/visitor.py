"""Handles a visitor's frames, both from a socket and from a long-poll."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from server import frames
from server.chat_mail import follow_ups
from server.contacts import rules
from server.errors import Busy, NotFound, Refused, SignInRequired
from server.kernel import failpoints, metrics
from server.kernel.sql import Conn, Tx
from server.live import encoding
from server.live.connection import VisitorConnection
from server.live.hub import Hub
from server.text import clean_line
from server.threads import entries, ticket_rules
from server.threads.entries import MAX_RESUMED_ENTRIES
from server.threads.tickets import Written
from server.web import auth
from server.web.visitor_limits import NEW_CHAT
from server.webchat import actions, hours, presence, receiving, signing_in, visitors
from server.webchat import rules as webchat_rules
from server.webchat.actions import VisitorInfo
from server.webchat.receiving import Inbound, OutOfHours
from server.webchat.settings import WidgetSettings
from server.webchat.visitors import VisitorView

log = structlog.get_logger()

TYPING_EVERY_S = 3.0
Done = Callable[[], None]


def _view(conn: Conn, key: str) -> VisitorView | None:
    return visitors.visitor_view(conn, key)


def _store_return(tx: Tx, key: str, present_as: str, thread: int, info: VisitorInfo | None) -> None:
    """The visitor is there again: refreshes their presence and cancels a follow-up mail (FUP-6)."""
    if info is not None:
        actions.visitor_moved(tx, key, info)
    presence.touch_visitors(tx, [present_as])
    follow_ups.end_absence(tx, thread)


async def check_may_chat(hub: Hub, settings: WidgetSettings, identity: auth.VisitorIdentity) -> None:
    """Raises `SignInRequired` if only signed-in customers may chat. A return link's guest may go on with its chat."""
    if (
        settings.signed_in_only
        and not identity.verified
        and await hub.app.read(visitors.guest_of, identity.key) is None
    ):
        raise SignInRequired("Please sign in to chat with us.", "signin_required")


class VisitorSession:
    """One visitor on one connection: their identity, current chat and page, and what their frames do."""

    __slots__ = (
        "_address", "_check_again", "_checking_chat", "_guest", "_page", "_pending_messages", "_typed_at", "_typed_email", "_typed_name", "_user_agent", "anonymous_key", "connection", "hub",
        "identity",
    )  # fmt: skip

    def __init__(
        self,
        hub: Hub,
        connection: VisitorConnection,
        identity: auth.VisitorIdentity,
        address: str,
        user_agent: str,
    ) -> None:
        self.hub = hub
        self.connection = connection
        self.identity = identity
        self._page = frames.Page()
        self._address = address
        self._user_agent = user_agent
        self._typed_email: str | None = None
        self._typed_name: str | None = None
        self._pending_messages = 0  # submitted to the writer and not settled yet
        self._typed_at = 0.0
        self._checking_chat = False
        self._check_again = False
        self._guest = False  # came by a return link
        # The visitor's key before they signed in, if the hello contains its token.
        self.anonymous_key: str | None = None
        connection.session = self

    # --- hello

    async def greet(self, hello: frames.Hello, minted: str | None) -> None:
        """Sends `ready` and the entries after the client's bookmark. Stores nothing for an unknown visitor."""
        hub, connection = self.hub, self.connection
        settings = await hub.settings.get()
        await check_may_chat(hub, settings, self.identity)
        # A notification of a new chat waits until this hello is answered; otherwise we could switch back to the old chat.
        self._checking_chat = True
        connection.start()
        try:
            await self._greet(hello, minted, settings)
        finally:
            self._checking_chat = False
        if self._check_again:
            self.chat_changed()

    async def _greet(self, hello: frames.Hello, minted: str | None, settings: WidgetSettings) -> None:
        hub, connection = self.hub, self.connection
        await failpoints.pause("subscribed")
        if hello.page is not None:
            self._page = hello.page
        if self.anonymous_key is not None and await hub.app.read(signing_in.has_open_chat, self.anonymous_key):
            await hub.app.write(signing_in.carry_over, self.anonymous_key, self.identity.key, self._info())
        view = await hub.app.read(_view, self.identity.key)
        await failpoints.pause("snapshot_read")
        has_chat = view is not None and view.thread is not None
        if view is not None and view.guest:
            self._guest = True
            connection.present_as = view.owner_key or connection.key
        available = hours.availability(hub.app)
        connection.push(
            encoding.dump(
                {
                    "type": "ready",
                    "version": frames.PROTOCOL_VERSION,
                    "now": hub.now_text(),
                    "token": minted,
                    "thread": view.token if view else None,
                    "last_seq": view.last_public_seq if view else 0,
                    "team_seen": view.team_seen_public if view else 0,
                    "ended": bool(view and view.status == "closed"),
                    "known_email": bool((view and (view.email or view.guest)) or self.identity.email),
                    "online": available.open and hub.team_online,
                    **available.wire(),
                    "config": settings.public(),
                }
            )
        )
        if view is not None and has_chat:
            await self._follow_current_chat(view, hello.bookmark)
            assert view.thread is not None
            # Not awaited: `ready` may have been sent, and the caller passes the connection to the hub next.
            hub.spawn(self._note_return(view.thread, self._info() if hello.page is not None else None))

    async def _note_return(self, thread: int, info: VisitorInfo | None) -> None:
        hub = self.hub
        try:
            await hub.app.write(_store_return, self.identity.key, self.connection.present_as, thread, info)
        except Refused as refusal:  # for example a full disk: the visitor can read; the next hello repeats it
            log.info("return_left_out", code=refusal.code)
        hub.broadcast_online(thread)

    async def _follow_current_chat(self, view: VisitorView, bookmark: frames.Bookmark | None) -> None:
        """Follows the current chat from the bookmark, or from its newest page after a `reset`."""
        assert view.thread is not None and view.token is not None
        if bookmark is not None and bookmark.thread == view.token:
            behind = view.last_public_seq - bookmark.after
            if 0 <= behind <= MAX_RESUMED_ENTRIES:
                self.connection.adopt(view.thread, view.token, bookmark.after, reset=False)
                return
        start = await self.hub.app.read(entries.public_seq_before_newest_page, view.thread)
        self.connection.adopt(view.thread, view.token, start, reset=True, newest=True)

    async def follow_from_end(self) -> None:
        """Follows the current chat from its end: the response to one HTTP frame holds only what that frame causes."""
        view = await self.hub.app.read(_view, self.identity.key)
        if view is not None and view.thread is not None and view.token is not None:
            self._guest = view.guest
            self.connection.adopt(view.thread, view.token, view.last_public_seq, reset=False)

    def chat_changed(self) -> None:
        """Switches to the chat that another tab began."""
        if self._checking_chat:
            self._check_again = True
            return
        self._checking_chat = True
        self.hub.spawn(self._check_chat())

    async def _check_chat(self) -> None:
        try:
            while True:
                self._check_again = False
                view = await self.hub.app.read(_view, self.identity.key)
                if view and view.thread is not None and view.token and view.thread != self.connection.thread:
                    self.connection.adopt(view.thread, view.token, 0, reset=True)
                elif view and view.thread is None and self.connection.thread is not None:
                    # They signed in in another tab, which took the chat over: this tab reconnects with the new identity.
                    self.connection.close(1012, "signed_in", after=0.2)
                if not self._check_again:
                    return
        except Refused as refusal:
            log.warning("chat_lookup_refused", code=refusal.code)
            self.hub.loop.call_later(0.5, self.chat_changed)
        finally:
            self._checking_chat = False

    # --- frames

    def handle(self, frame: Any, settled: Done | None = None) -> None:
        """Handles one frame. `settled` is called when the outcome is in the connection's queue.

        Raises `Refused` for an invalid frame and above the rate limit; errors of the database are sent as a frame.
        """
        failpoints.reach("in_frame")
        self.hub.visitor_limits.count_or_refuse(frame.type, self.identity.key, self._address)
        on_settled = settled or _nothing
        match frame:
            case frames.Say():
                self._say(frame, on_settled)
                return
            case frames.Seen():
                self._submit(None, on_settled, actions.visitor_seen, self.identity.key, frame.seq)
                return
            case frames.End():
                self._submit(frame.id, on_settled, actions.visitor_end, self.identity.key, frame.id)
                return
            case frames.Introduce():
                self._introduce(frame, on_settled)
                return
            case frames.Moved():
                self._page = frame.page
                if (thread := self.connection.thread) is not None:

                    def stored() -> None:
                        self.hub.broadcast_online(thread)  # consoles fetch the details again
                        on_settled()

                    self._submit(None, stored, actions.visitor_moved, self.identity.key, self._info())
                    return
            case frames.Typing():
                self._typing()
            case frames.Ping():
                self.connection.push(encoding.PONG)
            case _:
                raise Refused("bad_frame", "This frame is not valid here.")
        on_settled()

    def _say(self, frame: frames.Say, on_settled: Done) -> None:
        hub, settings = self.hub, self.hub.settings.latest
        if frame.files and not settings.visitor_files:
            raise NotFound("Files cannot be sent in this chat.")
        # Whether this message begins a chat is known only when it is stored; until then it counts as a new chat.
        new_chat_event = (NEW_CHAT, self.identity.key, self._address)
        chat_wait = hub.visitor_limits.count_or_wait(*new_chat_event)
        available = hours.availability(hub.app)
        message = Inbound(
            key=self.identity.key,
            client_key=frame.id,
            text=frame.text,
            files=tuple(frame.files),
            welcome=settings.greeting(available.open and hub.team_online),
            out_of_hours=None if available.open else OutOfHours(available.text, **available.wire()),
            info=self._info() if self.connection.thread is None else _NO_INFO,
            guest=self._guest,
            chat_wait=chat_wait,
        )
        started = hub.monotonic()

        def ended(opened: bool) -> None:
            self._pending_messages -= 1
            if not chat_wait and not opened:
                hub.visitor_limits.uncount(*new_chat_event)

        def settle(written: Written | None, error: BaseException | None) -> None:
            ended(written is not None and written.opened)
            if error is not None:
                self._failed(error, frame.id)
            elif written is not None and written.entry is not None:
                self._stored(written)
                metrics.ACK_SECONDS.observe(hub.monotonic() - started)
            on_settled()

        self._pending_messages += 1
        try:
            hub.app.submit_joined(receiving.receive, message, done=settle, lane=self.identity.key)
        except Refused:
            ended(False)
            raise

    def _stored(self, written: Written) -> None:
        """Handles a stored message. Runs before the notifications of the same commit, so that the connection follows a new
        chat from its first entry."""
        entry, connection = written.entry, self.connection
        assert entry is not None
        if written.repeated:
            bookmark = connection.bookmarks.get(entry.thread)
            if bookmark is not None and bookmark < (entry.public_seq or 0):
                # Send it in order: the client would drop earlier entries that arrive after this one.
                connection.catch_up(entry.thread)
            else:
                connection.push(self.hub.encoder.entry_for_visitor(entry, written.ticket.token))
        if connection.thread != entry.thread and not written.repeated:
            connection.adopt(entry.thread, written.ticket.token, 0, reset=True)
            self.hub.broadcast_online(entry.thread)

    def _introduce(self, frame: frames.Introduce, on_settled: Done) -> None:
        if self._guest:  # a link that was passed on must not redirect the mail
            raise Refused("forbidden", "In a chat that was opened by a link, name and e-mail cannot be changed.")
        email = None
        if frame.email is not None:
            email = rules.clean_email(frame.email)
            if email is None:
                raise Refused("invalid", "Enter a valid e-mail address.", field="email")
        if frame.email is None and frame.name is None:
            raise Refused("invalid", "Enter a name or an e-mail address.")
        if self.connection.thread is None and not self._pending_messages:
            if frame.name is not None:
                match webchat_rules.visitor_name(frame.name, frozenset()):
                    case webchat_rules.Name():
                        pass
                    case ticket_rules.Refusal(code, message):
                        raise Refused(code, message, field="name")
            self._remember_typed(email, frame.name)
            on_settled()
            return

        # The writer may already have the first message, without this name. The same lane writes the name after the message.
        def settle(written: Any, error: BaseException | None) -> None:
            if error is not None:
                self._failed(error, frame.id)
            elif written is None:
                self._remember_typed(email, frame.name)  # the message was refused: store the name with the next message
            on_settled()

        step = actions.introduce
        self.hub.app.submit(step, self.identity.key, frame.id, email, frame.name, done=settle, lane=self.identity.key)

    def _remember_typed(self, email: str | None, name: str | None) -> None:
        """Keeps the name and e-mail in memory until the first message; nothing is stored before."""
        self._typed_email = email or self._typed_email
        self._typed_name = clean_line(name, 80) if name is not None else self._typed_name

    def _typing(self) -> None:
        now = self.hub.monotonic()
        thread = self.connection.thread
        if thread is None or now - self._typed_at < TYPING_EVERY_S:
            return
        self._typed_at = now
        self.hub.bus.broadcast(
            f"thread:{thread}", {"type": "typing", "thread": thread, "author": {"type": "visitor", "name": ""}}
        )

    def _submit(self, key: str | None, on_settled: Done, step: Any, *args: Any) -> None:
        def settle(_: Any, error: BaseException | None) -> None:
            if error is not None:
                self._failed(error, key)
            on_settled()

        self.hub.app.submit(step, *args, done=settle, lane=self.identity.key)

    def _failed(self, error: BaseException, key: str | None) -> None:
        if not isinstance(error, Refused):
            log.error("frame_failed", error=type(error).__name__)
            error = Busy("This could not be stored. Your text is kept; try again.")
        self.connection.refuse(error, key)

    def _info(self) -> VisitorInfo:
        page = self._page
        return VisitorInfo(
            page_url=webchat_rules.clean_url(page.url),
            page_title=clean_line(page.title, 300),
            referrer=webchat_rules.clean_url(page.referrer),
            user_agent=clean_line(self._user_agent, 400),
            locale=webchat_rules.clean_locale(page.locale),
            time_zone=webchat_rules.clean_time_zone(page.time_zone),
            name=clean_line(self.identity.name or "", 80),
            email=self.identity.email,
            typed_name=self._typed_name,
            typed_email=self._typed_email,
        )


_NO_INFO = VisitorInfo()


def _nothing() -> None: ...
