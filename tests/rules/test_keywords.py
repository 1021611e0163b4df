"""What a text means for consent (KEY-1..15, AMB-1; S12-S15)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.consent import vocabulary
from server.consent.keywords import (
    BadKeyword,
    Confirm,
    Help,
    Plain,
    Start,
    Stop,
    StopRequest,
    Subscribe,
    classify,
    fold,
    subscribe_keyword,
    without_accents,
)

STOPS = [
    "STOP", "stop", "Stop.", " STOP ", "STOP!", "Ｓｔｏｐ", "STOP\n", "stop stop", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT",
    "REVOKE", "OPTOUT", "opt out", "opt-out", "s\u200btop", "𝐒𝐓𝐎𝐏", "Arrêt", "ARRET", "Désabonner", "стоп", "СТОП!!", "수신거부", "停止",
    "stop 🙏", '"STOP"', "Rezygnuję", "ⓈⓉⓄⓅ", "🅂🅃🄾🄿", "🆂🆃🅾🅿", "🅢🅣🅞🅟", "ꜱᴛᴏᴘ", "🇸🇹🇴🇵", "s̶t̶o̶p̶", "S T O P", "S.T.O.P.", "s-t-o-p", "\u202estop\u202c", "\ufeffStop",
    "STOP\n\nSent from my iPhone", "stop\r\n--\r\nAnna Meyer", "*STOP*", "(stop)", "stop…", "¡ALTO!", "ｏｐｔ－ｏｕｔ", "OptOut", "退订", "STOPP", "stop-stop", "Stop. Stop. Stop!",
]  # fmt: skip
REQUESTS = [
    "please stop texting me", "Stop sending me these", "stop messaging me", "take me off your list", "remove me from this list pls",
    "no more texts", "I don't want to receive your messages", "do not text me again", "unsubscribe me please", "please unsubscribe",
    "no más por favor", "ya no más, gracias", "no more bitte", "leave me alone", "stop with the texts", "i revoke my consent", "не пишите мне больше", "хватит слать рекламу", "문자 그만 보내세요",
    "please stop", "stop please", "Stop it now!", "ok stop, thank you", "can you stop?", "I said STOP", "opt-out please", "pls unsubscribe thx",
    "Hi, unsubscribe. Thanks", "enough! stop!", "remove my number please", "do not contact me", "ne m'envoyez plus de messages",
    "keine SMS mehr bitte", "lose my number", "Stop spamming", "STOP CONTACTING ME", "don’t text me",
]  # fmt: skip
MENTIONS = [
    "don't stop", "bus stop at 5?", "the end", "cancel my appointment", "quit smoking program?", "Please don't stop texting me!",
    "when does the sale end?", "I want to cancel order 1042", "stop the delivery please", "my order won't stop loading",
    "cancel it now please", "non-stop", "one stop shop", "I can't stop laughing", "is it on? I hit stop and it runs",
    "unstoppable", "endless", "cancelled", "stopover in Oslo?", "I could not end the call", "quit smoking", "Bus 4 stops here", "your texts are fun",
    "can you stop by the shop?", "what's the end date", "remove the second item", "is this a text from you?", "", "🙏", "?",
]  # fmt: skip
TAPBACKS = ["Liked “Reply STOP to opt out”", 'Loved "Text STOP to end"', "Reacted 👍 to “Reply STOP to end”"]


@pytest.mark.parametrize("text", STOPS)
@pytest.mark.parametrize("mode", ["smart", "contains", "exact"])
def test_a_stop_keyword_alone_stops_in_every_mode(text: str, mode: str) -> None:
    assert classify(text, mode) == Stop(classify(text, "exact").language)  # type: ignore[arg-type, union-attr]


@pytest.mark.parametrize("text", REQUESTS)
def test_a_clear_request_in_other_words_pauses_and_asks_an_agent(text: str) -> None:
    assert classify(text, "smart") == StopRequest()
    assert isinstance(classify(text, "exact"), Plain)


@pytest.mark.parametrize("text", MENTIONS)
def test_a_mere_mention_of_a_keyword_is_an_ordinary_message(text: str) -> None:
    assert classify(text, "smart") == Plain()


@pytest.mark.parametrize("text", ["cancel my order", "bus stop at 5?", "please stop texting me"])
def test_in_mode_contains_any_mention_stops_and_the_text_reaches_the_inbox(text: str) -> None:
    assert classify(text, "contains") == Stop("en", with_text=True)


@pytest.mark.parametrize("text", TAPBACKS)
@pytest.mark.parametrize("mode", ["smart", "contains", "exact"])
def test_a_tapback_quotes_our_footer_and_is_no_opt_out(text: str, mode: str) -> None:
    assert classify(text, mode) == Plain(tapback=True)  # type: ignore[arg-type]


def test_other_keywords_carry_their_language() -> None:
    assert classify("start", "smart") == Start("en")
    assert classify("Старт", "smart") == Start("ru")
    assert classify("HELP!", "smart") == Help("en")
    assert classify("pomoc", "smart") == Help("pl")
    assert classify("join", "smart", keywords=frozenset({"JOIN"})) == Subscribe("JOIN")
    assert classify("join us", "smart", keywords=frozenset({"JOIN"})) == Plain()


def test_yes_means_something_only_while_an_opt_in_waits() -> None:
    assert classify("Yes", "smart") == Plain()
    assert classify("Yes", "smart", pending_opt_in=True) == Confirm("en")
    assert classify("Oui", "smart", pending_opt_in=True) == Confirm("fr")


@pytest.mark.parametrize(
    ("language", "word"), [(language, word) for language, words in vocabulary.YES.items() for word in words.split("|")]
)
def test_each_languages_own_yes_confirms_while_a_question_is_open(language: str, word: str) -> None:
    for text in (word, word.upper(), f" {word}! 🙏", without_accents(word)):
        assert classify(text, "smart") == Plain()
        meaning = classify(text, "smart", pending_opt_in=True)
        assert isinstance(meaning, Confirm) and meaning.language in (language, ""), text


@pytest.mark.parametrize(("word", "country"), [("Tak", "DK"), ("tak!", "SE"), ("Igen", "SE"), ("Так", "RU")])
def test_a_neighbouring_languages_yes_is_no_consent(word: str, country: str) -> None:
    assert classify(word, "smart", pending_opt_in=True, country=country) == Plain()
    assert isinstance(classify(word, "smart", pending_opt_in=True, country="PL"), Confirm)


def test_a_stop_keyword_wins_over_an_owners_keyword_with_the_same_letters() -> None:
    assert classify("END", "smart", keywords=frozenset({"END"})) == Stop("en")


@pytest.mark.parametrize(
    "raw", ["no", "a b c", "STOP", "yes", "TAK", "IPTAL", "SALE", "WINE20", "x" * 21, "ПРИВЕТ", "join!"]
)
def test_a_keyword_that_people_might_send_by_accident_is_refused(raw: str) -> None:
    assert isinstance(subscribe_keyword(raw), BadKeyword)


def test_a_valid_keyword_is_stored_in_capitals() -> None:
    assert subscribe_keyword(" join ") == "JOIN"
    assert subscribe_keyword("TEA2026") == "TEA2026"


NEVER_LOST = [
    "cancel my appointment",
    "quit smoking program?",
    "please stop texting me",
    "stop the delivery please",
    "end of the sale?",
]


@pytest.mark.parametrize("text", NEVER_LOST)
@pytest.mark.parametrize("mode", ["smart", "contains", "exact"])
def test_s14_a_text_with_more_words_always_reaches_an_agent(text: str, mode: str) -> None:
    meaning = classify(text, mode)  # type: ignore[arg-type]
    assert isinstance(meaning, Plain | StopRequest) or (isinstance(meaning, Stop) and meaning.with_text)


@pytest.mark.parametrize("text", ["START", "start!", "Unstop", "ＳＴＡＲＴ", "NONARRET", "старт"])
@pytest.mark.parametrize("mode", ["smart", "contains", "exact"])
def test_s15_start_in_any_spelling(text: str, mode: str) -> None:
    assert isinstance(classify(text, mode), Start)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["start the order please", "when does it start?", "yes please send it", "can you help me?", "more info please"],
)
def test_other_keywords_among_other_words_are_messages(text: str) -> None:
    assert classify(text, "smart", pending_opt_in=True) == Plain()


@given(st.text(max_size=200), st.sampled_from(["smart", "contains", "exact"]), st.booleans())
def test_any_text_has_a_meaning_and_long_ones_are_parsed_quickly(text: str, mode: str, pending: bool) -> None:
    meaning = classify(text, mode, pending_opt_in=pending, keywords=frozenset({"JOIN"}))  # type: ignore[arg-type]
    assert isinstance(meaning, Stop | StopRequest | Start | Help | Confirm | Subscribe | Plain)


@given(
    st.sampled_from(["stop", "START", "help", "отписка", "수신거부"]),
    st.text(alphabet=" \n\t.!?*\u200b\u2060\ufe0f🙏🛑", max_size=20),
)
def test_punctuation_around_a_keyword_changes_nothing(word: str, around: str) -> None:
    assert classify(around + word + around, "smart") == classify(word, "smart")


WISHES = (
    "stop quit cease end sending texting all the your any me us texts txt messages spam ads promos offers these this contacting bothering "
    "do not don't dont donot do n't never no longer ever want wish like need to more get receive send my of unsubscribe unsub opt out "
    "opt-out optout number please pls plz remove delete take phone off from lose forget leave alone wrong i revoke withdraw consent "
    "arretez stoppez de les vos m' envoyer messages ne m'envoyez plus keine nie wieder werbung mehr no dejen deje me envien enviarme "
    "nie chce wiecej prosze przestac order bus cancel end quit subscription contact is this who make it leave me mich ab melden bitte geen "
    "schrijf uit dejen de baja nao quero non voglio ricevere sms pisz mnie usun rezygnuje z newslettera dajcie mi spokoj yes sign by take "
    "off out darme quiero la tire remova mehr schreibt mir nichts horen sie auf wypisanie o get darme person not interested falsche nummer faux "
    "numero equivocado sbagliato mas chega basta yeter sms istemiyorum revoke"
).split()


@given(st.lists(st.sampled_from(WISHES), min_size=1, max_size=7).map(" ".join))
def test_a_request_in_ascii_is_recognised_as_in_other_characters(text: str) -> None:
    """ASCII text without a word that begins a request to stop is not matched further; an emoji at the end makes the
    text non-ASCII and takes the full match."""
    assert classify(text, "smart") == classify(f"{text} 🙏", "smart")


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=80))
def test_ascii_keywords_are_recognised_as_decorated_ones(text: str) -> None:
    """ASCII text skips normalisation; an invisible character at the end prevents that."""
    assert fold(text) == fold(text + "\u200b")


@pytest.mark.parametrize(
    "text",
    [
        "stop " * 300,
        "please " * 270,
        "don't " * 300,
        "a" * 1600,
        "no more " * 200,
        "sms " * 400,
        "stop the " * 170,
        "nie chcę więcej " * 100,
        "stop. " * 260,
        "\n" * 4_000,
        "\n \t" * 1_300 + "--",
        "--\n" * 1_300,
    ],
)
def test_a_text_of_the_longest_length_is_parsed_quickly(text: str) -> None:
    """No pattern may backtrack over the text repeatedly."""
    started = time.thread_time()
    for mode in ("smart", "contains", "exact"):
        classify(text, mode)  # type: ignore[arg-type]
    assert time.thread_time() - started < 0.25
