"""`/metrics` shows what happened, and what is only looked up when somebody asks."""

from __future__ import annotations

import re
from datetime import timedelta

from sqlalchemy import insert

from server.schema import jobs
from tests.online import Online

NUMBER = re.compile(r"^(threadline_\w+(?:{[^}]*})?) (\S+)$", re.M)


async def figures(online: Online) -> dict[str, float]:
    online.app.settings.metrics = True
    answer = await online.get("/metrics")
    assert answer.status == 200
    return {name: float(value) for name, value in NUMBER.findall(answer.body.decode())}


async def test_what_happened_is_counted(online: Online) -> None:
    before = await figures(online)
    zoe = await online.visitor()
    for n in range(5):
        await zoe.says(f"line {n}")
    await zoe.wire.says("rubbish")
    await zoe.wire.settles()
    after = await figures(online)
    assert after["threadline_ack_seconds_count"] - before["threadline_ack_seconds_count"] == 5
    assert after['threadline_sockets{who="visitor"}'] == 1
    name = 'threadline_refusals_total{code="bad_json"}'
    assert after[name] - before.get(name, 0) == 1
    assert after["threadline_disk_free_bytes"] > 0 and after['threadline_database_bytes{file="database"}'] > 0
    assert after["threadline_bus_connected"] == 1 and after["threadline_writer_waiting"] == 0


async def test_late_and_dead_jobs_show(online: Online) -> None:
    now = online.world.now
    row = {"kind": "x", "payload": {}, "priority": 30, "created_at": now}
    await online.app.write(lambda tx: tx.run(insert(jobs).values(**row, run_at=now - timedelta(seconds=90))))
    await online.app.write(lambda tx: tx.run(insert(jobs).values(**row, run_at=now, dead=True)))
    shown = await figures(online)
    assert shown["threadline_jobs_late_seconds"] == 90 and shown["threadline_jobs_dead"] == 1
