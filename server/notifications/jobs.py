"""Jobs of notifications: distributing notices, and reminders of unread tickets."""

from __future__ import annotations

from server.kernel.jobs import Handler
from server.notifications import delivering, recording, reminding

HANDLERS: dict[str, Handler] = {recording.DELIVER_JOB: delivering.deliver, reminding.JOB: reminding.run}
