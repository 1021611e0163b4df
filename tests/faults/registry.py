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
    g05_resume,
    g06_readers,
    g07_half_open,
    g08_deploys,
    g09_inbound,
    g10_status,
    g11_once_out,
    g12_stop,
    g14_evidence,
    g15_visitors,
    g16_roles,
    g17_revocation,
    g22_links,
    g23_time,
    g24_redis,
    g25_errors,
    g26_backup,
    g27_disk,
    g28_strangers,
)
from tests.faults.tally import Tally

DATABASES = ("sqlite", "postgres")


@dataclass(frozen=True)
class Guarantee:
    promise: str
    run: Callable[[Tally], Awaitable[None]]
    databases: tuple[str, ...] = DATABASES
    # Where `make test` runs the short form, six minutes for all of them; `make faults` leaves none out.
    short: tuple[str, ...] = DATABASES


GUARANTEES: dict[str, Guarantee] = {
    "G1": Guarantee("an acknowledged message survives SIGKILL and power loss", g01_durable.run),
    "G2": Guarantee("one press of Send is one message, however often it is repeated", g02_once.run),
    "G3": Guarantee("every conversation is 1, 2, 3 … and everybody sees that order", g03_order.run),
    "G4": Guarantee(
        "after any gap a client has what a fresh page shows; snapshot and stream meet (and G5)", g05_resume.run
    ),
    "G6": Guarantee("one bad reader hurts nobody", g06_readers.run, short=("sqlite",)),
    "G7": Guarantee(
        "dead peers are noticed, and nobody is online because of a dead socket", g07_half_open.run, short=("postgres",)
    ),
    "G8": Guarantee("a deploy is invisible", g08_deploys.run, short=("postgres",)),
    "G9": Guarantee("a text that comes in is stored exactly once, and never dropped by us", g09_inbound.run),
    "G10": Guarantee("a delivery status never goes backwards", g10_status.run),
    "G11": Guarantee("nobody is texted twice because of us: replies", g11_once_out.run),
    "G12": Guarantee("STOP is final and fast, and START gives back what it took", g12_stop.run),
    "G14": Guarantee("consent can be proven, and nobody edits the ledger unnoticed", g14_evidence.run),
    "G15": Guarantee("a visitor reads their own conversation and nothing else", g15_visitors.run),
    "G16": Guarantee("roles hold on every route, frame and event", g16_roles.run),
    "G17": Guarantee("revocation reaches open sockets within 5 s", g17_revocation.run, short=("postgres",)),
    "G22": Guarantee("short links only go where somebody of the team said; clicks count once", g22_links.run),
    "G23": Guarantee("the wall clock may jump", g23_time.run, short=("sqlite",)),
    "G24": Guarantee("Redis may die", g24_redis.run, ("postgres",), ("postgres",)),
    "G25": Guarantee("errors never talk", g25_errors.run),
    "G26": Guarantee("a backup taken under load restores", g26_backup.run, short=("sqlite",)),
    "G27": Guarantee("the disk can fill", g27_disk.run, ("sqlite",), ("sqlite",)),
    "G28": Guarantee("what strangers cost is bounded", g28_strangers.run, short=("sqlite",)),
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
