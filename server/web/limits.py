"""The client's address behind trusted proxies, and rate and concurrency limits in memory, per process."""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import lru_cache
from typing import Any

from server import addresses
from server.addresses import Ip, Network
from server.kernel.clock import Clock
from server.settings import Settings


def client_address(settings: Settings, scope: Any) -> str:
    """The client's address, as limits and the audit log use it; "unknown" if a proxy passes on an unreadable one.

    `X-Forwarded-For` counts only from a trusted peer. Its entries are read from the end, as long as they are trusted proxies;
    entries before the first untrusted address are claims of the client.
    """
    client = scope.get("client")
    address = addresses.ip(client[0]) if client else None
    trusted = addresses.networks(settings.trusted_proxies)
    if address is not None and _in_networks(address, trusted):
        lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        for hop in reversed(",".join(lines).split(",")) if lines else ():
            if hop.strip():
                address = addresses.ip(hop)
                if address is None or not _in_networks(address, trusted):
                    break
    return _network_name(address)


def customer_network(address: str) -> str:
    """The address of one internet customer: the IPv4 address, or the /64 of an IPv6 address."""
    return _network_name(addresses.ip(address))


def _in_networks(address: Ip, networks: tuple[Network, ...]) -> bool:
    return any([address in network for network in networks])


@lru_cache(4_000)
def _network_name(address: Ip | None) -> str:
    if address is None:
        return "unknown"
    if address.version == 6:
        return ":".join(address.exploded.split(":")[:4]) + "::/64"
    return str(address)


class Rate:
    """A token bucket for each subject: at most `count` in `seconds`.

    Keeps only the newest `subjects`, so strangers cannot fill the memory.
    """

    def __init__(self, clock: Clock, count: int, seconds: float, *, subjects: int = 50_000) -> None:
        self._clock, self._count, self._per_s, self._subjects = clock, float(count), count / seconds, subjects
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, subject: str, cost: float = 1.0) -> float:
        """Takes `cost` tokens and returns 0, or returns the seconds to wait."""
        now = self._clock.monotonic()
        tokens, updated_at = self._buckets.pop(subject, (self._count, now))
        tokens = min(self._count, tokens + (now - updated_at) * self._per_s)
        wait = 0.0
        if tokens >= cost:
            tokens -= cost
        else:
            wait = (cost - tokens) / self._per_s
        self._buckets[subject] = (tokens, now)
        if len(self._buckets) > self._subjects:
            self._buckets.popitem(last=False)
        return wait

    def wait(self, subject: str, cost: float = 1.0) -> float:
        """Returns the seconds to wait, like `take`, and takes no token: for callers that count only failures."""
        tokens, updated_at = self._buckets.get(subject, (self._count, 0.0))
        tokens = min(self._count, tokens + (self._clock.monotonic() - updated_at) * self._per_s)
        return 0.0 if tokens >= cost else (cost - tokens) / self._per_s

    def give(self, subject: str, cost: float = 1.0) -> None:
        """Undoes one `take` that was allowed."""
        self.take(subject, -cost)


class ConcurrencyLimit:
    """Limits how many sockets or requests each subject, and all subjects together, hold at the same time."""

    def __init__(self, limit: int, total_limit: float = math.inf) -> None:
        self._limit, self._total_limit = limit, total_limit
        self._counts: dict[str, int] = {}
        self.total = 0

    def take(self, subject: str) -> bool:
        count = self._counts.get(subject, 0)
        if count >= self._limit or self.total >= self._total_limit:
            return False
        self._counts[subject] = count + 1
        self.total += 1
        return True

    def give(self, subject: str) -> None:
        self.total -= 1
        count = self._counts.get(subject, 0) - 1
        if count > 0:
            self._counts[subject] = count
        else:
            self._counts.pop(subject, None)
