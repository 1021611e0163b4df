"""Which guarantees are proven here, on which databases, by which module."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults import g01_durable
from tests.faults.tally import Tally

DATABASES = ("sqlite", "postgres")


@dataclass(frozen=True)
class Guarantee:
    promise: str
    run: Callable[[Tally], Awaitable[None]]
    databases: tuple[str, ...] = DATABASES


GUARANTEES: dict[str, Guarantee] = {
    "G1": Guarantee("an acknowledged message survives SIGKILL and power loss", g01_durable.run),
}


async def prove(name: str, database: str, *, full: bool, seed: int) -> Tally:
    """Runs one guarantee; whatever breaks on the way is a failure of its row."""
    tally = Tally(name, database, seed, full)
    try:
        await GUARANTEES[name].run(tally)
    except Exception:
        tally.wrong.append(traceback.format_exc()[-4000:])
    return tally.done()
