"""F47: a log that cannot be written loses lines but delays no request; lost lines are counted."""

from __future__ import annotations

import io
import os
import sys
import time
from pathlib import Path

import pytest
import structlog
import structlog.testing

from server.kernel import log, metrics
from server.kernel.log import Sink
from tests.services import overbooked


def dropped_lines() -> float:
    return float(metrics.LOG_DROPPED._value.get())


def test_lines_are_written_whole_and_in_order(tmp_path: Path) -> None:
    handle = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    sink = Sink(handle)
    for number in range(1_000):
        sink.write(f"line {number} ü \ud800\n")
    sink.drain(10)
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines == [f"line {number} ü \\ud800" for number in range(1_000)]


def test_a_stopped_log_reader_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MAX_LINES", 500)
    reader, writer = os.pipe()
    sink, before = Sink(writer), dropped_lines()
    began = time.perf_counter()
    for _ in range(2_000):
        sink.write("x" * 1_000 + "\n")  # a pipe has room for 64 of these lines
    sink.drain(0.05)
    assert time.perf_counter() - began < 2 * overbooked()
    assert 1_000 <= dropped_lines() - before <= 2_000
    os.close(reader)  # the pipe is closed: further lines are dropped and nothing else happens
    sink.drain(10)
    assert dropped_lines() - before > 1_400


def test_a_logger_outlives_the_stream_it_began_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that ran with another standard error must not leave loggers that raise."""
    old_config = structlog.get_config()
    first_stream, second_stream = io.StringIO(), io.StringIO()
    try:
        monkeypatch.setattr(sys, "stderr", first_stream)
        log.configure("json", "info")
        logger = structlog.get_logger("kept")
        logger.warning("first")
        first_text = first_stream.getvalue()
        first_stream.close()
        monkeypatch.setattr(sys, "stderr", second_stream)
        logger.warning("second")
    finally:
        structlog.configure(**old_config)
    assert "first" in first_text and "second" in second_stream.getvalue()


def test_a_logger_follows_a_later_configuration() -> None:
    """Loggers are cached; one that kept the processors of its first use would ignore every later change."""
    old_config = structlog.get_config()
    try:
        log.configure("json", "info")
        logger = structlog.get_logger("used before")
        logger.warning("first")
        log.configure("text", "info")
        with structlog.testing.capture_logs() as lines:
            logger.warning("second")
        assert [line["event"] for line in lines] == ["second"]
    finally:
        structlog.configure(**old_config)
