"""The pump: claims, begins, sends and settles, side by side, until nothing is due (DESIGN 9c).

One in each process. It is run by the job that queueing makes; a doorbell wakes it while it runs, so that a reply
leaves at once though others wait for slow answers. Each beat works in batches that grow by themselves: what comes in
while a transaction is on its way is the next one's. Requests outlive the run that started them.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
from collections.abc import Callable
from typing import Any

import structlog

from server.channels.base import NotSent, Rejected, Sent, SmsChannel, Verdict
from server.delivery import actions, claiming, queries, settling
from server.delivery.claiming import Claim, Ready
from server.delivery.rules import STALE_S
from server.delivery.settings import Account, current
from server.delivery.settling import Outcome
from server.errors import Refused
from server.kernel import failpoints, metrics
from server.kernel.context import App

log = structlog.get_logger()

CONNECTIONS = 128  # requests at a time
# Whose dispatch one transaction begins: a kill between its commit and the wire leaves these unclear for nothing, so few at
# first. Twice as many while connections stay free after that (a commit takes long then), half as many when they do not.
BEGIN_AT_ONCE, BEGIN_AT_MOST = 4, 64
# Begun while every connection is in use: each then sends its next at once instead of waiting for a commit. They wait in the
# channel, which opens no more than its connections. At least half of them at a time: a commit of one costs as much.
AHEAD = 16
# In hand, claimed again when a third is left: few, so that a reply overtakes soon and no claim takes long.
CLAIMS = 192
GATHER_S = 0.005  # outcomes for one commit, while more than half of the connections are in use
SLICE_S = 30.0  # a run ends after this and another follows: a job fits its lease
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # between tries to write outcomes
LAST_S = 3.0  # that a stopping process gives to requests on their way

Connect = Callable[[Account, str], SmsChannel]


class Pump:
    """Sends whatever is due through this process's one connection to the provider."""

    def __init__(self, app: App, connect: Connect) -> None:
        self._app, self._connect = app, connect
        self._channel: SmsChannel | None = None
        self._account: Account | None = None
        self._running = False
        self._look = False  # something may be due that was not seen yet
        self._event = asyncio.Event()  # anything happened: look around
        self._heap: list[Claim] = []
        self._in_flight = 0
        self._stride = BEGIN_AT_ONCE
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: list[Outcome] = []
        self._settler: asyncio.Task[None] | None = None
        self._room = CONNECTIONS  # fewer while the provider says "too many" (F30)
        self._resume_at = 0.0  # monotonic; a 429 holds everything
        self._random = random.Random()  # noqa: S311 - spreads repetitions, guards nothing
        app.bus.watch(actions.TOPIC, self)

    def heard(self, topic: str, hint: Any) -> None:
        self._look = True
        self._event.set()

    def whispered(self, topic: str, payload: dict[str, Any]) -> None: ...

    # --- the connection

    async def channel(self) -> SmsChannel | None:
        """The provider as set up now; None while SMS is not."""
        account = await current(self._app)
        if account != self._account:
            old, self._channel, self._account = self._channel, None, account
            if old is not None:
                self._start(self._close_later(old, set(self._tasks)), "sms-disconnect")
        if not account.usable:
            return None
        if self._channel is None:
            self._channel = self._connect(account, self._app.settings.twilio_url)
        return self._channel

    async def _close_later(self, channel: SmsChannel, on_their_way: set[asyncio.Task[None]]) -> None:
        """Requests on their way keep the old connections until they are answered."""
        if on_their_way:
            await asyncio.wait(on_their_way)
        await channel.close()

    async def close(self) -> None:
        """Gives what is on its way a moment; what is not written then is `unknown` when the server is back."""
        self._app.bus.unwatch(actions.TOPIC, self)
        deadline = asyncio.get_running_loop().time() + LAST_S
        while self._tasks and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left)
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    def _start(self, work: Any, name: str) -> asyncio.Task[None]:
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
        """Until nothing is due here, or the slice is over; what then waits has an alarm of its own."""
        self._look = True
        self._event.set()
        if self._running:
            return  # the run that is going on looks again before it ends
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
            over, held = now >= until, self._resume_at - now
            if not over and held <= 0:
                if self._heap and (places := self._places()) > 0:
                    await self._begin(channel, places)
                    continue
                if self._look and len(self._heap) < CLAIMS // 3:
                    await self._claim()
                    continue
            # From here to the wait nothing is awaited: what happens meanwhile sets the event afterwards.
            if over or (not self._tasks and (held > 0 or not (self._heap or self._look))):
                if over or held > 0:
                    await self._app.write(actions.wake_in, max(held, 0.01))
                return
            self._event.clear()
            pause = min(until - now, held if held > 0 else 1.0, 1.0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(pause, 0.01)):
                    await self._event.wait()

    def _places(self) -> int:
        """How many may be begun now: some ahead only while the provider takes all that we may send at a time."""
        if self._room < CONNECTIONS:
            return self._room - self._in_flight
        places = CONNECTIONS + AHEAD - self._in_flight
        return places if places >= min(len(self._heap), AHEAD // 2) else 0

    async def _claim(self) -> None:
        self._look = False
        room = CLAIMS - len(self._heap)
        got = await self._app.write(claiming.claim, room)
        failpoints.reach("outbound_claimed")
        for claim in got.claims:
            heapq.heappush(self._heap, claim)
        self._look = self._look or len(got.claims) >= room

    async def _begin(self, channel: SmsChannel, places: int) -> None:
        count = min(len(self._heap), places, self._stride)
        full = count == self._stride
        self._stride = min(self._stride * 2, BEGIN_AT_MOST) if full else max(self._stride // 2, BEGIN_AT_ONCE)
        batch = [heapq.heappop(self._heap) for _ in range(count)]
        began = self._app.clock.monotonic()
        ready = await self._app.write(claiming.begin, batch, self._app.settings.public_url)
        failpoints.reach("outbound_attempt_written")
        self._look = self._look or len(ready) < len(batch)  # what will not leave holds nothing behind it any more
        for one in ready:
            self._in_flight += 1
            self._start(self._send(channel, one, began), f"sms-{one.id}")

    # --- one message

    async def _send(self, channel: SmsChannel, one: Ready, began: float) -> None:
        started = self._app.clock.monotonic()
        sent: Sent
        try:
            if started - began > STALE_S:
                # F38: whoever was stopped after `begin` may have been given up for dead since; nothing leaves now.
                sent = NotSent("The server stood still; nothing was sent.")
            else:
                sent = await channel.send(one.text)
            failpoints.reach("outbound_response_received")
        finally:
            self._in_flight -= 1
        metrics.SMS_SECONDS.labels(type(sent).__name__.lower()).observe(self._app.clock.monotonic() - started)
        self._learn(sent)
        self._done.append(Outcome(one.id, one.turn, one.attempt, sent, self._random.random(), one.thread))
        if self._settler is None or self._settler.done():
            self._settler = self._start(self._settle_all(), "sms-settle")

    def _learn(self, sent: Sent) -> None:
        """Too many at a time: half as many, and a pause; otherwise slowly more (F30)."""
        if isinstance(sent, Rejected) and sent.verdict is Verdict.RETRY and sent.code in (None, 20429):
            self._room = max(self._room // 2, 4)
            self._resume_at = max(self._resume_at, self._app.clock.monotonic() + (sent.retry_after or 0.5))
        elif self._room < CONNECTIONS:
            self._room += 1

    async def _settle_all(self) -> None:
        while self._done:
            if self._in_flight > CONNECTIONS // 2:
                await asyncio.sleep(GATHER_S)
            batch, self._done = self._done, []
            await self._settle(batch)

    async def _settle(self, batch: list[Outcome], pauses: tuple[float, ...] = PAUSES) -> None:
        """An outcome must not be lost to a full queue or a moment without a database: it is written again and again."""
        alone: tuple[float, ...] = (0.0,)  # one that cannot be written must not hold the others
        for pause in pauses:
            try:
                await self._app.write(settling.outcomes, batch)
            except Refused:
                pass
            except Exception:
                log.exception("outbound_not_settled", messages=len(batch))
                if len(batch) > 1:
                    alone = PAUSES
                    break
            else:
                failpoints.reach("outbound_result_written")
                await self._next_replies({one.thread for one in batch if one.thread is not None})
                return
            await asyncio.sleep(pause)
        if len(batch) > 1:
            for one in batch:
                await self._settle([one], alone)
        else:
            log.error("outbound_given_up", message=batch[0].id)  # `unknown` before long

    async def _next_replies(self, threads: set[int]) -> None:
        """Looks for what waited for these replies. After the commit: a reply queued beside it saw them on their way."""
        if not threads:
            return
        try:
            if await self._app.read(queries.waits_behind, threads):
                self._look = True
                self._event.set()
        except Exception:
            self._look = True  # looking is never wrong
            log.exception("next_replies_not_seen")


def of(app: App) -> Pump:
    """This process's pump."""
    found: Pump = app.parts["pump"]
    return found
