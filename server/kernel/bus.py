"""Publishes hints to watchers. The bus may lose, repeat or reorder messages: the database stays the truth.

`publish(topic, hint)` says that rows of this topic changed; `broadcast(topic, payload)` carries data that is never
stored (typing, presence). `LocalBus` serves one process. `RedisBus` adds the other processes; watchers in the
publishing process get each message at once, even without Redis.
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
from server.kernel.writing import Publications

log = structlog.get_logger()

Listener = Callable[[str, Any], None]  # (topic, hint or payload); must not block


class Watcher(Protocol):
    def on_published(self, topic: str, hint: Any) -> None: ...
    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...


class LocalBus:
    """Topics and their watchers inside one process."""

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

    def publish(self, publications: Publications) -> None:
        for topic, hint in publications:
            self.deliver(topic, hint)

    def deliver(self, topic: str, hint: Any) -> None:
        for watcher in tuple(self._watchers.get(topic, ())):
            watcher.on_published(topic, hint)

    def broadcast(self, topic: str, payload: dict[str, Any]) -> None:
        for watcher in tuple(self._watchers.get(topic, ())):
            watcher.on_broadcast(topic, payload)

    @property
    def connected(self) -> bool:
        """Whether messages reach the other processes now; always True with one process."""
        return True

    async def start(self) -> None: ...

    async def close(self) -> None: ...


def _no_hint(hint: Any) -> None:
    """The default: no hint is sent to other processes, which read the database instead."""


class RedisBus(LocalBus):
    """Adds a Redis channel that every process publishes to and subscribes to.

    Publishing only queues; one task sends, with a short timeout and no retries, so a dead Redis delays no message.
    After a gap every watched topic is published again without a hint: in this process when its subscription was lost,
    in the others when messages of this process were lost. `pack` turns a hint into JSON, `revive` turns it back.
    """

    CHANNEL = "threadline:bus"
    TIMEOUT_S = 0.5
    QUEUE = 20_000

    def __init__(
        self, url: str, node: str, pack: Callable[[Any], Any] = _no_hint, revive: Callable[[Any], Any] = _no_hint
    ) -> None:
        super().__init__()
        self._url, self._node, self._pack, self._revive = url, node, pack, revive
        self._outgoing: deque[bytes] = deque(maxlen=self.QUEUE)
        self._queued = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._connected = False
        self._receiving = False
        self._dropped = False
        self._subscribed = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self._connected and self._receiving

    def publish(self, publications: Publications) -> None:
        super().publish(publications)
        self._enqueue({"n": self._node, "r": [(topic, self._pack(hint)) for topic, hint in publications]})

    def broadcast(self, topic: str, payload: dict[str, Any]) -> None:
        super().broadcast(topic, payload)
        self._enqueue({"n": self._node, "w": topic, "p": payload})

    def _enqueue(self, message: dict[str, Any]) -> None:
        self._outgoing.append(orjson.dumps(message))
        self._queued.set()

    async def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._send_loop(), name="bus-send"),
            asyncio.create_task(self._receive_loop(), name="bus-receive"),
        ]
        # Wait for Redis for a moment; the start must not depend on it.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._subscribed.wait()

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
                await self._queued.wait()
                self._queued.clear()
                while self._outgoing:
                    failpoints.reach("before_redis_publish")
                    batch = [self._outgoing.popleft() for _ in range(min(64, len(self._outgoing)))]
                    try:
                        async with asyncio.timeout(self.TIMEOUT_S):
                            pipeline = client.pipeline(transaction=False)
                            for message in batch:
                                pipeline.publish(self.CHANNEL, message)
                            await pipeline.execute()
                        self._connected = True
                        if self._dropped:
                            self._dropped = False
                            self._enqueue({"n": self._node, "g": 1})
                    except Exception as error:  # Redis is away; the sweep of each process repairs the loss
                        if self._connected:
                            log.warning("bus_publish_failed", error=str(error) or type(error).__name__)
                        self._connected, self._dropped = False, True
                        metrics.BUS_PUBLISH_FAILED.inc(len(batch))
        finally:
            await self._close_client(client)

    async def _close_client(self, client: Any) -> None:
        """Closes a connection that may be broken or whose server may not answer."""
        try:
            async with asyncio.timeout(1):
                await client.aclose()
        except Exception as error:
            log.debug("bus_close_failed", error=type(error).__name__)

    async def _receive_loop(self) -> None:
        delay = 0.2
        while True:
            client = self._client()
            try:
                pubsub = client.pubsub()
                async with asyncio.timeout(2):
                    await pubsub.subscribe(self.CHANNEL)
                # Watchers read whatever was published before the subscription.
                self._receiving = self._connected = True
                self._subscribed.set()
                self._publish_all()
                delay = 0.2
                await self._listen(pubsub)
            except Exception as error:  # after any failure: reconnect and publish all topics again
                log.warning("bus_lost", error=str(error) or type(error).__name__)
            finally:
                self._receiving = False
                await self._close_client(client)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 2.0)

    def _publish_all(self) -> None:
        metrics.BUS_GAPS.inc()
        for topic in self.watched():
            self.deliver(topic, None)

    async def _listen(self, pubsub: Any) -> None:
        """Receives until the connection fails, then raises. Sends a heartbeat after 1 s of silence and fails if it is not back 1.5 s later."""
        silent_polls = 0
        while True:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=self.TIMEOUT_S / 2)
            if message is None:
                silent_polls += 1
                if silent_polls == 4:
                    self._enqueue({"n": self._node, "h": 1})
                elif silent_polls >= 10:
                    raise ConnectionError("no heartbeat came back")
                continue
            silent_polls = 0
            self._deliver(orjson.loads(message["data"]))

    def _deliver(self, message: dict[str, Any]) -> None:
        if message.get("n") == self._node:
            return
        if "r" in message:
            for topic, packed in message["r"]:
                if topic in self._watchers:
                    self.deliver(topic, self._revive(packed))
        elif "g" in message:
            self._publish_all()
        elif "w" in message:
            super().broadcast(message["w"], message["p"])
