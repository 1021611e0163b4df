"""Converts the two spellings of one phone line into the canonical one, in countries that have two. Pure.

Carriers deliver texts in either spelling, and a STOP must apply to the line. The canonical spelling is the one that
Twilio accepts as a recipient.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spelling:
    """`other`: the other spelling in E.164. `kept`: its canonical replacement."""

    country: str
    other: re.Pattern[str]
    kept: str
    source: str


SPELLINGS = (
    Spelling(
        "MX",
        re.compile(r"\+52(?:1|044|045)([2-9]\d{9})", re.ASCII),
        r"+52\1",
        "Mobiles had a 1 after the country code (044 and 045 at home) until 3 August 2019; since then ten digits, as of every other "
        "line: IFT, Plan Técnico Fundamental de Numeración (DOF 11 May 2018). Twilio wants +52 and ten digits: "
        "https://www.twilio.com/en-us/guidelines/mx/sms",
    ),
    Spelling(
        "AR",
        re.compile(r"\+54((?:11|[23]\d)\d{8})", re.ASCII),
        r"+549\1",
        "Ten digits are one line, fixed or mobile; the 9 before them tells callers from abroad that it is mobile, and texts come with "
        "and without it: Plan Fundamental de Numeración Nacional (Resolución SC 46/97, ENACOM). Twilio refuses what reads as a landline "
        "(21614), so the mobile's form is kept: https://www.twilio.com/en-us/guidelines/ar/sms",
    ),
    Spelling(
        "BR",
        re.compile(r"\+55([1-9]{2})([689]\d{7})", re.ASCII),
        r"+55\g<1>9\2",
        "A 9 was put before the eight digits of mobiles, area by area from 29 July 2012 to 6 November 2016: Anatel, Resolução 553/2010. "
        "Fixed lines (2 to 5) and trunked radio (7) keep eight digits.",
    ),
)
_BEGINNINGS = ("+52", "+54", "+55")


def canonical(number: str) -> str:
    """The canonical spelling of an E.164 number; anything else is returned unchanged."""
    if not number.startswith(_BEGINNINGS):
        return number
    for spelling in SPELLINGS:
        if (match := spelling.other.fullmatch(number)) is not None:
            return match.expand(spelling.kept)
    return number
