"""Records the messages that a client tried to send, that were acknowledged and that it showed, in an append-only file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Journal:
    """One client's file. `thread` is a token for visitors and an id for agents."""

    def __init__(self, folder: Path, name: str, on_ack: Callable[[str], None] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name, self.path = name, folder / f"{name}.jsonl"
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._on_ack = on_ack

    def _write(self, **line: Any) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def tried(self, key: str, text: str) -> None:
        self._write(do="tried", key=key, text=text)

    def acked(self, key: str, thread: int | str, seq: int) -> None:
        self._write(do="acked", key=key, thread=thread, seq=seq)
        if self._on_ack is not None:
            self._on_ack(key)

    def refused(self, key: str, code: str) -> None:
        self._write(do="refused", key=key, code=code)

    def saw(self, thread: int | str, seq: int, key: str | None, text: str, kind: str) -> None:
        self._write(do="saw", thread=thread, seq=seq, key=key, text=text, kind=kind)

    def dropped(self, thread: int | str | None) -> None:
        """A `reset` arrived: the thread's entries were removed from the screen."""
        self._write(do="dropped", thread=thread)

    def based(self, thread: int | str, last_seq: int) -> None:
        """The client loaded a page up to `last_seq`; earlier entries may be missing."""
        self._write(do="based", thread=thread, seq=last_seq)

    def close(self) -> None:
        os.close(self._file)


@dataclass
class ClientRecord:
    """What one client tried, received and showed, read from its journal."""

    name: str
    tried: dict[str, str] = field(default_factory=dict)
    acked: dict[str, set[tuple[int | str, int]]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    # thread -> [(seq, key, text)] in the order in which they appeared on the screen since the last reset
    shown: dict[int | str, list[tuple[int, str | None, str]]] = field(default_factory=dict)
    bases: dict[int | str, int] = field(default_factory=dict)
    resets: int = 0


def read_back(folder: Path) -> list[ClientRecord]:
    results = []
    for path in sorted(folder.glob("*.jsonl")):
        record = ClientRecord(path.stem)
        for raw in path.read_text().splitlines():
            line = json.loads(raw)
            match line["do"]:
                case "tried":
                    record.tried[line["key"]] = line["text"]
                case "acked":
                    record.acked.setdefault(line["key"], set()).add((line["thread"], line["seq"]))
                case "refused":
                    record.refused[line["key"]] = line["code"]
                case "saw":
                    record.shown.setdefault(line["thread"], []).append((line["seq"], line["key"], line["text"]))
                case "dropped":
                    record.resets += 1
                    record.shown.pop(line["thread"], None)
                case "based":
                    record.bases[line["thread"]] = line["seq"]
        results.append(record)
    return results
