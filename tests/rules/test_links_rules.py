"""Short links: what in a text is an address, how a target is written, who is a machine (BAD_INPUTS 3.7)."""

from __future__ import annotations

import collections
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.links import rules
from server.links.rules import BadTarget, Found, find_urls, is_bot, is_own, normal_target
from server.links.settings import LinkSettings
from tests.edge.cases import links
from tests.edge.cases.links import HERE


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("See https://a.example/b.", ["https://a.example/b"]),
        ("See https://a.example/b, or (https://a.example/c)!", ["https://a.example/b", "https://a.example/c"]),
        ("https://en.wikipedia.example/wiki/Tea_(drink)?", ["https://en.wikipedia.example/wiki/Tea_(drink)"]),
        ("HTTPS://SHOP.EXAMPLE/Sale…", ["HTTPS://SHOP.EXAMPLE/Sale"]),
        ("www.shop.example/tea and www.x", ["www.shop.example/tea", "www.x"]),
        ("a@www.shop.example, xhttps://no.example", []),
        ("shop.example ftp://a.example mailto:a@b.example javascript:alert(1)", []),
        ("“https://a.example”", ["https://a.example"]),
        ("<https://a.example/x>", ["https://a.example/x"]),
        ("https://a.example/x\r\nLocation: https://evil.example", ["https://a.example/x", "https://evil.example"]),
        ("https://a.example/x\x00y", ["https://a.example/x"]),
        ("주문은 https://가게.example/차 에서", ["https://가게.example/차"]),
        ("https://a.example/?q=1&b=[2]", ["https://a.example/?q=1&b=[2]"]),
        ("https://… www. http://", []),
        ("", []),
    ],
)
def test_addresses_in_a_text_end_where_the_sentence_goes_on(text: str, found: list[str]) -> None:
    assert [one.raw for one in find_urls(text) if len(one.raw) > 8 or one.raw == "www.x"] == found


@given(st.text(alphabet=st.sampled_from("htps:/w.ae@()[]\\ \n\x00é가.,!?\u202e%#?")))
def test_whatever_is_found_stands_there(text: str) -> None:
    last = 0
    for one in find_urls(text):
        assert isinstance(one, Found) and last <= one.start < one.end and text[one.start : one.end] == one.raw
        last = one.end
        try:
            target = normal_target(one.raw)
        except BadTarget:
            continue
        assert target.isascii() and target.startswith(("http://", "https://")) and target.isprintable()
        assert " " not in target and normal_target(target) == target


@pytest.mark.parametrize(("raw", "target"), links.TARGETS)
def test_a_target_is_written_as_browsers_read_it(raw: str, target: str) -> None:
    assert normal_target(raw) == target


@pytest.mark.parametrize("raw", links.REFUSED)
def test_what_could_be_read_two_ways_or_end_a_header_is_refused(raw: str) -> None:
    with pytest.raises(BadTarget):
        normal_target(raw)


def test_a_target_may_be_eight_kilobytes_long_and_no_longer() -> None:
    start = "https://a.example/"
    longest = start + "x" * (8192 - len(start))
    assert normal_target(longest) == longest
    with pytest.raises(BadTarget):
        normal_target(longest + "x")


@pytest.mark.parametrize(("url", "own"), links.OWN)
def test_our_own_short_links_are_known_however_they_are_written(url: str, own: bool) -> None:
    assert is_own(normal_target(url), HERE, "go.shop.example") is own


def test_codes_are_base62_without_a_favourite() -> None:
    assert rules.code_from(bytes(range(248, 256)) * 3) is None
    assert rules.code_from(bytes([0, 61, 62, 247, 255, 1, 2, 3, 4])) == "0z0z1234"
    seen = collections.Counter(rules.code_from(bytes([n] * 8)) for n in range(248))
    assert len(seen) == 62 and set(seen.values()) == {4}


VECTORS = json.loads((Path(__file__).parent / "links_vectors.json").read_text("utf-8"))


def shortened(text: str, public_url: str, domain: str) -> tuple[str, int]:
    """With eight zeros for each code, as the console counts before a code is known."""
    parts, at = [], 0
    found = rules.shortable(text, public_url, domain)
    for one, _ in found:
        parts += [text[at : one.start], rules.prefix(public_url, domain), "0" * rules.CODE_LENGTH]
        at = one.end
    return "".join([*parts, text[at:]]), len(found)


