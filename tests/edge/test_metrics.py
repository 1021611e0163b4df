"""`/metrics` shows counters, and values that are read from the database for each request."""

from __future__ import annotations

import re
from datetime import timedelta

from sqlalchemy import insert

from server.schema import jobs
from tests.online import Online

NUMBER = re.compile(r"^(threadline_\w+(?:{[^}]*})?) (\S+)$", re.M)


async def metrics(online: Online) -> dict[str, float]:
    online.app.settings.metrics = True
    answer = await online.get("/metrics")
    assert answer.status == 200
    return {name: float(value) for name, value in NUMBER.findall(answer.body.decode())}


async def test_events_are_counted(online: Online) -> None:
    metrics_before = await metrics(online)
    zoe = await online.visitor()
    for n in range(5):
        await zoe.says(f"line {n}")
    await zoe.wire.says("rubbish")
    await zoe.wire.settles()
    metrics_after = await metrics(online)
    assert metrics_after["threadline_ack_seconds_count"] - metrics_before["threadline_ack_seconds_count"] == 5
    assert metrics_after['threadline_sockets{who="visitor"}'] == 1
    name = 'threadline_refusals_total{code="bad_json"}'
    assert metrics_after[name] - metrics_before.get(name, 0) == 1
    assert (
        metrics_after["threadline_disk_free_bytes"] > 0
        and metrics_after['threadline_database_bytes{file="database"}'] > 0
    )
    assert metrics_after["threadline_bus_connected"] == 1 and metrics_after["threadline_writer_waiting"] == 0


async def test_late_and_dead_jobs_are_shown(online: Online) -> None:
    now = online.world.now
    row = {"kind": "x", "payload": {}, "priority": 30, "created_at": now}
    await online.app.write(lambda tx: tx.run(insert(jobs).values(**row, run_at=now - timedelta(seconds=90))))
    await online.app.write(lambda tx: tx.run(insert(jobs).values(**row, run_at=now, dead=True)))
    metrics_text = await metrics(online)
    assert metrics_text["threadline_jobs_late_seconds"] == 90 and metrics_text["threadline_jobs_dead"] == 1
