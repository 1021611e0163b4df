"""Structured logs: one event per line, without message bodies, tokens or full phone numbers."""

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

MAX_LINES = 10_000  # waiting to be written

sink: Sink | None = None

# Changed in place: loggers keep the list that was configured when they were first used.
_processors: list[Any] = []

SECRET_WORDS = ("token", "password", "secret", "cookie", "authorization", "identity", "jwt", "api_key")


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hides values whose names suggest a secret. Callers must not log secrets in the first place."""
    for key in event:
        lowered = key.lower()
        if any(word in lowered for word in SECRET_WORDS):
            event[key] = "[hidden]"
    return event


def clean(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escapes control characters, so that input cannot forge a line or control a terminal."""
    for key, value in event.items():
        if isinstance(value, str) and key not in ("exception", "stack"):
            event[key] = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in value[:2000])
    return event


class Sink:
    """Writes log lines in its own thread: a full disk or a blocked pipe loses lines and never blocks a request (F47).
    Lost lines are counted."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lines: deque[bytes] = deque()
        self._wake = threading.Event()
        threading.Thread(target=self._run, name="log", daemon=True).start()
        atexit.register(self.drain)

    def write(self, text: str) -> int:
        if len(self._lines) < MAX_LINES:
            self._lines.append(text.encode("utf-8", "backslashreplace"))
            self._wake.set()
        else:
            metrics.LOG_DROPPED.inc()
        return len(text)

    def flush(self) -> None: ...

    def drain(self, seconds: float = 1.0) -> None:
        """Waits at most `seconds` until all lines are written."""
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
                self._lines.popleft()  # after the write, because `drain` waits for an empty queue


class _Stderr:
    """Writes to the current `sys.stderr`: loggers are cached, and a replaced stream may be closed."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(log_format: str, level: str, *, in_thread: bool = False) -> None:
    """`in_thread`: a separate thread writes the lines, as a server needs."""
    global sink
    if in_thread and sink is None:
        sink = Sink(sys.stderr.fileno())
    stream: Any = sink or _Stderr()
    renderer: Any
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    _processors[:] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
        structlog.processors.format_exc_info,
        clean,
        renderer,
    ]
    structlog.configure(
        processors=_processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=stream, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", force=True)
