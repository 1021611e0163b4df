"""Receives the carrier's status reports (G10)."""

from __future__ import annotations

from urllib.parse import parse_qsl

from server.channels import twilio_webhooks
from server.channels.base import Report
from server.delivery import settling
from server.delivery.settings import current
from server.kernel.context import App
from server.web.webhooks import WebhookRequest, count_refusal

PROBE = "threadline-doctor"  # message id of the doctor's test report, which is not stored


async def status(app: App, posted: WebhookRequest) -> int:
    """Stores one report. 200 after COMMIT; 403 if the report is not signed or belongs to another account; 400 if it
    names no message."""
    account = await current(app)
    if not twilio_webhooks.signed_by(account.tokens, account.shared_keys, app.settings.public_urls, posted):
        return count_refusal(403, "bad_signature")
    params = dict(posted.params)
    if params.get("AccountSid") != account.sid:
        return count_refusal(403, "foreign_account")
    sid, carrier_status = (
        params.get("MessageSid") or params.get("SmsSid"),
        params.get("MessageStatus") or params.get("SmsStatus"),
    )
    if sid == PROBE:
        return 200
    if not sid or not carrier_status or len(sid) > 64 or len(carrier_status) > 64:
        return 400
    code = params.get("ErrorCode", "")
    error = int(code) if code.isascii() and code.isdecimal() and len(code) < 10 and int(code) else None
    token, _, attempt = dict(parse_qsl(posted.query)).get("m", "").partition(".")
    await app.write(
        settling.apply_report,
        Report(sid, carrier_status.lower(), error, params, account.sid),
        token or None,
        int(attempt) if attempt.isdecimal() and len(attempt) < 6 else None,
    )
    return 200
