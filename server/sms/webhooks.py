"""Receives the carrier's webhook for incoming texts."""

from __future__ import annotations

from server.channels import twilio_webhooks
from server.consent.settings import KEYWORDS
from server.delivery import settings as sms_settings
from server.kernel.context import App
from server.sms import receiving
from server.sms.receiving import Outcome
from server.sms.settings import INBOX
from server.web.webhooks import StatusCode, WebhookRequest, alert, count_refusal

TEXTS = "/webhooks/twilio/sms"


async def receive(app: App, posted: WebhookRequest) -> StatusCode:
    """Responds 200 after COMMIT, and for every repeat. Responds 403 without reading texts if the signature or account
    is wrong."""
    account = await sms_settings.current(app)
    if not twilio_webhooks.signed_by(account.tokens, account.shared_keys, app.settings.public_urls, posted):
        return count_refusal(403, "bad_signature")
    params = dict(posted.params)
    if params.get("AccountSid") != account.sid:
        alert(app, "webhook_of_another_account", "Another account of the provider sends its texts here.")
        return count_refusal(403, "foreign_account")
    text = twilio_webhooks.parse_text(params, posted.headers)
    if isinstance(text, twilio_webhooks.NoText):
        alert(app, "webhook_of_another_product", f"The address for texts was given to {text.product}.")
        return count_refusal(400, "wrong_product")
    words, inbox = await KEYWORDS.latest(app), await INBOX.latest(app)
    received = await app.write_joined(receiving.receive_texts, text, words, inbox, lane=text.sender)
    if received.outcome is Outcome.NOT_OURS:
        alert(app, "webhook_for_another_number", "Texts come in for a number that is not in Settings → SMS → Numbers.")
        return count_refusal(403, "foreign_number")
    return 200
