"""Pure rules of a thread: hashes for idempotency keys, the preview line, and the events other packages react to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from server.events.rules import Metric
from server.threads.ticket_rules import Channel

MAX_TEXT = 8_000  # characters
PREVIEW = 140  # characters


@dataclass(frozen=True, slots=True)
class TicketOpened:
    ticket: int
    thread: int
    contact: int
    channel: Channel
    first: bool  # created now, not reopened
    by_agent: int | None = None  # the agent who reopened it; None: the customer wrote


class MessageReceived(NamedTuple):
    ticket: int
    thread: int
    contact: int
    seq: int
    channel: Channel


class SnoozeEnded(NamedTuple):
    """`user`: who is told: the assignee, else who snoozed the ticket."""

    ticket: int
    thread: int
    contact: int
    channel: Channel
    user: int | None


class SnoozesEnded(NamedTuple):
    """The snooze of these tickets ended at the same moment, by their time."""

    tickets: tuple[SnoozeEnded, ...]


def metric_of_message(author: str, data: Mapping[str, Any]) -> Metric | None:
    """The metric of a message; None for the greeting, which every visitor of the page sees."""
    if author in ("visitor", "contact"):
        return Metric.MESSAGE_RECEIVED
    return None if data.get("origin") == "welcome" else Metric.MESSAGE_SENT


def body_hash(text: str, files: list[str]) -> str:
    """Hash of a message as it was sent. The same client key with another hash is refused as reused."""
    raw = text if not files else text + "\0" + "\0".join(files)
    return hashlib.sha256(raw.encode()).hexdigest()[:32]


def action_hash(act: str, *about: object) -> str:
    """As `body_hash`, for an action without text: a key used for one action is refused for any other."""
    return body_hash(f"{act}:{about!r}", [])


def preview(text: str, files: int) -> str:
    """One line for the ticket list; files without text are shown as paper clips."""
    line = " ".join(text[: PREVIEW * 4].split())
    if len(line) > PREVIEW:
        line = line[: PREVIEW - 1] + "…"
    return line or ("📎" * min(files, 3))
