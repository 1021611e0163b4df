"""Settings, frames, routes and metrics are documented; an undocumented one fails a test here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from server import frames
from server.accounts.rules import TABLE, Can
from server.app import ENDPOINTS, JOBS, SOCKETS, WEBHOOKS
from server.consent import default_replies, vocabulary
from server.settings import Settings
from server.web.http import Endpoint

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PROTOCOL = (ROOT / "PROTOCOL.md").read_text()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_in_the_readmes_table_with_its_meaning(name: str) -> None:
    row = next((line for line in README.splitlines() if f"`THREADLINE_{name.upper()}`" in line), None)
    assert row is not None, f"README has no row for {name}"
    assert Settings.model_fields[name].description in row, f"the README's row of {name} lacks the setting's description"


LANGUAGES = {
    "da": "Danish", "de": "German", "en": "English", "es": "Spanish", "fi": "Finnish", "fr": "French", "hu": "Hungarian", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ru": "Russian", "sv": "Swedish",
    "tr": "Turkish", "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "table"),
    [
        ("STOP", vocabulary.STOP),
        ("START", vocabulary.START),
        ("HELP", vocabulary.HELP),
        ("YES, while an opt-in question waits for an answer", vocabulary.YES),
        ("Our replies to keywords", default_replies.TEXTS),
    ],
)
def test_the_readme_names_exactly_the_languages_of_the_keywords(row: str, table: dict[str, object]) -> None:
    languages_cell = (
        next(line for line in README.splitlines() if line.startswith(f"| {row} |")).strip("| ").split(" | ")[1]
    )
    assert languages_cell == ", ".join(sorted(LANGUAGES[language] for language in table))


def test_the_readme_lists_no_setting_that_does_not_exist() -> None:
    listed = {name.lower() for name in re.findall(r"^\| `THREADLINE_(\w+)`", README, re.MULTILINE)}
    assert listed == set(Settings.model_fields)


@pytest.mark.parametrize("kind", sorted(frames.VISITOR_TYPES | frames.AGENT_TYPES))
def test_a_frame_from_a_client_is_in_the_protocol(kind: str) -> None:
    assert re.search(rf"^\|.*`{kind}\b", PROTOCOL, re.MULTILINE)


@pytest.mark.parametrize("kind", sorted(model.model_fields["type"].default for model in frames.Out.__args__))
def test_a_frame_to_a_client_is_in_the_protocol(kind: str) -> None:
    assert re.search(rf"`{kind}\b", PROTOCOL)


def documented() -> set[tuple[str, str]]:
    """(method, path) of every documented row; `…/rotate` continues the previous path, and all parameters compare as
    equal."""
    results: set[tuple[str, str]] = set()
    for line in PROTOCOL.splitlines():
        if not line.startswith("| `"):
            continue
        base = ""
        for cell in re.findall(r"`([^`]*)`", line):
            match = re.match(r"(GET|POST|PUT|PATCH|DELETE)(?: (/[^ ?`]*|…[^ ?`]*))?", cell)
            if not match:
                continue
            path = match[2] or base
            if path.startswith("…"):
                path = base + path[1:]
            base = base if match[2] and match[2].startswith("…") else path
            results.add((match[1], re.sub(r"\{\w+\}", "{}", path)))
    return results


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
def test_a_route_is_in_the_protocol(endpoint: object) -> None:
    method, path = endpoint.method, re.sub(r"\{\w+\}", "{}", endpoint.path)  # type: ignore[attr-defined]
    assert (method, path) in documented()


def test_the_sockets_are_in_the_protocol_and_jobs_have_handlers() -> None:
    assert all(f"`{path}`" in PROTOCOL for path in SOCKETS)
    assert all(callable(handler) for handler in JOBS.values()) and JOBS


def test_the_webhooks_are_in_the_protocol() -> None:
    assert all(f"`POST {path}" in PROTOCOL for path in WEBHOOKS)


def test_every_metric_is_explained() -> None:
    figures = re.findall(r'"(threadline_\w+)"', (ROOT / "server" / "kernel" / "metrics.py").read_text())
    text = (ROOT / "docs" / "metrics.md").read_text()
    assert len(figures) >= 10
    assert not [figure for figure in figures if figure.removesuffix("_total") not in text]


def test_the_documents_link_to_files_that_exist() -> None:
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text()):
            if not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert not broken


API = (ROOT / "docs" / "api.md").read_text()
FOR_KEYS = [endpoint for endpoint in ENDPOINTS if endpoint.keys]


@pytest.mark.parametrize("endpoint", FOR_KEYS, ids=lambda e: f"{e.method} {e.path}")
def test_a_call_for_api_keys_is_documented_with_its_scope_and_an_example(endpoint: Endpoint) -> None:
    _, _, description = API.partition(f"### `{endpoint.method} {endpoint.path}`\n")
    section = description.partition("\n### ")[0]
    assert "curl " in section and "Authorization: Bearer tl_" in section
    assert not isinstance(endpoint.needs, Can) or f"Scope `{endpoint.needs.value}`" in section


def test_the_api_page_describes_no_call_that_a_key_may_not_make() -> None:
    described = set(re.findall(r"^### `(\w+) (\S+)`$", API, re.MULTILINE))
    assert described == {(endpoint.method, endpoint.path) for endpoint in FOR_KEYS}


def test_rol_8_the_described_capabilities_have_the_roles_of_the_table() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", (ROOT / "docs" / "behaviour.md").read_text(), re.MULTILINE
    )
    assert {name for name, _ in rows} == {"unblock", "secrets", "channels", "properties", "contacts_edit", "erase"}
    for name, roles in rows:
        assert {role.strip().lower() for role in roles.split(",")} == {role.value for role in TABLE[Can(name)]}


def test_the_console_offers_exactly_the_scopes_that_some_call_requires() -> None:
    texts = json.loads((ROOT / "agents_ui/src/i18n/en/settings.json").read_text())["settings"]["developers"]["scopes"]
    opening = {endpoint.needs.value for endpoint in FOR_KEYS if isinstance(endpoint.needs, Can)}
    assert set(texts) == opening | {Can.CONSENT_GRANT.value, Can.LISTS_EDIT.value}
