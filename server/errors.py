"""The errors that cross a border. Each says what happened in words a person can act on.

Expected outcomes inside a feature are values, not exceptions; these are raised at the edge of an
action and turned into an HTTP answer (`web.http`) or a `refused` frame (`live`) in one place each.
"""

from __future__ import annotations


class Refused(Exception):
    """The request is understood and not carried out. `code` is stable, `message` is for people.

    `field` names the input that is at fault; `retry_after` (seconds) is set where waiting helps.
    """

    status = 422

    def __init__(self, code: str, message: str, *, field: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after


class BadRequest(Refused):
    status = 400


class SignInRequired(Refused):
    status = 401

    def __init__(self, message: str = "Sign in to go on.", code: str = "auth_required") -> None:
        super().__init__(code, message)


class Forbidden(Refused):
    status = 403

    def __init__(self, message: str = "Your role does not allow this.", code: str = "forbidden") -> None:
        super().__init__(code, message)


class NotFound(Refused):
    """Also the answer for what exists and is not yours (GUARANTEES G15)."""

    status = 404

    def __init__(self, message: str = "There is nothing here, or it is not yours to see.") -> None:
        super().__init__("not_found", message)


class Conflict(Refused):
    """The state no longer allows it; `code` says which state."""

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
    """Nothing was stored; the same request may be repeated."""

    status = 503

    def __init__(
        self, message: str = "The server is busy. Nothing was lost: try again in a moment.", retry_after: float = 1.0
    ) -> None:
        super().__init__("busy", message, retry_after=retry_after)


class StorageFull(Refused):
    status = 503

    def __init__(self) -> None:
        super().__init__(
            "storage_full",
            "The server's disk is full, so this was not stored. Keep it and try again.",
            retry_after=10.0,
        )


class ChannelError(Exception):
    """A provider (SMS, mail) did not do what was asked.

    `permanent`: repeating cannot help. `ambiguous`: the request left and no answer came, so it may
    have been done; a machine must not repeat it.
    """

    def __init__(self, message: str, *, permanent: bool = False, ambiguous: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.ambiguous = ambiguous
