"""Pure rules of delivery: states, pace, numbers, credits, the carrier's error codes."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import phonenumbers
import pytest

from server.channels import twilio_errors
from server.channels.base import NotSent, Rejected, Unclear, Verdict
from server.channels.twilio_sms import TwilioSms, _ErrorAnswer, at_base, judge, masked, retry_after_s
from server.delivery import rules
from server.delivery.rules import Candidate, Sender, SenderKind, State
from server.delivery.settings import PRICES, Price, SmsSettings, price
from server.errors import ChannelError

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def number(kind: SenderKind, country: str, id: int = 1, **values: object) -> Sender:
    can = rules.capabilities(kind, country)
    fields = {"countries": can.countries, "mms": can.mms, "inbound": can.inbound, "rate": can.rate, **values}
    return Sender(id, f"{kind}-{country}-{id}", kind, country, **fields)  # type: ignore[arg-type]


LONG, TOLL_FREE = number(SenderKind.LONG_CODE, "US", 1), number(SenderKind.TOLL_FREE, "US", 2)
SHORT, LETTERS = number(SenderKind.SHORT_CODE, "US", 3), number(SenderKind.ALPHANUMERIC, "DE", 4)
BRITISH, AUSTRALIAN = number(SenderKind.LONG_CODE, "GB", 5), number(SenderKind.LONG_CODE, "AU", 6)
ALL = [LONG, TOLL_FREE, SHORT, LETTERS, BRITISH, AUSTRALIAN]


def test_short_codes_beat_toll_free_numbers_beat_long_codes_beat_letters() -> None:  # CAM-50
    assert rules.choose_sender(ALL, "US") is SHORT
    assert rules.choose_sender([LONG, TOLL_FREE], "US") is TOLL_FREE
    assert rules.choose_sender(ALL, "DE") is LETTERS
    assert rules.choose_sender([*ALL, number(SenderKind.LONG_CODE, "DE", 7)], "DE") is not LETTERS
    assert rules.choose_sender(ALL, "FR") is None


def test_the_number_that_was_texted_replies_if_possible() -> None:
    assert rules.choose_sender(ALL, "US", preferred=LONG.address) is LONG
    stopped = number(SenderKind.LONG_CODE, "US", 1, stopped="30034")
    assert rules.choose_sender([stopped, TOLL_FREE], "US", preferred=stopped.address) is TOLL_FREE
    assert rules.choose_sender(ALL, "US", preferred=LETTERS.address) is SHORT, "a sender name cannot receive replies"
    assert rules.choose_sender([LONG, TOLL_FREE], "US", mms=True, preferred=LONG.address) is TOLL_FREE


@pytest.mark.parametrize(
    ("chosen", "country", "can"),
    [
        (TOLL_FREE, "US", True),
        (TOLL_FREE, "CA", True),
        (SHORT, "US", True),
        (LONG, "US", False),
        (AUSTRALIAN, "AU", True),
        (BRITISH, "GB", False),
        (LETTERS, "DE", False),
        (TOLL_FREE, "MX", False),
        (number(SenderKind.SHORT_CODE, "CA", 8), "CA", False),
    ],
)
def test_pictures_go_only_where_country_and_number_allow(chosen: Sender, country: str, can: bool) -> None:  # CAM-32
    assert rules.can_mms(chosen, country) is can


def test_a_picture_that_no_number_can_send_has_its_own_refusal() -> None:  # AMB-13
    assert rules.no_sender(ALL, "GB", mms=True)[0] == "mms_not_supported"
    assert rules.no_sender(ALL, "FR", mms=True)[0] == "no_sender"


@pytest.mark.parametrize(
    ("phone", "country"),
    [
        ("+14155550123", "US"), ("+14165550123", "CA"), ("+447400123456", "GB"), ("+447911123456", "GB"),
        ("+18885550199", "US"), ("+61412345678", "AU"), ("+33612345678", "FR"), ("12345", ""), ("SHOP", ""),
    ],
)  # fmt: skip
def test_a_country_is_read_from_a_number(phone: str, country: str) -> None:
    assert rules.country_of(phone) == country


def test_the_country_of_a_number_agrees_with_the_library() -> None:
    """The library's own function parses any spelling; ours only splits canonical numbers, which is faster."""
    numbers = [phonenumbers.example_number(region) for region in sorted(phonenumbers.SUPPORTED_REGIONS)]
    for chosen in filter(None, numbers):
        written = phonenumbers.format_number(chosen, phonenumbers.PhoneNumberFormat.E164)
        expected = phonenumbers.region_code_for_number(phonenumbers.parse(written)) or ""
        assert rules.country_of(written) == rules._SAME_NETWORKS.get(expected, expected), written


