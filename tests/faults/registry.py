"""Which guarantees are proven here, on which databases, by which module."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults import g01_durable, g02_once, g03_order, g15_visitors, g16_roles
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
    "G15": Guarantee("a visitor reads their own conversation and nothing else", g15_visitors.run),
    "G16": Guarantee("roles hold on every route, frame and event", g16_roles.run),
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
