"""Nobody waits for us: what browsers load stays small (gzip), and is built."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

STATIC = Path(__file__).parents[2] / "server" / "static"


def gzipped(path: Path) -> int:
    return len(gzip.compress(path.read_bytes(), 9))


def first_load(page: Path, base: str) -> list[Path]:
    """What a page names, and what that imports at once (not what it may load later)."""
    html = page.read_text()
    todo = [STATIC / found for found in re.findall(rf'(?:src|href)="/static/({base}/[^"]+\.(?:js|css))"', html)]
    seen: list[Path] = []
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.append(path)
        if path.suffix == ".js":
            now = re.findall(
                r'(?:^|[;}\s])(?:import|export)\b[^("\';]*?["\'](\.{0,2}/[^"\']+\.js)["\']', path.read_text()
            )
            todo += [(path.parent / found).resolve() for found in now]
    return seen


def test_the_loader_is_at_most_three_kilobytes() -> None:
    assert 500 < gzipped(STATIC / "widget" / "loader.js") <= 3 * 1024


def test_the_widgets_app_is_at_most_fifteen_kilobytes_with_its_style() -> None:
    files = first_load(STATIC / "widget" / "frame.html", "widget")
    assert {path.suffix for path in files} == {".js", ".css"}
    sizes = {path.name: gzipped(path) for path in files}
    assert 3_000 < sum(sizes.values()) <= 15 * 1024, sizes


def test_the_consoles_first_load_is_at_most_320_kilobytes() -> None:
    files = first_load(STATIC / "console" / "index.html", "console")
    assert {path.suffix for path in files} == {".js", ".css"}
    sizes = {path.name: gzipped(path) for path in files}
    assert 50_000 < sum(sizes.values()) <= 320 * 1024, sizes
