"""The carrier's status reports: signed, kept whole, applied forward only (G10)."""

from __future__ import annotations

from urllib.parse import parse_qsl

from server.channels import twilio_webhooks
from server.channels.base import Report
from server.delivery import settling
from server.delivery.settings import current
from server.kernel.context import App
from server.web.webhooks import Posted

PROBE = "threadline-doctor"  # the doctor's own report: signed like any other, and kept nowhere


async def status(app: App, posted: Posted) -> int:
    """One report. 200 after COMMIT, 403 unless it is signed and about our account; the frame makes 503 of the rest."""
    account = await current(app)
    if not twilio_webhooks.signed_by(account.tokens, account.shared_keys, app.settings.public_url, posted):
        return 403
    params = dict(posted.params)
    if params.get("AccountSid") != account.sid:
        return 403
    sid, word = params.get("MessageSid") or params.get("SmsSid"), params.get("MessageStatus") or params.get("SmsStatus")
    if sid == PROBE:
        return 200
    if not sid or not word or len(sid) > 64 or len(word) > 64:
        return 400
    code = params.get("ErrorCode", "")
    error = int(code) if code.isascii() and code.isdecimal() and len(code) < 10 and int(code) else None
    token, _, attempt = dict(parse_qsl(posted.query)).get("m", "").partition(".")
    await app.write(
        settling.report,
        Report(sid, word.lower(), error, params, account.sid),
        token or None,
        int(attempt) if attempt.isdecimal() and len(attempt) < 6 else None,
    )
    return 200
