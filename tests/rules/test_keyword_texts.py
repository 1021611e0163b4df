"""What keywords are answered with, by country and language, and when the carrier has answered (KEY-7..9, 12, 13)."""

from __future__ import annotations

import pytest

from server.consent import keywords, texts, wordings
from server.consent.settings import KeywordSettings, KeywordText, SubscribeKeyword, has_link
from server.consent.wordings import COUNTRIES, KINDS, TEXTS
from server.delivery.segments import segments

PLAIN = KeywordSettings(brand="Kettle & Co", help_contact="care@kettle.example")


def say(kind: wordings.Kind, country: str, language: str, settings: KeywordSettings = PLAIN, **more: str) -> str | None:
    return texts.answer(kind, country, language, "Support", settings, **more)


@pytest.mark.parametrize(
    ("country", "language", "expected"),
    [("CA", "fr", "fr"), ("CA", "en", "en"), ("CA", "de", "en"), ("BE", "nl", "nl"), ("BE", "fr", "fr"), ("BE", "de", "en"), ("DE", "en", "en"), ("DE", "fr", "de"), ("CH", "it", "it"),
     ("US", "es", "en"), ("US", "fr", "en"), ("PL", "ru", "pl"), ("RU", "ru", "ru"), ("KR", "ko", "ko"), ("JP", "ja", "en"), ("", "en", "en"), ("MX", "es", "es")],
)  # fmt: skip
def test_key_8_the_keywords_language_where_the_country_knows_it(country: str, language: str, expected: str) -> None:
    assert wordings.language_for(country, language) == expected


def test_key_9_every_country_has_answers_in_all_its_languages() -> None:
    assert len(COUNTRIES) == 20
    for country, spoken in COUNTRIES.items():
        for language in spoken:
            for kind in KINDS:
                answer = say(kind, country, language)
                assert answer is not None and answer.startswith("Kettle & Co"), (country, language, kind)


@pytest.mark.parametrize("language", TEXTS)
def test_each_answer_names_the_way_out_holds_no_link_and_is_short(language: str) -> None:
    for kind in KINDS:
        text = wordings.worded(kind, language, "Kettle & Co", "care@kettle.example")
        assert not has_link(text) and "{" not in text, (language, kind)
        assert segments(text) <= 3, (language, kind)
        # A word that a text tells them to send means what the text says.
        told = [word for word in text.replace(",", " ").replace(".", " ").replace("를", " ").split() if word.isupper()]
        meant = {type(keywords.classify(word, "smart", pending_opt_in=True)).__name__ for word in told} - {"Plain"}
        wanted = {"stop": {"Start"}, "help": {"Stop"}, "confirm_ask": {"Confirm", "Help", "Stop"}}
        if language != "ko":  # particles are written onto the words
            assert meant == wanted.get(kind, {"Help", "Stop"}), (language, kind, told)


def test_no_two_languages_share_their_words() -> None:
    for kind in KINDS:
        assert len({TEXTS[language][kind] for language in TEXTS}) == len(TEXTS)


@pytest.mark.parametrize(
    ("sender_kind", "said", "opt_out", "gateway", "carrier"),
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
def test_key_13_the_carriers_answer_is_the_only_one(
    sender_kind: str, said: str, opt_out: str | None, gateway: str, carrier: bool
) -> None:
    settings = PLAIN.model_copy(update={"gateway": gateway})
    assert texts.carrier_answers(settings, sender_kind, said, opt_out) is carrier
    answer = texts.answer("stop", "GB", "en", "", settings, sender_kind=sender_kind, said=said, opt_out=opt_out)
    assert (answer is None) is carrier


@pytest.mark.parametrize(
    ("sender_kind", "said", "blocked", "carrier"),
    [
        ("long_code", "START", True, True), ("long_code", "START", False, False), ("long_code", "YES", False, False),
        ("toll_free", "START", True, True), ("toll_free", "UNSTOP", False, False), ("long_code", "STOP", False, True),
        ("long_code", "HELP", False, True), ("short_code", "START", True, False),
    ],
)  # fmt: skip
def test_key_13_a_carrier_says_only_to_whom_it_had_blocked_that_they_are_back(
    sender_kind: str, said: str, blocked: bool, carrier: bool
) -> None:
    assert texts.carrier_answers(PLAIN, sender_kind, said, None, blocked) is carrier


@pytest.mark.parametrize(
    ("sender_kind", "said", "blocks"),
    [("long_code", " stop ", True), ("long_code", "ARRET", False), ("long_code", "START", False), ("toll_free", "STOP", True), ("toll_free", "QUIT", False), ("short_code", "STOP", False)],
)  # fmt: skip
def test_key_13_which_words_make_the_carrier_block(sender_kind: str, said: str, blocks: bool) -> None:
    assert texts.carrier_blocks(PLAIN, sender_kind, said) is blocks


def test_key_4_help_promises_no_answer_here(  # whoever agreed to nothing cannot be answered (INB-8)
) -> None:
    for language in TEXTS:
        bare = wordings.worded("help", language, "Kettle", "")
        assert (
            bare != wordings.worded("help", language, "Kettle", "care@kettle.example")
            and wordings.HELP_AT[language].strip() not in bare
        )


def test_key_8_editing_one_countrys_text_touches_no_other() -> None:
    edited = KeywordText(country="DE", language="en", kind="help", text="Write to us, Monday to Friday.")
    settings = PLAIN.model_copy(update={"texts": [edited]})
    assert say("help", "DE", "en", settings) == "Write to us, Monday to Friday."
    assert say("help", "DE", "de", settings) == say("help", "DE", "de")
    assert say("help", "AT", "en", settings) == say("help", "AT", "en")


def test_key_7_an_edited_text_that_carriers_send_themselves_is_never_used() -> None:
    forced = KeywordText.model_construct(country="US", language="en", kind="stop", text="Bye")
    settings = PLAIN.model_copy(update={"texts": [forced]})
    assert say("stop", "US", "en", settings) == say("stop", "US", "en")


def test_key_10_a_subscribe_keyword_is_answered_in_its_own_words_where_it_has_some() -> None:
    settings = KeywordSettings(
        subscribe=[
            SubscribeKeyword(word="tea", text="Hi! 10 % off: https://kettle.example/tea"),
            SubscribeKeyword(word="JOIN"),
        ]
    )
    assert say("subscribed", "US", "en", settings, word="TEA") == "Hi! 10 % off: https://kettle.example/tea"
    joined = say("subscribed", "US", "en", settings, word="JOIN")
    assert joined is not None and joined.startswith("Support: ")


def test_a_brand_with_braces_is_only_a_name() -> None:
    assert say("stop", "GB", "en", KeywordSettings(brand="{contact} {0} {brand}")) is not None


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
