"""Short links: which parts of a text are URLs, how a target is normalised, which clients are bots."""

from __future__ import annotations

import collections
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.links import rules
from server.links.rules import BadTarget, FoundUrl, find_urls, is_bot, is_own, normal_target
from server.links.settings import LinkSettings
from tests.edge.cases import links
from tests.edge.cases.links import HERE


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_a_url_in_a_text_ends_before_the_sentences_punctuation(text: str, expected: list[str]) -> None:
    assert [url.raw for url in find_urls(text) if len(url.raw) > 8 or url.raw == "www.x"] == expected


ADDRESSES = json.loads((Path(__file__).parent / "addresses_vectors.json").read_text("utf-8"))


@pytest.mark.parametrize(("text", "expected"), [(address["text"], address["found"]) for address in ADDRESSES])
def test_a_url_ends_before_letters_of_scripts_without_spaces(text: str, expected: list[str]) -> None:
    """Console and widget test with the same file: `kernel/links.test.ts`, `addresses.test.ts`."""
    assert [url.raw for url in find_urls(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "https://" * 1_000,
        "https://a" + ".日" * 4_000,
        "https://" + "a" * 8_000 + "日",
        "https://a.b/" + "日," * 4_000,
        "www." * 3_000,
    ],
)
def test_a_long_text_is_searched_quickly(text: str) -> None:
    started = time.thread_time()
    find_urls(text)
    assert time.thread_time() - started < 0.25


@given(st.text(alphabet=st.sampled_from("htps:/w.ae@()[]\\ \n\x00é가.,!?\u202e%#?")))
def test_every_url_found_is_in_the_text(text: str) -> None:
    last = 0
    for url in find_urls(text):
        assert isinstance(url, FoundUrl) and last <= url.start < url.end and text[url.start : url.end] == url.raw
        last = url.end
        try:
            target = normal_target(url.raw)
        except BadTarget:
            continue
        assert target.isascii() and target.startswith(("http://", "https://")) and target.isprintable()
        assert " " not in target and normal_target(target) == target


@pytest.mark.parametrize(("raw", "target"), links.TARGETS)
def test_a_target_is_normalised_as_browsers_do(raw: str, target: str) -> None:
    assert normal_target(raw) == target


@pytest.mark.parametrize("raw", links.REFUSED)
def test_ambiguous_targets_and_header_injections_are_refused(raw: str) -> None:
    with pytest.raises(BadTarget):
        normal_target(raw)


def test_a_target_may_be_eight_kilobytes_long_and_no_longer() -> None:
    start = "https://a.example/"
    longest = start + "x" * (8192 - len(start))
    assert normal_target(longest) == longest
    with pytest.raises(BadTarget):
        normal_target(longest + "x")


@pytest.mark.parametrize(("url", "is_ours"), links.OWN)
def test_our_own_short_links_are_recognised_in_any_spelling(url: str, is_ours: bool) -> None:
    assert is_own(normal_target(url), HERE, "go.shop.example") is is_ours


def test_codes_are_uniform_base62() -> None:
    assert rules.code_from(bytes(range(248, 256)) * 3) is None
    assert rules.code_from(bytes([0, 61, 62, 247, 255, 1, 2, 3, 4])) == "0z0z1234"
    counts = collections.Counter(rules.code_from(bytes([n] * 8)) for n in range(248))
    assert len(counts) == 62 and set(counts.values()) == {4}


VECTORS = json.loads((Path(__file__).parent / "links_vectors.json").read_text("utf-8"))


def shortened(text: str, public_url: str, domain: str) -> tuple[str, int]:
    """Shortens a text with eight zeros for each code, as the console does before a code is known."""
    parts, position = [], 0
    result = rules.shortable(text, public_url, domain)
    for item, _ in result:
        parts += [text[position : item.start], rules.link_prefix(public_url, domain), "0" * rules.CODE_LENGTH]
        position = item.end
    return "".join([*parts, text[position:]]), len(result)


def test_the_vectors_shared_with_the_console_are_correct() -> None:
    """The console's `links.test.ts` uses the same file; if a vector is wrong, correct it by hand for both."""
    assert len(VECTORS) >= 200
    for vector in VECTORS:
        result = shortened(vector["text"] * vector.get("times", 1), vector["public_url"], vector["domain"])
        assert result == (vector["short"] * vector.get("times", 1), vector["links"]), vector


def test_short_links_begin_with_the_public_url_or_the_links_domain() -> None:
    assert rules.link_prefix(HERE, "go.shop.example") == "https://go.shop.example/"
    assert rules.link_prefix("http://localhost:8000", "go.localhost:8000") == "http://go.localhost:8000/"
    assert rules.link_prefix(HERE, "") == HERE + "/l/"


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
def test_people_and_bots_are_distinguished(method: str, more: dict[str, str], bot: bool) -> None:
    assert is_bot(method, PHONE | more) is bot


def test_a_client_without_a_language_header_is_a_bot() -> None:
    assert is_bot("GET", {name: value for name, value in PHONE.items() if name != "accept-language"})


def test_headers_of_a_click_are_stored_as_one_short_line() -> None:
    assert rules.log_text("x" * 65_536) == "x" * 300
    assert rules.log_text("a\r\nb\x00c\u2028d") == "abcd"
    assert rules.log_text("<script>alert(1)</script>") == "<script>alert(1)</script>"  # escaped where it is displayed
    assert rules.log_referrer("https://mail.example/read?id=secret#x") == "https://mail.example/read"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("", ""), (" Go.Brand.example ", "go.brand.example"), ("https://go.brand.example/", "go.brand.example"), ("go.brand.example:8443", "go.brand.example:8443")],
)  # fmt: skip
def test_a_domain_is_normalised_as_browsers_do(typed: str, expected: str) -> None:
    assert LinkSettings(domain=typed).domain == expected


@pytest.mark.parametrize(
    "typed", ["go.brand.example/x", "a@go.brand.example", "go brand", "ftp://go.brand.example", "/", "?"]
)
def test_an_invalid_domain_is_refused_with_a_reason(typed: str) -> None:
    with pytest.raises(ValueError, match=r"go\.brand\.example"):
        LinkSettings(domain=typed)
