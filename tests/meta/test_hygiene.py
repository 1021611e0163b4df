"""Rules for all files: at most 600 lines, time and ids as arguments, no registry named, nothing half done."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 600  # lines


def tracked(*patterns: str) -> list[Path]:
    """Files under version control; in an archive without version control, all files."""
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    results = [path for pattern in patterns for path in ROOT.rglob(pattern)]
    return [path for path in results if not {"node_modules", ".venv", "static"} & set(path.parts)]


def test_no_file_of_code_is_longer_than_six_hundred_lines() -> None:
    files = [
        path for path in tracked("*.py", "*.ts", "*.tsx", "*.css") if not {"generated", "versions"} & set(path.parts)
    ]
    assert len(files) > 100
    long = {str(path.relative_to(ROOT)): n for path in files if (n := path.read_text().count("\n")) > LONGEST}
    assert not long


def test_browser_tests_wait_for_functions_and_not_for_expressions() -> None:
    """Playwright evaluates an expression again at each try, which the console's Content-Security-Policy forbids: such a
    test fails whenever the expression is not true at once."""
    waits = {
        f"{path.relative_to(ROOT)}: {match[1]}"
        for path in tracked("tests/browser/*.py")
        for match in re.finditer(r"wait_for_function\(\s*f?\"([^\"]*)", path.read_text())
    }
    assert len(waits) > 5
    assert [wait for wait in waits if "=>" not in wait] == []


def test_no_two_files_differ_in_capitals_only() -> None:
    """On macOS and Windows such files are one file; an import without an extension would find the wrong one."""
    spelled: dict[str, set[str]] = {}
    for path in tracked("*"):
        name = path.relative_to(ROOT)
        if {"node_modules", ".venv", "static"} & set(name.parts):
            continue
        for part in (name.with_suffix(""), *name.parents):
            spelled.setdefault(str(part).lower(), set()).add(str(part))
    assert len(spelled) > 300
    assert [sorted(names) for names in spelled.values() if len(names) > 1] == []


def test_time_and_random_values_come_from_the_kernel() -> None:
    forbidden = re.compile(
        r"datetime\.(now|utcnow|today)\(|\btime\.time\(|\buuid[14]\(|\bsecrets\.token_\w+\((?!48\)\)\")|\brandom\.(random|choice|randint)\("
    )
    allowed = {"kernel/clock.py", "kernel/ids.py", "settings.py", "simulator/demo.py"}
    violations = []
    for path in (ROOT / "server").rglob("*.py"):
        name = str(path.relative_to(ROOT / "server"))
        if name in allowed:
            continue
        violations += [
            f"{name}:{n}" for n, line in enumerate(path.read_text().splitlines(), 1) if forbidden.search(line)
        ]
    assert not violations


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "agents_ui/package-lock.json"])
def test_lock_files_name_no_registry_and_no_machine(name: str) -> None:
    text = (ROOT / name).read_text()
    assert len(text) > 10_000
    assert not re.search(r'"resolved": *"http|--(extra-)?index-url|https?://[^ "]*(pypi|pythonhosted|npmjs)', text)
    assert not re.search(r"(?<![\w.])/(home|root|work|tmp)/", text)


UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|# stub\b|\bnot (yet )?implemented\b")


def test_no_file_has_a_mark_of_unfinished_work() -> None:
    violations = []
    files = tracked("server/*.py", "widget/*.ts", "agents_ui/src/*.ts", "agents_ui/src/*.tsx")
    assert len(files) > 200
    for path in files:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if UNFINISHED.search(line):
                violations.append(f"{path.relative_to(ROOT)}:{number}")
    assert not violations


@pytest.mark.parametrize(
    "line", ["# TODO: mend", "x = 1  # FIXME", "// XXX", "HACK", "pass  # stub", "not yet implemented"]
)
def test_a_mark_of_unfinished_work_is_found(line: str) -> None:
    assert UNFINISHED.search(line)


def sources() -> dict[str, ast.Module]:
    """The server's modules, by path."""
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in (ROOT / "server").rglob("*.py")}


