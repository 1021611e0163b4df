"""Our signature check agrees with the Twilio SDK's and refuses forged signatures."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from server.channels.twilio_webhooks import SIGNATURE, SIGNATURE_SETTINGS, keys, origins, sign, verify

TOKEN, OTHER = "12345678901234567890123456789012", "98765432109876543210987654321098"
ORIGIN, PATH = "https://chat.shop.example", "/webhooks/twilio/sms"
TEXT = (
    ("MessageSid", "SM" + "0" * 32),
    ("From", "+12025550143"),
    ("Body", " Hé! 👋 "),
    ("MediaUrl10", ""),
    ("MediaUrl2", "x"),
)
KNOWN = keys((TOKEN,), (("webhooks_sharedkey_1", "s3cret"),))


class Multi(dict[str, list[str]]):
    """A form with repeated names, as the SDK expects it."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


def multi(params: tuple[tuple[str, str], ...]) -> Multi:
    result = Multi()
    for name, value in params:
        result.setdefault(name, []).append(value)
    return result


def is_accepted(signature: str | None, params=TEXT, *, origin=ORIGIN, target=PATH, accepted_keys=KNOWN, **more) -> bool:
    headers = {} if signature is None else {SIGNATURE: signature}
    headers |= more.pop("headers", {})
    return verify(accepted_keys, (origin,), target, target.partition("?")[2], params, headers, **more)


@pytest.mark.parametrize(
    "origin", ["https://chat.shop.example", "http://localhost:8000", "https://chat.shop.example:8443"]
)
@pytest.mark.parametrize("target", [PATH, PATH + "?m=t0ken.1", PATH + "?a=%2B&b=%20"])
@pytest.mark.parametrize("ported", [False, True])
def test_both_spellings_of_the_port_are_accepted_as_the_sdk_does(origin: str, target: str, ported: bool) -> None:
    signature = RequestValidator(TOKEN).compute_signature(origins((origin,))[ported] + target, multi(TEXT))
    assert is_accepted(signature, origin=origin, target=target)
    assert RequestValidator(TOKEN).validate(origin + target, multi(TEXT), signature)


words = st.text(max_size=12)
forms = st.lists(st.tuples(st.text("MediaUrl_0129aZ", min_size=1, max_size=4), words), max_size=8).map(tuple)


@given(signed=forms, came=forms, same=st.booleans())
@settings(max_examples=400, deadline=None)
def test_our_check_agrees_with_the_sdk_for_any_form(signed, came, same) -> None:
    """Repeated names, blanks, any order of names, any characters."""
    came = tuple(reversed(signed)) if same else came
    signature = RequestValidator(TOKEN).compute_signature(ORIGIN + PATH, multi(signed))
    assert is_accepted(signature, came) is RequestValidator(TOKEN).validate(ORIGIN + PATH, multi(came), signature)
    assert not same or is_accepted(signature, came)
    assert sign(TOKEN, ORIGIN + PATH, signed) == signature


GOOD = sign(TOKEN, ORIGIN + PATH, TEXT)


@pytest.mark.parametrize(
    "signature",
    [None, "", " ", GOOD[:-1], GOOD + "=", GOOD.lower(), "é" * 28, "\u2603", "A" * 10_000, sign(OTHER, ORIGIN + PATH, TEXT),
     sign("", ORIGIN + PATH, TEXT), sign(TOKEN, ORIGIN.replace("https", "http") + PATH, TEXT), sign(TOKEN, ORIGIN + PATH + "/", TEXT),
     sign(TOKEN, ORIGIN + PATH, TEXT[:-1]), sign(TOKEN, ORIGIN.replace("chat", "Chat") + PATH, TEXT)],
)  # fmt: skip
def test_a_malformed_signature_is_refused(signature: str | None) -> None:
    assert not is_accepted(signature)


