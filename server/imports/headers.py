"""What the columns of a file mean, from their headers: the known exports of other senders, and general names in four
languages (IMP-11, IMP-41). Pure.

A header only proposes a meaning. The user sees every proposal beside samples of the column and confirms it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from server.consent.rules import Purpose

# `at` is the time of a consent, whatever it says; `in_at` and `out_at` are the times of an opt-in and an opt-out.
Meaning = Literal[
    "skip", "email", "phone", "crm", "name", "first_name", "last_name", "country", "date_added", "last_open",
    "last_click", "property", "consent", "at", "in_at", "out_at",
]  # fmt: skip
# How cells of a consent column are read (`consent_words.py`).
Words = Literal["status", "flags", "accepts", "opt_out"]
EMAIL, SMS, SMS_TRANSACTIONAL = Purpose.EMAIL_MARKETING, Purpose.SMS_MARKETING, Purpose.SMS_TRANSACTIONAL


@dataclass(frozen=True, slots=True)
class Guess:
    """The proposed meaning of a column. `type`: of a new property, if the header tells it."""

    to: Meaning
    purpose: str = ""
    words: Words = "status"
    type: str = ""


def _consent(purpose: str, words: Words = "status") -> Guess:
    return Guess("consent", purpose, words)


_SKIP, _TAGS = Guess("skip"), Guess("property", type="tags")


@lru_cache(maxsize=4096)
def fold(header: str) -> str:
    """A header without case, spaces at its ends, punctuation and accents' spellings, for comparison."""
    text = unicodedata.normalize("NFKC", header).casefold()
    return re.sub(r"[\W_]+", " ", text).strip()


# --- general names (IMP-41, IMP-70, IMP-72) -------------------------------------------------------

_NAMES: dict[Meaning, str] = {
    "email": "email, e-mail, email address, e-mail address, mail, 이메일, 이메일 주소, 메일, 메일 주소, adres e-mail, "
    "adres email, poczta, электронная почта, почта, эл. почта, имейл, адрес электронной почты",
    "phone": "phone, phone number, mobile, mobile phone, mobile number, cell, cell phone, telephone, sms, 전화, 전화번호, "
    "휴대폰, 휴대폰 번호, 휴대전화, 핸드폰, telefon, numer telefonu, nr telefonu, telefon komórkowy, komórka, телефон, "
    "номер телефона, мобильный, мобильный телефон",
    "crm": "crm id, crmid, customer id, 고객 id, crm 아이디, id klienta, identyfikator crm, id клиента, crm ид",
    "first_name": "first name, firstname, given name, 이름(성 제외), imię, имя",
    "last_name": "last name, lastname, surname, family name, 성, nazwisko, фамилия",
    "name": "name, full name, 이름, 성명, 고객명, imię i nazwisko, фио, полное имя",
    "country": "country, country code, 국가, 나라, kraj, страна",
    "date_added": "date added, added, signup date, sign up date, subscribed at, subscribe date, created at, date created, "
    "optin time, 가입일, 등록일, 추가일, data dodania, data zapisu, data rejestracji, дата добавления, дата подписки, "
    "дата регистрации",
    "last_open": "last open, last opened, last open date, last email open, 마지막 오픈, 최근 오픈, ostatnie otwarcie, "
    "последнее открытие",
    "last_click": "last click, last clicked, last click date, last email click, 마지막 클릭, 최근 클릭, ostatnie kliknięcie, "
    "последний клик",
}
_CONSENTS: dict[str, str] = {
    EMAIL: "email marketing consent, email consent, 이메일 마케팅 동의, 이메일 수신 동의, zgoda na marketing e-mail, "
    "zgoda marketingowa e-mail, согласие на email маркетинг, согласие на рекламу по электронной почте",
    SMS: "sms marketing consent, sms consent, 문자 마케팅 동의, sms 마케팅 동의, zgoda na marketing sms, "
    "согласие на sms маркетинг, согласие на рекламу по sms",
    SMS_TRANSACTIONAL: "sms transactional consent, 문자 거래 알림 동의, sms 거래 동의, zgoda na sms transakcyjne, "
    "согласие на транзакционные sms",
}
_TIMES = ("timestamp", "시각", "일시", "data", "время")
# Computed by the product; a file cannot set them (IMP-31).
_COMPUTED = "profile created, profile created on, first active, last active"


