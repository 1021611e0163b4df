"""Sizes of letters and radii of the console come from the theme, in rem, so that the browser's font size counts."""

from __future__ import annotations

import re

import pytest

from tests.meta.test_front_end_imports import CONSOLE, CONSOLE_FILES, ROOT, SOURCES

THEME = f"{CONSOLE}/ui/theme.ts"
STEPS = ["xs", "sm", "md", "lg", "xl"]
SHEETS = {str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / CONSOLE).rglob("*.css"))}
STEP = "|".join(STEPS)
FONT_SIZE = re.compile(rf"(?:var\(--mantine-font-size-(?:{STEP})\)(?: !important)?|inherit|0)")
RADIUS = re.compile(rf"(?:var\(--mantine-radius-(?:{STEP})\)|50%)")
# Letters and corners that grow with the picture they are in.
EXCEPTIONS = {
    (f"{CONSOLE}/ui/Face.module.css", "font-size", "calc(var(--face) * 0.38)"),
    (f"{CONSOLE}/ui/Face.module.css", "border-radius", "30%"),
    (f"{CONSOLE}/inbox/thread/RichText.module.css", "font-size", "calc(var(--mantine-font-size-xl) * 1.5)"),
}
IN_CODE = re.compile(r"\b(?:fontSize|borderRadius|fz|radius)\s*[:=]\s*\{?\s*['\"`]?[\d.]")


def declarations(sheet: str) -> list[tuple[str, str]]:
    matches = re.findall(r"(?<![\w-])(font|font-size|border(?:-\w+)*-radius):\s*([^;}]+)[;}]", SHEETS[sheet])
    return [(name, value.strip()) for name, value in matches]


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_style_sheet_uses_the_themes_sizes(sheet: str) -> None:
    for name, value in declarations(sheet):
        allowed = value == "inherit" if name == "font" else (RADIUS if "radius" in name else FONT_SIZE).fullmatch(value)
        assert allowed or (sheet, name, value) in EXCEPTIONS, f"{sheet}: {name}: {value}"


def test_sizes_and_exceptions_are_found() -> None:
    matches = {(sheet, *each) for sheet in SHEETS for each in declarations(sheet)}
    assert matches >= EXCEPTIONS and sum(len(declarations(sheet)) for sheet in SHEETS) > 100


def test_no_component_names_a_size_of_its_own() -> None:
    assert IN_CODE.search("<Text fz={13}>") and IN_CODE.search("fontSize: '13px'")
    assert not IN_CODE.search("radius=\"md\" fontSize: 'var(--mantine-font-size-sm)'")
    assert [name for name in CONSOLE_FILES if name != THEME and IN_CODE.search(SOURCES[name])] == []


@pytest.mark.parametrize("scale", ["fontSizes", "radius"])
def test_the_theme_has_five_sizes_in_rem(scale: str) -> None:
    match = re.search(rf"\b{scale}: \{{ (.*?) \}}", SOURCES[THEME])
    assert match
    sizes = dict(re.findall(r"(\w+): '([^']+)'", match[1]))
    assert list(sizes) == STEPS
    assert all(re.fullmatch(r"[\d.]+rem", size) for size in sizes.values()), sizes


def test_the_themes_components_use_its_sizes() -> None:
    sizes = re.findall(r"\bfontSize: '?([^',}]+)", SOURCES[THEME])
    assert len(sizes) >= 5
    assert all(FONT_SIZE.fullmatch(size.strip()) for size in sizes), sizes
