"""Reads journals and the database after the servers and clients have stopped, and sorts every message into one class.

The idea is Jepsen's checker for queues. All classes except `ok`, `recovered` and `refused` must be empty.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.faults.journal import ClientRecord, read_back
from tests.faults.tally import Tally

BAD = ("lost", "duplicated", "phantom", "foreign", "disordered", "unsettled")
# The classes, as docs/guarantees.md calls them.
LABELS = {
    "ok": "messages acknowledged and stored",
    "recovered": "messages stored without a received acknowledgement",
    "refused": "messages refused",
    "lost": "messages acknowledged but not stored",
    "duplicated": "messages stored or shown twice",
    "phantom": "messages that no client sent",
    "foreign": "messages shown to another visitor",
    "disordered": "messages out of order or missing on a screen",
    "unsettled": "messages neither stored nor refused",
}

QUERY = """
SELECT t.thread_id, th.token, t.seq, t.public_seq, t.kind, t.dedupe, t.body, v.key, th.last_seq, th.last_public_seq
FROM timeline t JOIN threads th ON th.id = t.thread_id LEFT JOIN visitors v ON v.id = th.visitor_id
ORDER BY t.thread_id, t.seq
"""


@dataclass(frozen=True)
class Stored:
    thread: int
    token: str
    seq: int
    public_seq: int | None
    kind: str
    dedupe: str | None
    body: str
    visitor: str | None
    last_seq: int
    last_public_seq: int

    @property
    def key(self) -> str | None:
        return self.dedupe.split(":", 2)[2] if self.dedupe and self.dedupe.count(":") >= 2 else None


def read_sqlite(path: Path) -> list[Stored]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return [Stored(*row) for row in db.execute(QUERY)]


def read_postgres(url: str) -> list[Stored]:
    with psycopg.connect(url.replace("+psycopg", "")) as db:
        return [Stored(*row) for row in db.execute(QUERY).fetchall()]


def integrity(path: Path) -> str:
    """Result of SQLite's integrity check, over a connection that neither writes nor checkpoints."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return str(db.execute("PRAGMA integrity_check").fetchone()[0])


Screens = tuple[dict[str, Counter[str]], dict[str, set[tuple[int, int]]]]


@dataclass
class Verdict:
    classes: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    rows: int = 0

    def put(self, name: str, example: str = "") -> None:
        self.classes[name] += 1
        if example and len(self.examples[name]) < 3:
            self.examples[name].append(example)

    def into(self, tally: Tally, *, floor: int) -> None:
        """Puts all classes into the tally; fails when `ok` is below `floor`."""
        tally.floor(LABELS["ok"], self.classes["ok"], floor)
        tally.note(LABELS["recovered"], self.classes["recovered"])
        refused = ", ".join(f"{code} {n}" for code, n in sorted(self.codes.items()))
        tally.note(LABELS["refused"], f"{self.classes['refused']}" + (f" ({refused})" if refused else ""))
        for name in BAD:
            tally.zero(LABELS[name], self.classes[name], self.examples.get(name, ""))


def judge(records: Iterable[ClientRecord], stored: list[Stored], entitled: dict[str, str | None]) -> Verdict:
    """`entitled`: client's name -> its visitor key, or None for an agent, who may see everything.

    A client missing from `entitled` only wrote (a probe, a repeated request): its screen is not judged.
    """
    records = list(records)
    verdict = Verdict(rows=len(stored))
    by_key: dict[str, list[Stored]] = defaultdict(list)
    by_thread: dict[int, list[Stored]] = defaultdict(list)
    token_of = {row.token: row.thread for row in stored}
    for row in stored:
        by_thread[row.thread].append(row)
        if row.key is not None and row.kind in ("message", "note"):
            by_key[row.key].append(row)
    counts, places = _screens(verdict, records, by_thread, token_of, entitled)
    _holes(verdict, by_thread)
    tried = {key: (record, text) for record in records for key, text in record.tried.items()}
    for key, rows in by_key.items():
        if key not in tried:
            verdict.put("phantom", f"{key} in thread {rows[0].thread}")
    for key, (client, text) in tried.items():
        _classify(verdict, key, text, client, by_key.get(key, []), (counts, places), entitled)
    return verdict


