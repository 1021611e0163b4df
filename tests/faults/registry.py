"""Which guarantees are proven here, on which databases, by which module."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults import (
    g01_durable,
    g02_once,
    g03_order,
    g07_half_open,
    g08_deploys,
    g15_visitors,
    g16_roles,
    g17_revocation,
)
from tests.faults.tally import Tally

DATABASES = ("sqlite", "postgres")


@dataclass(frozen=True)
class Guarantee:
    promise: str
    run: Callable[[Tally], Awaitable[None]]
    databases: tuple[str, ...] = DATABASES


GUARANTEES: dict[str, Guarantee] = {
    "G1": Guarantee("an acknowledged message survives SIGKILL and power loss", g01_durable.run),
    "G2": Guarantee("one press of Send is one message, however often it is repeated", g02_once.run),
    "G3": Guarantee("every conversation is 1, 2, 3 … and everybody sees that order", g03_order.run),
    "G7": Guarantee("dead peers are noticed, and nobody is online because of a dead socket", g07_half_open.run),
    "G8": Guarantee("a deploy is invisible", g08_deploys.run),
    "G15": Guarantee("a visitor reads their own conversation and nothing else", g15_visitors.run),
    "G16": Guarantee("roles hold on every route, frame and event", g16_roles.run),
    "G17": Guarantee("revocation reaches open sockets within 5 s", g17_revocation.run),
}


async def prove(name: str, database: str, *, full: bool, seed: int) -> Tally:
    """Runs one guarantee; whatever breaks on the way is a failure of its row."""
    tally = Tally(name, database, seed, full)
    try:
        async with asyncio.timeout(7_200 if full else 400):
            await GUARANTEES[name].run(tally)
    except Exception:
        tally.wrong.append(traceback.format_exc()[-4000:])
    return tally.done()
