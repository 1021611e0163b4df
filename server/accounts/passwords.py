"""What a password must be, and how it is kept: argon2id, in a small pool of its own threads.

Length is what counts (NIST 800-63B-4: 15 characters where a password stands alone, no composition
rules), and that it is not one that guessers try first.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from server.errors import Busy, Refused
from server.kernel.context import App

T = TypeVar("T")

MIN_CHARS = 15
MAX_BYTES = 1024  # of UTF-8, after normalising; hashing more would only cost time
PRODUCT_WORDS = ("threadline",)

# --- what it must be ----------------------------------------------------------------------------


def normal(password: str) -> str | None:
    """NFC, otherwise untouched (no trimming, no cutting); None: too long or not text to hash."""
    if len(password) > MAX_BYTES or "\0" in password:
        return None
    password = unicodedata.normalize("NFC", password)
    try:
        size = len(password.encode())
    except UnicodeEncodeError:  # half a character
        return None
    return password if size <= MAX_BYTES else None


def new_password(password: str, *, email: str, name: str) -> str:
    """The form that is hashed; or `Refused` ("long_password", "short_password", "weak_password") with what to do instead.

    `email` and `name`: whose it will be; a password made of them is no secret.
    """
    text = normal(password)
    if text is None:
        raise _refused("long_password", f"A password has at most {MAX_BYTES} bytes and no NUL character.")
    if len(text) < MIN_CHARS:
        words = f"Use at least {MIN_CHARS} characters. A few words in a row are easy to remember."
        raise _refused("short_password", words)
    if guessable(text, (*PRODUCT_WORDS, *_personal(email, name))):
        words = "This is among the first that somebody would try. A few unrelated words are better."
        raise _refused("weak_password", words)
    return text


def _refused(code: str, message: str) -> Refused:
    return Refused(code, message, field="password")


# Two ends of the keyboard's rows, the alphabet, the figures: what fingers and children run along.
_RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "azertyuiop",
)
_STEPS = frozenset(step for run in _RUNS for text in (run, run[::-1]) for step in pairwise(text))
_LEET = str.maketrans("013457@$!|", "oieastasil")


@cache
def common() -> frozenset[str]:
    """The commonest passwords, folded: `common_passwords.txt` beside this file, one a line."""
    lines = Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(_fold(_plain(line)) for line in lines if line and not line.startswith("#"))


def _plain(text: str) -> str:
    """Without case, spaces and typographic variants."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _fold(plain: str) -> str:
    """The usual swaps of figures for letters undone; as long as before, character for character."""
    return plain.translate(_LEET)


def guessable(password: str, personal: tuple[str, ...] = ()) -> bool:
    """Few different characters, a repetition, a run on the keyboard, or one or two known words with decoration.

    `personal`: words about the account and the product, folded.
    """
    plain = _plain(password)
    if len(set(plain)) < 5 or _repeats(plain) or _mostly_runs(plain):
        return True
    folded = _fold(plain)
    covered = [False] * len(plain)
    known = 0
    for word in sorted({*personal, *common()}, key=len, reverse=True):
        found = folded.find(word) if len(word) >= 3 else -1
        if found >= 0 and not all(covered[found : found + len(word)]):
            known += 1
        while found >= 0:
            covered[found : found + len(word)] = [True] * len(word)
            found = folded.find(word, found + len(word))
    # What is neither a known word nor a figure nor punctuation must amount to something.
    left = {c for c, hidden in zip(plain, covered, strict=True) if not hidden and (c.isalpha() or ord(c) > 127)}
    return 1 <= known <= 2 and len(left) < 4


def _repeats(text: str) -> bool:
    """One unit of at most eight characters over and over, also when the last one is cut."""
    return any(all(c == text[i % size] for i, c in enumerate(text)) for size in range(1, min(8, len(text) // 2) + 1))


def _mostly_runs(text: str) -> bool:
    """Nearly every character follows its neighbour in the alphabet, the figures or on the keyboard."""
    return sum(step in _STEPS for step in pairwise(text)) >= 0.75 * (len(text) - 1)


def _personal(email: str, name: str) -> tuple[str, ...]:
    parts = [email, email.partition("@")[0], name, *re.split(r"[\W_]+", f"{email} {name}")]
    return tuple({word for part in parts if len(word := _fold(_plain(part))) >= 3})


# --- how it is kept -----------------------------------------------------------------------------

# OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

# Compared with where there is no account, so that the answer takes as long as where there is one. Of "nobody ever
# chose this one", made with today's parameters (a test looks): hashing at every start takes 30 ms.
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$HHKFLEr49OxdulDMpwJwXg$z5Eit1Bpq88f+6wLl1cyxdg18fgH8qx7mMra0AhjFlA"

THREADS, QUEUE = 2, 40


class Hashing:
    """Two threads and a short queue: a flood of guesses costs the guessers time, and the chat nothing."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._waiting = 0

    async def make(self, password: str) -> str:
        """The hash to keep of a password that `new_password` or `normal` let through."""
        return await self._run(_hasher.hash, password)

    async def matches(self, kept: str | None, password: str) -> bool:
        """As much work whether or not there is anything to compare with; False then."""
        text = normal(password)
        same = await self._run(_verify, kept or NOBODY, text if text is not None else "")
        return same and kept is not None and text is not None

    async def _run(self, fn: Callable[..., T], *args: str) -> T:
        if self._waiting >= QUEUE:
            raise Busy("Many people are signing in just now. Try again in a moment.", retry_after=2.0)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, fn, *args)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def stale(kept: str) -> bool:
    """Was it made with weaker parameters than today's?"""
    return _hasher.check_needs_rehash(kept)


def _verify(kept: str, password: str) -> bool:
    try:
        return _hasher.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


def hashing(app: App) -> Hashing:
    """The server's one pool, made on first use."""
    found: Hashing | None = app.parts.get("hashing")
    if found is None:
        found = app.parts["hashing"] = Hashing()
    return found
