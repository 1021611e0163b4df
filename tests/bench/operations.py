"""Time from the start command to the first response; and two processes over PostgreSQL and Redis beside one on
SQLite."""

from __future__ import annotations

import http.client
import time
from pathlib import Path
from typing import Any

from tests.bench import floor
from tests.bench.processes import Child, drive, memory
from tests.bench.product import Product
from tests.bench.report import Line, compare, middle, spread
from tests.bench.setting import Setting


def start(setting: Setting) -> list[Line]:
    product = Product(setting.folder, name="start")
    product.migrate()

    def once(begin: Any, path: str) -> dict[str, Any]:
        child: Child = begin()
        try:
            seconds = _until_answered(child, path)
            return {"start_s": seconds, "rss_mb": memory(child.pids, "Rss") / 2**20}
        finally:
            child.stop()

    floors, products = setting.in_turn(
        lambda: once(lambda: floor.start("form", setting.folder), "/hello"), lambda: once(product.start, "/readyz")
    )
    row = "start"
    return [
        compare(
            row,
            "until it answers",
            "s",
            "start_s",
            floors,
            products,
            better="less",
            gate=1.5,
            stretch=1.0,
            absolute=True,
        ),
        compare(
            row,
            "memory then (RSS)",
            "MB",
            "rss_mb",
            floors,
            products,
            better="less",
            gate=110,
            stretch=75,
            absolute=True,
        ),
    ]


def _until_answered(child: Child, path: str) -> float:
    deadline = time.perf_counter() + 60
    while time.perf_counter() < deadline:
        if child.process.poll() is not None:
            raise RuntimeError(Path(child.log).read_text()[-2000:])
        connection = http.client.HTTPConnection("127.0.0.1", child.port, timeout=5)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return time.perf_counter() - child.started
        except OSError:
            time.sleep(0.005)
        finally:
            connection.close()
    raise TimeoutError("the server never answered")


def scale_out(setting: Setting) -> list[Line]:
    """Visitors on one process and the agent's console on the other: every message crosses the bus."""
    from tests import services

    env = {
        "DATABASE_URL": services.create_database(),
        "REDIS_URL": services.redis_url(),
        "THREADLINE_SECRET_KEY": "a key for the bench alone, 0123456789",
    }
    with Product(setting.folder, name="alone") as single, Product(setting.folder, env=env, name="one") as first:
        # The same public address, as behind a load balancer; only the port differs.
        second = Product(setting.folder, env={**env, "THREADLINE_PUBLIC_URL": first.origin}, name="two")
        second.start()
        with second.child or floor.start("form", setting.folder):
            pids = [*first.pids, *second.pids]
            spread_out = first.target(agent_port=second.port) | {"pids": pids}

            def chat(task: str, **spec: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
                return setting.in_turn(
                    lambda: drive(task, **single.target(), **spec), lambda: drive(task, **spread_out, **spec)
                )

            crowd = chat("chat_closed", visitors=100, messages=setting.few(40))
            steady = chat("chat_rate", visitors=100, rate=100, seconds=setting.few(5))
    row = "scale-out, beside SQLite"
    extra_ms = middle(steady[1], "p50_ms") - middle(steady[0], "p50_ms")
    return [
        compare(row, "100 visitors", "messages/s", "per_s", *crowd, gate=0.3),
        compare(row, "100 visitors, CPU per 1,000", "ms", "cpu_ms_per_1000", *crowd, better="less"),
        Line(
            row,
            "at 100/s p50, more than alone",
            "ms",
            extra_ms,
            better="less",
            gate=2.0,
            spread=spread(steady[1], "p50_ms"),
        ),
    ]
