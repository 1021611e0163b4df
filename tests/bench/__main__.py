"""`make bench`: measures the product beside its floors in one run, as ratios (docs/performance.md).

python -m tests.bench [--only chat,idle,…] [--quick] [--full] [--json out.json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import chat, claims, disk, events, inbox, operations, segments, sends, sockets, thread, webhook
from tests.bench.processes import ROOT
from tests.bench.report import Line, show
from tests.bench.setting import Setting

ROWS: dict[str, Callable[[Setting], list[Line]]] = {
    "chat": chat.run,
    "inbox": inbox.run,
    "thread": thread.run,
    "idle": sockets.run,
    "webhook": webhook.run,
    "sends": sends.run,
    "queue": claims.run,
    "events": events.run,
    "segments": segments.run,
    "slowdisk": disk.slow,
    "noloss": disk.no_loss,
    "start": operations.start,
    "scaleout": operations.scale_out,
}


def write(figures: Path, lines: list[Line], *, quick: bool) -> None:
    """Replaces the measured rows in the file and keeps the others, so that rows can be measured one by one."""
    lines_kept = json.loads(figures.read_text()) if figures.is_file() else []
    measured = {line.row for line in lines}
    measured_at = time.strftime("%Y-%m-%d %H:%M")
    new = [{**line.as_json(), "quick": quick, "measured": measured_at} for line in lines]
    figures.write_text(json.dumps([old for old in lines_kept if old["row"] not in measured] + new, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", default=",".join(ROWS), help=f"some of: {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="two short rounds: a look, not a figure")
    parser.add_argument("--full", action="store_true", help="row 3 at 1M tickets and 10M messages")
    parser.add_argument("--json", type=Path, help="where the figures are written, too (.bench/last.json)")
    args = parser.parse_args()
    chosen = [name.strip() for name in args.only.split(",")]
    if unknown := set(chosen) - set(ROWS):
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    # The folder is beside the project and not in /tmp, which is memory on many machines: there a sync costs nothing.
    base = Path(os.environ.get("BENCH_DIR", ROOT / ".bench"))
    base.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=base))
    setting = Setting(folder, quick=args.quick, full=args.full)
    lines: list[Line] = []
    figures = args.json or base / "last.json"
    # The exception leaves through the `with` blocks, which stop the servers.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    try:
        for name in chosen:
            began = time.monotonic()
            lines += ROWS[name](setting)
            # written after each row, so that an interrupted run keeps its results
            write(figures, lines, quick=args.quick)
            load = os.getloadavg()[0]
            print(f"{name}: {time.monotonic() - began:.0f} s, load average {load:.1f}", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(lines)
    print(f"\nthe figures are in {figures}")
    missed = [line for line in lines if line.verdict == "MISS"]
    print(f"{len(missed)} gate(s) missed" if missed else "every gate that was measured is met")
    return 0


if __name__ == "__main__":
    sys.exit(main())
