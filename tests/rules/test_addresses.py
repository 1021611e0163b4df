"""Normalised addresses have the form that browsers send, whatever form was typed."""

from __future__ import annotations

import pytest

from server import addresses
from server.addresses import BadAddress
from server.settings import Settings
from server.webchat.settings import WidgetSettings


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("https://chat.example.com", "https://chat.example.com"),
        ("https://chat.example.com/", "https://chat.example.com"),
        ("https://Support.Example.COM", "https://support.example.com"),
        ("HTTPS://chat.example.com", "https://chat.example.com"),
        ("https://chat.example.com:443", "https://chat.example.com"),
        ("https://chat.example.com:", "https://chat.example.com"),
        ("http://chat.example.com:80", "http://chat.example.com"),
        ("http://chat.example.com:443", "http://chat.example.com:443"),
        ("https://chat.example.com:08443", "https://chat.example.com:8443"),
        ("https://münchen.example", "https://xn--mnchen-3ya.example"),
        ("https://MU\u0308NCHEN.example", "https://xn--mnchen-3ya.example"),  # the letter as macOS decomposes it
        ("https://straße.example", "https://xn--strae-oqa.example"),
        ("https://чат.пример.рф:8443", "https://xn--80a0bn.xn--e1afmkfd.xn--p1ai:8443"),
        ("https://상담。예시", "https://xn--jk1bs5x.xn--vv4b11d"),
        ("https://ｃｈａｔ.example", "https://chat.example"),
        ("https://xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example"),
        (
            "https://xn--ls8h.example",
            "https://xn--ls8h.example",
        ),  # browsers accept a picture character in a host name, IDNA 2008 does not
        ("http://my_server:8000", "http://my_server:8000"),
        ("http://127.1:8000", "http://127.0.0.1:8000"),
        ("https://[2001:DB8:0:0::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(typed: str, sent: str) -> None:
    assert addresses.origin(typed) == sent == addresses.origin(sent)


@pytest.mark.parametrize(
    "typed",
    ["", "chat.example.com", "//chat.example.com", "ftp://chat.example.com", "javascript:alert(1)", "https://", "https:///x",
     "https://chat.example.com/desk", "https://chat.example.com?", "https://chat.example.com#", "https://u:p@chat.example.com",
     "https://chat.example.com:99999", "https://chat.example.com:0", "https://chat.example.com:x", "https://chat example.com",
     "https://chat.example.com\n", "https://chat.example.com\u200b", "https://chat.example.com;", "https://chat.example.com\\x",
     "https://-chat.example.com", "https://chat..example.com", "https://m%C3%BCnchen.example", "https://münchen.example; x",
     "https://[fe80::1%25eth0]", "https://[::1", "https://999.1.1.1", "https://*.example.com", "https://" + "a" * 300],
)  # fmt: skip
def test_an_invalid_origin_is_refused_with_a_reason(typed: str) -> None:
    with pytest.raises(BadAddress) as refused:
        addresses.origin(typed)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("host", "port", "reached"),
    [
        ("127.0.0.1", 18_999, ("http://localhost:18999", "http://127.0.0.1:18999")),
        ("0.0.0.0", 80, ("http://localhost", "http://127.0.0.1")),
        ("", 8_000, ("http://localhost:8000", "http://127.0.0.1:8000")),
        ("localhost", 8_000, ("http://localhost:8000", "http://127.0.0.1:8000")),
        ("::", 8_000, ("http://[::1]:8000", "http://localhost:8000")),
        ("::1", 8_000, ("http://[::1]:8000", "http://localhost:8000")),
        ("192.168.1.5", 8_000, ("http://192.168.1.5:8000",)),
        ("fd00::2", 8_000, ("http://[fd00::2]:8000",)),
        ("desk.lan", 8_000, ("http://desk.lan:8000",)),
    ],
)
def test_the_public_url_defaults_to_host_and_port(host: str, port: int, reached: tuple[str, ...]) -> None:
    assert addresses.local(host, port) == reached
    for unset in ({}, {"public_url": ""}, {"public_url": " "}):
        settings = Settings(_env_file=None, host=host, port=port, **unset)  # type: ignore[arg-type]
        assert settings.public_url == reached[0] and settings.public_urls == (reached[0],)
    assert (
        Settings(_env_file=None, host=host, port=port, public_url="https://x.example").public_url == "https://x.example"
    )


def test_the_configured_spelling_of_the_public_url_is_kept_for_signatures() -> None:
    def urls(public_url: str) -> tuple[str, ...]:
        return Settings(_env_file=None, public_url=public_url).public_urls

    assert urls("https://münchen.example/") == ("https://xn--mnchen-3ya.example", "https://münchen.example")
    assert urls("https://Support.Example.COM") == ("https://support.example.com", "https://Support.Example.COM")
    assert urls("https://support.example.com/") == ("https://support.example.com",)
    changed = Settings(_env_file=None, public_url="https://Support.Example.COM")
    changed.public_url = "https://another.example"
    assert changed.public_urls == ("https://another.example",)


def test_an_allowed_site_is_normalised_as_browsers_send_it() -> None:
    typed = ["münchen.example", "https://Shop.Example:443/a?b", "http://[::1]:3000/", "https://чат.рф"]
    assert WidgetSettings(sites=typed).sites == [
        "http://[::1]:3000", "https://shop.example", "https://xn--80a0bn.xn--p1ai", "https://xn--mnchen-3ya.example",
    ]  # fmt: skip
    assert WidgetSettings(sites=WidgetSettings(sites=typed).sites).sites == WidgetSettings(sites=typed).sites
