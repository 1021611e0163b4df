"""Encodes frames as JSON text. Each event is encoded once, however many sockets receive it."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Any

import orjson

from server.errors import Refused
from server.threads.entries import Entry
from server.threads.tickets import Ticket


def dump(frame: Any) -> str:
    return orjson.dumps(frame).decode()


def refused(error: Refused, key: str | None = None) -> str:
    frame: dict[str, Any] = {"type": "refused", "code": error.code, "message": error.message}
    if key is not None:
        frame["id"] = key
    if error.retry_after is not None:
        frame["retry_after"] = error.retry_after
    return dump(frame)


def bye(code: str, after: float | None = None) -> str:
    return dump({"type": "bye", "code": code, "after": after})


def reset(thread: int | str | None) -> str:
    return dump({"type": "reset", "thread": thread})


PONG = dump({"type": "pong"})


class Encoder:
    """Caches the newest encodings, so that a row for a hundred sockets is encoded once."""

    def __init__(self, size: int = 512) -> None:
        self._size = size
        self._cache: OrderedDict[tuple[Any, ...], str] = OrderedDict()

    def _put(self, key: tuple[Any, ...], text: str) -> str:
        self._cache[key] = text
        if len(self._cache) > self._size:
            self._cache.popitem(last=False)
        return text

    def entry_for_agents(self, entry: Entry, *, media: bool) -> str:
        """`media` False: the files of a text are only counted, for roles that may not see them."""
        key = (entry.thread, entry.seq, media, entry.hidden)
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        frame = {"type": "entry", "thread": entry.thread, "entry": entry.for_agents(media=media)}
        return self._put(key, dump(frame))

    def entry_for_visitor(self, entry: Entry, thread_token: str) -> str:
        key = (thread_token, entry.seq)
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        return self._put(key, dump({"type": "entry", "thread": thread_token, "entry": entry.for_visitor()}))

    def ticket(self, ticket: Ticket, now: datetime, barred: str | None) -> str:
        """`barred`: why an agent cannot reply to the ticket; None if they can."""
        key = ("ticket", ticket.id, ticket.rev, barred)
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        return self._put(key, dump({"type": "ticket", "ticket": ticket.wire(now, barred)}))
