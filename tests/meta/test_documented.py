"""What exists is documented: settings, frames, routes, figures. An undocumented one fails here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.app import ENDPOINTS, JOBS, SOCKETS, WEBHOOKS
from server.live import frames
from server.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PROTOCOL = (ROOT / "PROTOCOL.md").read_text()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_in_the_readmes_table_with_its_meaning(name: str) -> None:
    row = next((line for line in README.splitlines() if f"`THREADLINE_{name.upper()}`" in line), None)
    assert row is not None, f"README has no row for {name}"
    assert Settings.model_fields[name].description in row, f"the README says something else about {name}"


def test_the_readme_lists_no_setting_that_does_not_exist() -> None:
    listed = {name.lower() for name in re.findall(r"^\| `THREADLINE_(\w+)`", README, re.MULTILINE)}
    assert listed == set(Settings.model_fields)


@pytest.mark.parametrize("kind", sorted(frames.VISITOR_TYPES | frames.AGENT_TYPES))
def test_a_frame_that_comes_in_is_in_the_protocol(kind: str) -> None:
    assert re.search(rf"^\|.*`{kind}\b", PROTOCOL, re.MULTILINE)


@pytest.mark.parametrize("kind", sorted(model.model_fields["type"].default for model in frames.Out.__args__))
def test_a_frame_that_goes_out_is_in_the_protocol(kind: str) -> None:
    assert re.search(rf"`{kind}\b", PROTOCOL)


def documented() -> set[tuple[str, str]]:
    """(method, path) of every row; `…/rotate` continues the path before it, parameters are all alike."""
    found: set[tuple[str, str]] = set()
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
            found.add((match[1], re.sub(r"\{\w+\}", "{}", path)))
    return found


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
def test_a_route_is_in_the_protocol(endpoint: object) -> None:
    method, path = endpoint.method, re.sub(r"\{\w+\}", "{}", endpoint.path)  # type: ignore[attr-defined]
    assert (method, path) in documented()


def test_the_sockets_are_in_the_protocol_and_jobs_have_handlers() -> None:
    assert all(f"`{path}`" in PROTOCOL for path in SOCKETS)
    assert all(callable(handler) for handler in JOBS.values()) and JOBS


def test_the_webhooks_are_in_the_protocol() -> None:
    assert all(f"`POST {path}" in PROTOCOL for path in WEBHOOKS)


def test_every_figure_is_explained() -> None:
    figures = re.findall(r'"(threadline_\w+)"', (ROOT / "server" / "kernel" / "metrics.py").read_text())
    text = (ROOT / "docs" / "metrics.md").read_text()
    assert len(figures) >= 10
    assert not [figure for figure in figures if figure.removesuffix("_total") not in text]


def test_the_documents_point_at_files_that_exist() -> None:
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text()):
            if not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert not broken
