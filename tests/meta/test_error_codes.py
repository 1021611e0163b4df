"""The console has a text in each of its languages for every error code of the API."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.web import faults

ROOT = Path(__file__).parents[2]
TEXTS = ROOT / "agents_ui" / "src" / "i18n"
FEATURES = (
    "accounts audiences audit campaigns consent contacts delivery files inbox links sms threads web webchat".split()
)
# The position of the code among the call's arguments.
CALLS = {
    "Refused": 0, "Conflict": 0, "BadRequest": 0, "TooLarge": 0, "UnsupportedType": 0, "input_error": 0, "_refused": 0,
    "BadKeyword": 0, "BadSender": 0, "Fault": 1, "Forbidden": 1, "SignInRequired": 1,
}  # fmt: skip
# Codes that the console never receives: codes for visitors and their frames, the command line, and programs.
# The text of `too_many` (consents) is in `ConsentForm`.
ELSEWHERE = {
    "bad_json", "bad_request", "cross_site", "duplicate_field", "invalid", "no_sms", "signin_required", "thread_full",
    "too_slow", "upgrade_required", "too_many",
    "bad_cursor", "bad_key", "key_in_url", "key_revoked", "missing_scope", "not_for_keys", "bad_identity", "blocked",
}  # fmt: skip


def codes() -> Iterator[str]:
    for feature in FEATURES:
        for path in (ROOT / "server" / feature).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                code_nodes = [keyword.value for keyword in node.keywords if keyword.arg in ("fault", "code")]
                if name in CALLS and len(node.args) > CALLS[name]:
                    code_nodes.append(node.args[CALLS[name]])
                for value in code_nodes:
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        yield value.value
    yield from (code for code, _ in faults.CODES.values())
    yield faults.DEFAULT_CODE


CODES = sorted(set(codes()) - ELSEWHERE)


def test_codes_are_found() -> None:
    assert {"stale_version", "short_password", "bad_site", "keyword_form", "own_domain", "required"} <= set(CODES)


@pytest.mark.parametrize("language", ["en", "ko", "pl", "ru"])
def test_every_code_has_words(language: str) -> None:
    shell, settings, accounts = (
        json.loads((TEXTS / language / f"{name}.json").read_text("utf-8")) for name in ("shell", "settings", "accounts")
    )
    error_texts = shell["errors"] | settings["settings"]["errors"] | accounts["auth"]["errors"]
    assert [code for code in CODES if code not in error_texts] == []
