"""The carrier's webhook for texts that come in: signed by them, ours, stored, and only then answered."""

from __future__ import annotations

from server.channels import twilio_webhooks
from server.consent.settings import KEYWORDS
from server.delivery import settings as sms_settings
from server.inbox import sms
from server.inbox.settings import INBOX
from server.inbox.sms import Outcome
from server.kernel.context import App
from server.web.webhooks import Answer, Posted, alert, refused

TEXTS = "/webhooks/twilio/sms"


async def receive(app: App, posted: Posted) -> Answer:
    """200 once it is committed, and for every repeat; 403 before anything is asked of the database."""
    account = await sms_settings.current(app)
    if not twilio_webhooks.signed_by(account.tokens, account.shared_keys, app.settings.public_url, posted):
        return refused(403, "bad_signature")
    params = dict(posted.params)
    if params.get("AccountSid") != account.sid:
        alert(app, "webhook_of_another_account", "Another account of the provider sends its texts here.")
        return refused(403, "foreign_account")
    text = twilio_webhooks.parse_text(params, posted.headers)
    if isinstance(text, twilio_webhooks.NoText):
        alert(app, "webhook_of_another_product", f"The address for texts was given to {text.product}.")
        return refused(400, "wrong_product")
    words, inbox = await KEYWORDS.latest(app), await INBOX.latest(app)
    done = await app.write_joined(sms.receive_texts, text, words, inbox, lane=text.sender)
    if done.outcome is Outcome.NOT_OURS:
        alert(app, "webhook_for_another_number", "Texts come in for a number that is not in Settings → SMS → Numbers.")
        return refused(403, "foreign_number")
    return 200
