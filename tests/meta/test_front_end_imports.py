"""Imports in console and widget: folders have an order, an area is imported only through its `index.ts`, and no files
form a cycle.

Imports of types and dynamic imports count.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.meta.test_imports import circles

ROOT = Path(__file__).parents[2]
CONSOLE, WIDGET, SHARED = "agents_ui/src", "widget/src", "widget/shared"

# From high to low: a folder imports only lower folders. Folders on one line do not import each other.
ORDER = [
    ("main",),
    ("shell",),
    ("accounts", "inbox", "people", "settings"),
    ("contacts",),
    ("messaging",),
    ("ui",),
    ("live",),
    ("i18n",),
    ("kernel",),
    ("generated",),
]
RANK = {folder: -place for place, folders in enumerate(ORDER) for folder in folders}
AREAS = {"accounts", "inbox", "people", "settings"}
# Folders that other folders import only through `index.ts`.
ONLY_BY_INDEX = AREAS | {"messaging"}
# The folders of the inbox, from high to low; "" stands for the inbox's own files, which combine the panes.
INBOX = [("",), ("composer", "details", "list", "thread"), ("desk",), ("data",), ("address",)]
INBOX_RANK = {folder: -place for place, folders in enumerate(INBOX) for folder in folders}
# Files that only tests import.
FOR_TESTS = "testing"

STATIC = re.compile(r"^(?:import|export)\b(?:[^'\"();]*?\bfrom)?\s*['\"](\.[^'\"]*)['\"]", re.MULTILINE)
DYNAMIC = re.compile(r"\bimport\(\s*['\"](\.[^'\"]*)['\"]\s*\)")
COMMENT = re.compile(r"/\*.*?\*/|^\s*//[^\n]*", re.DOTALL | re.MULTILINE)


def sources() -> dict[str, str]:
    result = {}
    for top in (CONSOLE, WIDGET, SHARED):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in {".ts", ".tsx"}:
                result[str(path.relative_to(ROOT))] = COMMENT.sub("", path.read_text())
    return result


SOURCES = sources()


def resolved(name: str, specifier: str) -> str | None:
    """The file that `name` imports; None for styles and texts."""
    path = os.path.normpath(os.path.join(os.path.dirname(name), specifier))
    for result in (path, f"{path}.ts", f"{path}.tsx", f"{path}/index.ts"):
        if result in SOURCES:
            return result
    assert re.search(r"\.(css|json)$", path) and (ROOT / path).exists(), (
        f"{name} imports {specifier}, which no file matches"
    )
    return None


def imports(name: str, pattern: re.Pattern[str]) -> set[str]:
    return {file for result in pattern.findall(SOURCES[name]) if (file := resolved(name, result))}


GRAPH = {name: imports(name, STATIC) | imports(name, DYNAMIC) for name in SOURCES}


def is_test(name: str) -> bool:
    return ".test." in name or f"/{FOR_TESTS}" in name


def folder(name: str) -> str:
    """`inbox` of `agents_ui/src/inbox/list/listAnchor.ts`, `main` of `agents_ui/src/main.tsx`."""
    return name.removeprefix(f"{CONSOLE}/").split("/")[0].split(".")[0]


def is_manifest(name: str) -> bool:
    return re.fullmatch(rf"{CONSOLE}/\w+/manifest\.tsx?", name) is not None


def is_index(name: str) -> bool:
    return re.fullmatch(rf"{CONSOLE}/\w+/index\.ts", name) is not None


def out_of_order(name: str, imported: set[str]) -> Iterator[str]:
    own_folder = folder(name)
    for other in sorted(imported):
        if other.startswith(f"{SHARED}/"):
            continue
        other_folder = folder(other)
        if not other.startswith(f"{CONSOLE}/") or is_test(other):
            yield other
        elif other_folder != own_folder and (
            RANK[other_folder] >= RANK[own_folder]
            or (other_folder in ONLY_BY_INDEX and not is_index(other) and not is_manifest(other))
        ):
            yield other


CONSOLE_FILES = [name for name in SOURCES if name.startswith(f"{CONSOLE}/") and not is_test(name)]


@pytest.mark.parametrize("name", CONSOLE_FILES)
def test_a_console_file_imports_only_lower_folders_and_areas_only_through_index(name: str) -> None:
    assert folder(name) in RANK, f"{name} is in no folder of the order; add the folder"
    violations = [*out_of_order(name, GRAPH[name])]
    assert not violations, f"{name} may not import {', '.join(violations)}"


def styles(name: str) -> set[str]:
    """The style modules that a file imports."""
    paths = {
        os.path.normpath(os.path.join(os.path.dirname(name), specifier)) for specifier in STATIC.findall(SOURCES[name])
    }
    return {path for path in paths if path.endswith(".module.css")}


@pytest.mark.parametrize("name", CONSOLE_FILES)
def test_a_file_uses_the_style_modules_of_its_own_folder_only(name: str) -> None:
    violations = {path for path in styles(name) if folder(path) != folder(name)}
    assert not violations, (
        f"{name} may not use {', '.join(violations)}: an area exports its classes through its `index.ts`"
    )


def part_of_inbox(name: str) -> str:
    parts = name.removeprefix(f"{CONSOLE}/inbox/").split("/")
    return parts[0] if len(parts) > 1 else parts[0].split(".")[0] if parts[0] == "address.ts" else ""


def test_inside_the_inbox_the_panes_import_data_and_not_each_other() -> None:
    for name in CONSOLE_FILES:
        if folder(name) != "inbox":
            continue
        own_part = part_of_inbox(name)
        inside = [part_of_inbox(other) for other in GRAPH[name] if folder(other) == "inbox"]
        violations = [part for part in inside if part != own_part and INBOX_RANK[part] >= INBOX_RANK[own_part]]
        assert not violations, f"{name} may not import inbox/{', '.join(violations)}"


def test_a_manifest_loads_its_areas_code_only_when_that_is_needed() -> None:
    """The first load contains manifests but no area's code."""
    manifests = [name for name in CONSOLE_FILES if is_manifest(name)]
    assert {folder(name) for name in manifests} == AREAS
    for name in manifests:
        static_imports = {other for other in imports(name, STATIC) if folder(other) == folder(name)}
        assert static_imports <= {f"{CONSOLE}/{folder(name)}/address.ts"}, name
    # Only code of the area itself may import the area's parts dynamically.
    for name in CONSOLE_FILES:
        for other in imports(name, DYNAMIC):
            allowed = folder(other) == folder(name) or folder(other) not in ONLY_BY_INDEX
            assert allowed, f"{name} loads {other}, which only the manifest of its area may load"

    reached: set[str] = set()
    todo = [f"{CONSOLE}/main.tsx"]
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += imports(name, STATIC)
    early = {name for name in reached if folder(name) in ONLY_BY_INDEX and not is_manifest(name)}
    assert all(name.endswith("/address.ts") for name in early), early