def _split(names: str) -> list[str]:
    return [fold(name) for name in names.split(",")]


GENERAL: dict[str, Guess] = {name: Guess(to) for to, names in _NAMES.items() for name in _split(names)}
for _purpose, _names in _CONSENTS.items():
    for _name in _split(_names):
        GENERAL[_name] = _consent(_purpose)
        GENERAL.update({f"{_name} {time}": Guess("at", _purpose) for time in _TIMES})
GENERAL.update(dict.fromkeys(_split(_COMPUTED), _SKIP))


# --- known exports --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sender:
    """An export of another program. `marks`: headers that it always has. `day_first` and `dashes`: how it writes dates.
    `no_plus`: its numbers have a country code and no plus. `footer`: how a line after the table begins."""

    id: str
    marks: frozenset[str]
    columns: Mapping[str, Guess] = field(default_factory=dict)
    day_first: bool = False
    dashes: bool = False
    no_plus: bool = False
    footer: tuple[str, ...] = ()


def _sender(sender: str, marks: str, columns: dict[str, Guess], **more: bool | tuple[str, ...]) -> Sender:
    by_header = {name: guess for names, guess in columns.items() for name in _split(names)}
    return Sender(sender, frozenset(_split(marks)), by_header, **more)  # type: ignore[arg-type]


SENDERS = (
    _sender("mailchimp", "Email Address, MEMBER_RATING, OPTIN_TIME, LEID, EUID", {
        "OPTIN_TIME": Guess("date_added"), "CONFIRM_TIME": Guess("in_at", EMAIL), "UNSUB_TIME": Guess("out_at", EMAIL),
        "CLEAN_TIME": Guess("out_at", EMAIL), "CC": Guess("country"), "TAGS": _TAGS, "NOTES": Guess("property", type="text"),
        "OPTIN_IP, CONFIRM_IP, LATITUDE, LONGITUDE, GMTOFF, DSTOFF, TIMEZONE, REGION, LAST_CHANGED, LEID, EUID, "
        "UNSUB_CAMPAIGN_TITLE, UNSUB_CAMPAIGN_ID, UNSUB_REASON, UNSUB_REASON_OTHER, CLEAN_CAMPAIGN_TITLE, "
        "CLEAN_CAMPAIGN_ID": _SKIP,
        "MEMBER_RATING": Guess("property", type="number"),
    }),
    _sender("klaviyo", "Email, Klaviyo ID", {
        "Email Suppressions": _consent(EMAIL), "Date Added": Guess("date_added"), "Last Open": Guess("last_open"),
        "Last Click": Guess("last_click"), "Klaviyo ID, IP Address, First Active, Last Active, Profile Created On": _SKIP,
        "Zip Code": Guess("property", type="text"),
    }),
    _sender("hubspot", "Record ID, Email, Lead Status", {
        "Unsubscribed from all email": _consent(EMAIL, "opt_out"),
        "Opted out of email: Marketing Information": _consent(EMAIL, "opt_out"),
        "Opted out of email: One to One, Associated Company, Contact owner, Last Activity Date": _SKIP,
        "Record ID": Guess("crm"), "Create Date": Guess("date_added"),
        "Marketing contact status, Lead Status": Guess("property", type="text"),
    }),
    _sender("shopify", "Email, Accepts Email Marketing, Total Spent, Total Orders", {
        "Accepts Email Marketing": _consent(EMAIL, "accepts"), "Accepts SMS Marketing": _consent(SMS, "accepts"),
        "Accepts WhatsApp Marketing, Customer ID": _SKIP, "Default Address Country Code": Guess("country"),
        "Default Address Phone": _SKIP, "Default Address Zip, Note": Guess("property", type="text"), "Tags": _TAGS,
        "Total Spent, Total Orders": Guess("property", type="number"), "Tax Exempt": Guess("property", type="boolean"),
    }),
    _sender("activecampaign", "Email, Date Created, IP, Status", {
        "Status": _consent(EMAIL), "Date Created": Guess("date_added"), "Tags": _TAGS, "IP, Contact ID": _SKIP,
    }),
    _sender("brevo", "EMAIL, EMAIL_BLACKLISTED, SMS_BLACKLISTED", {
        "CONTACT ID, MODIFIED_TIME, DOUBLE_OPT-IN": _SKIP, "SMS": Guess("phone"), "ADDED_TIME": Guess("date_added"),
        "EMAIL_BLACKLISTED": _consent(EMAIL, "opt_out"), "SMS_BLACKLISTED": _consent(SMS, "opt_out"),
    }, day_first=True, dashes=True, no_plus=True),
    _sender("omnisend", "Email, Email status, SMS status", {
        "Email status": _consent(EMAIL), "Email opt-in date": Guess("in_at", EMAIL), "Email opt-out date": Guess("out_at", EMAIL),
        "SMS status": _consent(SMS), "SMS opt-in date": Guess("in_at", SMS), "SMS opt-out date": Guess("out_at", SMS),
        "Tags": _TAGS,
    }),
    _sender("constant_contact", "Email address, Email permission status", {
        "Email status": _consent(EMAIL), "Email permission status": _SKIP,
        "Confirmed Opt-Out Date": Guess("out_at", EMAIL), "Confirmed Opt-Out Source, Confirmed Opt-Out Reason, "
        "Email update source, Source Name, Updated At": _SKIP, "Phone - mobile": Guess("phone"), "Country - Home": Guess("country"),
        "Created At": Guess("date_added"), "Tags, Email Lists": _TAGS, "Zip/Postal Code - Home": Guess("property", type="text"),
    }),
    _sender("salesforce", "Email, Email Opt Out", {
        "Email Opt Out": _consent(EMAIL, "opt_out"), "Mobile": Guess("phone"), "Phone, Do Not Call": _SKIP,
        "Created Date": Guess("date_added"),
    }, footer=("confidential information", "copyright", "generated by", "©")),
    _sender("salesforce", "EMAIL, HASOPTEDOUTOFEMAIL", {
        "HASOPTEDOUTOFEMAIL": _consent(EMAIL, "opt_out"), "MOBILEPHONE": Guess("phone"), "PHONE": _SKIP, "ID": Guess("crm"),
        "CREATEDDATE": Guess("date_added"), "FIRSTNAME": Guess("first_name"), "LASTNAME": Guess("last_name"),
    }),
)  # fmt: skip
# Where contacts may come from (IMP-11); the console has instructions for each.
SOURCES = tuple(dict.fromkeys([sender.id for sender in SENDERS] + ["expertsender", "other"]))

