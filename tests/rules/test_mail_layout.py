"""The layout of mails: text and HTML say the same, values are text, nothing is loaded from elsewhere."""

from __future__ import annotations

import html.parser
import re

import pytest

from server.templates.mail_layout import Look, MailText, Written, _contrast, text_on, write
from server.templates.sandbox import TemplateError

SOURCE = MailText(
    subject="{{ who }} writes to {{ brand }}",
    paragraphs=["Dear {{ who }}, a < b & c.", "Two\nlines"],
    button="Open <it>",
    notes=["Ignore this mail if it is not for you."],
    link_hint="Or open this address:",
)
LOOK = Look("Fern & Kettle", "#4263eb", "pl")
URL = "https://desk.example/reset#a-b_c"


class Page(html.parser.HTMLParser):
    """The visible text, the tags and the addresses of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.words, self.tags, self.links = "", set[str](), list[str]()
        self._hidden = False
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._hidden = tag in ("style", "title")
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "background", "action")]

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False
        self.words += " "

    def handle_data(self, data: str) -> None:
        self.words += "" if self._hidden else data + " "


def words(text: str) -> list[str]:
    return re.findall(r"[^\s:]+", text.replace("-- \n", ""))


def written(who: str = "Ana") -> Written:
    return write(SOURCE, {"who": who}, LOOK, URL)


def test_text_and_html_say_the_same() -> None:
    mail = written()
    in_html = words(Page(mail.html).words)
    assert not [word for word in words(mail.text) if word not in in_html]
    assert mail.text.startswith(
        "Ana writes to Fern & Kettle\n\nDear Ana, a < b & c.\n\nTwo\nlines\n\nOpen <it>:\n" + URL
    )
    assert mail.text.endswith("\n\n-- \nFern & Kettle\n")


@pytest.mark.parametrize(
    "who",
    [
        "<script>alert(1)</script>",
        "</style><img src=//evil.example/x>",
        "{{ 7 * 7 }}{% for %}",
        '"><a href="https://evil.example">',
    ],
)
def test_a_value_is_text_in_both(who: str) -> None:
    mail = written(who)
    page = Page(mail.html)
    assert who in mail.text and who in mail.subject
    assert " ".join(who.split()) in " ".join(page.words.split())
    assert not {"script", "img", "it"} & page.tags and set(page.links) == {URL}


def test_a_subject_is_one_line() -> None:
    assert (
        written("Ana\r\nBcc: all@evil.example\u2028x").subject == "Ana Bcc: all@evil.example x writes to Fern & Kettle"
    )


def test_a_mail_loads_nothing_and_runs_nothing() -> None:
    page, source = Page(written().html), written().html
    assert set(page.links) == {URL}
    assert not {"script", "img", "link", "iframe", "form", "object", "svg"} & page.tags
    assert "url(" not in source and "@import" not in source and "@font-face" not in source
    assert 'class="button"' in source and "background-color: #4263eb" in source, "styles are in the elements"
    assert "prefers-color-scheme: dark" in source and 'lang="pl"' in source


def test_without_an_address_there_is_no_button() -> None:
    mail = write(SOURCE, {"who": "Ana"}, LOOK)
    assert Page(mail.html).links == [] and "Open" not in mail.text


@pytest.mark.parametrize("color", [f"#{n * 0x1234567 % 0x1000000:06x}" for n in range(200)])
def test_the_button_is_readable_in_every_color(color: str) -> None:
    assert _contrast(color, text_on(color)) >= 4.5


def test_an_error_in_a_part_is_the_mails_error() -> None:
    with pytest.raises(TemplateError) as caught:
        write(MailText("Hi {{ nobody }}", ["x"]), {}, LOOK)
    assert caught.value.code == "template_missing"
