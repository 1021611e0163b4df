"""Checks imports: the order of the packages, forbidden imports of single modules, and circles of modules.

Imports inside functions and under `TYPE_CHECKING` count.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

SERVER = Path(__file__).parents[2] / "server"

# From high to low: a package imports only packages below it. Packages on one line do not import each other, except on
# the lowest one: `schema` declares its columns with `kernel.columns`, and `kernel` stores jobs and settings in tables.
ORDER = [
    ("live",),
    ("people",),
    ("contact_data",),
    ("imports",),
    ("campaigns",),
    ("inbox",),
    ("notifications",),
    ("chat_mail",),
    ("sms",),
    ("account_mail",),
    ("webchat",),
    ("receipts",),
    ("delivery",),
    ("audiences",),
    ("threads",),
    ("shop",),
    ("events",),
    ("files",),
    ("contacts",),
    ("consent",),
    ("links",),
    ("web",),
    ("accounts",),
    ("audit",),
    ("templates",),
    ("frames", "text", "channels"),
    ("kernel", "schema"),
    ("settings",),
    ("addresses",),
    ("errors",),
]
GROUND = {"kernel", "schema"}
RANK = {package: -place for place, packages in enumerate(ORDER) for package in packages}
# Modules that speak to clients: they may import packages above their own, and no other module imports them.
EDGES = {"http", "webhooks", "pages", "commands", "cli"}
# Modules that assemble, operate or simulate the product: above all packages, in no order.
ABOVE = {"", "app", "serving", "up", "migrate", "terminal", "__main__", "reactions", "operations", "simulator"}

# Pattern of a module → patterns it must never import. A module must satisfy every row that matches it.
NEVER: list[tuple[str, str]] = [
    (r"server\.\w+\.(\w+_)?rules$", r"sqlalchemy|starlette|asyncio|server\.(?!errors|text|addresses|\w+\.(\w+_)?rules)"),
    (r"server\.text$|server\.addresses$", r"sqlalchemy|starlette|asyncio|server\."),
    (r"server\.frames$", r"(?!pydantic|typing|__future__).*"),
    (r"server\.(consent\.(keywords|opt_out_intent|tapbacks|tapback_words|vocabulary|chain)|delivery\.segments)$", r"sqlalchemy|starlette|asyncio|server\.(?!consent)"),
    (r"server\.files\.pictures$", r"server\."),  # a separate program that runs with resource limits
    (r"server\.schema(\.\w+)?$", r"server\.(?!kernel\.columns|schema)"),
    # Jobs, processes and settings have tables in `schema`; the rest of the kernel uses no table.
    (r"server\.kernel\.(?!jobs$|processes$|documents$)\w+$", r"server\.schema"),
    (r"server\.kernel(\.\w+)?$", r"starlette"),
    (r"server\.live\.transport$", r"server\.(?!kernel|live|settings|web\.limits)"),
    (r"server\.live\.hub$", r"sqlalchemy"),
    (r"server\.\w+\.http$", r"sqlalchemy|server\.(app|reactions|simulator)"),
    # Modules for vendors' SDKs and APIs: they import no feature and no database. The composition root passes them what
    # they need.
    (r"server\.channels(\.base)?$", r"sqlalchemy|starlette|twilio|aiohttp|server\.(?!errors)"),
    (r"server\.channels\.\w+$", r"sqlalchemy|starlette|server\.(?!channels|errors|settings|kernel\.failpoints|kernel$)"),
    (r"server\.(?!app$|channels|simulator)[\w.]+$", r"server\.channels\.(twilio_sms|smtp)"),
    (r"server\.operations(\.\w+)?$", r"server\.(app|simulator|reactions)"),
    (r"server\.simulator\.demo(_sms|_people)?$", r"starlette|server\.(reactions|live)"),
    (r"server\.simulator\.(?!demo(_sms|_people)?$)\w+$", r"server\.(inbox|sms|webchat|threads|files|audit|accounts|consent|contacts|delivery|links|live|schema|operations|reactions)|sqlalchemy|twilio"),
    # Templates that people write must not reach anything.
    (r"server\.templates(\.\w+)?$", r"sqlalchemy|starlette|asyncio|server\.(?!errors|templates)"),
    (r"server\.reactions$", r"server\.(app|web|live)"),
]  # fmt: skip


def modules() -> dict[str, Path]:
    result = {}
    for path in sorted(SERVER.rglob("*.py")):
        name = ".".join(path.relative_to(SERVER.parent).with_suffix("").parts).removesuffix(".__init__")
        result[name] = path
    return result


def imports(path: Path) -> set[str]:
    """Every imported name, also inside functions."""
    result = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            result |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            result.add(node.module)
            result |= {f"{node.module}.{alias.name}" for alias in node.names}
    return result


MODULES = modules()


def package(module: str) -> str:
    """`inbox` of `server.inbox.actions`, `text` of `server.text`; "" of the package `server` itself."""
    return [*module.split("."), ""][1]


def is_edge(module: str) -> bool:
    return module.rpartition(".")[2] in EDGES and package(module) != "web"  # all edges are built with web.http


def out_of_order(name: str, imported: set[str]) -> Iterator[str]:
    own_package = package(name)
    for module in sorted(imported & MODULES.keys()):
        other_package = package(module)
        if other_package == own_package or {own_package, other_package} <= GROUND or other_package == "":
            continue
        if other_package in ABOVE or (is_edge(module) and RANK[own_package] <= RANK[other_package]):
            yield module
        elif not is_edge(name) and RANK[other_package] >= RANK[own_package]:
            yield module


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_packages_below_its_own(name: str) -> None:
    if package(name) in ABOVE:
        return
    assert package(name) in RANK, f"{name} is in no package of the order; add the package"
    violations = [*out_of_order(name, imports(MODULES[name]))]
    if is_edge(name):
        violations = [
            module
            for module in violations
            if package(module) not in {"", "migrate", "serving", "terminal", "operations"}
        ]
    assert not violations, f"{name} may not import {', '.join(violations)}"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_nothing_that_its_kind_forbids(name: str) -> None:
    rows = [forbidden for pattern, forbidden in NEVER if re.match(pattern, name)]
    violations = sorted(
        result for result in imports(MODULES[name]) if any(re.match(rf"(?:{n})(?:\.|$)", result) for n in rows)
    )
    assert not violations, f"{name} may not import {', '.join(violations)}"


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The groups of modules that import each other, directly or through others (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    results: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                results.append(sorted(group))

    for name in graph:
        if name not in index:
            visit(name)
    return results


def test_no_modules_import_each_other_in_a_circle() -> None:
    def needed(name: str) -> set[str]:
        imported = imports(MODULES[name])
        # `from server.inbox import actions` imports the module; the package's empty `__init__` does not count.
        return {
            module
            for module in imported & MODULES.keys()
            if not any(item.startswith(f"{module}.") and item in MODULES for item in imported)
        } - {name}

    assert circles({name: needed(name) for name in MODULES}) == []


def test_the_checks_find_forbidden_imports(tmp_path: Path) -> None:
    bad_module = tmp_path / "rules.py"
    bad_module.write_text("def f():\n    from sqlalchemy import select\n    from server.live import hub\n")
    rows = [forbidden for pattern, forbidden in NEVER if re.match(pattern, "server.inbox.rules")]
    assert any(re.match(rf"(?:{forbidden})(?:\.|$)", result) for forbidden in rows for result in imports(bad_module))
    assert [*out_of_order("server.inbox.rules", imports(bad_module))] == ["server.live", "server.live.hub"]
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c"]]


def test_only_the_composition_root_is_imported_by_nobody_but_starters_and_tests() -> None:
    allowed = {"server.serving", "server.up", "server.__main__", "server.simulator.demo"}
    violations = [name for name, path in MODULES.items() if "server.app" in imports(path) and name not in allowed]
    assert not violations
