"""The job that rehearses, runs and undoes imports. Each run does some seconds of work and schedules the next.

A crash costs the work since the last stored position: a rehearsal is repeated from there, and a row of the run is written
together with the position.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import structlog
from sqlalchemy import bindparam, update

from server.contacts import properties
from server.contacts.property_rules import KEEPS_LATER
from server.delivery import queries as delivery
from server.errors import StorageFull
from server.imports import mails, parsing, queries, rules, undoing, writing
from server.imports.actions import WORK_JOB
from server.imports.mapping import Plan
from server.imports.parsing import Unreadable
from server.imports.queries import Import
from server.imports.rules import Setting, Verdict
from server.kernel import failpoints, jobs
from server.kernel.columns import to_micros
from server.kernel.context import App
from server.kernel.jobs import Handler, Job
from server.kernel.slices import next_size
from server.kernel.sql import Conn, Statement, Tx
from server.schema import imports

log = structlog.get_logger()

WORK_S = 15.0  # of one run of the job
NORMALISE_S = 6.0  # of one call of the child process
READ_AT_ONCE = 500  # rows of a rehearsal
MOST_ROWS = 300  # in one transaction: PostgreSQL locks their addresses
SAMPLES = 5  # of each verdict and reason

_SAVE = Statement(
    update(imports)
    .where(imports.c.id == bindparam("import_id"), imports.c.state == bindparam("of_state"))
    .values(done=bindparam("new_done"), position=bindparam("new_position"), counts=bindparam("new_counts"))
)


async def work(app: App, job: Job) -> None:
    until = time.monotonic() + WORK_S
    more = True
    while more and time.monotonic() < until:
        found = await app.read(queries.by_id, job.payload["import"])
        stage = _STAGES.get(found.state)
        if stage is None:
            return
        try:
            more = await stage(app, found)
        except Unreadable as refused:
            await app.write(_stop, found.id, {"code": refused.code, "message": refused.message})
            return
        except FileNotFoundError:
            # The folder of a restored backup has the original only.
            await app.write(_stop, found.id, {"code": "rehearse_again", "message": "Read the file again and rehearse."})
            return
    if more:
        await app.write(_again, job)


def _again(tx: Tx, job: Job) -> None:
    jobs.reschedule(tx, job, job.payload, run_at=tx.now)


def _stop(tx: Tx, import_id: int, problem: dict[str, Any]) -> None:
    """Ends a rehearsal that cannot go on. A run that has begun ends as cancelled, with what it wrote."""
    found = queries.lock(tx, import_id)
    if found.state == "rehearsing":
        tx.run(update(imports).where(imports.c.id == import_id).values(state="read", problem=problem, position=None))
    elif found.state == "running":
        _finish(tx, import_id, "cancelled")
        tx.run(update(imports).where(imports.c.id == import_id).values(problem=problem))


# --- rehearsal ------------------------------------------------------------------------------------


async def _rehearse(app: App, found: Import) -> bool:
    """One step of a rehearsal; returns whether there is more to do."""
    assert found.position is not None
    stage = {"normalise": _normalise, "compare": _compare, "decide": _decide}[found.position["stage"]]
    return await stage(app, found)


async def _normalise(app: App, found: Import) -> bool:
    folder, position = parsing.folder(app.settings, found.id), found.position
    assert position is not None and found.described is not None
    if not (folder / "rows.jsonl").exists():
        raise FileNotFoundError(folder)
    plan = folder / f"plan-{found.version}.json"
    if not plan.exists():
        sender = _sender(found)
        headers = [column["header"] for column in found.described["columns"]]
        uploaded = to_micros(found.uploaded_at or found.created_at)
        written = Plan(kind=found.kind, mapping=found.wanted_mapping, headers=headers, sender=sender, now=uploaded)
        part = plan.with_suffix(".part")
        part.write_text(written.model_dump_json())
        part.replace(plan)
    result = await parsing.run(
        app.settings,
        "normalise",
        plan=str(plan),
        rows=str(folder / "rows.jsonl"),
        people=str(folder / "people.part"),
        seconds=NORMALISE_S,
        row=position["row"],
        offset=position["offset"],
        size=position["size"],
    )
    after = {"stage": "normalise" if result["more"] else "compare", **{k: result[k] for k in ("row", "offset", "size")}}
    return await app.write(_save, found.id, "rehearsing", result["row"] // 2, after, {})


def _sender(found: Import) -> str:
    from server.imports.proposing import sender_of

    assert found.described is not None
    sender = sender_of(found.described)
    return sender.id if sender is not None else ""


async def _compare(app: App, found: Import) -> bool:
    folder = parsing.folder(app.settings, found.id)
    await parsing.run(
        app.settings,
        "compare",
        people=str(folder / "people.part"),
        target=str(folder / "people.jsonl"),
        all=found.wanted_mapping.duplicates == "all",
    )
    position = {"stage": "decide", "offset": 0, "size": 0, "samples": {}, "cleared": 0}
    return await app.write(_save, found.id, "rehearsing", found.rows // 2, position, {})


async def _decide(app: App, found: Import) -> bool:
    """Decides about rows for some seconds; the verdicts go to a file."""
    folder, position = parsing.folder(app.settings, found.id), found.position
    assert position is not None
    setting, list_id = await app.read(rehearsed_setting, found)
    counts, samples, cleared = dict(found.counts), dict(position["samples"]), position["cleared"]
    until, offset, done = time.monotonic() + 3.0, position["offset"], 0
    lines: list[bytes] = []
    async for people in _slices(folder / "people.jsonl", offset, lambda: READ_AT_ONCE):
        persons = [person for person, _ in people]
        verdicts, contacts = await app.read_slowly(
            writing.decide, persons, setting, found.wanted_mapping.identifier, list_id
        )
        for person, verdict, contact in zip(persons, verdicts, contacts, strict=True):
            rules.count(counts, verdict)
            for statement in verdict.consents:
                key = f"consent:{statement.purpose}:{statement.status}"
                counts[key] = counts.get(key, 0) + 1
            cleared += sum(1 for name, (_, after) in verdict.changes.items() if name.startswith("p:") and after is None)
            shown = show(person, verdict, contact)
            _sample(samples, verdict, shown)
            lines.append(orjson.dumps(shown))
        offset, done = people[-1][1], done + len(people)
        if time.monotonic() > until:
            break
    size = await _append(folder / "verdicts.jsonl", position["size"], lines)
    handled = sum(counts.get(kind, 0) for kind in rules.VERDICTS)
    if handled < found.rows and done:
        after = {"stage": "decide", "offset": offset, "size": size, "samples": samples, "cleared": cleared}
        return await app.write(_save, found.id, "rehearsing", (found.rows + handled) // 2, after, counts)
    if handled < found.rows:
        raise FileNotFoundError(folder)  # the file ends before the last row
    rehearsal = {"counts": counts, "samples": samples, "cleared": cleared, "rows": handled}
    await app.write(_rehearsed, found.id, rehearsal)
    return False


def show(person: Mapping[str, Any], verdict: Verdict, contact: int | None) -> dict[str, Any]:
    """A verdict as the report shows it."""
    return {
        "n": person["n"],
        "file": person["f"],
        "line": person["l"],
        "verdict": verdict.kind,
        "who": next((person[kind] for kind in ("email", "phone", "crm") if kind in person), ""),
        "reason": verdict.reason,
        "contact": contact,
        "changes": {name: list(values) for name, values in verdict.changes.items()} if verdict.writes else {},
        "consents": [[each.purpose, each.before, each.status] for each in verdict.consents],
        "stop": verdict.stop,
        "cells": verdict.cells,
    }


def _sample(samples: dict[str, list[Any]], verdict: Verdict, shown: dict[str, Any]) -> None:
    """Keeps some rows of each verdict and reason, so that 200,000 bad rows give a handful of examples (I25)."""
    key = verdict.kind if verdict.kind == "duplicate" or not verdict.reason else f"{verdict.kind}:{verdict.reason}"
    keys = [key, *(f"cell:{code}" for _, code, _ in verdict.cells if verdict.writes)]
    for name in keys:
        if len(samples.get(name, ())) < SAMPLES:
            samples[name] = [*samples.get(name, ()), shown]


async def _append(path: Path, size: int, lines: list[bytes]) -> int:
    """Appends lines at `size`; what is behind it is from a run that was killed. Returns the new size."""
    import asyncio

    def write() -> int:
        try:
            with path.open("ab") as file:
                file.truncate(size)
                file.write(b"".join(line + b"\n" for line in lines))
                file.flush()
                os.fsync(file.fileno())
                return file.tell()
        except OSError as error:
            raise StorageFull() from error

    return await asyncio.to_thread(write)


def _save(tx: Tx, import_id: int, state: str, done: int, position: dict[str, Any], counts: dict[str, int]) -> bool:
    saved = tx.run(_SAVE, import_id=import_id, of_state=state, new_done=done, new_position=position, new_counts=counts)
    return saved > 0


def _rehearsed(tx: Tx, import_id: int, rehearsal: dict[str, Any]) -> None:
    tx.run(
        update(imports)
        .where(imports.c.id == import_id, imports.c.state == "rehearsing")
        .values(state="rehearsed", rehearsal=rehearsal, done=imports.c.rows, position=None, counts={})
    )


async def _slices(path: Path, offset: int, size: Callable[[], int]) -> AsyncIterator[list[tuple[dict[str, Any], int]]]:
    """Reads people from `offset` on, `size()` at a time, each with where its line ends."""
    with path.open("rb") as file:
        file.seek(offset)
        while True:
            people = []
            for _ in range(size()):
                line = file.readline()
                if not line.endswith(b"\n"):
                    break
                offset += len(line)
                people.append((orjson.loads(line), offset))
            if not people:
                return
            yield people


# --- run ------------------------------------------------------------------------------------------


def rehearsed_setting(conn: Conn, found: Import) -> tuple[Setting, int | None]:
    """What the run would do. New properties and a new list have no values and members yet."""
    mapping = found.wanted_mapping
    by_key = {each.key: each.id for each in properties.definitions(conn)}
    columns = {
        place: by_key.get(column.key, 1_000_000_000 + place)
        for place, column in enumerate(mapping.columns)
        if column.to == "property"
    }
    list_id = mapping.target.id if mapping.target is not None else None
    return _setting(conn, found, columns), list_id


def _setting(conn: Conn, found: Import, columns: Mapping[int, int]) -> Setting:
    mapping = found.wanted_mapping
    vouched = ["email_marketing"] if mapping.vouched.email else []
    vouched += {"none": [], "transactional": ["sms_transactional"], "both": ["sms_marketing", "sms_transactional"]}[
        mapping.vouched.sms
    ]
    senders = [sender for sender in delivery.all_senders(conn) if sender.enabled and sender.inbound]
    countries = frozenset(country for sender in senders for country in sender.countries)
    return Setting(
        kind=found.kind,
        type=mapping.type,
        columns=columns,
        keeps_later=KEEPS_LATER,
        grants=found.grants,
        suppresses=found.suppresses,
        vouched=vouched,
        joins=mapping.target is not None,
        texts_to=countries if senders else None,
        leave_out=mapping.leave_out,
        now=to_micros(found.started_at or found.created_at),
        uploaded=to_micros(found.uploaded_at or found.created_at),
    )


def run_setting(conn: Conn, found: Import) -> Setting:
    columns = {int(place): each for place, each in (found.columns or {}).items()}
    return _setting(conn, found, columns)


async def _run(app: App, found: Import) -> bool:
    if found.cancelled:
        await app.write(_finish, found.id, "cancelled")
        return False
    assert found.position is not None
    setting = await app.read(run_setting, found)
    path = parsing.folder(app.settings, found.id) / "people.jsonl"
    until, size, done = time.monotonic() + WORK_S, 16, found.done
    evidence, identifier = _evidence(found), found.wanted_mapping.identifier
    async for people in _slices(path, found.position["offset"], lambda: MOST_ROWS):
        while people:
            written, seconds = await app.write_bulk(
                writing.write, people[:size], found.id, found.by_name, setting, identifier, evidence
            )
            failpoints.reach("import_slice_written")
            if written == 0:
                return True  # cancelled, or another worker is ahead
            done += written
            if written == len(people[:size]):
                size = min(MOST_ROWS, next_size(written, seconds))
            people = people[written:]
        if time.monotonic() > until:
            return True
    if done >= found.rows:
        await app.write(_finish, found.id, "done")
        return False
    raise FileNotFoundError(path)  # the file ends before the last row


def _evidence(found: Import) -> str:
    sentence = found.wanted_mapping.vouched.sentence.strip()
    return f"{found.evidence}; {sentence}" if sentence else found.evidence


def _finish(tx: Tx, import_id: int, state: str) -> None:
    found = queries.lock(tx, import_id)
    if found.state != "running":
        return
    tx.run(update(imports).where(imports.c.id == import_id).values(state=state, ended_at=tx.now, position=None))
    mails.queue_ended(tx, found)


# --- undo -----------------------------------------------------------------------------------------


async def _undo(app: App, found: Import) -> bool:
    position = found.position
    assert position is not None
    until, size = time.monotonic() + WORK_S, 16
    while time.monotonic() < until:
        rows = await app.read(queries.rows_before, found.id, position["before"], size)
        if not rows:
            await app.write(_undone, found.id)
            return False
        result, seconds = await app.write_bulk(undoing.undo_rows, found.id, found.by_name, position["before"], rows)
        if result is None:
            return True
        position = result
        size = min(MOST_ROWS, next_size(len(rows), seconds))
    return True


def _undone(tx: Tx, import_id: int) -> None:
    found = queries.lock(tx, import_id)
    if found.state == "undoing":
        position = found.position or {}
        counts = found.counts | {"undone:kept": position.get("kept", 0), "undone:hidden": position.get("hidden", 0)}
        tx.run(
            update(imports)
            .where(imports.c.id == import_id)
            .values(state="undone", undone_at=tx.now, position=None, counts=counts)
        )


_STAGES: dict[str, Callable[[App, Import], Any]] = {"rehearsing": _rehearse, "running": _run, "undoing": _undo}

HANDLERS: dict[str, Handler] = {WORK_JOB: work}
