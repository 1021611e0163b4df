"""Forms of the console use one helper, and no screen shows or reads the server's English sentences."""

from __future__ import annotations

import re

import pytest

from tests.meta.test_front_end_imports import CONSOLE, SOURCES, is_test

HELPER = f"{CONSOLE}/ui/serverForm.tsx"
FILES = [name for name in SOURCES if name.startswith(CONSOLE) and not is_test(name)]

FORBIDDEN = {
    "a form outside useServerForm": re.compile(r"<form\b|\buseForm\("),
    "an answer's type by hand, not from src/generated": re.compile(r"\bapi\.\w+<\{"),
    "the server's English sentence": re.compile(r"\b(?:error|problem|reason)\??\.(?:message|reason)\b"),
}
EXCEPTIONS = {
    "a form outside useServerForm": {HELPER},
    "the server's English sentence": {f"{CONSOLE}/kernel/api.ts"},
}


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_no_file_has_a_form_of_its_own_or_reads_the_servers_sentences(rule: str) -> None:
    violations = [name for name in FILES if FORBIDDEN[rule].search(SOURCES[name])]
    assert set(violations) <= EXCEPTIONS.get(rule, set())


def test_forms_are_found() -> None:
    """Only the helper contains a `<form>`, and many files use the helper."""
    assert SOURCES[HELPER].count("<form") == 1
    assert sum("useServerForm(" in SOURCES[name] or "useEditing(" in SOURCES[name] for name in FILES) >= 15
