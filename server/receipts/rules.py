"""States of receipts, and every reason why a person got no message, with its sentence (OUT-1 to OUT-4). Pure."""

from __future__ import annotations

from enum import StrEnum

from server.delivery.rules import State as Outgoing


class State(StrEnum):
    """What became of one person."""

    WAITING = "waiting"  # not decided yet
    QUEUED = "queued"  # the message is queued or being sent
    SENT = "sent"  # the carrier accepted it and has not reported a delivery
    DELIVERED = "delivered"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"  # it may have been sent, and is not sent again


UNFINISHED = (State.WAITING, State.QUEUED)


class Reason(StrEnum):
    """Why a person was skipped or a message failed. Stored; `SENTENCES` has the words for people."""

    # chosen by the sender of the campaign
    EXCLUDED = "excluded"
    DUPLICATE_ADDRESS = "duplicate_address"
    CANCELLED = "cancelled"
    # the person and their number
    NO_PHONE = "no_phone"
    INVALID_PHONE = "invalid_phone"
    UNREACHABLE = "unreachable"
    DEACTIVATED = "deactivated"
    NOT_SUBSCRIBED = "not_subscribed"
    OPTED_OUT = "opted_out"
    TAKEN_OFF = "taken_off"
    CONSENT_MISSING = "consent_missing"
    PAUSED = "paused"
    LITIGATOR = "litigator"
    # rules of the send
    SMART_SENDING = "smart_sending"
    QUIET_HOURS = "quiet_hours"
    TIMED_OUT = "timed_out"
    NO_FUNDS = "no_funds"
    # numbers and countries
    NO_SENDER = "no_sender"
    NO_OPT_OUT = "no_opt_out"
    COUNTRY_PAUSED = "country_paused"
    MMS_NOT_SUPPORTED = "mms_not_supported"
    # the text
    MISSING_VALUE = "missing_value"
    TOO_LONG = "too_long"
    # failures that the carrier reported
    DEVICE_DISCONNECTED = "device_disconnected"
    DEVICE_UNREACHABLE = "device_unreachable"
    CARRIER_VIOLATION = "carrier_violation"
    INVALID_MOBILE_NUMBER = "invalid_mobile_number"
    UNABLE_TO_SEND = "unable_to_send"
    # it may have arrived
    UNCLEAR = "unclear"


SENTENCES: dict[Reason, str] = {
    Reason.EXCLUDED: "In a list or segment that the campaign excludes.",
    Reason.DUPLICATE_ADDRESS: "Another person with the same phone number gets the message.",
    Reason.CANCELLED: "The campaign was cancelled before this message was sent.",
    Reason.NO_PHONE: "No phone number.",
    Reason.INVALID_PHONE: "The phone number cannot receive texts.",
    Reason.UNREACHABLE: "The number cannot receive texts: it is invalid, a landline or no longer reachable.",
    Reason.DEACTIVATED: "The carrier deactivated the number. Its next owner has not agreed to texts.",
    Reason.NOT_SUBSCRIBED: "Has not agreed to marketing texts.",
    Reason.OPTED_OUT: "Opted out of texts.",
    Reason.TAKEN_OFF: "Somebody on the team opted this person out of texts.",
    Reason.CONSENT_MISSING: "A consent that every message needs is missing.",
    Reason.PAUSED: "Seems to have asked to stop, and an agent has to decide first.",
    Reason.LITIGATOR: "On the list of known litigators.",
    Reason.SMART_SENDING: "Got a message recently (Smart Sending).",
    Reason.QUIET_HOURS: "Texts may not be sent to this country at that time.",
    Reason.TIMED_OUT: "The time limit of the campaign had passed.",
    Reason.NO_FUNDS: "The credits of the month were used up.",
    Reason.NO_SENDER: "None of your numbers can text this country.",
    Reason.NO_OPT_OUT: "Only a sender name serves this country. It cannot receive STOP.",
    Reason.COUNTRY_PAUSED: "Sending to this country is paused.",
    Reason.MMS_NOT_SUPPORTED: "Your numbers cannot send pictures to this country.",
    Reason.MISSING_VALUE: "A variable of the text has no value for this person, and no default.",
    Reason.TOO_LONG: "With this person's values the text is too long.",
    Reason.DEVICE_DISCONNECTED: "The device is disconnected: the number is unknown or no longer in use.",
    Reason.DEVICE_UNREACHABLE: "The device could not be reached: it is switched off or out of coverage.",
    Reason.CARRIER_VIOLATION: "The carrier blocked the message.",
    Reason.INVALID_MOBILE_NUMBER: "Not a mobile number.",
    Reason.UNABLE_TO_SEND: "The message could not be sent because of an unexpected error.",
    Reason.UNCLEAR: "The connection to the carrier broke. The message may have been sent, so it is not sent again.",
}

_BY_CODE = {
    **dict.fromkeys(("21211", "21614", "30006"), Reason.INVALID_MOBILE_NUMBER),
    "21610": Reason.OPTED_OUT,
    "30003": Reason.DEVICE_UNREACHABLE,
    "30005": Reason.DEVICE_DISCONNECTED,
    **dict.fromkeys(("30004", "30007", "30032", "30034", "30450"), Reason.CARRIER_VIOLATION),
}
_STATES = {
    Outgoing.ACCEPTED: State.SENT,
    Outgoing.SENT: State.SENT,
    Outgoing.DELIVERED: State.DELIVERED,
    Outgoing.UNDELIVERED: State.FAILED,
    Outgoing.FAILED: State.FAILED,
    Outgoing.SKIPPED: State.SKIPPED,
    Outgoing.CANCELLED: State.SKIPPED,
    Outgoing.UNKNOWN: State.UNKNOWN,
}


def outcome(state: Outgoing, reason: str, detail: str) -> tuple[State, str, str] | None:
    """State, reason and detail of the receipt of a message in this state; None while the message has no outcome."""
    after = _STATES.get(state)
    if after is None:
        return None
    if after in (State.SENT, State.DELIVERED):
        return after, "", ""
    if after is State.FAILED:
        words = f"{reason}: {detail}" if reason.isdecimal() and detail else detail
        return after, _BY_CODE.get(reason, Reason.UNABLE_TO_SEND), words
    if state is Outgoing.CANCELLED:
        return after, Reason.CANCELLED, detail
    if state is Outgoing.UNKNOWN:
        return after, Reason.UNCLEAR, detail
    return after, reason if reason in _REASONS else Reason.UNABLE_TO_SEND, detail


_REASONS = frozenset(Reason)
