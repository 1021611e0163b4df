"""A program that reads and normalises files, with limits on memory, processor time and network. `parsing` runs it as
`python -m server.imports.child TASK`, with a JSON object on standard input.

Parsers read untrusted files here, so that a crash or endless work never reaches the server. It exits with `DONE` or
`REFUSED` and prints a JSON object: the result, or code and message of the refusal.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from server.imports.contents import BadFile, Limits
from server.imports.mapping import Plan, Reading
from server.imports.normalising import Normaliser

DONE, REFUSED, NOT_WRITTEN = 0, 3, 4
NICENESS = 10  # below the server's priority
BATCH = 1_000  # rows that a process normalises at a time
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def _limit(memory_mb: int, seconds: int) -> None:
    import resource

    os.nice(NICENESS)
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_AS: memory_mb << 20,
    }
    for resource_id, limit in limits.items():
        try:
            resource.setrlimit(resource_id, (limit, limit))
        except (ValueError, OSError):  # not every system supports every limit
            continue


def _leave_network() -> None:
    """Moves the process to a network namespace without interfaces, where the kernel lets an unprivileged process do so."""
    try:
        ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    except (OSError, AttributeError):
        return


def read(task: dict[str, Any]) -> dict[str, Any]:
    from server.imports import reading

    work = Path(task["work"])
    limits = Limits(task["unpacked_mb"] << 20, task["max_rows"])
    part = Path(task["rows"]).with_suffix(".part")
    try:
        described = reading.read(
            Path(task["source"]), task["name"], work, part, Reading.model_validate(task["reading"]), limits
        )
        _sync(part)
        part.replace(task["rows"])
    finally:
        for member in work.glob("member-*"):
            member.unlink(missing_ok=True)
    return described


_normaliser: Normaliser


def _start(plan: str) -> None:
    global _normaliser
    _normaliser = Normaliser(Plan.model_validate_json(plan))


def _normalise(batch: list[tuple[int, bytes]]) -> list[bytes]:
    return [orjson.dumps(_normaliser.person(n, orjson.loads(line))) for n, line in batch]


def normalise(task: dict[str, Any]) -> dict[str, Any]:
    """Normalises rows from `offset` on for about `seconds`, appends them to the people file at `size`, and returns where the
    next call continues. Bytes after `size` are from a killed call and are overwritten."""
    plan, until = Path(task["plan"]).read_text(), time.monotonic() + task["seconds"]
    n, offset = task["row"], task["offset"]
    with open(task["rows"], "rb") as rows, open(task["people"], "ab") as out:
        out.truncate(task["size"])
        rows.seek(offset)
        processes = min(os.cpu_count() or 1, 8)
        many = os.path.getsize(task["rows"]) - offset > 2_000_000 and processes > 1
        if not many:
            _start(plan)
        pool = multiprocessing.get_context("fork").Pool(processes, _start, (plan,)) if many else None
        try:
            while time.monotonic() < until:
                batches = list(_batches(rows, n, processes * 4 if many else 4))
                if not batches:
                    break
                for people in pool.imap(_normalise, batches) if pool is not None else map(_normalise, batches):
                    out.write(b"\n".join(people) + b"\n")
                n += sum(map(len, batches))
                offset += sum(len(line) for batch in batches for _, line in batch)
        finally:
            if pool is not None:
                pool.terminate()
        out.flush()
        os.fsync(out.fileno())
        return {"row": n, "offset": offset, "size": out.tell(), "more": offset < os.path.getsize(task["rows"])}


def _batches(rows: Iterator[bytes], first: int, count: int) -> Iterator[list[tuple[int, bytes]]]:
    for _ in range(count):
        lines = list(islice(rows, BATCH))
        if not lines:
            return
        yield list(enumerate(lines, first))
        first += len(lines)


def compare(task: dict[str, Any]) -> dict[str, Any]:
    """Writes the people file again, with the row that each repeated identifier had first: `d` refuses the row as a duplicate,
    `again` only names the line (CIM-32, IMP-50)."""
    first_lines: dict[str, list[int]] = {}
    mark = "again" if task["all"] else "d"
    target = Path(task["target"])
    part = target.with_suffix(".new")
    with open(task["people"], "rb") as people, part.open("wb") as out:
        for line in people:
            person = orjson.loads(line)
            key = person.pop("key", None)
            if key is not None and "r" not in person:
                first = first_lines.setdefault(key, [person["f"], person["l"]])
                if first != [person["f"], person["l"]]:
                    person[mark] = first
            out.write(orjson.dumps(person) + b"\n")
        out.flush()
        os.fsync(out.fileno())
    part.replace(target)
    return {"size": target.stat().st_size}


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


TASKS = {"read": read, "normalise": normalise, "compare": compare}


def main() -> int:
    task = orjson.loads(sys.stdin.buffer.read())
    _limit(task["memory_mb"], task["cpu_s"])
    _leave_network()
    try:
        result = TASKS[sys.argv[1]](task)
    except BadFile as error:
        print(orjson.dumps({"code": error.code, "message": error.message, "params": error.params}).decode())
        return REFUSED
    except MemoryError:
        print(orjson.dumps({"code": "too_large_to_read", "message": TOO_LARGE, "params": {}}).decode())
        return REFUSED
    except OSError as error:
        print(str(error), file=sys.stderr)
        return NOT_WRITTEN
    print(orjson.dumps(result).decode())
    return DONE


TOO_LARGE = "This file needs too much memory to read. Split it, or export it as CSV."

if __name__ == "__main__":
    sys.exit(main())
