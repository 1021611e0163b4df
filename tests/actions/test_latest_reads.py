"""Slow reads of which only the newest matters (kernel/latest.py)."""

from __future__ import annotations

import threading
from typing import Any, cast

from server.kernel.latest import _Read
from server.kernel.sql import Conn


class BetweenStatements:
    """A connection that ignores the first interruption, as databases do while no statement runs."""

    def __init__(self) -> None:
        self.interruptions = 0
        self.interrupted = threading.Event()

    def interrupt(self) -> None:
        self.interruptions += 1
        if self.interruptions == 2:
            self.interrupted.set()


def test_an_interruption_that_the_database_ignored_is_repeated() -> None:
    read, conn, began = _Read(), BetweenStatements(), threading.Event()
    ended: list[bool] = []

    def query(_: Any) -> None:
        began.set()
        ended.append(conn.interrupted.wait(30))

    thread = threading.Thread(target=read.run, args=(cast(Conn, conn), query, ()))
    thread.start()
    assert began.wait(30)
    read.stop()
    thread.join()
    assert ended == [True] and conn.interruptions >= 2
