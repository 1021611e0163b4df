"""Structured logs: one event a line, values as fields, no message bodies, tokens or full numbers."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import MutableMapping
from typing import Any

import structlog

from server.kernel import metrics

MOST_LINES = 10_000  # that wait to be written

sink: Sink | None = None

SECRET_WORDS = ("token", "password", "secret", "cookie", "authorization", "identity", "jwt", "api_key")


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last line of defence; the first is not to log such things."""
    for key in event:
        lowered = key.lower()
        if any(word in lowered for word in SECRET_WORDS):
            event[key] = "[hidden]"
    return event


def clean(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Newlines and control characters from outside cannot forge a line or drive a terminal."""
    for key, value in event.items():
        if isinstance(value, str) and key not in ("exception", "stack"):
            event[key] = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in value[:2000])
    return event


class Sink:
    """Where a server's log lines go: a thread of its own writes them, so that a full disk, or somebody who stopped
    reading the pipe, costs lines and never a request (F47). What is lost is counted."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lines: deque[bytes] = deque()
        self._wake = threading.Event()
        threading.Thread(target=self._run, name="log", daemon=True).start()
        atexit.register(self.drain)

    def write(self, text: str) -> int:
        if len(self._lines) < MOST_LINES:
            self._lines.append(text.encode("utf-8", "backslashreplace"))
            self._wake.set()
        else:
            metrics.LOG_DROPPED.inc()
        return len(text)

    def flush(self) -> None: ...

    def drain(self, seconds: float = 1.0) -> None:
        """Waits until everything is written, but not for ever."""
        until = time.monotonic() + seconds
        while self._lines and time.monotonic() < until:
            time.sleep(0.005)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._lines:
                line = self._lines[0]
                try:
                    while line:
                        line = line[os.write(self._handle, line) :]
                except OSError:
                    metrics.LOG_DROPPED.inc()
                self._lines.popleft()  # only now: `drain` waits for it


class _Stderr:
    """Standard error as it is at each line. Loggers are kept; a stream that somebody put there for a while is closed."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(log_format: str, level: str, *, apart: bool = False) -> None:
    """`apart`: lines are written by a thread of their own, as a server wants it."""
    global sink
    if apart and sink is None:
        sink = Sink(sys.stderr.fileno())
    stream: Any = sink or _Stderr()
    renderer: Any
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            structlog.processors.format_exc_info,
            clean,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=stream, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", force=True)
