"""Row 2: signed texts that come in, beside a form POST with one durable insert. Dedup, thread, ticket and fan-out included."""

from __future__ import annotations

from typing import Any

from tests.bench import floor
from tests.bench.processes import drive
from tests.bench.product import Product, floor_target
from tests.bench.report import Line, beside
from tests.bench.setting import Setting

ACCOUNT, TOKEN, OURS = "AC" + "b" * 32, "auth-token-of-the-bench", "+18885550199"
LANES = 32


def set_up(product: Product) -> None:
    """As an owner does in Settings → SMS; sending stays off."""
    product.ask("PUT", "/api/sms/settings", {"on": False, "account_sid": ACCOUNT, "auth_token": TOKEN})
    product.ask("POST", "/api/sms/senders", {"address": OURS, "kind": "toll_free", "country": "US"})


def run(setting: Setting) -> list[Line]:
    with floor.start("form", setting.folder) as form, Product(setting.folder, name="webhook") as product:
        set_up(product)
        signed = {"account": ACCOUNT, "token": TOKEN, "to": OURS, "connections": LANES}
        spec = {"connections": LANES, "messages": setting.few(300)}

        def beside_form(**more: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
            return setting.in_turn(
                lambda: drive("posts", **floor_target(form), **spec),
                lambda: drive("texts", **{**product.target(), **signed, **spec, **more}),
            )

        right = beside_form()
        wrong = beside_form(token="another")
        steady = setting.in_turn(
            lambda: {}, lambda: drive("texts", **product.target(), **signed, rate=500, messages=setting.few(90))
        )[1]
    row = "2 webhook"
    return [
        beside(row, "32 connections", "texts/s", "per_s", *right, gate=0.4, stretch=0.6),
        beside(row, "32 connections, CPU per 1,000", "ms", "cpu_ms_per_1000", *right, better="less"),
        beside(row, "32 connections p99", "ms", "p99_ms", *right, better="less"),
        beside(row, "wrong signature", "requests/s", "per_s", *wrong, gate=0.4),
        beside(row, "at 500/s p50", "ms", "p50_ms", [], steady, better="less", gate=2.0),
        beside(row, "at 500/s p99", "ms", "p99_ms", [], steady, better="less", gate=8.0),
    ]