# The state of a whole file, from its name: Mailchimp exports one file for each state.
FileState = Literal["", "subscribed", "unsubscribed", "bounced", "never"]
_FILE_STATES: tuple[tuple[re.Pattern[str], FileState], ...] = (
    (re.compile(r"non[-_ ]?subscribed", re.I), "never"),
    (re.compile(r"unsubscribed", re.I), "unsubscribed"),
    (re.compile(r"cleaned|bounced", re.I), "bounced"),
    (re.compile(r"subscribed", re.I), "subscribed"),
)


def file_state(name: str) -> FileState:
    """What the name of an exported file says about everybody in it."""
    return next((state for pattern, state in _FILE_STATES if pattern.search(name)), "")


def recognise(headers: Sequence[str]) -> Sender | None:
    """The known export with these headers; of several, the one with most marks."""
    present = {fold(header) for header in headers}
    matching = [sender for sender in SENDERS if sender.marks <= present]
    return max(matching, key=lambda sender: len(sender.marks), default=None)


def guess(header: str, sender: Sender | None, named_consents: Mapping[str, str]) -> Guess | None:
    """The meaning of a header; None if nothing knows it. `named_consents`: purposes of the owner's consents by exact name
    (CIM-11)."""
    if (purpose := named_consents.get(header.strip())) is not None:
        return Guess("consent", purpose, "flags")
    name = fold(header)
    if sender is not None and name in sender.columns:
        return sender.columns[name]
    without_zone = fold(re.sub(r"\([^)]*\)\s*$", "", header))
    if sender is not None and without_zone in sender.columns:
        return sender.columns[without_zone]
    return GENERAL.get(name) or GENERAL.get(without_zone)


# --- look-alikes (I4) -----------------------------------------------------------------------------

_LOOKS_LATIN = str.maketrans("аеорсухіјѕԁһӏɡ", "aeopcyxijsdhlg")


def skeleton(header: str) -> str:
    """Headers with the same skeleton look the same, as `phone` and Cyrillic `рhone`."""
    return fold(header).translate(_LOOKS_LATIN)
