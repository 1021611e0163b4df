"""docs/guarantees.md is written row by row; a run keeps the rows that it did not prove."""

from __future__ import annotations

from tests.faults.report import HEAD, merged
from tests.faults.tally import Tally


def row(guarantee: str, database: str = "sqlite", count: int = 1) -> Tally:
    tally = Tally(guarantee, database, seed=7)
    tally.floor("tried", count, 1)
    return tally


def test_rows_are_merged_in_the_order_of_their_numbers() -> None:
    text = merged("", [row("G16"), row("G2")], True, "abc1234")
    text = merged(text, [row("G2", "postgres")], True, "def5678")
    heads = [line for line in text.splitlines() if line.startswith("## ")]
    assert heads == ["## G2 on postgres: pass", "## G2 on sqlite: pass", "## G16 on sqlite: pass"]
    assert text.startswith(HEAD)
    assert "`python -m tests.faults --full --only G2 --db postgres --seed 7` (0 s, at def5678)" in text


def test_a_short_run_does_not_replace_the_full_counts_and_a_full_one_replaces_any() -> None:
    text = merged("", [row("G1", count=60)], True, "abc1234")
    assert merged(text, [row("G1", count=10)], False, "def5678") == text
    short = merged("", [row("G1", count=10)], False, "abc1234")
    assert "60 (floor 1)" in merged(short, [row("G1", count=60)], True, "def5678")
    merged_again = merged(text, [row("G1", count=61)], True, "def5678")
    assert "61 (floor 1)" in merged_again and "60 (floor 1)" not in merged_again
