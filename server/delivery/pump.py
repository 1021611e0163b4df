"""The pumps: claim, begin, send and settle messages of one channel concurrently until none is due.

Each process has one pump for texts and one for mail. A job runs the pump; a notification wakes a running pump, so that a
reply does not wait for other messages' slow responses. Requests may outlive the run that started them.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from server.channels.base import NotSent, Rejected, Sent, Verdict
from server.channels.mail import MailChannel, MailServer
from server.delivery import actions, claiming, mail, mail_settings, queries, settling
from server.delivery.claiming import Claim, Claimed
from server.delivery.mail import Composer
from server.delivery.rules import STALE_S, URGENT, Lane
from server.delivery.settings import current
from server.delivery.settling import Outcome
from server.errors import Refused
from server.kernel import failpoints, metrics
from server.kernel.context import App

log = structlog.get_logger()

CONNECTIONS = 128  # concurrent requests
# Messages that one transaction begins. Few at first, because a kill after its commit leaves them unclear; doubled while
# connections stay free, halved when they do not.
MIN_BATCH, MAX_BATCH = 4, 64
# Messages begun while all connections are in use, so that a free connection need not wait for a commit. These messages
# wait in the channel's pool. The pump begins at least half of them at a time, because every commit costs the same.
BEGUN_AHEAD = 16
# The pump claims more messages when a third of these is left. The number is small, so that a reply can overtake other
# messages and a claim is a short transaction: on PostgreSQL each claimed row costs nine WAL records.
MAX_CLAIMS = 2 * MAX_BATCH
URGENT_CLAIMS = 64  # in addition to `MAX_CLAIMS`
GATHER_S = 0.005  # wait to commit several outcomes together, while more than half of the connections are in use
SLICE_S = 30.0  # a longer run would exceed the job's lease; the next run continues
RETRY_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # between attempts to write outcomes
SHUTDOWN_S = 3.0  # how long a stopping process waits for open requests


class Pump:
    """Sends due texts through this process's channel to the provider."""

    name = "sms"  # of the channel
    topic = actions.TOPIC
    connections = CONNECTIONS
    begun_ahead = BEGUN_AHEAD
    seconds = metrics.SMS_SECONDS

    def __init__(self, app: App, connect: Callable[..., Any]) -> None:
        self._app, self._connect = app, connect
        self._channel: Any = None
        self._account: Any = None
        self._running = False
        self._may_be_due = False  # a message that is not claimed may be due
        self._published = False  # a new message may be urgent and must not wait behind the claimed ones
        self._event = asyncio.Event()  # set on any change
        self._heap: list[Claim] = []
        self._in_flight = 0
        self._batch_size = MIN_BATCH
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: list[Outcome] = []
        self._settler: asyncio.Task[None] | None = None
        self._limit = self.connections  # fewer while the provider says "too many" (F30)
        self._resume_at = 0.0  # monotonic; a 429 pauses all sends
        self._random = random.Random()  # noqa: S311 - jitter, not security
        app.bus.watch(self.topic, self)

    def on_published(self, topic: str, hint: Any) -> None:
        self._may_be_due = self._published = True
        self._event.set()

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...

    # --- what differs between channels

    async def account(self) -> Any:
        """The account that sends now; None while the channel is off or not set up."""
        account = await current(self._app)
        return account if account.usable else None

    def open(self, account: Any) -> Any:
        return self._connect(account, self._app.settings.twilio_url)

    async def claim(self, room: int, lanes: Sequence[Lane]) -> Claimed:
        return await self._app.write(claiming.claim, room, lanes)

    async def begin(self, claims: list[Claim]) -> Sequence[Any]:
        return await self._app.write(claiming.begin, claims, self._app.settings.public_url)

    async def deliver(self, channel: Any, ready: Any) -> Sent:
        sent: Sent = await channel.send(ready.text)
        return sent

    # --- the channel

    async def channel(self) -> Any:
        """The channel of the current account; None while it is not set up."""
        account = await self.account()
        if account != self._account:
            old, self._channel, self._account = self._channel, None, account
            if old is not None:
                self._spawn(self._close_later(old, set(self._tasks)), f"{self.name}-disconnect")
        if account is not None and self._channel is None:
            self._channel = self.open(account)
        return self._channel

    async def _close_later(self, channel: Any, on_their_way: set[asyncio.Task[None]]) -> None:
        """Closes a replaced channel when its open requests have ended."""
        if on_their_way:
            await asyncio.wait(on_their_way)
        await channel.close()

    async def close(self) -> None:
        """Waits `SHUTDOWN_S` for open requests; sends without a stored outcome become `unknown` after the restart."""
        self._app.bus.unwatch(self.topic, self)
        deadline = asyncio.get_running_loop().time() + SHUTDOWN_S
        while self._tasks and (remaining_s := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(set(self._tasks), timeout=remaining_s)
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    def _spawn(self, work: Any, name: str) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._event.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("pump_task_failed", task=task.get_name(), exc_info=error)

    # --- one run

    async def run(self) -> None:
        """Runs until nothing is due or `SLICE_S` is over; later messages have their own job."""
        self._may_be_due = True
        self._event.set()
        if self._running:
            return  # the current run claims again before it ends
        self._running = True
        try:
            await self._run(self._app.clock.monotonic() + SLICE_S)
        finally:
            self._running = False

    async def _run(self, until: float) -> None:
        while True:
            channel = await self.channel()
            if channel is None:
                return
            now = self._app.clock.monotonic()
            is_over, paused_s = now >= until, self._resume_at - now
            if not is_over and paused_s <= 0:
                if self._published and len(self._heap) < MAX_CLAIMS + URGENT_CLAIMS:
                    await self._claim_urgent()
                    continue
                if self._heap and (places := self._free_places()) > 0:
                    await self._begin(channel, places)
                    continue
                if self._may_be_due and len(self._heap) < MAX_CLAIMS // 3:
                    await self._claim()
                    continue
            # No await from here to the wait, so that no event is lost.
            if is_over or (not self._tasks and (paused_s > 0 or not (self._heap or self._may_be_due))):
                if is_over or paused_s > 0:
                    await self._app.write(actions.wake_pump_in, max(paused_s, 0.01), self.name)
                return
            self._event.clear()
            pause = min(until - now, paused_s if paused_s > 0 else 1.0, 1.0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(pause, 0.01)):
                    await self._event.wait()

    def _free_places(self) -> int:
        """How many messages to begin now. While the provider limits us, at most `_limit` are in flight."""
        if self._limit < self.connections:
            return self._limit - self._in_flight
        places = self.connections + self.begun_ahead - self._in_flight
        return places if places >= min(len(self._heap), self.begun_ahead // 2) else 0

    async def _claim(self) -> None:
        self._may_be_due = False
        room = MAX_CLAIMS - len(self._heap)
        claimed = await self.claim(room, tuple(Lane))
        failpoints.reach("outbound_claimed")
        for claim in claimed.claims:
            heapq.heappush(self._heap, claim)
        self._may_be_due = self._may_be_due or len(claimed.claims) >= room

    async def _claim_urgent(self) -> None:
        """Claims only replies and other urgent messages, in addition to the messages already claimed: while a campaign is
        being sent, a claim of all lanes takes many times longer."""
        self._published = False
        if not self._heap and not self._in_flight:
            return  # the pump claims messages of all lanes next
        claimed = await self.claim(URGENT_CLAIMS, URGENT)
        for claim in claimed.claims:
            heapq.heappush(self._heap, claim)

    async def _begin(self, channel: Any, places: int) -> None:
        count = min(len(self._heap), places, self._batch_size)
        urgent = sum(Lane(claim.lane).urgent for claim in self._heap)
        if 0 < urgent < count:
            count = urgent  # a transaction that begins a reply is short: it begins no campaign texts
        else:
            full = count == self._batch_size
            self._batch_size = min(self._batch_size * 2, MAX_BATCH) if full else max(self._batch_size // 2, MIN_BATCH)
        batch = [heapq.heappop(self._heap) for _ in range(count)]
        begun_at = self._app.clock.monotonic()
        login = self._account.login if self._account is not None else None
        ready = await self.begin(batch)
        failpoints.reach("outbound_attempt_written")
        if len(ready) < len(batch):
            self._may_be_due = True  # a skipped message no longer blocks the next one in its thread
        for message in ready:
            self._in_flight += 1
            self._spawn(self._send(channel, message, begun_at, login), f"{self.name}-{message.id}")

    # --- one message

    async def _send(self, channel: Any, message: Any, begun_at: float, login: tuple[str, str, str] | None) -> None:
        started = self._app.clock.monotonic()
        sent: Sent
        try:
            if started - begun_at > STALE_S:
                # F38: after a standstill this message may be marked `unknown`, so it must not be sent now.
                sent = NotSent("The server was stalled, so nothing was sent.")
            else:
                sent = await self.deliver(channel, message)
            failpoints.reach("outbound_response_received")
        finally:
            self._in_flight -= 1
        self.seconds.labels(type(sent).__name__.lower()).observe(self._app.clock.monotonic() - started)
        self._adapt_limit(sent)
        self._done.append(
            Outcome(
                message.id, message.turn, message.attempt, sent, self._random.random(), message.thread, login, self.name
            )
        )
        if self._settler is None or self._settler.done():
            self._settler = self._spawn(self._settle_all(), f"{self.name}-settle")

    def _adapt_limit(self, sent: Sent) -> None:
        """After "too many requests": halves the limit and pauses; otherwise raises it slowly (F30)."""
        if isinstance(sent, Rejected) and sent.verdict is Verdict.RETRY and sent.code in (None, 20429):
            self._limit = max(self._limit // 2, 4)
            self._resume_at = max(self._resume_at, self._app.clock.monotonic() + (sent.retry_after or 0.5))
        elif self._limit < self.connections:
            self._limit += 1

    async def _settle_all(self) -> None:
        while self._done:
            if self._in_flight > self.connections // 2:
                await asyncio.sleep(GATHER_S)
            batch, self._done = self._done, []
            await self._settle(batch)

    async def _settle(self, batch: list[Outcome], pauses: tuple[float, ...] = RETRY_PAUSES_S) -> None:
        """Writes outcomes, with retries, so that a full queue or a short database outage does not lose them."""
        single_pauses: tuple[float, ...] = (0.0,)  # pauses when outcomes are written one by one
        for pause in pauses:
            try:
                await self._app.write(settling.settle_outcomes, batch)
            except Refused:
                pass
            except Exception:
                log.exception("outbound_not_settled", messages=len(batch))
                if len(batch) > 1:
                    single_pauses = RETRY_PAUSES_S
                    break
            else:
                failpoints.reach("outbound_result_written")
                await self._wake_waiting_replies({outcome.thread for outcome in batch if outcome.thread is not None})
                return
            await asyncio.sleep(pause)
        if len(batch) > 1:
            for outcome in batch:
                await self._settle([outcome], single_pauses)
        else:
            log.error("outbound_given_up", message=batch[0].id)  # becomes `unknown`

    async def _wake_waiting_replies(self, threads: set[int]) -> None:
        """Wakes the pump if a reply in these threads waited for a settled message. Runs after the commit, because a reply
        that was queued at the same time saw the message as unsettled."""
        if not threads:
            return
        try:
            if await self._app.read(queries.waits_its_turn, threads):
                self._may_be_due = True
                self._event.set()
        except Exception:
            self._may_be_due = True  # an extra claim is harmless
            log.exception("next_replies_not_seen")


class MailPump(Pump):
    """Sends due mail through this process's connections to the mail server."""

    name = "email"
    topic = actions.MAIL_TOPIC
    connections = 8  # as many as the channel has
    begun_ahead = 0
    seconds = metrics.MAIL_SECONDS

    def __init__(
        self, app: App, connect: Callable[[MailServer], MailChannel], composers: Mapping[str, Composer]
    ) -> None:
        """`composers`: by the template of a queued mail."""
        super().__init__(app, connect)
        self.composers = composers

    async def account(self) -> MailServer | None:
        return await mail_settings.current(self._app)

    def open(self, account: Any) -> Any:
        return self._connect(account)

    async def claim(self, room: int, lanes: Sequence[Lane]) -> Claimed:
        return await self._app.write(mail.claim, room, lanes)

    async def begin(self, claims: list[Claim]) -> Sequence[Any]:
        return await self._app.write(mail.begin, claims, self.composers, self._app.settings.public_url)

    async def deliver(self, channel: Any, ready: Any) -> Sent:
        sent: Sent = await channel.send(ready.mail)
        return sent


def of(app: App) -> Pump:
    """This process's pump of texts."""
    return app.part(Pump)
