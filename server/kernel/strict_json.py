"""Parses untrusted JSON: refuses NaN, infinity, duplicate keys, long integers, deep nesting and lone surrogates.

Python's parser accepts all of these by default (W1-W8). Shared by sockets and HTTP.
"""

from __future__ import annotations

import json
import math
from typing import Any

MAX_DEPTH = 16
MAX_DIGITS = 19


class BadJson(ValueError):
    """The reason for the refusal, without quoting the input."""


def _constant(_name: str) -> Any:
    raise BadJson("NaN and Infinity are not JSON")


def _int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise BadJson("a number is too long")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits) if len(digits) <= 64 else math.inf
    if not math.isfinite(value):
        raise BadJson("a number is too large")
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    parsed = dict(pairs)
    if len(parsed) != len(pairs):
        raise BadJson("a key appears twice")
    return parsed


_decode = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_int, parse_float=_float
).decode


def parse(raw: str | bytes) -> Any:
    """The value, or `BadJson`."""
    try:
        text = raw if isinstance(raw, str) else raw.decode()
        if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
            raise BadJson("nested too deeply")
        value = _decode(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate cannot be encoded
    except BadJson:
        raise
    except (ValueError, RecursionError):
        raise BadJson("this is not valid JSON") from None
    return value


def _depth(text: str) -> int:
    deepest = depth = 0
    quoted = escaped = False
    for char in text:
        if quoted:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                quoted = False
        elif char == '"':
            quoted = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest
