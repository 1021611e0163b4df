"""Tests of the oracle: it must name each kind of fault, because a checker that finds nothing proves nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.journal import Journal
from tests.faults.oracle import BAD, Stored, Verdict, examine
from tests.faults.order import read_order
from tests.faults.tally import Tally

ROW = Stored(1, "tok", 1, 1, "message", "web:v:key-1", "hello", "v", 1, 1)
CLIENTS: dict[str, str | None] = {"zoe": "v", "ana": None}


def record_session(
    folder: Path, *, ack: bool = True, times_shown: int = 1, thread: str = "tok", text: str = "hello"
) -> None:
    """Records one message of a visitor that both clients see."""
    zoe, ana = Journal(folder, "zoe"), Journal(folder, "ana")
    zoe.tried("key-1", "hello")
    if ack:
        zoe.acked("key-1", "tok", 1)
    for _ in range(times_shown):
        zoe.saw(thread, 1, "key-1", text, "message")
        ana.saw(1, 1, "key-1", "hello", "message")
    zoe.close()
    ana.close()


def wrong(verdict: Verdict) -> set[str]:
    return {name for name in BAD if verdict.classes[name]}


def test_a_message_stored_and_shown_once_is_ok(tmp_path: Path) -> None:
    record_session(tmp_path)
    verdict = examine(tmp_path, [ROW], CLIENTS)
    assert verdict.classes["ok"] == 1 and not wrong(verdict)


def test_an_acknowledged_message_without_a_row_is_lost(tmp_path: Path) -> None:
    record_session(tmp_path, times_shown=0)
    assert wrong(examine(tmp_path, [], CLIENTS)) == {"lost"}


def test_a_row_without_an_acknowledgement_is_recovered(tmp_path: Path) -> None:
    record_session(tmp_path, ack=False)
    verdict = examine(tmp_path, [ROW], CLIENTS)
    assert verdict.classes["recovered"] == 1 and not wrong(verdict)


def test_a_message_stored_twice_is_duplicated(tmp_path: Path) -> None:
    record_session(tmp_path)
    rows = [
        replace(ROW, last_seq=2, last_public_seq=2),
        replace(ROW, seq=2, public_seq=2, last_seq=2, last_public_seq=2),
    ]
    assert "duplicated" in wrong(examine(tmp_path, rows, CLIENTS))


def test_a_message_shown_twice_is_duplicated(tmp_path: Path) -> None:
    record_session(tmp_path, times_shown=2)
    assert "duplicated" in wrong(examine(tmp_path, [ROW], CLIENTS))


def test_a_row_nobody_tried_is_a_phantom(tmp_path: Path) -> None:
    record_session(tmp_path)
    ghost = replace(ROW, thread=2, token="other", dedupe="web:w:key-2", visitor="w")
    assert "phantom" in wrong(examine(tmp_path, [ROW, ghost], {"zoe": "v"}))


def test_another_visitors_entry_on_the_screen_is_foreign(tmp_path: Path) -> None:
    record_session(tmp_path)
    assert "foreign" in wrong(examine(tmp_path, [replace(ROW, visitor="somebody else")], CLIENTS))


def test_a_hole_in_the_sequence_is_disorder(tmp_path: Path) -> None:
    record_session(tmp_path)
    rows = [
        replace(ROW, last_seq=3, last_public_seq=3),
        replace(ROW, seq=3, public_seq=3, dedupe=None, last_seq=3, last_public_seq=3),
    ]
    assert "disordered" in wrong(examine(tmp_path, rows, CLIENTS))


def test_an_entry_never_seen_by_somebody_entitled_is_disorder(tmp_path: Path) -> None:
    record_session(tmp_path, times_shown=0)
    assert "disordered" in wrong(examine(tmp_path, [ROW], CLIENTS))


def test_another_text_on_the_screen_is_found(tmp_path: Path) -> None:
    record_session(tmp_path, text="something else")
    assert "disordered" in wrong(examine(tmp_path, [ROW], CLIENTS))


def test_a_message_that_got_no_answer_at_all_is_unsettled(tmp_path: Path) -> None:
    record_session(tmp_path, ack=False, times_shown=0)
    assert wrong(examine(tmp_path, [], CLIENTS)) == {"unsettled"}


def test_a_run_that_did_too_little_fails() -> None:
    tally = Tally("G0", "sqlite", 1)
    Verdict().into(tally, floor=1)
    assert not tally.passed
    assert not Tally("G0", "sqlite", 1).passed, "a harness without a floor proves nothing"


@pytest.mark.parametrize(("events", "early"), [("W1,E,A1", 0), ("W1,A1,E", 1), ("A1", 1), ("W1,E,W2,A1,A2,E", 1)])
def test_the_order_of_write_sync_and_answer_is_distinguished(tmp_path: Path, events: str, early: int) -> None:
    log = tmp_path / "order.log"
    log.write_text("\n".join(events.split(",")) + "\n")
    assert read_order(log).early == early
