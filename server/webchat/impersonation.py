"""Detects visitors' names that look like an agent's or like the team's (W34). Pure."""

from __future__ import annotations

import re
from functools import cache

from server.text import visual_keys, visual_variants

# Words for the team in the four languages. A name of only such words is refused, and adding them to an agent's name
# does not make it another name. Given names are left out: "지원" (support) is one, and "팀" (team) is Tim.
TEAM = """
    support helpdesk help desk service services care admin administrator administration agent system sys team staff
    moderator operator representative assistant manager consultant supervisor webmaster chatbot bot helpline hotline
    threadline center centre sales billing payments security owner moderation
    고객지원 고객센터 고객서비스 고객상담 지원팀 지원센터 상담팀 상담원 상담사 상담센터 콜센터 관리자 운영자 운영팀 운영진 담당자
    매니저 직원 시스템 챗봇 봇 서포트 헬프데스크 어드민
    wsparcie wsparcia pomoc pomocy obsługa obsługi serwis administratorka administracja moderatorka konsultant konsultantka
    doradca pracownik zespół infolinia
    поддержка поддержки техподдержка саппорт администратор администрация админ модератор оператор менеджер сотрудник
    специалист помощь помощник консультант система бот команда служба сервис хелпдеск
""".split()
# Words that describe a team only together with one of the above: "customer support", but not "customer".
WITH_TEAM = """
    customer customers client clients technical tech live online official chat shop store web account accounts orders
    department success relations contact call it the of for from and our
    고객 공식 지원 상담 팀 온라인 채팅 센터
    klient klienta klientów techniczna techniczne techniczny biuro dział działu sklep sklepu czat oficjalny
    клиент клиента клиентов клиентам клиентская техническая отдел отдела центр магазин магазина чат онлайн официальный
""".split()


@cache
def _words() -> tuple[frozenset[str], frozenset[str]]:
    """The `visual_keys` of the words for the team, and of all words that may be next to them."""
    team = frozenset().union(*(visual_keys(word) for word in TEAM))
    return team, frozenset().union(*(visual_keys(word) for word in WITH_TEAM)) | team


def impersonates(name: str, colleagues: frozenset[str]) -> bool:
    """Whether this name may be mistaken for an agent's or the team's. `colleagues`: the `visual_keys` of all agents'
    names."""
    team, allowed_beside = _words()
    # "Ana from Support" is also compared as "Ana".
    without_team_words = "".join(
        [word for word in re.findall(r"[^\W_]+", name) if not visual_variants({word}) & allowed_beside]
    )
    return any(
        _consists_of(variant, colleagues, team) or _consists_of(variant, team, allowed_beside)
        for variant in visual_variants({name, without_team_words})
        if variant
    )


def _consists_of(text: str, deciding: frozenset[str], allowed_beside: frozenset[str]) -> bool:
    """Whether `text` consists of exactly one word of `deciding` and otherwise only words of `allowed_beside`, without spaces.

    One pass over the text; a regular expression over so many words would backtrack through every way to split it.
    """
    reached = {(0, False)}
    for index in range(len(text)):
        for decided in (False, True):
            if (index, decided) in reached:
                reached |= {(index + len(word), decided) for word in allowed_beside if text.startswith(word, index)}
                if not decided:
                    reached |= {(index + len(word), True) for word in deciding if text.startswith(word, index)}
    return (len(text), True) in reached
