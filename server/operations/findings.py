"""The result of one check of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """`area` names the check; `advice` is empty when there is nothing to do."""

    area: str
    state: Literal["ok", "warn", "fail"]
    message: str
    advice: str = ""


def ok(message: str) -> Finding:
    return Finding("", "ok", message)


def warn(message: str, advice: str) -> Finding:
    return Finding("", "warn", message, advice)


def fail(message: str, advice: str) -> Finding:
    return Finding("", "fail", message, advice)
