"""A DNS server on a local port with prepared TXT records and faults."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

HANG = "hang"
SERVFAIL = "servfail"


@dataclass
class DnsServer(asyncio.DatagramProtocol):
    """`records`: TXT values by name, or a fault. A name without an entry does not exist."""

    records: dict[str, list[str] | str] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)
    port: int = 0
    _transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.queries.append(name)
        values = self.records.get(name)
        if values == HANG:
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if values is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif values == SERVFAIL:
            response.set_rcode(dns.rcode.SERVFAIL)
        else:
            for value in values:
                pieces = [value[start : start + 255] for start in range(0, len(value), 255)] or [""]
                quoted = " ".join('"' + piece.replace('"', '\\"') + '"' for piece in pieces)
                response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", quoted))
        self._transport.sendto(response.to_wire(max_size=65_535), addr)


@contextlib.asynccontextmanager
async def dns_server(**records: list[str] | str) -> AsyncIterator[DnsServer]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: DnsServer(dict(records)), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
