"""Rules for passwords, and their hashing with argon2id in a small thread pool.

A password needs 15 characters (NIST 800-63B-4, for passwords without a second factor) and must not be easy to guess; there
are no composition rules.
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
MAX_BYTES = 1024  # of UTF-8, after normalising; a limit on the hashing time
PRODUCT_WORDS = ("threadline",)

# --- rules ----------------------------------------------------------------------------


def normalize(password: str) -> str | None:
    """The password as NFC, without trimming; None if it is too long or not valid text."""
    if len(password) > MAX_BYTES or "\0" in password:
        return None
    password = unicodedata.normalize("NFC", password)
    try:
        size = len(password.encode())
    except UnicodeEncodeError:  # a lone surrogate
        return None
    return password if size <= MAX_BYTES else None


def new_password(password: str, *, email: str, name: str) -> str:
    """The normalised password, or `Refused` ("long_password", "short_password", "weak_password") with advice.

    `email` and `name`: of the account; a password made of them is weak.
    """
    text = normalize(password)
    if text is None:
        raise _refused(
            "long_password", f"A password can have at most {MAX_BYTES} bytes and no NUL character.", max=MAX_BYTES
        )
    if len(text) < MIN_CHARS:
        advice = f"Use at least {MIN_CHARS} characters. A few words in a row are easy to remember."
        raise _refused("short_password", advice, min=MIN_CHARS)
    if guessable(text, (*PRODUCT_WORDS, *_personal_words(email, name))):
        advice = "This password is easy to guess. Use a few unrelated words."
        raise _refused("weak_password", advice)
    return text


def _refused(code: str, message: str, **params: int) -> Refused:
    return Refused(code, message, field="password", params=params)


# Sequences: the alphabet, the digits, and the rows of common keyboards.
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
    """The most common passwords, folded, from `common_passwords.txt`."""
    lines = Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(_fold(_plain(line)) for line in lines if line and not line.startswith("#"))


def _plain(text: str) -> str:
    """Without case, spaces and typographic variants."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _fold(plain: str) -> str:
    """Replaces digits and signs that stand for letters; keeps the length."""
    return plain.translate(_LEET)


def guessable(password: str, personal: tuple[str, ...] = ()) -> bool:
    """Whether the password has few different characters, or is a repetition, a sequence, or one or two known words with
    few other characters.

    `personal`: words about the account and the product, folded.
    """
    plain = _plain(password)
    if len(set(plain)) < 5 or _repeats(plain) or _mostly_runs(plain):
        return True
    folded = _fold(plain)
    covered = [False] * len(plain)
    known_words = 0
    for word in sorted({*personal, *common()}, key=len, reverse=True):
        start = folded.find(word) if len(word) >= 3 else -1
        if start >= 0 and not all(covered[start : start + len(word)]):
            known_words += 1
        while start >= 0:
            covered[start : start + len(word)] = [True] * len(word)
            start = folded.find(word, start + len(word))
    # Letters outside the known words must be at least four different ones.
    unknown_letters = {
        c for c, hidden in zip(plain, covered, strict=True) if not hidden and (c.isalpha() or ord(c) > 127)
    }
    return 1 <= known_words <= 2 and len(unknown_letters) < 4


def _repeats(text: str) -> bool:
    """Whether a unit of at most eight characters repeats; the last repetition may be cut off."""
    return any(all(c == text[i % size] for i, c in enumerate(text)) for size in range(1, min(8, len(text) // 2) + 1))


def _mostly_runs(text: str) -> bool:
    """Whether at least three quarters of the characters follow a sequence of `_RUNS`."""
    return sum(step in _STEPS for step in pairwise(text)) >= 0.75 * (len(text) - 1)


def _personal_words(email: str, name: str) -> tuple[str, ...]:
    parts = [email, email.partition("@")[0], name, *re.split(r"[\W_]+", f"{email} {name}")]
    return tuple({word for part in parts if len(word := _fold(_plain(part))) >= 3})


# --- hashing -----------------------------------------------------------------------------

# OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

# Compared if there is no account, so that the response takes the same time. A test checks that its parameters are current.
DUMMY_HASH = "$argon2id$v=19$m=19456,t=2,p=1$HHKFLEr49OxdulDMpwJwXg$z5Eit1Bpq88f+6wLl1cyxdg18fgH8qx7mMra0AhjFlA"

THREADS, QUEUE = 2, 40


class Hashing:
    """Two threads and a short queue, so that many login attempts do not slow the chat."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._waiting = 0

    async def make(self, password: str) -> str:
        """The hash of a password that `new_password` or `normalize` returned."""
        return await self._run(_hasher.hash, password)

    async def matches(self, stored_hash: str | None, password: str) -> bool:
        """Whether the password matches. Takes the same time if `stored_hash` is None, and returns False then."""
        text = normalize(password)
        hash_matches = await self._run(_verify, stored_hash or DUMMY_HASH, text if text is not None else "")
        return hash_matches and stored_hash is not None and text is not None

    async def _run(self, fn: Callable[..., T], *args: str) -> T:
        if self._waiting >= QUEUE:
            raise Busy("Many people are signing in right now. Try again in a moment.", retry_after=2.0)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, fn, *args)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def needs_rehash(stored_hash: str) -> bool:
    """Whether the hash was made with weaker parameters than the current ones."""
    return _hasher.check_needs_rehash(stored_hash)


def _verify(stored_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(stored_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def hashing(app: App) -> Hashing:
    """The process's pool, made on first use."""
    return app.part(Hashing, lambda app: Hashing())
