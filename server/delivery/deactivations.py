"""Reads the carriers' daily lists of deactivated numbers and revokes SMS consent of contacts with them (CON-8).

Missed days are read later; each day is read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from pydantic import BaseModel
from sqlalchemy import bindparam, select

from server.channels.base import BadList, DeactivatedNumbers, NoList
from server.consent import revocation
from server.contacts.rules import AddressKind
from server.delivery import pump
from server.delivery.settings import SMS
from server.errors import ChannelError
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.documents import Document
from server.kernel.jobs import Job
from server.kernel.sql import Conn, Statement, Tx
from server.schema import addresses

log = structlog.get_logger()

JOB = "delivery.deactivations"
INTERVAL = timedelta(days=1)
RETRY_AFTER = timedelta(hours=1)  # after a network error
DAYS_BACK = 7
SLICE = 500  # numbers per query
SLICE_S = 40.0  # limit of one run, including the download: a job's lease is 55 s. The next run continues the list


class Deactivations(BaseModel):
    """The document "deactivations": how far the lists were read. `days`: days of the last week that were read completely."""

    days: list[date] = []
    since: datetime | None = None  # when the first round ended
    asked_at: datetime | None = None  # when the last round ended
    read_at: datetime | None = None  # when a list was last read
    problem: str = ""  # the error of the last round
    again_at: datetime | None = None


DEACTIVATIONS: Document[Deactivations] = Document("deactivations", Deactivations)


def days_to_read(document: Deactivations, today: date) -> list[date]:
    """Days to read, oldest first. Today's list still grows, so it is read today and again tomorrow."""
    days = [today - timedelta(days=back) for back in range(DAYS_BACK, -1, -1)]
    return [day for day in days if day not in document.days]


_KNOWN_PHONES = Statement(
    select(addresses.c.value.label("phone"))
    .distinct()
    .where(addresses.c.kind == AddressKind.PHONE.value, addresses.c.value.in_(bindparam("phones", expanding=True)))
)


async def run(app: App, job: Job) -> None:
    """Reads one day's list for at most `SLICE_S`, then schedules a run for the rest of the list or for the next day."""
    until, today = app.clock.monotonic() + SLICE_S, app.clock.now().date()
    days = [date.fromisoformat(day) for day in job.payload.get("days", [])]
    problem = str(job.payload.get("problem", ""))
    if not days:
        days = days_to_read(await app.read(DEACTIVATIONS.load), today)
    channel = await pump.of(app).channel()
    if channel is None:
        return
    day, other_days = days[0], days[1:]
    try:
        downloaded = await channel.deactivated_numbers(day)
    except ChannelError as error:
        # A refusal applies to all days: try them again tomorrow.
        log.warning("sms_deactivations_refused" if error.permanent else "sms_deactivations_failed", error=str(error))
        await app.write(_finish_round, job, str(error), INTERVAL if error.permanent else RETRY_AFTER)
        return
    match downloaded:
        case DeactivatedNumbers(numbers, unread):
            # Taken when this list was begun: numbers added before midnight may sort before `after`.
            complete = bool(job.payload.get("whole", day < today))
            known_count, after = await _apply(app, numbers, day, int(job.payload.get("after", 0)), until)
            log.info(
                "sms_deactivations",
                day=day.isoformat(), numbers=len(numbers), unread=unread, known_numbers=known_count, after=after,
            )  # fmt: skip
            if after is not None:
                await app.write(_continue, job, days, problem, {"after": after, "whole": complete})
                return
            await app.write(_record_read, day, complete)
        case BadList(message):
            log.warning("sms_deactivations_unreadable", day=day.isoformat(), error=message)
            problem = message
        case NoList():
            pass
    if other_days:
        await app.write(_continue, job, other_days, problem, {})
    else:
        await app.write(_finish_round, job, problem, INTERVAL)


async def _apply(app: App, numbers: Sequence[int], day: date, after: int, until: float) -> tuple[int, int | None]:
    """Revokes consent for the known numbers greater than `after`. Returns how many were new, and the number after which
    to continue (None: done). Goes in the order of the numbers, because the next run fetches the list again, possibly
    with insertions."""
    known_numbers: list[int] = []
    for start in range(0, len(numbers), SLICE):
        phones = [f"+{number}" for number in numbers[start : start + SLICE] if number > after]
        if phones:
            known_numbers += await app.read(_known_numbers, phones)
    count = 0
    known_numbers = sorted(set(known_numbers))
    for number in known_numbers:
        count += await app.write(revocation.revoke_deactivated, f"+{number}", day)
        if app.clock.monotonic() >= until and number != known_numbers[-1]:
            return count, number
    return count, None


def _known_numbers(conn: Conn, phones: list[str]) -> list[int]:
    return [int(row.phone[1:]) for row in conn.all(_KNOWN_PHONES, phones=phones)]


def _record_read(tx: Tx, day: date, complete: bool) -> None:
    document = DEACTIVATIONS.load(tx)
    recent_days = {day for day in document.days if day >= tx.now.date() - timedelta(days=DAYS_BACK)}
    if complete:
        recent_days.add(day)
    DEACTIVATIONS.save(tx, document.model_copy(update={"days": sorted(recent_days), "read_at": tx.now}))


def _continue(tx: Tx, job: Job, days: list[date], problem: str, position: dict[str, Any]) -> None:
    payload = {"days": [day.isoformat() for day in days], "problem": problem} | position
    jobs.reschedule(tx, job, payload, run_at=tx.now)


def _finish_round(tx: Tx, job: Job, problem: str, wait: timedelta) -> None:
    """Ends a round and schedules the next one, at once if `run_now` asked for it meanwhile."""
    later = tx.now + wait
    asked_meanwhile = SMS.load(tx).on and not jobs.reschedule(tx, job, {}, run_at=later)
    again_at = None if asked_meanwhile else later
    document = DEACTIVATIONS.load(tx)
    round_end = {"problem": problem, "asked_at": tx.now, "since": document.since or tx.now, "again_at": again_at}
    DEACTIVATIONS.save(tx, document.model_copy(update=round_end))


def schedule_next(tx: Tx) -> None:
    """Schedules the next round when a worker starts, without shortening the interval or the pause after a refusal."""
    if SMS.load(tx).on:
        again_at = DEACTIVATIONS.load(tx).again_at
        jobs.enqueue(tx, JOB, {}, run_at=max(tx.now, again_at or tx.now), key=JOB)


def run_now(tx: Tx) -> None:
    """Schedules a round at once, because the account was entered or changed."""
    if SMS.load(tx).on:
        # Locks the job before the document, in the same order as `_finish_round`, so that no update is lost.
        jobs.enqueue(tx, JOB, {}, run_at=tx.now, key=JOB)
        # Without this, a worker that starts before the run would delay the round until `again_at`.
        DEACTIVATIONS.save(tx, DEACTIVATIONS.load(tx).model_copy(update={"again_at": None}))