def test_a_changed_a_missing_and_an_added_blank_parameter_are_refused() -> None:
    assert is_accepted(GOOD)
    for changed in ((*TEXT, ("Extra", "")), TEXT[1:], (*TEXT[:2], ("Body", "Hé! 👋"), *TEXT[3:])):
        assert not is_accepted(GOOD, changed)


def test_a_query_in_another_order_is_refused() -> None:
    signature = sign(TOKEN, ORIGIN + PATH + "?a=1&b=2", TEXT)
    assert is_accepted(signature, target=PATH + "?a=1&b=2")
    assert not is_accepted(signature, target=PATH + "?b=2&a=1")


def test_during_a_rotation_both_tokens_are_accepted_and_without_a_token_none() -> None:
    two_keys = keys((OTHER, TOKEN))
    assert is_accepted(GOOD, accepted_keys=two_keys)
    assert not is_accepted(GOOD, accepted_keys=keys(()))
    assert not is_accepted(sign("", ORIGIN + PATH, TEXT), accepted_keys=keys(("",), (("", ""),)))


def settings_header(key: str = "webhooks_sharedkey_1", algorithm: str = "HMAC_SHA256") -> dict[str, str]:
    return {SIGNATURE_SETTINGS: f"key={key},algorithm={algorithm}"}


def test_the_sha256_signature_is_checked_with_the_key_it_names() -> None:
    signature = RequestValidator("s3cret").compute_signature(ORIGIN + PATH, multi(TEXT), "HMAC_SHA256")
    assert is_accepted(signature, headers=settings_header())
    assert is_accepted(signature, headers=settings_header(algorithm="hmac_sha256"))
    assert not is_accepted(signature), "without the settings header the signature counts as SHA-1 and is wrong"
    assert not is_accepted(signature, headers=settings_header(key="webhooks_sharedkey_2"))
    assert not is_accepted(signature, headers={SIGNATURE_SETTINGS: "algorithm=HMAC_SHA256"})
    with_token = RequestValidator(TOKEN).compute_signature(ORIGIN + PATH, multi(TEXT), "HMAC_SHA256")
    assert not is_accepted(with_token, headers=settings_header()), (
        "the account's token must not be accepted as a shared key"
    )


@pytest.mark.parametrize("algorithm", ["HMAC_SHA512", "none", "md5", "HMAC_SHA1 "])
def test_an_unknown_algorithm_is_refused_and_the_usual_one_accepted(algorithm: str) -> None:
    assert is_accepted(GOOD, headers=settings_header(algorithm=algorithm)) is (algorithm.strip() == "HMAC_SHA1")


def test_a_json_body_is_signed_by_its_hash_in_the_address() -> None:
    body = '{"Body": "h\u00e9", "n": 1.0}'.encode()
    target = f"{PATH}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signature = sign(TOKEN, ORIGIN + target, ())
    assert RequestValidator(TOKEN).validate(ORIGIN + target, body.decode(), signature)
    assert is_accepted(signature, (), target=target, body=body, is_form=False)
    assert not is_accepted(signature, (), target=target, body=body + b" ", is_form=False), (
        "the signature must cover every byte of the body"
    )
    assert not is_accepted(sign(TOKEN, ORIGIN + PATH, ()), (), body=body, is_form=False), (
        "JSON without bodySHA256 must be refused"
    )
    twice = target + "&bodySHA256=" + "0" * 64
    assert not is_accepted(sign(TOKEN, ORIGIN + twice, ()), (), target=twice, body=body, is_form=False)


def test_unusual_addresses_keep_their_origin() -> None:
    """Addresses in which the SDK's `remove_port` mistakes a password or half an IPv6 address for a port."""
    assert origins(("https://u:p@chat.shop.example:8443",)) == (
        "https://u:p@chat.shop.example:8443",
        "https://u:p@chat.shop.example",
    )
    assert origins(("http://[::1]:8000",)) == ("http://[::1]:8000", "http://[::1]")
    assert origins(("https://chat.shop.example",)) == ("https://chat.shop.example", "https://chat.shop.example:443")
