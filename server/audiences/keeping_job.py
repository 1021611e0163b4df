"""Enqueues the one job that keeps the members of all segments right."""

from __future__ import annotations

from datetime import datetime

from server.kernel import jobs
from server.kernel.sql import Tx

JOB = "segments.keep"


def run_soon(tx: Tx) -> None:
    run_by(tx, tx.now)


def run_by(tx: Tx, at: datetime) -> None:
    jobs.enqueue_no_later(tx, JOB, {}, run_at=at, key=JOB)