def _classify(
    verdict: Verdict,
    key: str,
    text: str,
    client: ClientRecord,
    rows: list[Stored],
    screens: Screens,
    entitled: dict[str, str | None],
) -> None:
    counts, places = screens
    where = f"{key} of {client.name}"
    acked = client.acked.get(key, set())
    if len(rows) > 1 or len(acked) > 1 or any(counts[name][key] > 1 for name in counts):
        verdict.put("duplicated", f"{where}: {len(rows)} rows, acknowledged at {acked}")
    elif rows and rows[0].body != text:
        verdict.put("phantom", f"{where}: another text is stored")
    elif acked and not rows:
        verdict.put("lost", where)
    elif rows:
        row = rows[0]
        # Compared by position: visitors do not receive the keys of others.
        blind = [
            name for name, visitor in entitled.items()
            if (row.thread, row.seq) not in places[name] and (visitor is None or (visitor == row.visitor and row.public_seq is not None))
        ]  # fmt: skip
        if blind:
            verdict.put("disordered", f"{where}: stored at {row.thread}/{row.seq}, never seen by {blind[:4]}")
        else:
            verdict.put("ok" if acked else "recovered")
    elif key in client.refused:
        verdict.put("refused")
        verdict.codes[client.refused[key]] += 1
    else:
        verdict.put("unsettled", f"{where}: neither acknowledged nor refused nor stored")


def _screens(
    verdict: Verdict,
    records: list[ClientRecord],
    by_thread: dict[int, list[Stored]],
    token_of: dict[str, int],
    entitled: dict[str, str | None],
) -> Screens:
    """Compares every client's screen with the timeline; returns how often each screen shows each key, and which rows
    were shown."""
    shown: dict[str, Counter[str]] = {}
    places: dict[str, set[tuple[int, int]]] = {}
    for record in records:
        if record.name not in entitled:
            continue
        visitor = entitled[record.name]
        counts = shown[record.name] = Counter()
        rows_shown = places[record.name] = set()
        for thread, screen in record.shown.items():
            number = token_of.get(thread, -1) if isinstance(thread, str) else thread
            rows = by_thread.get(number, [])
            if visitor is not None and any(row.visitor != visitor for row in rows[:1]):
                verdict.put("foreign", f"{record.name} saw thread {number}")
            truth = {
                (row.public_seq if visitor is not None else row.seq): row for row in rows
                if visitor is None or row.public_seq is not None
            }  # fmt: skip
            counts.update(key for _, key, _ in screen if key is not None)
            base = record.bases.get(thread, 0)
            rows_shown.update((number, truth[seq].seq) for seq, _, _ in screen if seq in truth)
            rows_shown.update((number, row.seq) for row in rows if base and row.seq <= base)  # on an earlier page
            _compare(verdict, f"{record.name}, thread {number}", screen, truth, base)
    return shown, places


def _compare(
    verdict: Verdict, where: str, seen: list[tuple[int, str | None, str]], truth: dict[int | None, Stored], base: int
) -> None:
    seqs = [seq for seq, _, _ in seen]
    if seqs != sorted(set(seqs)):
        verdict.put("disordered", f"{where}: came in the order {seqs[:20]}")
    if missing := set(range(max(base + 1, min(seqs)), max(seqs) + 1)) - set(seqs):
        verdict.put("disordered", f"{where}: never saw {sorted(missing)[:5]}")
    for seq, _, text in seen:
        row = truth.get(seq)
        if row is None:
            verdict.put(
                "phantom" if seq not in truth else "foreign", f"{where}: shows {seq}, which is not stored for it"
            )
        elif row.body != text:
            verdict.put("disordered", f"{where}: shows another text at {seq}")


def _holes(verdict: Verdict, by_thread: dict[int, list[Stored]]) -> None:
    """Checks that both sequences of every thread are 1, 2, 3 … and end at the thread's own counters."""
    for number, rows in by_thread.items():
        seqs = [row.seq for row in rows]
        public = [row.public_seq for row in rows if row.public_seq is not None]
        if seqs != list(range(1, rows[0].last_seq + 1)):
            verdict.put("disordered", f"thread {number}: holes in {len(seqs)} entries")
        if public != list(range(1, rows[0].last_public_seq + 1)):
            verdict.put("disordered", f"thread {number}: holes in the public sequence")


def examine(folder: Path, stored: list[Stored], entitled: dict[str, str | None]) -> Verdict:
    return judge(read_back(folder), stored, entitled)
