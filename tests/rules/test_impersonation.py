"""Names that could be mistaken for a colleague's or the team's: look-alike letters, case, spaces, languages."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.text import visual_key, visual_keys
from server.webchat.impersonation import TEAM, WITH_TEAM, impersonates

TEAM_OF = {
    "Olga": "OIga O1ga 0lga OLGA 0LGA O|ga 0|ga Оlga ОIgа Ｏｌｇａ 𝐎𝐥𝐠𝐚 O\u200blga Ol\ufe0fga O\u034flga Ólga Ol·ga O.l.g.a Ol9a Olg@ Оӏga 🅾lga 🄾🄻🄶🄰",
    "Ilya": "ilya IIya lIya 1lya llya |lya ІІуа ILYA",
    "Rina": "RINA RlNA R1na Rına rina",
    "Emma": "Ernma Emrna EMMA Еmmа",
    "Виктор": "Bиктop ВИКТОР Виктοр виктор",
    "김민준": "김민준 김_민준 김·민준",
    "Łukasz Żak": "ŁukaszŻak łukasz_żak Łukasz.Żak ŻakŁukasz Lukasz-Zak ŁUKASZŻAK",
    "Ana Müller": "AnaMüller ANAMÜLLER Ana_Müller Müller·Ana AnaMu\u0308ller AnaMuller",
}


@pytest.mark.parametrize(
    ("colleague", "name"), [(colleague, name) for colleague, names in TEAM_OF.items() for name in names.split(" ")]
)
def test_a_name_that_looks_like_an_agents_is_recognised(colleague: str, name: str) -> None:
    assert impersonates(name, visual_keys(colleague))


@pytest.mark.parametrize(
    "name", ["Olga (Support)", "SupportOlga", "0lga from Customer Care", "OIga Helpdesk", "Müller, Ana"]
)
def test_an_agents_name_with_words_for_the_team_added_is_recognised(name: str) -> None:
    assert impersonates(name, visual_keys("Olga") | visual_keys("Ana Müller"))


@pytest.mark.parametrize(
    "name",
    [
        *("Olgierd", "Helga", "Oiga", "Olga Ivanova", "Big Olga", "Ana", "Müller", "Zana", "Ilja", "Mia", "Виктория"),
        *("김민", "지원", "팀", "박지원", "Customer", "Klient", "клиент", "Supporter", "Abbot", "Botana", "Teodora"),
        *(
            "Марина",
            "Zoë",
            "李雷",
            "محمد",
            "สมชาย",
            "राम",
            "X Æ A-12",
            "O'Neil",
            "—",
            "Ann-Marie",
            "J. Service-Smith",
            "Ruben Sales",
            "C3PO",
            "Owen",
            "Success",
            "Rob3rt",
        ),
    ],
)
def test_an_ordinary_name_is_allowed(name: str) -> None:
    assert not impersonates(
        name,
        visual_keys("Olga")
        | visual_keys("Ana Müller")
        | visual_keys("Ilya")
        | visual_keys("Виктор")
        | visual_keys("김민준"),
    )


@pytest.mark.parametrize(
    "name",
    [
        *("Customer Support", "CustomerSupport", "customer_support", "Supp0rt", "SUPP0RT", "Suppоrt", "Helpdesk"),
        *("Help Desk", "HelpDesk", "He1pdesk", "Adm1n", "АDМIN", "ADMlN", "The Support Team", "Technical Support"),
        *(
            "Live Chat Support",
            "Moderat0r",
            "M0derator",
            "5upport",
            "$upport",
            "@dmin",
            "H3lpd3sk",
            "4dm!n",
            "5y$t3m",
            "Sales",
            "Billing Department",
            "IT Support",
            "Contact Center",
            "Shop Owner",
            "Тhreadline",
            "Ꭲeam",
        ),
        *("고객센터", "고객 지원", "고객지원팀", "상담원", "관리자", "Support 팀", "헬프 데스크"),
        *(
            "Obsługa klienta",
            "obsluga klienta",
            "Biuro Obsługi Klienta",
            "Pomoc techniczna",
            "WSPARCIE",
            "Dział pomocy",
        ),
        *("Служба поддержки", "Техподдержка", "Администратор", "Aдминистрaтор", "ПОДДЕРЖКА КЛИЕНТОВ", "Оператор чат"),
    ],
)
def test_a_name_of_the_team_is_reserved_in_four_languages(name: str) -> None:
    assert impersonates(name, frozenset())


def test_words_that_are_names_of_people_are_not_reserved() -> None:
    assert not {"지원", "팀"} & set(TEAM)
    assert not any(impersonates(word, frozenset()) for word in WITH_TEAM)


@given(st.text(max_size=80))
def test_invisible_and_separating_characters_do_not_make_names_look_different(text: str) -> None:
    assert visual_key(text) == visual_key(f"\u200b{text}\ufe0f ") and visual_key(text) in visual_keys(text) | {""}


def test_a_name_with_many_possible_splits_is_checked_quickly() -> None:
    colleagues = frozenset().union(*(visual_keys(f"Colleague {n}") for n in range(300)))
    impersonates("warm", colleagues)
    started = time.thread_time()
    for name in ("고객지원" * 20, "helpdesk" * 10, "helpdesk" * 9 + "x", "supportsystem" * 6, "rn" * 40):
        impersonates(name, colleagues)
    assert time.thread_time() - started < 0.5
