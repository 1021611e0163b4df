"""Looks up TXT records, with a time limit and bounded answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LIFETIME_S = 3.0  # of a look-up, over all servers and attempts
MAX_VALUES = 20
MAX_CHARS = 4_096  # of one value


@dataclass(frozen=True, slots=True)
class TxtAnswer:
    """The values of a name's TXT records; empty if it has none. `answered` False: no server responded."""

    values: tuple[str, ...] = ()
    answered: bool = True


class Dns:
    """Asks the servers of the operating system, or `servers` (address and port)."""

    def __init__(self, servers: Sequence[tuple[str, int]] = (), lifetime_s: float = LIFETIME_S) -> None:
        self._servers, self._lifetime_s = servers, lifetime_s

    async def txt(self, name: str) -> TxtAnswer:
        """Never raises."""
        import dns.asyncresolver  # imported late because it is large
        import dns.exception
        import dns.name
        import dns.nameserver
        import dns.rdatatype
        import dns.resolver

        try:
            resolver = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in self._servers]
            answer = await resolver.resolve(
                dns.name.from_text(name), dns.rdatatype.TXT, search=False, lifetime=self._lifetime_s
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.LabelTooLong, dns.name.NameTooLong):
            return TxtAnswer()
        except (dns.exception.DNSException, OSError, ValueError):
            return TxtAnswer(answered=False)
        records = list(answer)[:MAX_VALUES]
        return TxtAnswer(tuple(b"".join(record.strings)[:MAX_CHARS].decode("utf-8", "replace") for record in records))
