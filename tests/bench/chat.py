"""Row 1: time from a visitor's message, which is stored, to the agent's screen, and from an agent's reply over HTTP to the
visitor."""

from __future__ import annotations

from typing import Any

from tests.bench import floor
from tests.bench.processes import drive
from tests.bench.product import Product, floor_target
from tests.bench.report import Line, compare
from tests.bench.setting import Setting

Rounds = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def run(setting: Setting) -> list[Line]:
    with (
        floor.start("relay", setting.folder) as relay,
        floor.start("form", setting.folder) as form,
        Product(setting.folder) as product,
    ):

        def chat(task: str, **spec: Any) -> Rounds:
            return setting.in_turn(
                lambda: drive(task, **floor_target(relay), **spec), lambda: drive(task, **product.target(), **spec)
            )

        one_visitor = chat("chat_closed", visitors=1, messages=setting.few(2_000))
        crowd = chat("chat_closed", visitors=100, messages=setting.few(100))
        steady = chat("chat_rate", visitors=100, rate=500, seconds=setting.few(6))
        spec = {"connections": 32, "messages": setting.few(150)}
        replies = setting.in_turn(
            lambda: drive("posts", **floor_target(form), **spec), lambda: drive("posts", **product.target(), **spec)
        )
    for floors, products in (one_visitor, crowd, steady, replies):
        assert not any(result["lost"] or result.get("twice") for result in (*floors, *products)), "messages were lost"
    row = "1 chat"
    return [
        compare(row, "1 visitor", "messages/s", "per_s", *one_visitor),
        compare(row, "1 visitor p50", "ms", "p50_ms", *one_visitor, better="less"),
        compare(row, "100 visitors", "messages/s", "per_s", *crowd, gate=0.27, stretch=0.5),
        compare(
            row, "100 visitors, CPU per 1,000", "ms", "cpu_ms_per_1000", *crowd, better="less", gate=2.7, stretch=1.8
        ),
        compare(row, "100 visitors p50", "ms", "p50_ms", *crowd, better="less"),
        compare(row, "100 visitors p99", "ms", "p99_ms", *crowd, better="less"),
        compare(row, "at 500/s p50", "ms", "p50_ms", *steady, better="less", gate=2.0),
        compare(row, "at 500/s p99", "ms", "p99_ms", *steady, better="less", gate=2.5),
        compare(row, "at 500/s, CPU per 1,000", "ms", "cpu_ms_per_1000", *steady, better="less"),
        compare(row, "replies by HTTP", "requests/s", "per_s", *replies, gate=0.33, stretch=0.5),
        compare(row, "replies, CPU per 1,000", "ms", "cpu_ms_per_1000", *replies, better="less"),
        compare(row, "replies p99", "ms", "p99_ms", *replies, better="less"),
    ]