def test_in_north_america_six_digits_determine_the_country() -> None:
    chance = random.Random(1)
    seen = set()
    for _ in range(4_000):
        number = 10_000 * chance.randrange(200_000, 1_000_000) + chance.randrange(10_000)
        expected = phonenumbers.region_code_for_number(phonenumbers.PhoneNumber(1, number)) or ""
        assert rules.country_of(f"+1{number}") == expected, number
        seen.add(expected)
    assert len(seen) > 20


@pytest.mark.parametrize(
    ("address", "kind", "country", "code"),
    [
        ("+18885550199", "toll_free", "US", None), ("+18885550199", "toll_free", "CA", None),
        ("+12025550150", "long_code", "US", None), ("+447400123456", "long_code", "GB", None),
        ("+447700900123", "long_code", "GB", None), ("+999123456789", "long_code", "DE", None),
        ("+441481960194", "long_code", "GG", None), ("+441481960194", "long_code", "GB", None),
        ("12345", "short_code", "US", None), ("HARBOUR", "alphanumeric", "GB", None),
        ("+1٢٠٢٥٥٥٠١٥٠", "long_code", "US", "bad_sender"), ("+１２０２５５５０１５０", "long_code", "US", "bad_sender"),
        ("١٢٣٤٥", "short_code", "US", "bad_sender"), ("12345\n", "short_code", "US", "bad_sender"),
        ("+442079460123", "toll_free", "GB", "wrong_kind"), ("+18885550199", "long_code", "US", "wrong_kind"),
        ("+442079460123", "long_code", "US", "wrong_country"), ("+12025550150", "long_code", "CA", "wrong_country"),
        ("+448081570123", "toll_free", "US", "wrong_country"), ("+12025550150", "long_code", "XX", "unknown_country"),
        ("12345", "short_code", "XX", "unknown_country"), ("HARBOUR", "alphanumeric", "EU", "unknown_country"),
    ],
)  # fmt: skip
def test_a_sender_must_agree_with_the_numbering_plan(address: str, kind: str, country: str, code: str | None) -> None:
    problem = rules.check_sender(address, SenderKind(kind), country, [country])
    assert (problem.code if problem else None) == code


def test_a_sender_serves_countries_that_exist() -> None:
    problem = rules.check_sender("12345", SenderKind.SHORT_CODE, "US", ["US", "ZZ"])
    assert (
        problem is not None
        and (problem.code, problem.field) == ("unknown_country", "countries")
        and "ZZ" in problem.message
    )


def test_a_state_only_moves_forward_and_delivered_is_final() -> None:
    assert rules.settle(State.SENT, State.ACCEPTED) is State.SENT
    assert rules.settle(State.UNDELIVERED, State.DELIVERED) is State.DELIVERED
    assert rules.settle(State.DELIVERED, State.FAILED) is State.DELIVERED
    assert rules.settle(State.UNKNOWN, State.SENT) is State.SENT
    assert rules.settle(State.SENDING, State.DELIVERED) is State.DELIVERED


def test_a_token_bucket_refills_to_one_seconds_rate_and_may_go_into_debt() -> None:
    assert rules.tokens_at(0, NOW, 3, NOW + timedelta(seconds=0.5)) == 1_500
    assert rules.tokens_at(0, NOW, 3, NOW + timedelta(hours=1)) == 3_000
    assert rules.tokens_at(-9_000, NOW, 3, NOW + timedelta(seconds=1)) == -6_000
    assert rules.tokens_at(2_000, NOW, 3, NOW - timedelta(hours=1)) == 2_000, (
        "a clock that was set back must not reduce the tokens"
    )
    assert rules.allowed_at(1, 3, NOW) == NOW
    assert timedelta(seconds=3) < rules.allowed_at(-9_000, 3, NOW) - NOW < timedelta(seconds=3.1)


def test_pauses_grow_and_are_never_shorter_than_retry_after() -> None:
    pauses = [rules.retry_delay(n, None, 0.5).total_seconds() for n in range(1, 12)]
    assert pauses == sorted(pauses) and pauses[0] == 1.5 and pauses[-1] <= 300
    assert rules.retry_delay(1, 30.0, 0.0).total_seconds() >= 30


def test_credits_are_counted_per_segment_and_an_mms_costs_one() -> None:  # CAM-41, CAM-42, CAM-44
    assert 50 * rules.credits("campaign", 2, False, 9) + 50 * rules.credits("campaign", 2, False, 5) == 1_400
    assert rules.credits("reply", 1, True, 3) == 3
    assert rules.credits("keyword", 4, False, 9) == rules.credits("opt_in", 1, False, 9) == 0
    assert rules.credits("auto_reply", 1, False, 9) == 9
    assert (PRICES["US"].sms, PRICES["US"].mms, PRICES["HU"].mms, len(PRICES)) == (1, 3, None, 22)
    assert price(SmsSettings(prices={"US": Price(sms=2)}), "US").sms == 2


