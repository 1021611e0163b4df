"""Templates that people write: what they may use, what they print, and that none reads or exhausts the server (G21)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from server.templates import sandbox
from server.templates.sandbox import MAX_ITEMS, MAX_OUTPUT, TemplateError, parse

VALUES: dict[str, Any] = {
    "name": "Ana", "empty": "", "total": 42.5, "count": 3, "shop": {"city": "Oslo"},
    "lines": [{"title": "Kettle", "price": "20"}, {"title": "Cup", "price": "5"}],
}  # fmt: skip


def render(source: str, *, html: bool = False, **values: Any) -> str:
    return parse(source, html=html).render({**VALUES, **values})


def refusal(source: str, *, html: bool = False, **values: Any) -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        render(source, html=html, **values)
    return caught.value


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("Hi {{ name }}!", "Hi Ana!"),
        ("Hi {{ nobody | default('there') }}!", "Hi there!"),
        ("Hi {{ empty | default('there') | upper }}!", "Hi THERE!"),
        ("Hi{{ nobody | default('') | upper }}!", "Hi!"),
        ("{{ shop.city }}, {{ shop.street | default('no street') }}", "Oslo, no street"),
        ("{% if nobody %}a{% elif count > 2 and name == 'Ana' %}b{% else %}c{% endif %}", "b"),
        ("{{ 'a' if total >= 42.5 else 'b' }}{{ 'c' if not nobody is defined else 'd' }}", "ac"),
        ("{% for line in lines %}{{ loop.index }}. {{ line.title }}{% if not loop.last %}, {% endif %}{% endfor %}", "1. Kettle, 2. Cup"),
        ("{% for line in nobody %}x{% else %}nothing{% endfor %}", "nothing"),
        ("{{ name | lower | capitalize }} {{ 'a b' | title }} {{ ' x ' | trim }}", "Ana A B x"),
        ("{{ 'abcdef' | truncate(4) }}{{ lines | length }}", "abc…2"),
        ("{# not shown #}{% raw %}{{ name }}{% endraw %}", "{{ name }}"),
    ],
)  # fmt: skip
def test_a_template_prints_fields_conditions_and_lists(source: str, output: str) -> None:
    assert render(source) == output


def test_a_loop_ends_after_fifty_items() -> None:
    assert render("{% for n in many %}{{ n }}.{% endfor %}", many=["x"] * 90) == "x." * MAX_ITEMS


# T1: every known way out of the sandbox.
ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ name.__class__.__base__ }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ joiner.__init__.__globals__.os }}",
    "{{ lipsum.__globals__ }}",
    "{{ self.__init__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ '{0.__class__}'.format(name) }}",
    "{{ '{0.__class__}' | format(name) }}",
    "{{ name | attr('__class__') }}",
    "{{ [name] | map('format') }}",
    "{{ lines | map(attribute='__class__') }}",
    "{{ name['__class__'] }}",
    "{{ name[0] }}",
    "{{ range(3) }}",
    "{{ dict(a=1) }}",
    "{{ namespace() }}",
    "{{ name() }}",
    "{{ name.upper() }}",
    "{% import 'os' as os %}",
    "{% from 'os' import path %}",
    "{% include '/etc/passwd' %}",
    "{% extends 'base.html' %}",
    "{% block a %}{% endblock %}",
    "{% macro m() %}{{ m() }}{% endmacro %}",
    "{% set x = name %}",
    "{% set x %}{{ name }}{% endset %}",
    "{% with x = name %}{% endwith %}",
    "{% autoescape false %}{{ name }}{% endautoescape %}",
    "{% filter upper %}{{ name }}{% endfilter %}",
    "{% call name() %}{% endcall %}",
    "{{ name | safe }}",
    "{{ name | default('a', boolean=true) }}",
    "{{ name | default(*lines) }}",
    "{% for a, b in lines %}{% endfor %}",
    "{% for a in lines if a %}{% endfor %}",
    "{% for a in lines recursive %}{{ loop(a) }}{% endfor %}",
    "{% for a in name | upper %}{% endfor %}",
    "{{ loop }}",
    "{% for a in lines %}{{ loop.cycle('a') }}{% endfor %}",
    "{% for a in lines %}{{ loop.changed(a) }}{% endfor %}",
    "{% for a in lines %}{{ loop.previtem }}{% endfor %}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_no_template_reaches_an_attribute_or_a_function(source: str) -> None:
    """As text and as HTML; the refusal names the line."""
    for html in (False, True):
        error = refusal(f"one\ntwo {source}", html=html)
        assert error.code in ("template_forbidden", "template_error", "template_missing") and error.line == 2
        assert "Traceback" not in error.message and "object at" not in error.message


# T4, T5, T7, T8: every way to use much memory or time.
EXHAUSTING = [
    "{{ 'a' * 10 ** 9 }}",
    "{{ 'a' ~ 'b' }}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ 2 ** 99999999 }}",
    "{{ -count }}",
    "{{ 1 + 1 }}",
    "{{ '%0999999999d' % 1 }}",
    "{{ '%0999999999d' | format(1) }}",
    "{{ name | center(900000000) }}",
    "{{ '{:>900000000}'.format(1) }}",
    "{{ name | truncate(900000000) }}",
    "{{ name | indent(900000000) }}",
    "{{ name | replace('', name) }}",
    "{{ [1, 2] }}",
    "{% for a in range(10 ** 9) %}a{% endfor %}",
    "{% for a in [1, 2] %}a{% endfor %}",
    "{% for a in lines %}{% for b in lines %}x{% endfor %}{% endfor %}",
    "{% for a in lines %}{% if a %}{% for b in lines %}x{% endfor %}{% endif %}{% endfor %}",
    "{{ " + "(" * 3_000 + "1" + ")" * 3_000 + " }}",
    "{{ 1" + " + 1" * 20_000 + " }}",
    "{{ count" + " and count" * 20_000 + " }}",
    "{{ name" + "|upper" * 20_000 + " }}",
    "{{ not " * 2_000 + "count" + " }}" * 2_000,
    "{% if count %}" * 3_000 + "{% endif %}" * 3_000,
    "{% if count %}a" + "{% elif count %}a" * 4_000 + "{% endif %}",
    "{{ name }}" * 6_000,
    "{{ " + "9" * 6_000 + " }}",
    "{{ 1e999 }}",
    "{{ 99999999999 }}",
    "{{ '" + "a" * 3_000 + "' }}",
    "{% for a in lines %}" + "x" * 50_000 + "{% endfor %}",
    "a" * (sandbox.MAX_SOURCE + 1),
    "a" * (MAX_OUTPUT + 1),
]


@pytest.mark.parametrize("source", EXHAUSTING, ids=lambda source: source[:40])
def test_no_template_takes_much_time_or_memory(source: str) -> None:
    for html in (False, True):
        started_s = time.thread_time()
        error = refusal(source, html=html)
        assert error.code.startswith("template_"), error
        assert time.thread_time() - started_s < 1.0
        assert len(error.message) < 400


def test_rendering_ends_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "MAX_CPU_S", -1.0)
    assert refusal("{{ name }}").code == "template_limit"


# T2, T13: values are text, printed once.
@pytest.mark.parametrize(
    "value", ["{{ 7 * 7 }}", "{% for a in b %}", "{# gone #}", "<b>&\"'", "=cmd|' /C calc'!A0", "a\r\nb"]
)
def test_a_value_is_printed_as_it_is(value: str) -> None:
    assert render("[{{ name }}]", name=value) == f"[{value}]"
    escaped = (
        value.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("'", "&#39;")
        .replace('"', "&#34;")
    )
    assert render("[{{ name }}]", html=True, name=value) == f"[{escaped}]"


def test_a_value_that_claims_to_be_safe_html_is_escaped() -> None:
    class Safe(str):
        def __html__(self) -> str:
            return str(self)

    assert render("{{ name | default(name) }}", html=True, name=Safe("<b>")) == "&lt;b&gt;"


def test_only_plain_values_enter_a_template() -> None:
    class Account:
        secret = "canary"

    for value in (Account(), [Account()], {"a": {"b": Account()}}, Account, print):
        with pytest.raises(TypeError):
            render("{{ name.secret }}", name=value)


# T10.
@pytest.mark.parametrize(
    "expression", ["nobody", "empty", "shop.street", "nobody.city", "nobody | upper", "empty | trim", "nothing", "'a' if nobody"]
)  # fmt: skip
def test_a_field_without_a_value_is_never_printed(expression: str) -> None:
    error = refusal("Hi\n{{ " + expression + " }},", nothing=None)
    assert (error.code, error.line) == ("template_missing", 2)


# T11.
@pytest.mark.parametrize(
    "expression",
    ["total > name", "lines", "shop", "count | length", "name | truncate('a')", "lines | upper", "name.city"],
)
def test_a_wrong_use_of_a_value_is_refused_with_its_line(expression: str) -> None:
    error = refusal("a\n\n{{ " + expression + " }}")
    assert (
        error.code in ("template_error", "template_forbidden")
        and error.line == 3
        and error.message.startswith("Line 3: ")
    )


def test_an_unknown_field_filter_or_test_is_refused_before_anything_is_sent() -> None:
    for source in (
        "a\n{{ nmae }}",
        "a\n{{ name | uper }}",
        "a\n{% if name is odd %}{% endif %}",
        "a\n{% for x in y %}{% endfor %}",
    ):
        with pytest.raises(TemplateError) as caught:
            parse(source, html=False, fields={"name"})
        assert caught.value.code == "template_error" and caught.value.line == 2
    assert parse("{% for x in lines %}{{ x.a }}{{ name }}{% endfor %}", html=False, fields={"name", "lines"})


# T14.
@pytest.mark.parametrize(
    "source", ["{{ name", "{% if name %}", "{% endif %}", "{{ name ]}", "{{ “name” }}", "{{ na\u200bme }}", "{{ }}", "{% %}", "{% nonsense %}", "{# open"]
)  # fmt: skip
def test_a_template_that_cannot_be_read_is_refused_with_its_line(source: str) -> None:
    error = refusal("one\ntwo\n" + source)
    assert error.code == "template_syntax" and error.line == 3
    assert error.message.isprintable()
