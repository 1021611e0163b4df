"""What a reader may rely on: files end, time and ids are arguments, nothing names a registry or is left half done."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 600  # lines


def tracked(*patterns: str) -> list[Path]:
    """Files under version control, or what lies there in an archive without it."""
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    found = [path for pattern in patterns for path in ROOT.rglob(pattern)]
    return [path for path in found if not {"node_modules", ".venv", "static"} & set(path.parts)]


def test_no_file_of_code_is_longer_than_six_hundred_lines() -> None:
    files = [
        path for path in tracked("*.py", "*.ts", "*.tsx", "*.css") if not {"generated", "versions"} & set(path.parts)
    ]
    assert len(files) > 100
    long = {str(path.relative_to(ROOT)): n for path in files if (n := path.read_text().count("\n")) > LONGEST}
    assert not long


def test_time_and_chance_come_from_the_kernel() -> None:
    forbidden = re.compile(
        r"datetime\.(now|utcnow|today)\(|\btime\.time\(|\buuid[14]\(|\bsecrets\.token_\w+\((?!48\)\)\")|\brandom\.(random|choice|randint)\("
    )
    allowed = {"kernel/clock.py", "kernel/ids.py", "settings.py", "simulator/demo.py"}
    guilty = []
    for path in (ROOT / "server").rglob("*.py"):
        name = str(path.relative_to(ROOT / "server"))
        if name in allowed:
            continue
        guilty += [f"{name}:{n}" for n, line in enumerate(path.read_text().splitlines(), 1) if forbidden.search(line)]
    assert not guilty


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "agents_ui/package-lock.json"])
def test_lock_files_name_no_registry_and_no_machine(name: str) -> None:
    text = (ROOT / name).read_text()
    assert len(text) > 10_000
    assert not re.search(r'"resolved": *"http|--(extra-)?index-url|https?://[^ "]*(pypi|pythonhosted|npmjs)', text)
    assert not re.search(r"(?<![\w.])/(home|root|work|tmp)/", text)


def test_nothing_is_left_half_done() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|# stub\b|raise NotImplementedError(?!\n)")
    guilty = []
    for path in tracked("server/*.py", "widget/*.ts", "agents_ui/src/*.ts", "agents_ui/src/*.tsx"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if words.search(line) and "raise NotImplementedError" not in line:
                guilty.append(f"{path.relative_to(ROOT)}:{number}")
    assert not guilty


def test_no_exception_is_swallowed_without_a_word() -> None:
    silent = re.compile(r"except( Exception| BaseException)?( as \w+)?:\s*\n\s*(pass|\.\.\.)\s*\n")
    guilty = [
        str(path.relative_to(ROOT)) for path in (ROOT / "server").rglob("*.py") if silent.search(path.read_text())
    ]
    assert not guilty


def test_the_readme_names_the_two_commands_and_ci_calls_the_second() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "make up" in readme and "make test" in readme
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_every_picture_of_the_readme_is_there_and_light_dark_and_phone_are_shown() -> None:
    """Of console and widget; taken anew by `python -m tests.browser.screens`."""
    shown = set(re.findall(r"\]\((docs/[\w-]+\.png)\)", (ROOT / "README.md").read_text()))
    assert shown == {str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.png")}
    wanted = {f"docs/{what}-{how}.png" for what in ("console", "widget") for how in ("light", "dark", "phone")}
    assert wanted <= shown


def test_each_component_of_mantine_comes_with_its_style() -> None:
    """Without it nothing fails: a link is the browser's own blue."""
    source = ROOT / "agents_ui/src"
    styles = {path.stem for path in (ROOT / "agents_ui/node_modules/@mantine/core/styles").glob("*.css")}
    always = _styles((source / "frame/mantine.ts").read_text())
    seen = 0
    for path in source.rglob("*.tsx"):
        text = path.read_text()
        for names in re.findall(r"import \{([^}]*)\} from '@mantine/core'", text):
            used = {name.strip() for name in names.split(",")} & styles
            seen += len(used)
            assert used <= always | _styles(text), f"{path.relative_to(ROOT)} imports no style of {used - always}"
    assert seen > 100


def _styles(text: str) -> set[str]:
    return set(re.findall(r"@mantine/core/styles/(\w+)\.css", text))