def unfinished(modules: dict[str, ast.Module]) -> list[str]:
    """Places that raise `NotImplementedError`, except methods that only raise it and that a subclass implements."""
    classes = [node for tree in modules.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    allowed: set[ast.AST] = set()
    for base in classes:
        below = [each_class for each_class in classes if base.name in {ast.unparse(name) for name in each_class.bases}]
        overridden = {statement.name for item in below for statement in item.body if isinstance(statement, FUNCTIONS)}
        for method in base.body:
            if isinstance(method, FUNCTIONS) and method.name in overridden:
                body = [statement for statement in method.body if not _is_text(statement)]
                if len(body) == 1:
                    allowed.add(body[0])
    return [
        f"{name}:{node.lineno}"
        for name, tree in modules.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and "NotImplementedError" in ast.unparse(node) and node not in allowed
    ]


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def test_an_unimplemented_method_is_implemented_by_a_subclass() -> None:
    assert not unfinished(sources())


def test_a_method_that_nobody_implements_is_found() -> None:
    code = """
class Base:
    def run(self): raise NotImplementedError
    def stop(self):
        "A word on it."
        raise NotImplementedError
    def half(self):
        self.begin()
        raise NotImplementedError("the other half")

class Real(Base):
    def stop(self): ...
    def half(self): ...

def later(): raise NotImplementedError()
"""
    assert unfinished({"it": ast.parse(code)}) == ["it:15", "it:3", "it:9"]


BROAD = {"Exception", "BaseException"}
LOGS_ITS_ERROR = {"_internal_error"}  # functions that log the error they get


def swallowed(tree: ast.AST) -> list[int]:
    """Lines where an exception of any class ends unrecorded: a handler that neither raises nor logs nor uses the
    exception, or `suppress(Exception)`."""
    results = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _names(node.type) & BROAD and not _is_recorded(node):
            results.append(node.lineno)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "suppress":
            if set().union(*map(_names, node.args)) & BROAD:
                results.append(node.lineno)
    return results


def _names(caught: ast.expr | None) -> set[str]:
    if caught is None:
        return {"BaseException"}
    if isinstance(caught, ast.Tuple):
        return set().union(*map(_names, caught.elts))
    return {ast.unparse(caught).rpartition(".")[2]}


def _is_recorded(handler: ast.ExceptHandler) -> bool:
    for node in (inner for statement in handler.body for inner in ast.walk(statement)):
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Name) and node.id in {handler.name, *LOGS_ITS_ERROR}):
            return True
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log."):
            return True
    return False


def test_every_caught_exception_is_logged_raised_or_used() -> None:
    violations = [f"{name}:{line}" for name, tree in sources().items() for line in swallowed(tree)]
    assert not violations


@pytest.mark.parametrize(
    ("code", "is_swallowed"),
    [
        ("try: go()\nexcept: pass", True),
        ("try: go()\nexcept Exception: ...", True),
        ("try: go()\nexcept (OSError, Exception): return_later = 1", True),
        ("def f():\n  try: go()\n  except BaseException as error: return", True),
        ("def f():\n  try: go()\n  except Exception: return None", True),
        ("def f():\n  try: go()\n  except builtins.Exception: return f'not ready'", True),
        ("with contextlib.suppress(Exception): go()", True),
        ("with suppress(OSError, BaseException): go()", True),
        ("try: go()\nexcept Exception: log.exception('failed')", False),
        ("try: go()\nexcept Exception as error: failed = error", False),
        ("try: go()\nexcept BaseException:\n  undo()\n  raise", False),
        ("try: go()\nexcept Exception: refuse(_internal_error(hub))", False),
        ("try: go()\nexcept OSError: pass", False),
        ("with contextlib.suppress(TimeoutError): go()", False),
        ("consent.suppress(tx, 'sms', phone)", False),
    ],
)
def test_a_swallowed_exception_is_found_in_every_form(code: str, is_swallowed: bool) -> None:
    assert bool(swallowed(ast.parse(code))) == is_swallowed


def test_the_readme_names_the_two_commands_and_ci_calls_the_second() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "make up" in readme and "make test" in readme
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_every_picture_of_the_readme_exists_in_light_dark_and_phone_form() -> None:
    """The README shows console and widget; `python -m tests.browser.screens` takes the pictures again."""
    shown = set(re.findall(r"\]\((docs/[\w-]+\.png)\)", (ROOT / "README.md").read_text()))
    assert shown == {str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.png")}
    expected = {f"docs/{screen}-{mode}.png" for screen in ("console", "widget") for mode in ("light", "dark", "phone")}
    assert expected <= shown


# Components without a sheet of their own, by the sheet that they use.
BUILT_ON = {
    "Input": {"ColorInput", "MultiSelect", "NativeSelect", "NumberInput", "PasswordInput", "Select", "TagsInput", "Textarea", "TextInput"},
    "Combobox": {"MultiSelect", "Select", "TagsInput"},
    "InlineInput": {"Checkbox", "Radio", "Switch"},
}  # fmt: skip


def test_each_component_of_mantine_comes_with_its_style() -> None:
    """A missing style raises no error: a link would have the browser's own blue. Layered sheets give way to our modules."""
    source = ROOT / "agents_ui/src"
    styles = {path.stem for path in (ROOT / "agents_ui/node_modules/@mantine/core/styles").glob("*.css")}
    base_styles = _styles((source / "ui/mantine.ts").read_text())
    forms = _styles((source / "ui/formStyles.ts").read_text())
    checked = 0
    for path in source.rglob("*.tsx"):
        text = path.read_text()
        assert not re.search(r"@mantine/\w+/styles(/\w+)?\.css", text), (
            f"{path.relative_to(ROOT)}: use the layered sheet"
        )
        index_file = source / path.relative_to(source).parts[0] / "index.ts"
        with_area = index_file.read_text() if index_file.exists() else ""
        area = _styles(with_area) | (forms if "/formStyles'" in with_area + text else set())
        for names in re.findall(r"import \{([^}]*)\} from '@mantine/core'", text):
            used = {name.strip() for name in names.split(",")}
            used = used & styles | {sheet for sheet, users in BUILT_ON.items() if used & users}
            checked += len(used)
            missing = used - base_styles - area - _styles(text)
            assert not missing, f"{path.relative_to(ROOT)} imports no style of {missing}"
    assert checked > 100


def _styles(text: str) -> set[str]:
    return set(re.findall(r"@mantine/core/styles/(\w+)\.layer\.css", text))
