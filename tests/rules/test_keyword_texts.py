"""Replies to keywords by country and language, and whether the carrier has already replied (KEY-7..9, 12, 13)."""

from __future__ import annotations

import re

import pytest

from server.consent import default_replies, keyword_replies, keywords, vocabulary
from server.consent.default_replies import COUNTRIES, REPLY_KINDS, TEXTS
from server.consent.settings import KeywordSettings, KeywordText, SubscribeKeyword, has_link
from server.delivery.segments import segments

PLAIN = KeywordSettings(brand="Kettle & Co", help_contact="care@kettle.example")


def reply(
    kind: default_replies.ReplyKind, country: str, language: str, settings: KeywordSettings = PLAIN, **more: str
) -> str | None:
    return keyword_replies.reply_text(kind, country, language, "Support", settings, **more)


@pytest.mark.parametrize(
    ("country", "language", "expected"),
    [("CA", "fr", "fr"), ("CA", "en", "en"), ("CA", "de", "en"), ("BE", "nl", "nl"), ("BE", "fr", "fr"), ("BE", "de", "en"), ("DE", "en", "en"), ("DE", "fr", "de"), ("CH", "it", "it"),
     ("US", "es", "en"), ("US", "fr", "en"), ("PL", "ru", "pl"), ("RU", "ru", "ru"), ("KR", "ko", "ko"), ("JP", "ja", "en"), ("", "en", "en"), ("MX", "es", "es")],
)  # fmt: skip
def test_key_8_the_reply_uses_the_keywords_language_if_the_country_has_it(
    country: str, language: str, expected: str
) -> None:
    assert default_replies.language_for(country, language) == expected


def test_key_9_every_country_has_replies_in_all_its_languages() -> None:
    assert len(COUNTRIES) == 20
    for country, languages in COUNTRIES.items():
        for language in languages:
            for kind in REPLY_KINDS:
                answer = reply(kind, country, language)
                assert answer is not None and answer.startswith("Kettle & Co"), (country, language, kind)


@pytest.mark.parametrize("language", TEXTS)
def test_each_reply_names_the_stop_keyword_has_no_link_and_is_short(language: str) -> None:
    for kind in REPLY_KINDS:
        text = default_replies.default_text(kind, language, "Kettle & Co", "care@kettle.example")
        assert not has_link(text) and "{" not in text, (language, kind)
        assert segments(text) <= (1 if language in ("pl", "ru") else 3), (language, kind)
        # A keyword that a reply tells people to send has the meaning that the reply gives it.
        mentioned = [word for word in text.replace(",", " ").replace(".", " ").split() if word.isupper()]
        mentioned += re.findall("'([가-힣]+)'", text)
        meanings = {type(keywords.classify(word, "smart", pending_opt_in=True)).__name__ for word in mentioned} - {
            "Plain"
        }
        expected = {"stop": {"Start"}, "help": {"Stop"}, "confirm_ask": {"Confirm", "Help", "Stop"}}
        assert meanings == expected.get(kind, {"Help", "Stop"}), (language, kind, mentioned)


@pytest.mark.parametrize("language", TEXTS)
def test_the_question_asks_for_a_yes_in_its_own_language(language: str) -> None:
    question = default_replies.default_text("confirm_ask", language, "Kettle", "")
    words = set(re.findall(r"\w+", keywords.fold(question)))
    assert words & set(keywords.fold(vocabulary.YES[language]).split("|")) or words & {"si"}, question


def test_no_two_languages_share_their_words() -> None:
    for kind in REPLY_KINDS:
        assert len({TEXTS[language][kind] for language in TEXTS}) == len(TEXTS)


@pytest.mark.parametrize(
    ("sender_kind", "text", "opt_out", "gateway", "carrier"),
    [
        ("long_code", "STOP", None, "default", True),
        ("long_code", " stop ", None, "default", True),
        ("long_code", "Revoke", None, "default", True),
        ("long_code", "HELP", None, "default", True),
        ("long_code", "UNSTOP", None, "default", True),
        ("long_code", "Stop.", None, "default", False),
        ("long_code", "ARRET", None, "default", False),
        ("long_code", "opt out", None, "default", False),
        ("long_code", "STOP", None, "off", False),
        ("long_code", "STOP", "STOP", "advanced", True),
        ("long_code", "ARRET", "STOP", "advanced", True),
        ("long_code", "ARRET", None, "advanced", False),
        ("toll_free", "STOP", None, "off", True),
        ("toll_free", "START", None, "default", True),
        ("toll_free", "HELP", None, "default", False),
        ("toll_free", "QUIT", None, "default", False),
        ("short_code", "STOP", None, "default", False),
    ],
)
def test_key_13_no_reply_is_sent_where_the_carrier_replies(
    sender_kind: str, text: str, opt_out: str | None, gateway: str, carrier: bool
) -> None:
    settings = PLAIN.model_copy(update={"gateway": gateway})
    assert keyword_replies.carrier_answers(settings, sender_kind, text, opt_out) is carrier
    answer = keyword_replies.reply_text(
        "stop", "GB", "en", "", settings, sender_kind=sender_kind, received_text=text, opt_out=opt_out
    )
    assert (answer is None) is carrier


