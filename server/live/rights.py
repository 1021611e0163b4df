"""The right that each frame of `/ws/agent` needs. A connection checks it with `accounts.rules.may` before it sends or
handles a frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.accounts.rules import Can

# Frames to agents, by type. `presence` and `changed` may need more: see `needed`.
OUT: dict[str, Can] = {
    "ready": Can.SIGNED_IN,
    "entry": Can.INBOX,
    "ticket": Can.INBOX,
    "counts": Can.INBOX,
    "presence": Can.SIGNED_IN,
    "typing": Can.INBOX,
    "changed": Can.SIGNED_IN,
    "refused": Can.SIGNED_IN,
    "reset": Can.INBOX,
    "bye": Can.SIGNED_IN,
    "pong": Can.SIGNED_IN,
}

# Frames from agents, by type.
FROM_AGENTS: dict[str, Can] = {
    "hello": Can.SIGNED_IN,
    "open": Can.INBOX,
    "leave": Can.SIGNED_IN,
    "typing": Can.INBOX,
    "seen": Can.INBOX,
    "ping": Can.SIGNED_IN,
}

# The right to read each settings document, by its name in `changed`. Other documents are internal.
SETTINGS: dict[str, Can] = {
    "inbox": Can.INBOX,
    "quick_replies": Can.INBOX,
    "widget": Can.CHANNELS,
    "hours": Can.CHANNELS,
    "identity": Can.SECRETS,
    "api_keys": Can.SECRETS,
    "sms": Can.CHANNELS,
    "senders": Can.CHANNELS,
    "keywords": Can.CHANNELS,
    "litigators": Can.CHANNELS,
    "links": Can.CHANNELS,
    "consents": Can.CONTACTS_SEE,
    "account": Can.CHANNELS,
    "mail": Can.CHANNELS,
    "dkim": Can.CHANNELS,
    "shop": Can.SECRETS,
    "retention": Can.ERASE,
    "campaigns": Can.CHANNELS,
}


def needed(frame: Mapping[str, Any]) -> Can:
    """The right to receive this frame."""
    match frame:
        case {"type": "presence", "thread": int()}:
            return Can.INBOX
        case {"type": "changed", "what": "tickets" | "notifications" | "mails"}:
            return Can.INBOX
        case {"type": "changed", "name": str(name)}:
            return SETTINGS[name]
    return OUT[frame["type"]]
