"""Terms of a query, indexed words of a text, and snippets."""

from __future__ import annotations

import re

import pytest

from server.inbox.search_words import LEAD, SNIPPET, Term, cut, fold, paired_words, pairs, pattern, terms


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Where's my_parcel", [Term("where"), Term("s"), Term("my"), Term("parcel")]),
        ("我的订单", [Term("我的订单", True)]),
        ("iPhone14的订单", [Term("iphone14"), Term("的订单", True)]),
        ("환불 요청", [Term("환불", True), Term("요청", True)]),
        ("คืนเงิน", [Term("คืนเงิน", True)]),
        ("«Ёлка»", [Term("ёлка")]),
        ("?!", []),
        ("字" * 50, [Term("字" * 40, True)]),
    ],
)
def test_a_query_is_split_into_words_and_runs(query: str, expected: list[Term]) -> None:
    assert terms(query) == expected


def test_a_run_is_its_pairs_and_its_last_character() -> None:
    assert pairs("我的订单") == ["我的", "的订", "订单", "单"]
    assert pairs("订") == ["订"]
    assert paired_words("My iPhone的订单, ok_fine 订") == ["my", "iphone", "的订", "订单", "单", "ok", "fine", "订"]
    assert paired_words("nothing like it, ничего") == [] == paired_words("plain")


def test_folding_keeps_the_position_of_each_character_and_each_syllable() -> None:
    text = "Ünïté İß 환불 が ปี Ёж"
    assert len(fold(text)) == len(text)
    assert fold(text) == "unite is 환불 が ปี еж"


def shown(body: str, query: str) -> str:
    return "".join(f"[{piece.text}]" if piece.hit else piece.text for piece in cut(body, pattern(terms(query))))


def test_a_hit_is_marked_at_its_position() -> None:
    assert shown("我的iPhone坏了", "iphone") == "我的[iPhone]坏了"
    assert shown("订单和订单号", "订单") == "[订单]和[订单]号"
    assert shown("전액환불해", "환불") == "전액[환불]해"
    assert shown("prerefund Refund re_fund", "refund") == "prerefund [Refund] re_[fund]".replace("[fund]", "fund")


def test_a_long_text_is_cut_around_its_hit_between_words_with_an_ellipsis() -> None:
    words = " ".join(f"word{n}" for n in range(100))
    result = shown(f"{words} kettle {words}", "kettle")
    before, hit, after = re.fullmatch(r"(….*)\[(kettle)\](.*…)", result).groups()  # type: ignore[union-attr]
    assert before.startswith("…word") and len(before) <= LEAD + 1 and hit
    assert len(after) >= SNIPPET - LEAD - len("kettle")
    run = "字" * 300
    assert shown(f"{run}订单{run}", "订单").startswith("…" + "字" * LEAD + "[订单]字")
    assert shown("kettle", "kettle") == "[kettle]"
