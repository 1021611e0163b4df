"""What the law wants in every marketing text: the name in front, how to opt out, contact information (CAM-27). Pure."""

from __future__ import annotations

from server.consent.default_replies import language_for

# The opt-out wording by language. Each contains STOP, which `consent.keywords` understands in every language.
OPT_OUT = {
    "en": "Reply STOP to opt out.",
    "fr": "STOP pour vous désinscrire.",
    "nl": "Afmelden? Antwoord STOP.",
    "de": "Abmelden mit STOP.",
    "it": "Rispondi STOP per annullare.",
    "es": "Responda STOP para darse de baja.",
    "pt": "Responda STOP para cancelar.",
    "sv": "Svara STOP för att avsluta.",
    "no": "Svar STOP for å melde deg av.",
    "fi": "Peruuta vastaamalla STOP.",
    "da": "Svar STOP for at afmelde.",
    "hu": "Leiratkozás: STOP.",
    "pl": "Rezygnacja: STOP.",
    "ru": "Отказ: STOP.",
    "ko": "수신거부: STOP 회신",
}
PREFIX_MANDATORY = frozenset({"FR"})
# Countries whose rules ask for what a campaign may switch off.
REQUIRED_IN = {
    "prefix": frozenset("US CA AU NZ GB IE DE NL FR BE AT ES CH DK SE NO FI IT PL PT LU HU".split()),
    "opt_out": frozenset("US CA AU NZ GB IE DE NL FR BE AT ES CH DK SE NO FI IT PL PT LU HU".split()),
    "contact": frozenset("CA AU NZ".split()),
}


# Of countries without a default language in `consent.default_replies`.
_LANGUAGES = {"FR": "fr", "KR": "ko", "RU": "ru"}


def opt_out(country: str, language: str) -> str:
    """The opt-out wording for a recipient of this country."""
    return OPT_OUT.get(language_for(country, language or _LANGUAGES.get(country, "")), OPT_OUT["en"])
