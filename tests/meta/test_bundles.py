"""The files that browsers load are built, and small after gzip."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.meta.test_front_end_imports import AREAS

STATIC = Path(__file__).parents[2] / "server" / "static"


def gzipped(path: Path) -> int:
    return len(gzip.compress(path.read_bytes(), 9))


def first_load(page: Path, base: str) -> list[Path]:
    """The files that a page names, and those that they import immediately (not the ones loaded later)."""
    html = page.read_text()
    todo = [STATIC / result for result in re.findall(rf'(?:src|href)="/static/({base}/[^"]+\.(?:js|css))"', html)]
    visited: list[Path] = []
    while todo:
        path = todo.pop()
        if path in visited:
            continue
        visited.append(path)
        if path.suffix == ".js":
            imported = re.findall(
                r'(?:^|[;}\s])(?:import|export)\b[^("\';]*?["\'](\.{0,2}/[^"\']+\.js)["\']', path.read_text()
            )
            todo += [(path.parent / result).resolve() for result in imported]
    return visited


def test_the_loader_is_at_most_three_kilobytes() -> None:
    assert 500 < gzipped(STATIC / "widget" / "loader.js") <= 3 * 1024


def test_the_widgets_app_is_at_most_fifteen_kilobytes_with_its_style() -> None:
    files = first_load(STATIC / "widget" / "frame.html", "widget")
    assert {path.suffix for path in files} == {".js", ".css"}
    sizes = {path.name: gzipped(path) for path in files}
    assert 3_000 < sum(sizes.values()) <= 15 * 1024, sizes


CONSOLE = STATIC / "console"
SHELL = ["index.html"]
# Kilobytes (gzip) that each area adds to the shell, with its English texts.
LIMITS = {"accounts": 24, "inbox": 68, "people": 200, "settings": 172}
TEXTS = {
    "accounts": ["accounts"],
    "inbox": ["inbox", "messaging"],
    "people": ["activity", "contacts", "imports", "merging", "messaging"],
    "settings": ["accounts", "messaging", "settings", "system"],
}


def chunks() -> dict[str, dict[str, Any]]:
    manifest: dict[str, dict[str, Any]] = json.loads((CONSOLE / "chunks.json").read_text())
    return manifest


def loaded(names: list[str]) -> set[Path]:
    """The files that are loaded for these chunks: what they import at once, and the styles of all of them."""
    every = chunks()
    todo, visited, files = [*names], set[str](), set[Path]()
    while todo:
        name = todo.pop()
        if name not in visited:
            visited.add(name)
            todo += every[name].get("imports", [])
            files |= {CONSOLE / file for file in [every[name]["file"], *every[name].get("css", [])]}
    return files


def kilobytes(files: set[Path]) -> float:
    return sum(map(gzipped, files)) / 1024


def area(name: str) -> list[str]:
    pages = [f"src/{name}/index.ts"]
    if name in ("people", "settings"):  # each of its pages is loaded by itself
        pages = [key for key, chunk in chunks().items() if key.startswith(f"src/{name}/") and "isDynamicEntry" in chunk]
        assert len(pages) >= (9 if name == "settings" else 3)
    return pages + [f"src/i18n/en/{file}.json" for file in TEXTS[name]]


def test_the_consoles_shell_is_at_most_220_kilobytes() -> None:
    files = loaded(SHELL)
    assert {path.suffix for path in files} == {".js", ".css"}
    assert files >= set(first_load(CONSOLE / "index.html", "console"))
    assert 50 < kilobytes(files) <= 220, {path.name: gzipped(path) for path in files}


def test_the_shell_with_the_inbox_and_its_texts_is_at_most_280_kilobytes() -> None:
    files = loaded(SHELL + area("inbox"))
    assert 50 < kilobytes(files) <= 280, {path.name: gzipped(path) for path in files}


@pytest.mark.parametrize("name", LIMITS)
def test_an_area_stays_within_its_budget(name: str) -> None:
    files = loaded(area(name)) - loaded(SHELL)
    assert 5 < kilobytes(files) <= LIMITS[name], {path.name: gzipped(path) for path in files}


def test_each_area_has_a_budget() -> None:
    assert LIMITS.keys() == AREAS


def test_neither_shell_nor_inbox_loads_dialogs_with_the_first_page() -> None:
    names = {path.name.split("-")[0] for path in loaded(SHELL + area("inbox"))}
    assert "dialogs" not in names
    assert any(path.name.startswith("dialogs-") for path in (CONSOLE / "assets").iterdir())
