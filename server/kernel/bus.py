"""Doorbells and whispers. The bus is a hint: everything stays right when it loses, repeats or reorders.

`ring(topic)` says "look at the database"; `whisper(topic, payload)` carries what is never stored
(typing, presence). `LocalBus` serves one process. `RedisBus` adds the other processes; a ring is
heard in its own process at once, whatever Redis does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import orjson
import structlog

from server.kernel import failpoints, metrics
from server.kernel.writing import Bells

log = structlog.get_logger()

Listener = Callable[[str, Any], None]  # (topic, hint or payload); must not block


class Watcher(Protocol):
    def heard(self, topic: str, hint: Any) -> None: ...
    def whispered(self, topic: str, payload: dict[str, Any]) -> None: ...


class LocalBus:
    """Topics and who watches them, inside one process."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[Watcher]] = {}

    def watch(self, topic: str, watcher: Watcher) -> None:
        self._watchers.setdefault(topic, set()).add(watcher)

    def unwatch(self, topic: str, watcher: Watcher) -> None:
        watchers = self._watchers.get(topic)
        if watchers is not None:
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[topic]

    def watched(self) -> list[str]:
        return list(self._watchers)

    def ring(self, bells: Bells) -> None:
        for topic, hint in bells:
            self.hear(topic, hint)

    def hear(self, topic: str, hint: Any) -> None:
        for watcher in tuple(self._watchers.get(topic, ())):
            watcher.heard(topic, hint)

    def whisper(self, topic: str, payload: dict[str, Any]) -> None:
        for watcher in tuple(self._watchers.get(topic, ())):
            watcher.whispered(topic, payload)

    @property
    def remote(self) -> bool:
        """Are other processes reached right now? Always, where there are none."""
        return True

    async def start(self) -> None: ...

    async def close(self) -> None: ...


def _nothing(hint: Any) -> None:
    """Where hints do not travel: the others read."""


class RedisBus(LocalBus):
    """Adds a Redis channel that every process publishes to and listens on.

    Publishing is queued and sent by one task with a short deadline and no retries: a dead or
    stopped Redis costs a message nothing (redis-py's defaults would hold each publish 4 to 25 s).
    After any gap every watched topic is rung again, without saying what changed: here when the subscription was
    lost, in the others when what this process published was. `pack` makes JSON of a hint, `revive` the hint again.
    """

    CHANNEL = "threadline:bus"
    TIMEOUT_S = 0.5
    QUEUE = 20_000

    def __init__(
        self, url: str, node: str, pack: Callable[[Any], Any] = _nothing, revive: Callable[[Any], Any] = _nothing
    ) -> None:
        super().__init__()
        self._url, self._node, self._pack, self._revive = url, node, pack, revive
        self._out: deque[bytes] = deque(maxlen=self.QUEUE)
        self._more = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._connected = False
        self._receiving = False
        self._dropped = False
        self._first = asyncio.Event()

    @property
    def remote(self) -> bool:
        return self._connected and self._receiving

    def ring(self, bells: Bells) -> None:
        super().ring(bells)
        self._publish({"n": self._node, "r": [(topic, self._pack(hint)) for topic, hint in bells]})

    def whisper(self, topic: str, payload: dict[str, Any]) -> None:
        super().whisper(topic, payload)
        self._publish({"n": self._node, "w": topic, "p": payload})

    def _publish(self, message: dict[str, Any]) -> None:
        self._out.append(orjson.dumps(message))
        self._more.set()

    async def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._send_loop(), name="bus-send"),
            asyncio.create_task(self._receive_loop(), name="bus-receive"),
        ]
        # Give Redis a moment, but never hold the start for it.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._first.wait()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _client(self) -> Any:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        return Redis.from_url(
            self._url,
            socket_timeout=self.TIMEOUT_S,
            socket_connect_timeout=self.TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )

    async def _send_loop(self) -> None:
        client = self._client()
        try:
            while True:
                await self._more.wait()
                self._more.clear()
                while self._out:
                    failpoints.reach("before_publish")
                    batch = [self._out.popleft() for _ in range(min(64, len(self._out)))]
                    try:
                        async with asyncio.timeout(self.TIMEOUT_S):
                            pipe = client.pipeline(transaction=False)
                            for message in batch:
                                pipe.publish(self.CHANNEL, message)
                            await pipe.execute()
                        self._connected = True
                        if self._dropped:
                            self._dropped = False
                            self._publish({"n": self._node, "g": 1})
                    except Exception as error:  # Redis away: the sweep of each process repairs it
                        if self._connected:
                            log.warning("bus_publish_failed", error=str(error) or type(error).__name__)
                        self._connected, self._dropped = False, True
                        metrics.BUS_PUBLISH_FAILED.inc(len(batch))
        finally:
            with contextlib.suppress(Exception):
                await client.aclose()

    async def _receive_loop(self) -> None:
        delay = 0.2
        while True:
            client = self._client()
            try:
                pubsub = client.pubsub()
                async with asyncio.timeout(2):
                    await pubsub.subscribe(self.CHANNEL)
                # Ring everything after subscribing: what was published meanwhile is found by reading.
                self._receiving = self._connected = True
                self._first.set()
                self._ring_all()
                delay = 0.2
                await self._listen(pubsub)
            except Exception as error:  # any failure means: gap, reconnect, ring again
                log.warning("bus_lost", error=str(error) or type(error).__name__)
            finally:
                self._receiving = False
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(1):
                        await client.aclose()
            await asyncio.sleep(delay)
            delay = min(delay * 2, 2.0)

    def _ring_all(self) -> None:
        metrics.BUS_GAPS.inc()
        for topic in self.watched():
            self.hear(topic, None)

    async def _listen(self, pubsub: Any) -> None:
        """Returns by raising. After a second of silence a heartbeat is sent; 1.5 s later it should have come back."""
        quiet = 0
        while True:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=self.TIMEOUT_S / 2)
            if message is None:
                quiet += 1
                if quiet == 4:
                    self._publish({"n": self._node, "h": 1})
                elif quiet >= 10:
                    raise ConnectionError("no heartbeat came back")
                continue
            quiet = 0
            self._deliver(orjson.loads(message["data"]))

    def _deliver(self, message: dict[str, Any]) -> None:
        if message.get("n") == self._node:
            return
        if "r" in message:
            for topic, packed in message["r"]:
                if topic in self._watchers:
                    self.hear(topic, self._revive(packed))
        elif "g" in message:
            self._ring_all()
        elif "w" in message:
            super().whisper(message["w"], message["p"])
