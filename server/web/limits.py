"""Who is asking (behind trusted proxies only) and how often they may: in memory, per process, bounded."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from server.kernel.clock import Clock
from server.settings import Settings


def client_address(settings: Settings, scope: Any) -> str:
    """The client's address. `X-Forwarded-For` counts only from a trusted peer, and only its last foreign hop.

    IPv6 addresses are cut to their /64, which is what one customer holds.
    """
    client = scope.get("client")
    address = client[0] if client else "local"
    trusted = {part.strip() for part in settings.trusted_proxies.split(",")}
    if address in trusted:
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                for hop in reversed(value.decode("latin-1").split(",")):
                    hop = hop.strip()
                    if hop not in trusted:
                        address = hop
                        break
                break
    return normal(address)


@lru_cache(4_000)
def normal(address: str) -> str:
    try:
        parsed = ip_address(address[:64])
    except ValueError:
        return "unknown"
    if parsed.version == 6:
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return ":".join(parsed.exploded.split(":")[:4]) + "::/64"
    return str(parsed)


class Rate:
    """At most `count` in `seconds` for each subject, refilled steadily (a token bucket).

    Keeps the newest `subjects` only, so strangers cannot fill the memory.
    """

    def __init__(self, clock: Clock, count: int, seconds: float, *, subjects: int = 50_000) -> None:
        self._clock, self._count, self._per_s, self._subjects = clock, float(count), count / seconds, subjects
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, subject: str, cost: float = 1.0) -> float:
        """0 when allowed; else the seconds to wait."""
        now = self._clock.monotonic()
        left, at = self._buckets.pop(subject, (self._count, now))
        left = min(self._count, left + (now - at) * self._per_s)
        wait = 0.0
        if left >= cost:
            left -= cost
        else:
            wait = (cost - left) / self._per_s
        self._buckets[subject] = (left, now)
        if len(self._buckets) > self._subjects:
            self._buckets.popitem(last=False)
        return wait

    def wait(self, subject: str, cost: float = 1.0) -> float:
        """As `take`, without taking: for those who pay only for what goes wrong."""
        left, at = self._buckets.get(subject, (self._count, 0.0))
        left = min(self._count, left + (self._clock.monotonic() - at) * self._per_s)
        return 0.0 if left >= cost else (cost - left) / self._per_s


class Held:
    """How many of something each subject holds right now (sockets of one address), and all together."""

    def __init__(self, limit: int, together: int) -> None:
        self._limit, self._together = limit, together
        self._held: dict[str, int] = {}
        self.total = 0

    def take(self, subject: str) -> bool:
        held = self._held.get(subject, 0)
        if held >= self._limit or self.total >= self._together:
            return False
        self._held[subject] = held + 1
        self.total += 1
        return True

    def give(self, subject: str) -> None:
        self.total -= 1
        left = self._held.get(subject, 0) - 1
        if left > 0:
            self._held[subject] = left
        else:
            self._held.pop(subject, None)
