"""Translates pydantic's errors about a body into faults with stable codes. Pure."""

from __future__ import annotations

from typing import Any

from server.errors import Fault
from server.kernel.documents import INPUT_ERROR

# By pydantic's error type: our code, and our parameters with their names in pydantic's context.
CODES: dict[str, tuple[str, dict[str, str]]] = {
    "missing": ("required", {}),
    "string_too_long": ("long", {"max": "max_length"}),
    "string_too_short": ("short", {"min": "min_length"}),
    "too_long": ("list_long", {"max": "max_length"}),
    "too_short": ("list_short", {"min": "min_length"}),
    "greater_than": ("too_low", {"over": "gt"}),
    "greater_than_equal": ("too_low", {"min": "ge"}),
    "less_than": ("too_high", {"under": "lt"}),
    "less_than_equal": ("too_high", {"max": "le"}),
    "literal_error": ("no_choice", {}),
    "enum": ("no_choice", {}),
    "string_pattern_mismatch": ("wrong_form", {}),
}
DEFAULT_CODE = "wrong_form"  # for example a wrong type, which none of our forms sends


def path(problem: Any) -> str:
    """The field's path with dots, like `texts.0.text`; "" for the whole body."""
    return ".".join(str(part) for part in problem["loc"])


def fault_of(problem: Any) -> Fault:
    """`problem`: one of `ValidationError.errors()`."""
    context = problem.get("ctx", {})
    if problem["type"] == INPUT_ERROR:
        return Fault(path(problem), context["code"], context["params"])
    code, names = CODES.get(problem["type"], (DEFAULT_CODE, {}))
    if code == "short" and context.get("min_length") == 1:
        return Fault(path(problem), "required")
    return Fault(path(problem), code, {our_name: context[pydantic_name] for our_name, pydantic_name in names.items()})
