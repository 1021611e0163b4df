"""Runs a server whose live timers run `FAULTS_SCALE` times as fast: `python -m tests.faults.scaled serve`.

Scales only the timers of the housekeeping loop; everything else runs unchanged.
"""

from __future__ import annotations

import os

import server.accounts.rules
import server.live.hub
from server.__main__ import main

SCALE = float(os.environ.get("FAULTS_SCALE", "1"))
TIMERS = ("HELLO_S", "SILENT_S", "STUCK_S", "PRESENCE_S", "SWEEP_S", "OFFLINE_AFTER_S", "ALIVE_S")


def scale() -> None:
    hub = server.live.hub
    for name in TIMERS:
        setattr(hub, name, max(1.0, getattr(hub, name) / SCALE))
    server.accounts.rules.ONLINE_FOR = server.accounts.rules.ONLINE_FOR / SCALE


if __name__ == "__main__":
    scale()
    main()
