"""F47: a log that cannot be written costs lines, never a request; what is lost is counted."""

from __future__ import annotations

import io
import os
import sys
import time
from pathlib import Path

import pytest
import structlog

from server.kernel import log, metrics
from server.kernel.log import Sink


def dropped() -> float:
    return float(metrics.LOG_DROPPED._value.get())


def test_lines_arrive_whole_and_in_order(tmp_path: Path) -> None:
    handle = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    sink = Sink(handle)
    for number in range(1_000):
        sink.write(f"line {number} ü \ud800\n")
    sink.drain(10)
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines == [f"line {number} ü \\ud800" for number in range(1_000)]


def test_nobody_waits_for_a_reader_who_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MOST_LINES", 500)
    reader, writer = os.pipe()
    sink, before = Sink(writer), dropped()
    began = time.perf_counter()
    for _ in range(2_000):
        sink.write("x" * 1_000 + "\n")  # a pipe holds 64 of these
    sink.drain(0.05)
    assert time.perf_counter() - began < 2
    assert 1_000 <= dropped() - before <= 2_000
    os.close(reader)  # and now it is broken: the rest is dropped, too, and nothing else happens
    sink.drain(10)
    assert dropped() - before > 1_400


def test_a_logger_outlives_the_stream_it_began_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that ran with another standard error must not leave loggers that raise."""
    before = structlog.get_config()
    passing, later = io.StringIO(), io.StringIO()
    try:
        monkeypatch.setattr(sys, "stderr", passing)
        log.configure("json", "info")
        kept = structlog.get_logger("kept")
        kept.warning("first")
        passing_text = passing.getvalue()
        passing.close()
        monkeypatch.setattr(sys, "stderr", later)
        kept.warning("second")
    finally:
        structlog.configure(**before)
    assert "first" in passing_text and "second" in later.getvalue()
