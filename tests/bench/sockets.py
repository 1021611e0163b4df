"""Row 6: memory of an idle visitor's socket, and the time until all are connected again after a restart."""

from __future__ import annotations

from tests.bench import floor
from tests.bench.processes import drive
from tests.bench.product import Product, floor_target
from tests.bench.report import Line, compare
from tests.bench.setting import Setting


def run(setting: Setting) -> list[Line]:
    count = setting.few(4_800)  # together with the first 200 sockets: the target of five thousand
    with floor.start("echo", setting.folder) as bare, Product(setting.folder, name="idle") as product:
        floors, products = setting.in_turn(
            lambda: drive("idle", **floor_target(bare), sockets=count),
            lambda: drive("idle", **product.target(), sockets=count),
        )
    # Python keeps freed memory and later rounds reuse it, so only the first round shows the memory of a socket.
    memory = (floors[:1], products[:1])
    row, visitors = "6 idle", f"{count + 200:,} visitors"
    return [
        compare(
            row, "a socket, deflate offered", "KiB", "kib_per_socket", *memory, better="less", gate=1.4, stretch=1.1
        ),
        compare(row, "connects with hello", "a second", "connects_per_s", floors, products, gate=0.5),
        compare(row, "connects, CPU per 1,000", "ms", "connect_cpu_ms_per_1000", floors, products, better="less"),
        compare(row, visitors, "MB", "pss_mb", *memory, better="less", gate=200, absolute=True),
        compare(
            row, visitors, "% of a core", "idle_cpu_percent", floors, products, better="less", gate=2, absolute=True
        ),
    ]