@pytest.mark.parametrize(
    ("sender_kind", "text", "blocked", "carrier"),
    [
        ("long_code", "START", True, True), ("long_code", "START", False, False), ("long_code", "YES", False, False),
        ("toll_free", "START", True, True), ("toll_free", "UNSTOP", False, False), ("long_code", "STOP", False, True),
        ("long_code", "HELP", False, True), ("short_code", "START", True, False),
    ],
)  # fmt: skip
def test_key_13_a_carrier_confirms_start_only_to_numbers_it_blocked(
    sender_kind: str, text: str, blocked: bool, carrier: bool
) -> None:
    assert keyword_replies.carrier_answers(PLAIN, sender_kind, text, None, blocked) is carrier


@pytest.mark.parametrize(
    ("sender_kind", "text", "blocks"),
    [("long_code", " stop ", True), ("long_code", "ARRET", False), ("long_code", "START", False), ("toll_free", "STOP", True), ("toll_free", "QUIT", False), ("short_code", "STOP", False)],
)  # fmt: skip
def test_key_13_which_keywords_make_the_carrier_block_a_number(sender_kind: str, text: str, blocks: bool) -> None:
    assert keyword_replies.carrier_blocks(PLAIN, sender_kind, text) is blocks


def test_key_4_help_promises_no_answer_without_a_contact(  # a person who agreed to nothing cannot be answered (INB-8)
) -> None:
    for language in TEXTS:
        help_text = default_replies.default_text("help", language, "Kettle", "")
        assert (
            help_text != default_replies.default_text("help", language, "Kettle", "care@kettle.example")
            and default_replies.HELP_LABELS[language].strip() not in help_text
        )


def test_key_8_editing_one_countrys_reply_changes_no_other() -> None:
    edited = KeywordText(country="DE", language="en", kind="help", text="Write to us, Monday to Friday.")
    settings = PLAIN.model_copy(update={"texts": [edited]})
    assert reply("help", "DE", "en", settings) == "Write to us, Monday to Friday."
    assert reply("help", "DE", "de", settings) == reply("help", "DE", "de")
    assert reply("help", "AT", "en", settings) == reply("help", "AT", "en")


def test_key_7_an_edited_reply_is_not_used_where_the_carrier_replies() -> None:
    forced = KeywordText.model_construct(country="US", language="en", kind="stop", text="Bye")
    settings = PLAIN.model_copy(update={"texts": [forced]})
    assert reply("stop", "US", "en", settings) == reply("stop", "US", "en")


def test_key_10_a_subscribe_keyword_may_have_its_own_reply() -> None:
    settings = KeywordSettings(
        subscribe=[
            SubscribeKeyword(word="tea", text="Hi! 10 % off: https://kettle.example/tea"),
            SubscribeKeyword(word="JOIN"),
        ]
    )
    assert reply("subscribed", "US", "en", settings, word="TEA") == "Hi! 10 % off: https://kettle.example/tea"
    joined = reply("subscribed", "US", "en", settings, word="JOIN")
    assert joined is not None and joined.startswith("Support: ")


def test_braces_in_the_brand_name_are_not_a_placeholder() -> None:
    assert reply("stop", "GB", "en", KeywordSettings(brand="{contact} {0} {brand}")) is not None


@pytest.mark.parametrize(
    ("text", "link"),
    [("see https://a.example", True), ("WWW.SHOP", True), ("go to shop.example/x now", True), ("kettle.co.uk", True), ("mail care@kettle.example", False),
     ("care+sms@mail.kettle.example.", False), ("Mon.–Fri. 9–5", False), ("e.g. tomorrow", False), ("v2.0", False), ("Reply YES. Then wait.", False), ("10.30 Uhr", False),
     ("магазин.рф", True), ("ｓｈｏｐ．ｃｏｍ/x", True), ("203.0.113.5/a", True), ("http://203.0.113.5", True), ("Thanks.Reply STOP to end", False), ("Kettle.Com", True), ("shop\u200b.com", True),
     ("네이버.한국", True), ("xn--80aaa.xn--p1ai", True), ("Спасибо.Ответим завтра", False), ("спасибо.ответим", False), ("감사합니다.도움말은 HELP", False), ("KETTLE.COM", True), ("shop.com-sale", True), ("Thanks.It is on its way", False),
     ("1.2.3", False), ("+1.202.555.0150", False), ("Call 202.555.0150", False), ("почта@магазин.рф", False)],
)  # fmt: skip
def test_what_counts_as_a_link(text: str, link: bool) -> None:
    assert has_link(text) is link
