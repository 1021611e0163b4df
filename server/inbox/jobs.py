"""Jobs of the inbox: delayed closes, actions on all tickets of a list, the wake-up of snoozed tickets, and the search's index of older entries."""

from __future__ import annotations

from server.inbox import actions, bulk_matching, search_index, snoozing
from server.kernel.context import App
from server.kernel.jobs import Handler, Job
from server.threads import tickets, timeline


async def close_due(app: App, job: Job) -> None:
    """Runs when the delayed close of a chat is due (INB-26); the ticket's row decides whether it still closes."""
    author = timeline.Author("agent", job.payload["user"], job.payload["name"])
    await app.write(actions.close_due, job.payload["ticket"], author)


HANDLERS: dict[str, Handler] = {
    tickets.CLOSE_JOB: close_due,
    bulk_matching.JOB: bulk_matching.run,
    snoozing.WAKE_JOB: snoozing.wake_due,
    search_index.PAIRS_JOB: search_index.index_old_pairs,
}