@pytest.mark.parametrize("name", [name for name in SOURCES if not name.startswith(CONSOLE) and ".test." not in name])
def test_the_widget_imports_itself_and_shared_files_import_nothing_else(name: str) -> None:
    allowed = (f"{SHARED}/",) if name.startswith(f"{SHARED}/") else (f"{SHARED}/", f"{WIDGET}/")
    # Only types: the same frames are generated for console and widget.
    generated = f"{CONSOLE}/generated/" if name == f"{WIDGET}/frames.ts" else "none"
    violations = [other for other in GRAPH[name] if not other.startswith((*allowed, generated))]
    assert not violations, f"{name} may not import {', '.join(violations)}"


def test_the_console_imports_only_shared_files_of_the_widget() -> None:
    violations = {
        other for name in SOURCES if name.startswith(CONSOLE) for other in GRAPH[name] if other.startswith(f"{WIDGET}/")
    }
    assert not violations


def test_no_files_import_each_other_in_a_cycle() -> None:
    # Code that a manifest loads later may import the manifest: the area's menu lists the manifest's pages.
    graph = {name: imports(name, STATIC) if is_manifest(name) else GRAPH[name] for name in SOURCES}
    assert circles(graph) == []


def test_the_checks_find_forbidden_imports() -> None:
    text = (
        "import type { A } from './a'\nexport {\n  b,\n} from '../b'\nimport './c.css'\nconst d = () => import('./d')\n"
    )
    assert STATIC.findall(text) == ["./a", "../b", "./c.css"] and DYNAMIC.findall(text) == ["./d"]
    inside = {f"{CONSOLE}/inbox/data/actions.ts", f"{CONSOLE}/inbox/index.ts", f"{CONSOLE}/ui/theme.ts"}
    assert [*out_of_order(f"{CONSOLE}/shell/Palette.tsx", inside)] == [f"{CONSOLE}/inbox/data/actions.ts"]
    assert [*out_of_order(f"{CONSOLE}/settings/Team.tsx", inside)] == sorted(inside)[:2]
    assert [*out_of_order(f"{CONSOLE}/kernel/api.ts", inside)] == sorted(inside)
