"""Who may import whom (DESIGN 4), as one table. A module that is in no row fails, so a new one is thought about."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SERVER = Path(__file__).parents[2] / "server"
STDLIB_TIME = {"asyncio", "time", "random", "secrets", "uuid"}

# Pattern of a module → patterns it must never import. The first row that fits decides.
NEVER: list[tuple[str, str]] = [
    (r"server\.\w+\.rules$", r"sqlalchemy|starlette|asyncio|server\.kernel|server\.web|server\.live|server\.\w+\.(queries|actions|http|jobs)"),
    (r"server\.(consent\.(keywords|wishes|chain)|delivery\.segments)$", r"sqlalchemy|starlette|asyncio|server\.(kernel|web|live|inbox|accounts)"),
    (r"server\.errors$", r"server\."),
    (r"server\.settings$", r"server\."),
    (r"server\.schema(\.\w+)?$", r"server\.(?!kernel\.columns|schema)"),
    # Jobs and settings keep their rows in `schema`; nothing else of the kernel knows a table.
    (r"server\.kernel\.(jobs|processes|documents)$", r"starlette|server\.(web|live|accounts|inbox|consent|delivery|simulator|operations|app|reactions)"),
    (r"server\.kernel(\.\w+)?$", r"starlette|server\.(web|live|accounts|inbox|consent|delivery|simulator|operations|app|reactions|schema)"),
    (r"server\.live\.frames$", r"(?!pydantic|typing|__future__).*"),
    (r"server\.live\.transport$", r"server\.(?!kernel|live|settings|web\.limits)"),
    (r"server\.live(\.\w+)?$", r"server\.(simulator|operations|app|reactions|accounts\.(actions|http|links|team)|inbox\.http)"),
    (r"server\.web\.pages$", r"server\.(live|simulator|app|reactions|accounts\.(actions|http))"),
    (r"server\.web(\.\w+)?$", r"server\.(live|inbox|simulator|operations|app|reactions|accounts\.http)"),
    (r"server\.\w+\.http$", r"sqlalchemy|server\.(app|reactions|simulator)"),
    (r"server\.accounts(\.\w+)?$", r"server\.(inbox|live|simulator|operations|app|reactions)"),
    (r"server\.inbox(\.\w+)?$", r"server\.(simulator|operations|app|reactions|accounts\.(actions|http|links|team)|live\.(?!frames))"),
    (r"server\.channels(\.base)?$", r"sqlalchemy|starlette|twilio|aiohttp|server\.(?!errors)"),
    (r"server\.channels\.\w+$", r"sqlalchemy|starlette|server\.(?!channels|errors|settings|kernel\.failpoints|kernel$)"),
    # Vendors' SDKs and dialects: no feature, no database.
    # The error table is a table; what speaks to the carrier is handed over by the composition root.
    (r"server\.delivery\.webhooks$", r"sqlalchemy|server\.(inbox|live|simulator|operations|app|reactions|channels\.twilio_sms)"),
    (r"server\.delivery(\.\w+)?$", r"server\.(inbox|live|web|simulator|operations|app|reactions|channels\.twilio_(sms|webhooks))"),
    (r"server\.(delivery|links)(\.\w+)?$", r"server\.(inbox|live|web|simulator|operations|app|reactions)"),
    (r"server\.consent(\.\w+)?$", r"server\.(contacts|delivery|inbox|live|web|simulator|operations|app|reactions|channels)"),
    (r"server\.contacts(\.\w+)?$", r"server\.(delivery|inbox|live|web|simulator|operations|app|reactions|channels)"),
    (r"server\.operations(\.\w+)?$", r"server\.(app|simulator|reactions|inbox\.(?!files|queries|widget))"),
    (r"server\.simulator\.demo(_sms)?$", r"starlette|server\.(reactions|live)"),
    (r"server\.simulator(\.\w+)?$", r"server\.(inbox|accounts|consent|contacts|delivery|links|live|schema|operations|reactions)|sqlalchemy|twilio"),
    (r"server\.reactions$", r"server\.(app|web|live)"),
    (r"server$|server\.(app|serving|up|migrate|terminal|__main__)$", r"server\.__main__"),
]  # fmt: skip


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(SERVER.rglob("*.py")):
        name = ".".join(path.relative_to(SERVER.parent).with_suffix("").parts).removesuffix(".__init__")
        found[name] = path
    return found


def imports(path: Path) -> set[str]:
    """Every name imported, wherever it stands: an import inside a function counts as much."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


MODULES = modules()


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_what_its_place_allows(name: str) -> None:
    never = next((forbidden for pattern, forbidden in NEVER if re.match(pattern, name)), None)
    assert never is not None, f"{name} is in no row of the table: decide what it may import"
    guilty = sorted(found for found in imports(MODULES[name]) if re.match(rf"(?:{never})(?:\.|$)", found))
    assert not guilty, f"{name} may not import {', '.join(guilty)}"


def test_the_table_catches_a_rule_that_asks_the_database(tmp_path: Path) -> None:
    """The check itself must be able to fail."""
    bad = tmp_path / "rules.py"
    bad.write_text("def f():\n    from sqlalchemy import select\n")
    never = next(forbidden for pattern, forbidden in NEVER if re.match(pattern, "server.inbox.rules"))
    assert [found for found in imports(bad) if re.match(rf"(?:{never})(?:\.|$)", found)]


def test_only_the_composition_root_is_imported_by_nobody_but_starters_and_tests() -> None:
    allowed = {"server.serving", "server.up", "server.__main__", "server.simulator.demo"}
    guilty = [name for name, path in MODULES.items() if "server.app" in imports(path) and name not in allowed]
    assert not guilty
