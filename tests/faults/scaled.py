"""A server whose live timers run `FAULTS_SCALE` times as fast: `python -m tests.faults.scaled serve`.

Only what the wheel waits for is scaled; everything else is the product as it is.
"""

from __future__ import annotations

import os
from datetime import timedelta

import server.accounts.rules
import server.inbox.rules
import server.live.hub
from server.__main__ import main

SCALE = float(os.environ.get("FAULTS_SCALE", "1"))
TIMERS = ("HELLO_S", "SILENT_S", "STUCK_S", "PRESENCE_S", "SWEEP_S", "OFFLINE_AFTER_S", "HEARD_S")


def scale() -> None:
    hub = server.live.hub
    for name in TIMERS:
        setattr(hub, name, max(1.0, getattr(hub, name) / SCALE))
    shorter = timedelta(seconds=server.inbox.rules.ONLINE_TTL.total_seconds() / SCALE)
    server.inbox.rules.ONLINE_TTL = hub.ONLINE_TTL = shorter
    server.accounts.rules.ONLINE_FOR = server.accounts.rules.ONLINE_FOR / SCALE


if __name__ == "__main__":
    scale()
    main()
