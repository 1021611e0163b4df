"""Maps Twilio's error codes to verdicts and sentences for agents.

The table applies to refused requests and to status callbacks. The range of a code decides if the table lacks the code.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.channels.base import Verdict

F, R, SU, IN = Verdict.FAIL, Verdict.RETRY, Verdict.SUPPRESS, Verdict.INVALID
SS, SA, SC = Verdict.STOP_SENDER, Verdict.STOP_ALL, Verdict.STOP_COUNTRY


@dataclass(frozen=True, slots=True)
class Meaning:
    verdict: Verdict
    words: str
    retry_after: float | None = None  # seconds, if a quick retry would fail the same way


# fmt: off
TABLE: dict[int, Meaning] = {
    # the account
    20003: Meaning(SA, "Twilio refused the credentials."),
    20005: Meaning(SA, "The Twilio account is not active."),
    20404: Meaning(SA, "Twilio does not know this account."),
    30002: Meaning(SA, "The Twilio account is suspended."),
    20429: Meaning(R, "Twilio is not accepting requests for a moment."),
    # the recipient
    21211: Meaning(IN, "This is not a valid phone number."),
    21217: Meaning(IN, "This is not a valid phone number."),
    21408: Meaning(SC, "Sending to this country is not enabled at Twilio."),
    21608: Meaning(F, "A trial account at Twilio sends to verified numbers only."),
    21610: Meaning(SU, "This person opted out with the carrier. They get no more texts until they text START."),
    21612: Meaning(F, "This number cannot reach the recipient's network. Try another sender for this country."),
    21614: Meaning(IN, "This is not a mobile number."),
    # the sender
    21212: Meaning(SS, "The sending number is not valid."),
    21606: Meaning(SS, "The sending number cannot send texts."),
    21659: Meaning(SS, "The sending number is not a Twilio number."),
    21660: Meaning(SS, "The sending number belongs to another account."),
    21703: Meaning(SS, "The messaging service has no numbers."),
    21704: Meaning(SS, "The messaging service has no number for this recipient."),
    21705: Meaning(SS, "The messaging service does not exist."),
    30032: Meaning(SS, "The toll-free number is not verified yet."),
    30034: Meaning(SS, "The number is not registered for US texts (10DLC)."),
    30035: Meaning(R, "The number's registration is not finished yet.", 3_600),
    # the message
    21602: Meaning(F, "The text was empty."),
    21605: Meaning(F, "The text was too long."),
    21617: Meaning(F, "The text was longer than 1,600 characters."),
    21619: Meaning(F, "The text was empty."),
    21620: Meaning(F, "The picture could not be fetched."),
    21623: Meaning(F, "There were too many pictures."),
    21624: Meaning(F, "The time the message may wait was out of range."),
    30010: Meaning(F, "The text would cost more than the account allows."),
    30045: Meaning(F, "The time the message may wait was out of range."),
    63019: Meaning(F, "The picture could not be fetched."),
    90007: Meaning(F, "The time the message may wait was out of range."),
    # pace
    21611: Meaning(R, "The number's queue at Twilio is full.", 600),
    30001: Meaning(R, "Twilio's queue was full.", 300),
    30017: Meaning(R, "The carrier is congested.", 600),
    30018: Meaning(R, "The carrier's daily limit is reached.", 3_600),
    30022: Meaning(R, "The campaign's rate at the carrier is reached.", 120),
    30023: Meaning(R, "The carrier's daily limit is reached.", 3_600),
    14107: Meaning(F, "Too many texts were exchanged in a short time, so Twilio stopped the loop."),
    60728: Meaning(R, "The account's hourly limit is reached.", 1_800),
    63017: Meaning(R, "The account sends too fast.", 5),
    63018: Meaning(R, "The account sends too fast.", 30),
    63038: Meaning(R, "The account's daily limit is reached.", 3_600),
    # outcomes that a report names
    30003: Meaning(F, "The phone could not be reached: off, out of range, or a landline."),
    30004: Meaning(F, "The message was blocked by the recipient or the carrier."),
    30005: Meaning(F, "The number is unknown or no longer in use."),
    30006: Meaning(IN, "This is a landline, or its carrier does not accept texts."),
    30007: Meaning(F, "The carrier filtered the message as spam. Rephrase it."),
    30008: Meaning(F, "The carrier gave no reason."),
    30036: Meaning(F, "The message waited too long and expired."),
    30410: Meaning(F, "The carrier did not answer in time."),
    30450: Meaning(F, "Twilio's safeguards blocked the message."),
    # other channels of the same account
    63003: Meaning(F, "The channel does not know this address."),
    63013: Meaning(F, "The message breaks the channel's rules."),
    63015: Meaning(F, "The recipient has not joined the channel's sandbox."),
    63016: Meaning(F, "More than 24 hours have passed since the customer wrote. The channel now accepts only templates."),
    63024: Meaning(F, "The recipient cannot be reached on this channel."),
    63032: Meaning(F, "The channel does not deliver to this person for now."),
    63049: Meaning(F, "The channel's limit of marketing messages to this person is reached."),
}
# fmt: on

# Other codes, by range.
_RANGES: list[tuple[range, Meaning]] = [
    (range(20001, 20004), Meaning(SA, "Twilio refused the credentials.")),
    (range(20500, 20600), Meaning(R, "Twilio has a problem.", 30)),
    (range(21200, 21800), Meaning(F, "Twilio did not accept the message.")),
    (range(30000, 31000), Meaning(F, "The carrier did not deliver the message.")),
    (range(60000, 64000), Meaning(F, "The channel did not deliver the message.")),
]
_STATUS: dict[int, Meaning] = {
    401: TABLE[20003],
    403: Meaning(F, "Twilio does not allow this."),
    404: TABLE[20404],
    408: Meaning(R, "Twilio did not get the request in time."),
    429: TABLE[20429],
}
UNKNOWN = Meaning(F, "The message was not delivered.")


def meaning(code: int | None, status: int = 0) -> Meaning:
    """The meaning of an error code, or of the HTTP status if there is no code."""
    if code is not None:
        listed_meaning = TABLE.get(code) or next(
            (range_meaning for codes, range_meaning in _RANGES if code in codes), None
        )
        if listed_meaning is not None:
            return listed_meaning
    return _STATUS.get(status, UNKNOWN)
