"""What SPF, DKIM and DMARC records a domain needs, and what is wrong with its present ones. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "missing", "wrong", "unknown"]
Kind = Literal["spf", "dkim", "dmarc"]

MAX_PARENTS = 5  # domains above ours in which a DMARC record is looked for

# By the end of the mail server's name: the SPF mechanism that its provider documents.
PROVIDERS = {
    "amazonaws.com": "include:amazonses.com",
    "brevo.com": "include:spf.brevo.com",
    "fastmail.com": "include:spf.messagingengine.com",
    "gmail.com": "include:_spf.google.com",
    "google.com": "include:_spf.google.com",
    "mailgun.org": "include:mailgun.org",
    "mailjet.com": "include:spf.mailjet.com",
    "mandrillapp.com": "include:spf.mandrillapp.com",
    "office365.com": "include:spf.protection.outlook.com",
    "outlook.com": "include:spf.protection.outlook.com",
    "postmarkapp.com": "include:spf.mtasv.net",
    "sendgrid.net": "include:sendgrid.net",
    "zoho.com": "include:zoho.com",
}
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Found:
    """The TXT records of one name. `answered` False: DNS did not respond."""

    name: str
    values: Sequence[str] = ()
    answered: bool = True


@dataclass(frozen=True, slots=True)
class RecordCheck:
    """`code`: what was found, for the sentence that is shown. `wanted`: the exact value to publish; "" if there is
    nothing to do or only the provider knows it."""

    kind: Kind
    name: str
    state: State
    code: str
    found: tuple[str, ...] = ()
    wanted: str = ""


def spf_mechanism(host: str) -> tuple[str, bool]:
    """The mechanism that allows this mail server to send, and whether its provider documents it."""
    for end, mechanism in PROVIDERS.items():
        if host == end or host.endswith(f".{end}"):
            return mechanism, True
    if host in LOCAL_HOSTS or not host:
        return "a", False
    try:
        return f"ip{ipaddress.ip_address(host).version}:{host}", False
    except ValueError:
        return f"a:{host}", False


def check_spf(found: Found, host: str) -> RecordCheck:
    """`host`: the mail server. Receivers check SPF for the domain of the return path."""
    mechanism, documented = spf_mechanism(host)
    records = tuple(value for value in found.values if re.match(r"v=spf1(?:\s|$)", value, re.IGNORECASE))
    if not found.answered:
        return RecordCheck("spf", found.name, "unknown", "no_answer")
    if not records:
        return RecordCheck("spf", found.name, "missing", "spf_missing", (), f"v=spf1 {mechanism} ~all")
    terms = [term for record in records for term in record.split()[1:]]
    others = list(dict.fromkeys(term for term in terms if not re.fullmatch(r"[-+~?]?all", term, re.IGNORECASE)))
    ending = next((term for term in terms if re.fullmatch(r"[-~?]all", term, re.IGNORECASE)), "~all")
    allowed = [term for term in others if not term.lower().startswith("redirect=")]
    redirects = [term for term in others if term.lower().startswith("redirect=")]
    covered = any(term.lower().lstrip("+") == mechanism.lower() for term in others)
    if documented and not covered:
        allowed.append(mechanism)
    wanted = " ".join(["v=spf1", *allowed, *(redirects if redirects and len(records) == 1 else [ending])])
    if len(records) > 1:
        return RecordCheck("spf", found.name, "wrong", "spf_repeated", records, wanted)
    if any(re.fullmatch(r"\+?all", term, re.IGNORECASE) for term in terms):
        return RecordCheck("spf", found.name, "wrong", "spf_everybody", records, wanted)
    if documented and not covered and not redirects:
        return RecordCheck("spf", found.name, "wrong", "spf_lacks", records, wanted)
    return RecordCheck("spf", found.name, "ok", "spf_ok" if covered else "spf_unsure", records)


def dkim_name(selector: str, domain: str) -> str:
    return f"{selector}._domainkey.{domain}"


def dkim_record(public: str) -> str:
    """The record of a public key of ours (base64)."""
    return f"v=DKIM1; k=rsa; p={public}"


def _tags(record: str) -> dict[str, str]:
    """The tags of a DKIM or DMARC record, without spaces in their values."""
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip().lower(): re.sub(r"\s+", "", value) for name, equals, value in pairs if equals}


def check_dkim(found: Found, public: str) -> RecordCheck:
    """`public`: our key; "": the relay signs, with a key that only its provider knows."""
    records = tuple(value for value in found.values if "p" in _tags(value))
    wanted = dkim_record(public) if public else ""
    if not found.answered:
        return RecordCheck("dkim", found.name, "unknown", "no_answer", (), wanted)
    if not records:
        return RecordCheck(
            "dkim", found.name, "missing", "dkim_missing" if public else "dkim_relay_missing", (), wanted
        )
    key = _tags(records[0])["p"]
    if not key:
        return RecordCheck("dkim", found.name, "wrong", "dkim_revoked", records, wanted)
    if public and (len(records) > 1 or key != public):
        return RecordCheck("dkim", found.name, "wrong", "dkim_different", records, wanted)
    return RecordCheck("dkim", found.name, "ok", "dkim_ok", records)


def dmarc_names(domain: str) -> list[str]:
    """Where the domain's DMARC record may be: at the domain or, in this order, above it."""
    labels = domain.split(".")
    parents = [".".join(labels[start:]) for start in range(1, len(labels) - 1)]
    return [f"_dmarc.{name}" for name in [domain, *parents[-MAX_PARENTS:]]]


def check_dmarc(found: Sequence[Found]) -> RecordCheck:
    """`found`: the answers for `dmarc_names`, in its order. The first name with a record counts."""
    wanted = "v=DMARC1; p=none"
    for answer in found:
        records = tuple(value for value in answer.values if _tags(value).get("v") == "DMARC1")
        if not answer.answered:
            return RecordCheck("dmarc", answer.name, "unknown", "no_answer")
        if len(records) > 1:
            return RecordCheck("dmarc", answer.name, "wrong", "dmarc_repeated", records, records[0])
        if records:
            policy = _tags(records[0]).get("p", "").lower()
            if policy not in ("none", "quarantine", "reject"):
                return RecordCheck("dmarc", answer.name, "wrong", "dmarc_policy", records, wanted)
            return RecordCheck("dmarc", answer.name, "ok", f"dmarc_{policy}", records)
    return RecordCheck("dmarc", found[0].name, "missing", "dmarc_missing", (), wanted)
