"""Our check of Twilio's signature says what the SDK's says, and refuses what only looks signed (BAD_INPUTS 3.3)."""

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
    """A form as the SDK takes it, with repeated names."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


def multi(params: tuple[tuple[str, str], ...]) -> Multi:
    found = Multi()
    for name, value in params:
        found.setdefault(name, []).append(value)
    return found


def ours(signature: str | None, params=TEXT, *, origin=ORIGIN, target=PATH, known=KNOWN, **more) -> bool:
    headers = {} if signature is None else {SIGNATURE: signature}
    headers |= more.pop("headers", {})
    return verify(known, origin, target, target.partition("?")[2], params, headers, **more)


@pytest.mark.parametrize(
    "origin", ["https://chat.shop.example", "http://localhost:8000", "https://chat.shop.example:8443"]
)
@pytest.mark.parametrize("target", [PATH, PATH + "?m=t0ken.1", PATH + "?a=%2B&b=%20"])
@pytest.mark.parametrize("ported", [False, True])
def test_both_spellings_of_the_port_are_accepted_as_the_sdk_does(origin: str, target: str, ported: bool) -> None:
    signature = RequestValidator(TOKEN).compute_signature(origins(origin)[ported] + target, multi(TEXT))
    assert ours(signature, origin=origin, target=target)
    assert RequestValidator(TOKEN).validate(origin + target, multi(TEXT), signature)


words = st.text(max_size=12)
forms = st.lists(st.tuples(st.text("MediaUrl_0129aZ", min_size=1, max_size=4), words), max_size=8).map(tuple)


@given(signed=forms, came=forms, same=st.booleans())
@settings(max_examples=400, deadline=None)
def test_any_form_gets_the_sdks_verdict(signed, came, same) -> None:
    """Repeated names, blanks, order of names, any characters."""
    came = tuple(reversed(signed)) if same else came
    signature = RequestValidator(TOKEN).compute_signature(ORIGIN + PATH, multi(signed))
    assert ours(signature, came) is RequestValidator(TOKEN).validate(ORIGIN + PATH, multi(came), signature)
    assert not same or ours(signature, came)
    assert sign(TOKEN, ORIGIN + PATH, signed) == signature


GOOD = sign(TOKEN, ORIGIN + PATH, TEXT)


@pytest.mark.parametrize(
    "signature",
    [None, "", " ", GOOD[:-1], GOOD + "=", GOOD.lower(), "é" * 28, "\u2603", "A" * 10_000, sign(OTHER, ORIGIN + PATH, TEXT),
     sign("", ORIGIN + PATH, TEXT), sign(TOKEN, ORIGIN.replace("https", "http") + PATH, TEXT), sign(TOKEN, ORIGIN + PATH + "/", TEXT),
     sign(TOKEN, ORIGIN + PATH, TEXT[:-1]), sign(TOKEN, ORIGIN.replace("chat", "Chat") + PATH, TEXT)],
)  # fmt: skip
def test_what_only_looks_signed_is_refused(signature: str | None) -> None:
    assert not ours(signature)


def test_a_changed_parameter_a_missing_one_and_a_blank_one_more_are_all_noticed() -> None:
    assert ours(GOOD)
    for changed in ((*TEXT, ("Extra", "")), TEXT[1:], (*TEXT[:2], ("Body", "Hé! 👋"), *TEXT[3:])):
        assert not ours(GOOD, changed)


def test_a_query_in_another_order_is_another_address() -> None:
    signature = sign(TOKEN, ORIGIN + PATH + "?a=1&b=2", TEXT)
    assert ours(signature, target=PATH + "?a=1&b=2")
    assert not ours(signature, target=PATH + "?b=2&a=1")


def test_during_a_rotation_either_token_is_accepted_and_no_token_means_nobody() -> None:
    both = keys((OTHER, TOKEN))
    assert ours(GOOD, known=both)
    assert not ours(GOOD, known=keys(()))
    assert not ours(sign("", ORIGIN + PATH, TEXT), known=keys(("",), (("", ""),)))


def named(key: str = "webhooks_sharedkey_1", algorithm: str = "HMAC_SHA256") -> dict[str, str]:
    return {SIGNATURE_SETTINGS: f"key={key},algorithm={algorithm}"}


def test_the_sha256_form_is_checked_with_the_shared_key_it_names() -> None:
    signature = RequestValidator("s3cret").compute_signature(ORIGIN + PATH, multi(TEXT), "HMAC_SHA256")
    assert ours(signature, headers=named())
    assert ours(signature, headers=named(algorithm="hmac_sha256"))
    assert not ours(signature), "without the header it is a SHA-1 signature, and a wrong one"
    assert not ours(signature, headers=named(key="webhooks_sharedkey_2"))
    assert not ours(signature, headers={SIGNATURE_SETTINGS: "algorithm=HMAC_SHA256"})
    with_token = RequestValidator(TOKEN).compute_signature(ORIGIN + PATH, multi(TEXT), "HMAC_SHA256")
    assert not ours(with_token, headers=named()), "the account's token is no shared key"


@pytest.mark.parametrize("algorithm", ["HMAC_SHA512", "none", "md5", "HMAC_SHA1 "])
def test_an_unknown_algorithm_is_refused_and_the_usual_one_may_be_named(algorithm: str) -> None:
    assert ours(GOOD, headers=named(algorithm=algorithm)) is (algorithm.strip() == "HMAC_SHA1")


def test_a_json_body_is_signed_by_its_hash_in_the_address() -> None:
    body = '{"Body": "h\u00e9", "n": 1.0}'.encode()
    target = f"{PATH}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signature = sign(TOKEN, ORIGIN + target, ())
    assert RequestValidator(TOKEN).validate(ORIGIN + target, body.decode(), signature)
    assert ours(signature, (), target=target, body=body, is_form=False)
    assert not ours(signature, (), target=target, body=body + b" ", is_form=False), "the raw bytes count"
    assert not ours(sign(TOKEN, ORIGIN + PATH, ()), (), body=body, is_form=False), "JSON without bodySHA256"
    twice = target + "&bodySHA256=" + "0" * 64
    assert not ours(sign(TOKEN, ORIGIN + twice, ()), (), target=twice, body=body, is_form=False)


def test_origins_of_unusual_addresses() -> None:
    """Where the SDK's `remove_port` takes a password or half an IPv6 address for a port."""
    assert origins("https://u:p@chat.shop.example:8443") == (
        "https://u:p@chat.shop.example:8443",
        "https://u:p@chat.shop.example",
    )
    assert origins("http://[::1]:8000") == ("http://[::1]:8000", "http://[::1]")
    assert origins("https://chat.shop.example") == ("https://chat.shop.example", "https://chat.shop.example:443")