def test_each_unclear_send_matches_its_own_listed_message() -> None:
    listing = [Candidate(f"SM{n}", "Hello", "+1", NOW + timedelta(seconds=n)) for n in (2, 1)]
    assert rules.match_listed(listing, "Hello", "+1", NOW, frozenset()) == "SM1"
    assert rules.match_listed(listing, "Hello", "+1", NOW, frozenset({"SM1"})) == "SM2"
    for body, sender, begun in (("Hi", "+1", NOW), ("Hello", "+2", NOW), ("Hello", "+1", NOW - timedelta(hours=1))):
        assert rules.match_listed(listing, body, sender, begun, frozenset()) is None


@pytest.mark.parametrize(
    ("code", "status", "verdict"),
    [
        (20003, 401, Verdict.STOP_ALL), (None, 401, Verdict.STOP_ALL), (20429, 429, Verdict.RETRY), (None, 429, Verdict.RETRY),
        (21211, 400, Verdict.INVALID), (21408, 400, Verdict.STOP_COUNTRY), (21610, 400, Verdict.SUPPRESS),
        (21614, 400, Verdict.INVALID), (21606, 400, Verdict.STOP_SENDER), (30032, 400, Verdict.STOP_SENDER),
        (30034, 400, Verdict.STOP_SENDER), (21611, 400, Verdict.RETRY), (21617, 400, Verdict.FAIL), (30002, 400, Verdict.STOP_ALL),
        (30999, 0, Verdict.FAIL), (21799, 400, Verdict.FAIL), (99999, 400, Verdict.FAIL), (None, 400, Verdict.FAIL),
    ],
)  # fmt: skip
def test_every_error_code_has_a_meaning_and_unknown_codes_by_their_range(
    code: int | None, status: int, verdict: Verdict
) -> None:
    assert twilio_errors.meaning(code, status).verdict is verdict


def test_reasons_for_people_are_sentences_without_codes() -> None:
    for code, meaning in twilio_errors.TABLE.items():
        assert meaning.words.endswith(".") and str(code) not in meaning.words


def test_a_failed_response_is_classified_by_whether_the_text_may_have_been_sent() -> None:
    refused = _ErrorAnswer(400, None, '{"code": 21610, "message": "Attempt to send to +15551234567", "status": 400}')
    result = judge(refused)
    assert isinstance(result, Rejected) and (result.code, result.verdict) == (21610, Verdict.SUPPRESS)
    assert isinstance(judge(_ErrorAnswer(502, None, "<html>Bad gateway</html>")), Unclear)
    busy = judge(_ErrorAnswer(429, "7", "slow down"))
    assert isinstance(busy, Rejected) and (busy.verdict, busy.retry_after) == (Verdict.RETRY, 7.0)
    proxy = judge(_ErrorAnswer(302, None, ""))
    assert isinstance(proxy, Rejected) and proxy.verdict is Verdict.RETRY
    assert [retry_after_s(value) for value in (None, "soon", "-3", "5", "999999")] == [None, None, None, 5.0, 3_600.0]


def test_sdk_urls_use_our_base_and_error_sentences_contain_no_phone_number() -> None:
    url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json?To=%2B1"
    assert at_base(url, "http://localhost:8/simulator/twilio") == (
        "http://localhost:8/simulator/twilio/2010-04-01/Accounts/AC1/Messages.json?To=%2B1"
    )
    assert masked("The number +15551234567 is unverified") == "The number … is unverified"
    assert rules.masked("+15551234567") == "+·········67"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/2010-04-01/Accounts/AC{0}/Messages/MM{0}/Media/ME{0}",
        "https://api.twilio.com.evil.example/2010-04-01/Accounts/AC{0}/Messages/MM{0}/Media/ME{0}",
        "https://api.twilio.com@evil.example/2010-04-01/Accounts/AC{0}/Messages/MM{0}/Media/ME{0}",
        "https://api.twilio.com/2010-04-01/Accounts/AC{0}/Messages/MM{0}/Media/../../../../x",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_file_is_fetched_only_from_the_providers_own_hosts(url: str) -> None:
    channel = TwilioSms("AC", "AC", "token", "", "https://api.twilio.com")
    with pytest.raises(ChannelError, match="not the address of a file"):
        channel._media_address(url.format("0" * 32))
    media_url = "https://api.twilio.com/2010-04-01/Accounts/AC{0}/Messages/MM{0}/Media/ME{0}".format("0" * 32)
    assert channel._media_address(media_url) == media_url
    for away in (
        "http://media.twiliocdn.com/x",
        "https://evil.example/x",
        "https://twilio.com.evil.example/",
        "/x",
        "",
    ):
        with pytest.raises(ChannelError, match="redirects away"):
            channel._follow_redirect(media_url, away)
    assert channel._follow_redirect(media_url, "https://mms.twiliocdn.com/AC/x") == "https://mms.twiliocdn.com/AC/x"


def test_a_request_that_was_never_sent_is_recognised() -> None:
    assert NotSent("no connection") != Unclear("no connection")
