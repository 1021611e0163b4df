"""Row 2: signed texts received, beside a bare handler that checks the same signature and inserts a row. The product's
part includes deduplication, thread, ticket and notifications."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench import floor
from tests.bench.processes import Child, drive, free_port
from tests.bench.product import Product, floor_target
from tests.bench.report import Line, compare
from tests.bench.setting import Setting

ACCOUNT, TOKEN, OURS = "AC" + "b" * 32, "auth-token-of-the-bench", "+18885550199"
LANES = 32


def set_up(product: Product) -> None:
    """Sets SMS up as an owner does in Settings → SMS; sending stays off."""
    version = product.request("GET", "/api/sms/settings", None)["version"]
    settings = {"on": False, "account_sid": ACCOUNT, "auth_token": TOKEN, "version": version}
    product.request("PUT", "/api/sms/settings", settings)
    product.request("POST", "/api/sms/senders", {"address": OURS, "kind": "toll_free", "country": "US"})


def signed_floor(folder: Path) -> Child:
    port = free_port()
    env = {"BENCH_FLOOR_TOKEN": TOKEN, "BENCH_FLOOR_ADDRESS": f"http://127.0.0.1:{port}/webhooks/twilio/sms"}
    return floor.start("signed", folder, env=env, port=port)


def run(setting: Setting) -> list[Line]:
    with signed_floor(setting.folder) as bare, Product(setting.folder, name="webhook") as product:
        set_up(product)
        spec = {"account": ACCOUNT, "token": TOKEN, "to": OURS, "connections": LANES}

        def beside_floor(**more: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
            return setting.in_turn(
                lambda: drive(
                    "texts", **floor_target(bare), origin=f"http://127.0.0.1:{bare.port}", **{**spec, **more}
                ),
                lambda: drive("texts", **product.target(), **{**spec, **more}),
            )

        correct_token = beside_floor(messages=setting.few(300))
        wrong_token = beside_floor(messages=setting.few(300), token="another")
        steady = beside_floor(messages=setting.few(180), rate=500)
    row = "2 webhook"

    def limit(bound: float) -> dict[str, Any]:
        return {"better": "less", "gate": bound, "absolute": True}

    return [
        compare(row, "32 connections", "texts/s", "per_s", *correct_token, gate=0.4, stretch=0.6),
        compare(row, "32 connections, CPU per 1,000", "ms", "cpu_ms_per_1000", *correct_token, **limit(230)),
        compare(row, "32 connections p99", "ms", "p99_ms", *correct_token, better="less"),
        compare(row, "wrong signature", "requests/s", "per_s", *wrong_token, gate=0.4),
        compare(row, "at 500/s p50", "ms", "p50_ms", *steady, **limit(2)),
        compare(row, "at 500/s p99", "ms", "p99_ms", *steady, **limit(8)),
    ]
