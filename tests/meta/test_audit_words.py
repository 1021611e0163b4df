"""What stands in the audit log has words in the console: an action without them would be shown by its own name."""

from __future__ import annotations

import json
import re
from pathlib import Path

from server.consent.settings import KEYWORDS, LITIGATORS
from server.contacts.http import Naming
from server.delivery.deactivations import LISTS
from server.delivery.settings import SMS
from server.inbox.settings import INBOX
from server.inbox.widget import WIDGET
from server.links.settings import LINKS

ROOT = Path(__file__).parents[2]
# `record(tx, who, "action"`, and the two steps that pass an action on to it.
RECORDED = re.compile(r'\b(?:record\(tx, [^,]+|_failed, facts|_end, agent, [\w.]+), f?"([\w{}]+)"')
# Every area of settings records its changes as `<name>_changed`.
DOCUMENT = re.compile(r'^\w+(?:: [\w\[\]]+)? = Document\("(\w+)"', re.MULTILINE)
DOCUMENTS = (INBOX, KEYWORDS, LINKS, LITIGATORS, SMS, WIDGET)
REMEMBERED = {LISTS.name}  # by a job for its next run: nobody changes it, so nobody is told who did
PURPOSES = ("signin", "reset")


def words(of: str) -> set[str]:
    return set(json.loads((ROOT / "agents_ui/src/i18n/en/system.json").read_text())["audit"][of])


def test_every_action_that_is_recorded_has_words() -> None:
    found = set()
    for path in (ROOT / "server").rglob("*.py"):
        text = path.read_text()
        found |= set(RECORDED.findall(text)) | {
            f"{name}_changed" for name in DOCUMENT.findall(text) if name not in REMEMBERED
        }
    assert len(found) >= 15
    named = {name.replace("{purpose}", purpose) for name in found for purpose in PURPOSES}
    assert named == words("actions")


def test_every_setting_that_can_change_has_words() -> None:
    areas = {name for path in (ROOT / "server").rglob("*.py") for name in DOCUMENT.findall(path.read_text())}
    assert areas - REMEMBERED == {document.name for document in DOCUMENTS}
    fields = {field for document in DOCUMENTS for field in document.model.model_fields}
    assert fields | set(Naming.model_fields) == words("settings")  # a contact's are told in the same way
