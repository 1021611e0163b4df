"""The doctor's checks of mail: the settings, the mail server, and mails whose outcome is unclear."""

from __future__ import annotations

from server.delivery import mail_domain
from server.delivery.mail_domain import DKIM
from server.delivery.mail_settings import MAIL, MailSettings
from server.delivery.pump import MailPump
from server.kernel.context import App
from server.kernel.sealing import PURPOSE, Unsealable, unseal
from server.kernel.sql import Conn
from server.operations.findings import Finding, fail, ok, warn

SETTINGS = "Settings → E-mail"
LOCAL = ("localhost", "127.", "::1")


async def check_mail(app: App) -> list[Finding]:
    """All findings about mail; a single one while mail is off."""
    document = await app.read(MAIL.load)
    if not document.mail_on:
        return [ok("E-mail is off.")]
    if document.stopped:
        return [fail(f"E-mail is stopped: {document.stopped}", f"Correct it and save it again under {SETTINGS}.")]
    if not document.usable:
        return [fail("E-mail is on, but has no mail server or no From address.", f"Enter both under {SETTINGS}.")]
    return [await _server(app, document), *_encryption(document), *await _records(app), *await _signing(app)]


async def _server(app: App, document: MailSettings) -> Finding:
    channel = await app.part(MailPump).channel()
    where = f"{document.host}:{document.port}"
    if channel is None:
        return fail("E-mail cannot be used.", f"Save the settings again under {SETTINGS}.")
    problem = await channel.check()
    if problem:
        return fail(f"{where}: {problem}", f"Check server, port, security, user name and password under {SETTINGS}.")
    how = "and accepts the sign-in" if document.user else "and asks for no sign-in"
    return ok(f"The mail server {where} answers {how}.")


def _encryption(document: MailSettings) -> list[Finding]:
    if document.security != "plain" or document.host.startswith(LOCAL):
        return []
    return [
        warn(
            f"Mail and password go to {document.host} unencrypted.",
            f"Choose STARTTLS or TLS under {SETTINGS}, unless the server is on the same private network.",
        )
    ]


RECORDS = {"spf": "SPF", "dkim": "DKIM", "dmarc": "DMARC"}
PROBLEMS = {
    "no_answer": "cannot be looked up: DNS does not answer",
    "spf_missing": "is missing, so other servers may take your mail for forged",
    "spf_repeated": "exists more than once, so receivers ignore all of them",
    "spf_everybody": "allows everybody to send mail in your name",
    "spf_lacks": "does not allow your mail server",
    "dkim_missing": "of the signing key is missing, so the signatures of your mail are not valid",
    "dkim_relay_missing": "of the mail server's key is missing",
    "dkim_revoked": "has no key, so the signatures of your mail are not valid",
    "dkim_different": "has another key than the one that signs your mail",
    "dmarc_missing": "is missing; large receivers require it",
    "dmarc_repeated": "exists more than once, so receivers ignore all of them",
    "dmarc_policy": "has no valid policy (p)",
}


async def _records(app: App) -> list[Finding]:
    checks = await mail_domain.look_up(app)
    findings = []
    for check in checks:
        if check.code in PROBLEMS:
            advice = f"Publish this TXT record for {check.name}: {check.wanted}" if check.wanted else f"See {SETTINGS}."
            findings.append(warn(f"The {RECORDS[check.kind]} record {check.name} {PROBLEMS[check.code]}.", advice))
    if checks and not findings:
        findings.append(ok("SPF, DKIM and DMARC have no known problem."))
    return findings


async def _signing(app: App) -> list[Finding]:
    def missing(tx: Conn) -> bool:
        settings = DKIM.load(tx)
        stored = settings.key(settings.active)
        if settings.signing != "own" or stored is None:
            return settings.signing == "own"
        try:
            return not unseal(app.key(PURPOSE), stored.private_sealed)
        except Unsealable:
            return True

    if not await app.read(missing):
        return []
    return [fail("The DKIM key cannot be read, so mail is not signed.", f"Create another key under {SETTINGS}.")]
