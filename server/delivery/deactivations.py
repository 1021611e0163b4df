"""Numbers that were given up: once a day the carriers' lists are read, and whoever of ours had such a number loses
consent to texts (CON-8). Days that were missed are fetched later; a day that was read is not asked for again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from pydantic import BaseModel
from sqlalchemy import bindparam, select

from server.channels.base import BadList, GivenUp, NoList
from server.consent import losses
from server.delivery import pump
from server.delivery.settings import SMS
from server.errors import ChannelError
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.documents import Document
from server.kernel.jobs import Job
from server.kernel.sql import Conn, Statement, Tx
from server.schema import contacts

log = structlog.get_logger()

JOB = "delivery.deactivations"
EVERY = timedelta(days=1)
SOON = timedelta(hours=1)  # after a network that failed
BACK = 7  # days
SLICE = 500  # numbers of a list in one look
SLICE_S = 40.0  # of a run, its download among them: a job has 55 s. What is left of a list is for the next run


class Lists(BaseModel):
    """The document "deactivations": how far the lists were read. `days`: of the last week, those read for good."""

    days: list[date] = []
    since: datetime | None = None  # when we first asked
    asked_at: datetime | None = None  # when a round last ended
    read_at: datetime | None = None  # when a list last was read
    problem: str = ""  # of the last round
    again_at: datetime | None = None


LISTS: Document[Lists] = Document("deactivations", Lists)


def missing(found: Lists, today: date) -> list[date]:
    """Oldest first. Today's list still grows: it is read, and read again tomorrow."""
    days = [today - timedelta(days=back) for back in range(BACK, -1, -1)]
    return [day for day in days if day not in found.days]


_KNOWN = Statement(select(contacts.c.phone).distinct().where(contacts.c.phone.in_(bindparam("phones", expanding=True))))


async def run(app: App, job: Job) -> None:
    """One day's list, or as much of it as fits, then the rest of it or the next one in a run of its own: a run has an
    end, a week of lists may have none."""
    until, today = app.clock.monotonic() + SLICE_S, app.clock.now().date()
    days = [date.fromisoformat(day) for day in job.payload.get("days", [])]
    problem = str(job.payload.get("problem", ""))
    if not days:
        days = missing(await app.read(LISTS.load), today)
    channel = await pump.of(app).channel()
    if channel is None:
        return
    day, rest = days[0], days[1:]
    try:
        found = await channel.given_up(day)
    except ChannelError as error:
        # Who may not ask is not asked for the other days either; they are all asked for again tomorrow.
        log.warning("sms_deactivations_refused" if error.permanent else "sms_deactivations_failed", error=str(error))
        await app.write(_end, job, str(error), EVERY if error.permanent else SOON)
        return
    match found:
        case GivenUp(numbers, unread):
            # As it was when this list was begun: what was added to it before midnight may stand before `after`.
            whole = bool(job.payload.get("whole", day < today))
            known, after = await _apply(app, numbers, day, int(job.payload.get("after", 0)), until)
            log.info(
                "sms_deactivations",
                day=day.isoformat(), numbers=len(numbers), unread=unread, ours=known, after=after,
            )  # fmt: skip
            if after is not None:
                await app.write(_go_on, job, days, problem, {"after": after, "whole": whole})
                return
            await app.write(_read, day, whole)
        case BadList(message):
            log.warning("sms_deactivations_unreadable", day=day.isoformat(), error=message)
            problem = message
        case NoList():
            pass
    if rest:
        await app.write(_go_on, job, rest, problem, {})
    else:
        await app.write(_end, job, problem, EVERY)


async def _apply(app: App, numbers: Sequence[int], day: date, after: int, until: float) -> tuple[int, int | None]:
    """How many of those greater than `after` are of people we know and were not known as given up; and after which
    number to go on, None where it was the last. In the order of the numbers, because the list is fetched again for
    the rest, and today's may have grown anywhere."""
    ours: list[int] = []
    for start in range(0, len(numbers), SLICE):
        phones = [f"+{number}" for number in numbers[start : start + SLICE] if number > after]
        if phones:
            ours += await app.read(_ours, phones)
    count = 0
    ours = sorted(set(ours))
    for number in ours:
        count += await app.write(losses.given_up, f"+{number}", day)
        if app.clock.monotonic() >= until and number != ours[-1]:
            return count, number
    return count, None


def _ours(conn: Conn, phones: list[str]) -> list[int]:
    return [int(row.phone[1:]) for row in conn.all(_KNOWN, phones=phones)]


def _read(tx: Tx, day: date, whole: bool) -> None:
    found = LISTS.load(tx)
    kept = {one for one in found.days if one >= tx.now.date() - timedelta(days=BACK)}
    if whole:
        kept.add(day)
    LISTS.save(tx, found.model_copy(update={"days": sorted(kept), "read_at": tx.now}))


def _go_on(tx: Tx, job: Job, days: list[date], problem: str, place: dict[str, Any]) -> None:
    payload = {"days": [day.isoformat() for day in days], "problem": problem} | place
    jobs.go_on(tx, job, payload, run_at=tx.now)


def _end(tx: Tx, job: Job, problem: str, wait: timedelta) -> None:
    """A round is over. Who asked for one meanwhile (`ask_now`) has it at once."""
    later = tx.now + wait
    asked_meanwhile = SMS.load(tx).on and not jobs.go_on(tx, job, {}, run_at=later)
    again = None if asked_meanwhile else later
    found = LISTS.load(tx)
    ended = {"problem": problem, "asked_at": tx.now, "since": found.since or tx.now, "again_at": again}
    LISTS.save(tx, found.model_copy(update=ended))


def look(tx: Tx) -> None:
    """When a worker starts: a day after the last time, however often it starts; a refusal is no reason to hurry."""
    if SMS.load(tx).on:
        again = LISTS.load(tx).again_at
        jobs.enqueue(tx, JOB, {}, run_at=max(tx.now, again or tx.now), key=JOB)


def ask_now(tx: Tx) -> None:
    """When the account was entered or changed: what it may do is not known yet."""
    if SMS.load(tx).on:
        # The job before the document, as in `_end`: so that they wait for each other and neither writes over the other.
        jobs.enqueue(tx, JOB, {}, run_at=tx.now, key=JOB)
        LISTS.save(tx, LISTS.load(tx).model_copy(update={"again_at": None}))  # or a start before the run puts it off
