"""Errors that reach a client; each has a message a person can act on.

Expected outcomes inside a feature are return values. Actions raise these errors; `web.http` turns them into HTTP responses
and `live` into `refused` frames.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of a form.

    `field` is its path, like `texts.0.text`. `code` is stable; a client that translates it fills in `params`, which hold
    numbers and short words (`{"max": 80}`).
    """

    field: str
    code: str
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Refused(Exception):
    """The request is not carried out. `code` is stable, `message` is for people.

    `field` names the invalid input; `retry_after` (seconds) is set if a later retry can succeed. `faults`: every
    fault of a form; by default a single one, `field` with `fault`, or with `code` if `fault` is None. `conflict`: the
    current state of the object that somebody else changed meanwhile.
    """

    status = 422

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        fault: str | None = None,
        params: Mapping[str, Any] | None = None,
        faults: Sequence[Fault] = (),
        retry_after: float | None = None,
        conflict: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after
        self.conflict = conflict
        self.faults = tuple(faults) or ((Fault(field, fault or code, params or {}),) if field else ())


def all_of(*checks: Callable[[], T]) -> list[T]:
    """The results of all checks. Raises the first refusal with the faults of every check that failed, so that a form
    shows them at once."""
    results, refusals = [], []
    for check in checks:
        try:
            results.append(check())
        except Refused as refusal:
            refusals.append(refusal)
    if refusals:
        first = refusals[0]
        first.faults = tuple(fault for refusal in refusals for fault in refusal.faults)
        raise first
    return results


class BadRequest(Refused):
    status = 400


class SignInRequired(Refused):
    status = 401

    def __init__(self, message: str = "Sign in to continue.", code: str = "auth_required") -> None:
        super().__init__(code, message)


class Forbidden(Refused):
    status = 403

    def __init__(self, message: str = "Your role does not allow this.", code: str = "forbidden") -> None:
        super().__init__(code, message)


class NotFound(Refused):
    """The object does not exist, or the caller may not see it: the two cases look the same (G15)."""

    status = 404

    def __init__(self, message: str = "This does not exist, or you do not have access to it.") -> None:
        super().__init__("not_found", message)


class Conflict(Refused):
    """The current state does not allow the request; `code` names the state."""

    status = 409


class TooLarge(Refused):
    status = 413


class TooSlow(Refused):
    status = 408

    def __init__(self) -> None:
        super().__init__("too_slow", "The request did not arrive in time. Try again.")


class UnsupportedType(Refused):
    status = 415


class RateLimited(Refused):
    status = 429

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__("rate_limited", message, retry_after=retry_after)


class Busy(Refused):
    """Nothing was stored; the client may retry."""

    status = 503

    def __init__(
        self, message: str = "The server is busy. Nothing was lost. Try again in a moment.", retry_after: float = 1.0
    ) -> None:
        super().__init__("busy", message, retry_after=retry_after)


class Unconfirmed(Refused):
    """The outcome is unknown: the data may be stored now or later. The client may retry with the same key."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "unconfirmed",
            "The server did not finish in time, and this may have been stored. Repeat it with the same key: it is "
            "stored once. Without a key, look first.",
            retry_after=2.0,
        )


class StorageFull(Refused):
    status = 503

    def __init__(
        self,
        message: str = "The server's disk is full, so this was not stored. Keep a copy and try again later.",
        retry_after: float = 10.0,
    ) -> None:
        super().__init__("storage_full", message, retry_after=retry_after)


class ChannelError(Exception):
    """A provider (SMS, mail) did not do what was asked.

    `permanent`: a retry cannot succeed. `ambiguous`: the request was sent but no response came, so it may have been
    carried out and must not be retried automatically.
    """

    def __init__(self, message: str, *, permanent: bool = False, ambiguous: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.ambiguous = ambiguous
