"""Decides whether a text gets an automatic reply, detects loops with another machine, and says why an agent cannot reply.
Pure (SET-5..7, S17, INB-11)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

MAX_AUTOMATIC_REPLIES = 5  # per thread within `REPLY_WINDOW`, to stop loops
REPLY_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Respond:
    pass


@dataclass(frozen=True, slots=True)
class Silent:
    pass


@dataclass(frozen=True, slots=True)
class Loop:
    """Too many automatic replies; an agent should look."""


def automatic_reply(recent: int) -> Respond | Loop:
    """Whether to send another automatic reply. `recent`: automatic replies in this thread within `REPLY_WINDOW`."""
    return Respond() if recent < MAX_AUTOMATIC_REPLIES else Loop()


def auto_response(on: bool, to: Literal["non_consented", "all"], consented: bool) -> Respond | Silent:
    """Whether a text without a keyword gets the automatic reply. `consented`: to marketing or transactional texts."""
    return Respond() if on and (to == "all" or not consented) else Silent()


@dataclass(frozen=True, slots=True)
class OurNumbers:
    """Our numbers that receive texts, and the countries that they serve."""

    addresses: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()

    def serve(self, country: str, sender: str | None) -> bool:
        """Whether an agent can text a contact in this country who last texted `sender` (INB-11)."""
        return sender in self.addresses or country in self.countries


def shown_reason(barred: str | None, served: bool) -> str | None:
    """Why an agent cannot reply. `barred`: the reason that consent or the contact's number gives. `served`: whether our
    numbers can text the contact. "no_sender" replaces "not_subscribed", because consent alone would not allow a reply."""
    return "no_sender" if not served and barred in (None, "not_subscribed") else barred
