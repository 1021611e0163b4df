"""Sentences about rows and cells that were not taken, in English, for files. The console has them in its languages. Pure."""

from __future__ import annotations

from server.contacts.rules import REASONS

ROWS = {
    "unclosed_quote": "A quote in this line is not closed.",
    "line_too_long": "This line is too long.",
    "too_many_cells": "This line has more cells than there are headers.",
    "footer": "This line is below the table.",
    "missing_id": "Missing Unique ID: the row has no e-mail address, phone number or CRM id.",
    "missing_main_id": "Missing Unique ID: the main identifier is empty.",
    "unknown_contact": "Nobody with this identifier exists, and only existing contacts are updated.",
    "known_contact": "This contact exists, and only new contacts are added.",
    "role_address": "This is the address of a function, such as info@, and such addresses are left out.",
    "inactive": "This person has been inactive for 120 days, and inactive people are left out.",
    "not_suppressed": "This row says that the address may get mail, so it is not suppressed.",
    "not_reached": "The import was cancelled before this row.",
}
CELLS = {
    "bad_email": "This is not a valid e-mail address.",
    "forbidden_in_email": "An e-mail address cannot contain spaces or any of ( ) , : ; [ / ].",
    "bad_crm": "This id is too long or cannot be read.",
    "unreadable": "Some characters cannot be read. Choose another encoding.",
    "lost_plus": "This may be a national number or an international one without its plus. Write + and the country code.",
    "bad_country": "This country is not known. Write its name or its code of two letters.",
    "bad_date": "Invalid date format. In Excel set the cells to Text and export again.",
    "future_date": "A consent cannot have been given in the future.",
    "bad_number": "Invalid number format: write digits without a currency sign.",
    "bad_boolean": "Invalid boolean format: write true or false.",
    "bad_list": "Invalid list format: write a JSON array of texts with at most 100 items.",
    "text_too_long": "This text is too long.",
    "name_too_long": "This name is too long.",
    "not_1_or_0": "Write 1 for agreed and 0 for not agreed.",
    "bad_consent": "This is not a known status of a consent.",
    "grant_not_allowed": "Only the owner or an admin can import consent.",
    "suppressing_not_allowed": "Your role cannot suppress addresses.",
    "no_phone": "Consent to texts needs a phone number.",
    "sms_not_set_up": "SMS is not set up, so consent to texts is not recorded.",
    "country_not_served": "None of your numbers can text this country, so consent to texts is not recorded.",
    **{code: reason for code, reason in REASONS.items() if code != "empty"},
}


def sentence(verdict: str, code: str) -> str:
    """The sentence about a code. `verdict`: of the row, or "cell"."""
    if verdict == "duplicate":
        return f"Duplicate Unique ID: the same identifier is in {code}."
    if not code:
        return ""
    return ROWS.get(code) or CELLS.get(code, code)
