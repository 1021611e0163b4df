"""Every rule, guarantee and bad input that the tree cites is defined in the tree."""

import re
import subprocess
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BEHAVIOUR = ROOT / "docs/behaviour.md"
GUARANTEES = ROOT / "docs/guarantees.md"
BAD_INPUTS = ROOT / "tests/bad_inputs.md"

RULE = re.compile(
    r"\b(?:AMB|CAM|CIM|CMP|CON|CST|ELM|EML|FLW|FUP|HIS|HRS|IDN|IMP|INB|KEY|OUT|ROL|SET|SMA|SUP|TRA|TRG)-\d+\b"
)
# An id must not be part of an escape (%C0), a formula (!A0), a colour or a longer word.
SHORT = re.compile(r"(?<![%!&#\\\w-])[ACFGHIPSTUW][1-9]\d?\b(?!%)")
FIRST_CELL = re.compile(r"^\| ([A-Z]+-?\d+) \|", re.MULTILINE)
HEADING = re.compile(r"^## (G\d+) ", re.MULTILINE)


def defined() -> set[str]:
    rules = FIRST_CELL.findall(BEHAVIOUR.read_text()) + FIRST_CELL.findall(BAD_INPUTS.read_text())
    assert [item for item, count in Counter(rules).items() if count > 1] == []
    return set(rules) | set(HEADING.findall(GUARANTEES.read_text()))


def cited() -> dict[str, str]:
    """Each cited id, with a file that cites it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    result: dict[str, str] = {}
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path in (BEHAVIOUR, GUARANTEES, BAD_INPUTS) or not path.is_file():
            continue
        if not name.endswith((".py", ".ts", ".tsx", ".md", ".css", ".html")):
            continue
        text = path.read_text(errors="replace")
        for item in RULE.findall(text):
            result.setdefault(item, name)
        if (name.startswith(("server/", "tests/")) and name.endswith(".py")) or name.endswith(".md"):
            for item in SHORT.findall(text):
                result.setdefault(item, name)
    return result


def test_every_cited_id_is_defined_in_the_tree() -> None:
    defined_ids, cited_ids = defined(), cited()
    assert len(cited_ids) > 100, "the search must find cited ids"
    assert {item: file for item, file in cited_ids.items() if item not in defined_ids} == {}


def test_every_bad_input_in_the_list_is_cited() -> None:
    cited_ids = cited()
    assert [item for item in FIRST_CELL.findall(BAD_INPUTS.read_text()) if item not in cited_ids] == []