def test_the_vectors_that_both_languages_share_hold() -> None:
    """The console's `links.test.ts` reads the same file; a vector that is wrong is mended by hand, in both."""
    assert len(VECTORS) >= 200
    for one in VECTORS:
        said = shortened(one["text"] * one.get("times", 1), one["public_url"], one["domain"])
        assert said == (one["short"] * one.get("times", 1), one["links"]), one


def test_short_links_begin_with_our_address_or_with_their_own() -> None:
    assert rules.prefix(HERE, "go.shop.example") == "https://go.shop.example/"
    assert rules.prefix("http://localhost:8000", "go.localhost:8000") == "http://go.localhost:8000/"
    assert rules.prefix(HERE, "") == HERE + "/l/"


PHONE = {
    "user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "accept-language": "en-US",
}


@pytest.mark.parametrize(
    ("method", "more", "bot"),
    [
        ("GET", {}, False),
        ("GET", {"sec-fetch-dest": "document", "sec-fetch-mode": "navigate"}, False),
        ("GET", {"user-agent": "Mozilla/5.0 (Linux; Android 14; CUBOT NOTE 50) AppleWebKit/537.36 Chrome/140.0 Mobile"}, False),
        ("GET", {"user-agent": "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 Instagram 300.0"}, False),
        ("HEAD", {}, True),
        ("GET", {"purpose": "prefetch"}, True),
        ("GET", {"sec-purpose": "prefetch;prerender"}, True),
        ("GET", {"x-purpose": "preview"}, True),
        ("GET", {"x-moz": "prefetch"}, True),
        ("GET", {"user-agent": ""}, True),
        ("GET", {"user-agent": "   "}, True),
        ("GET", {"accept": "*/*"}, True),
        ("GET", {"sec-fetch-dest": "image"}, True),
        ("GET", {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}, True),
        ("GET", {"user-agent": "Mozilla/5.0 (Macintosh) AppleWebKit/601.2.4 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0"}, True),
        ("GET", {"user-agent": "WhatsApp/2.23.20.0"}, True),
        ("GET", {"user-agent": "TelegramBot (like TwitterBot)"}, True),
        ("GET", {"user-agent": "Slackbot-LinkExpanding 1.0"}, True),
        ("GET", {"user-agent": "curl/8.5.0"}, True),
        ("GET", {"user-agent": "Python-urllib/3.13"}, True),
        ("GET", {"user-agent": "Mozilla/5.0 Chrome/140.0 HeadlessChrome/140.0"}, True),
        ("GET", {"user-agent": "Mozilla/5.0 (Windows NT 10.0) BingPreview/1.0b"}, True),
        ("GET", {"user-agent": "okhttp/4.12.0"}, True),
        ("GET", {"user-agent": "Barracuda Sentinel (EE)"}, True),
    ],
)  # fmt: skip
def test_people_and_programs_are_told_apart(method: str, more: dict[str, str], bot: bool) -> None:
    assert is_bot(method, PHONE | more) is bot


def test_who_sends_no_language_is_a_program() -> None:
    assert is_bot("GET", {name: value for name, value in PHONE.items() if name != "accept-language"})


def test_what_a_click_brings_along_is_cut_to_one_line() -> None:
    assert rules.noted("x" * 65_536) == "x" * 300
    assert rules.noted("a\r\nb\x00c\u2028d") == "abcd"
    assert rules.noted("<script>alert(1)</script>") == "<script>alert(1)</script>"  # escaped where it is shown
    assert rules.noted_referrer("https://mail.example/read?id=secret#x") == "https://mail.example/read"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("", ""), (" Go.Brand.example ", "go.brand.example"), ("https://go.brand.example/", "go.brand.example"), ("go.brand.example:8443", "go.brand.example:8443")],
)  # fmt: skip
def test_a_domain_is_kept_as_browsers_name_it(typed: str, kept: str) -> None:
    assert LinkSettings(domain=typed).domain == kept


@pytest.mark.parametrize(
    "typed", ["go.brand.example/x", "a@go.brand.example", "go brand", "ftp://go.brand.example", "/", "?"]
)
def test_a_domain_that_is_none_is_refused_with_a_sentence(typed: str) -> None:
    with pytest.raises(ValueError, match=r"go\.brand\.example"):
        LinkSettings(domain=typed)
