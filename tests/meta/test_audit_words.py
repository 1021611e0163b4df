"""Every audit action has a text in the console; without a text the screen would show the action's internal name."""

from __future__ import annotations

import json
import re
from pathlib import Path

from server.accounts.account_settings import ACCOUNT
from server.audiences.keeping import KEEPING
from server.consent.definitions import ConsentDefinition
from server.consent.settings import KEYWORDS, LITIGATORS
from server.contact_data.http import IdentityBody
from server.contacts.http import NameBody
from server.delivery.bulk_settings import CAMPAIGNS
from server.delivery.deactivations import DEACTIVATIONS
from server.delivery.http import SenderBody
from server.delivery.mail_domain import DKIM
from server.delivery.mail_settings import MAIL
from server.delivery.settings import SMS
from server.events.retention import RETENTION
from server.inbox.quick_replies import QuickReply
from server.links.settings import LINKS
from server.shop.settings import FETCH, SHOP
from server.sms.settings import INBOX
from server.web.visitor_limits import ADDRESS_SHARE
from server.webchat.hours import HOURS
from server.webchat.settings import WIDGET

ROOT = Path(__file__).parents[2]
# Finds the name of the action in `record(tx, who, "action", …)` and in calls of `_record_failure` and `_end_session`, which
# pass it on to `record`.
RECORDED = re.compile(r'\b(?:record\(tx, [^,]+|_record_failure, facts|_end_session, agent, [\w.]+), f?"([\w{}]+)"')
# Finds the names of the settings areas; each area records its changes as `<name>_changed`.
DOCUMENT = re.compile(r'^\w+(?:: [\w\[\]]+)? = Document\("(\w+)"', re.MULTILINE)
DOCUMENTS = (ACCOUNT, CAMPAIGNS, DKIM, HOURS, INBOX, KEYWORDS, LINKS, LITIGATORS, MAIL, RETENTION, SHOP, SMS, WIDGET)
SERVER_STATE = {
    DEACTIVATIONS.name,
    FETCH.name,
    KEEPING.name,
    ADDRESS_SHARE.name,
}  # documents that the server writes itself, without an audit entry
SENDER_FIELDS = set(SenderBody.model_fields) - {"address", "start"}  # an address never changes, `start` is a command
LINK_PURPOSES = ("signin", "reset")


def words(group: str) -> set[str]:
    return set(json.loads((ROOT / "agents_ui/src/i18n/en/system.json").read_text())["audit"][group])


def test_every_recorded_action_has_a_text() -> None:
    result = set()
    for path in (ROOT / "server").rglob("*.py"):
        text = path.read_text()
        result |= set(RECORDED.findall(text)) | {
            f"{name}_changed" for name in DOCUMENT.findall(text) if name not in SERVER_STATE
        }
    assert len(result) >= 15  # the pattern still finds actions
    expected = {name.replace("{purpose}", purpose) for name in result for purpose in LINK_PURPOSES}
    assert expected == words("actions")


def test_every_changeable_setting_has_a_text() -> None:
    areas = {name for path in (ROOT / "server").rglob("*.py") for name in DOCUMENT.findall(path.read_text())}
    assert areas - SERVER_STATE == {document.name for document in DOCUMENTS}
    fields = {field for document in DOCUMENTS for field in document.model.model_fields}
    fields |= set(ConsentDefinition.model_fields) | set(QuickReply.model_fields) | SENDER_FIELDS
    assert fields | set(NameBody.model_fields) | set(IdentityBody.model_fields) == words(
        "settings"
    )  # changes of a contact use the same texts
