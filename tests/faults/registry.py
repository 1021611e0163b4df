"""Lists the guarantees that have a fault test, with their databases and modules."""

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
    g12_campaign,
    g12_stop,
    g14_evidence,
    g15_visitors,
    g16_roles,
    g17_revocation,
    g19_imports,
    g20_follow_ups,
    g20_mail,
    g22_links,
    g23_time,
    g24_redis,
    g25_errors,
    g26_backup,
    g27_disk,
    g28_anonymous_load,
    g29_move,
    g30_many_tickets,
    g31_campaigns,
)
from tests.faults.tally import Tally

DATABASES = ("sqlite", "postgres")


@dataclass(frozen=True)
class Guarantee:
    promise: str
    run: Callable[[Tally], Awaitable[None]]
    databases: tuple[str, ...] = DATABASES
    # `make test` runs the short form on these databases, to stay within six minutes; `make faults` runs all.
    short: tuple[str, ...] = DATABASES


async def _mails_and_follow_ups(tally: Tally) -> None:
    await g20_mail.run(tally)
    await g20_follow_ups.run(tally)


async def _texts_and_a_campaign(tally: Tally) -> None:
    await g12_stop.run(tally)
    await g12_campaign.run(tally)


GUARANTEES: dict[str, Guarantee] = {
    "G1": Guarantee("an acknowledged message survives SIGKILL and power loss", g01_durable.run),
    "G2": Guarantee("pressing Send once stores one message, however often the request is repeated", g02_once.run),
    "G3": Guarantee(
        "entries of a conversation are numbered 1, 2, 3 … without gaps, and every reader sees that order", g03_order.run
    ),
    "G4": Guarantee(
        "after any gap a client shows the same as a freshly loaded page (G4); nothing is lost between snapshot and live events (G5)",
        g05_resume.run,
    ),
    "G6": Guarantee("a client that reads slowly or not at all slows nobody else", g06_readers.run, short=("sqlite",)),
    "G7": Guarantee(
        "the server notices dead peers; a dead socket shows nobody as online", g07_half_open.run, short=("postgres",)
    ),
    "G8": Guarantee("users do not notice a deploy", g08_deploys.run, short=("postgres",)),
    "G9": Guarantee("an inbound text is stored exactly once and never lost by the server", g09_inbound.run),
    "G10": Guarantee("a delivery status never goes backwards", g10_status.run),
    "G11": Guarantee("no reply is sent twice because of the server", g11_once_out.run),
    "G12": Guarantee("STOP is final and fast; START restores the consent that STOP revoked", _texts_and_a_campaign),
    "G14": Guarantee("consent can be proven; every edit of the ledger is detected", g14_evidence.run),
    "G15": Guarantee("a visitor reads their own conversation and nothing else", g15_visitors.run),
    "G16": Guarantee("every route, frame and event checks the role", g16_roles.run),
    "G17": Guarantee(
        "the end of a session closes its open sockets within 5 s", g17_revocation.run, short=("postgres",)
    ),
    "G19": Guarantee("an import accounts for every row; a crash neither loses nor repeats one", g19_imports.run),
    "G20": Guarantee(
        "no mail is lost or sent twice because of the server; a mail whose outcome is unclear is named",
        _mails_and_follow_ups,
    ),
    "G22": Guarantee("short links lead only to targets that the team entered; clicks count once", g22_links.run),
    "G23": Guarantee(
        "order, sessions, leases and jobs survive jumps of the wall clock", g23_time.run, short=("sqlite",)
    ),
    "G24": Guarantee(
        "messages are accepted and delivered while Redis fails", g24_redis.run, ("postgres",), ("postgres",)
    ),
    "G25": Guarantee("errors reveal no internals", g25_errors.run),
    "G26": Guarantee("a backup taken under load can be restored", g26_backup.run, short=("sqlite",)),
    "G27": Guarantee(
        "a full disk loses no acknowledged message, and the server recovers by itself",
        g27_disk.run,
        ("sqlite",),
        ("sqlite",),
    ),
    "G28": Guarantee("the cost of anonymous clients is bounded", g28_anonymous_load.run, short=("sqlite",)),
    "G29": Guarantee(
        "a move from SQLite to PostgreSQL loses and doubles nothing, also if it is killed",
        g29_move.run,
        ("postgres",),
        ("postgres",),
    ),
    "G31": Guarantee(
        "no campaign text is sent twice because of the server; everybody in the audience is accounted for",
        g31_campaigns.run,
        short=("sqlite",),
    ),
    "G30": Guarantee(
        "a snoozed ticket wakes once, and an action on many tickets changes each once, also if the process is killed",
        g30_many_tickets.run,
    ),
}


async def prove(name: str, database: str, *, full: bool, seed: int) -> Tally:
    """Runs one guarantee. An exception becomes a failure of its row."""
    tally = Tally(name, database, seed, full)
    try:
        async with asyncio.timeout(7_200 if full else 400):
            await GUARANTEES[name].run(tally)
    except Exception:
        tally.wrong.append(traceback.format_exc()[-4000:])
    return tally.done()
