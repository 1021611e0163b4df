"""Renders templates that people write: a small part of Jinja2, with limits on time and size (G21).

Jinja2's own sandbox stops attribute tricks but not `{{ 'a' * 10 ** 9 }}`. So a template is checked node by node against
a list of what is allowed before it is compiled, and it reads plain values only: texts, numbers and lists of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError, nodes
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import escape

from server.errors import Refused

MAX_SOURCE = 100_000  # characters of a template
MAX_NODES = 5_000
MAX_DEPTH = 24  # of expressions and blocks inside each other
MAX_CONSTANT = 2_000  # characters of a text in an expression
MAX_NUMBER = 10**9
MAX_OUTPUT = 65_536  # characters
MAX_VALUE = 10_000  # characters of one field's value
MAX_ITEMS = 50  # of a list that a template repeats; the rest is left out
MAX_CPU_S = 0.25  # of the rendering thread
_CHUNKS_PER_CHECK = 64

Value = str | int | float | bool | None


class TemplateError(Refused):
    """A template that cannot be used. `line` counts from 1; 0 if no line is to blame.

    `code`: "template_syntax", "template_forbidden", "template_limit", "template_error" or "template_missing".
    """

    def __init__(self, code: str, message: str, line: int = 0, **params: Any) -> None:
        super().__init__(code, f"Line {line}: {message}" if line else message, field="template")
        self.line = line
        self.template_params = params


# --- what templates may use -------------------------------------------------------------------------


class _Empty(Exception):
    """An expression without a value was to be printed."""


class _Chosen(str):
    """A text that `default` chose. It may be empty, unlike the value of a field."""


def _default(value: Any, other: Any = "") -> Any:
    return _Chosen(other) if isinstance(value, Undefined) or value is None or value == "" else value


def _of_text(change: Callable[[str], str]) -> Callable[[Any], str]:
    return lambda value: type(_text(value))(change(_text(value)))


def _text(value: Any) -> str:
    """The value as text, still marked if `default` chose it."""
    if isinstance(value, _Chosen):
        return value
    if value is None or isinstance(value, Undefined):
        raise _Empty
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise TypeError("this filter needs text")
    return str(value)


def _truncate(value: Any, length: Any = 100) -> str:
    text = _text(value)
    if isinstance(length, bool) or not isinstance(length, int) or not 1 <= length <= MAX_VALUE:
        raise TypeError(f"truncate needs a length from 1 to {MAX_VALUE}")
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _length(value: Any) -> int:
    if not isinstance(value, str | list):
        raise TypeError("length needs a list or text")
    return len(value)


def _items(value: Any) -> list[Any]:
    """What a `for` repeats. Inserted by `_check`; templates cannot name it."""
    if isinstance(value, Undefined):
        return []
    if not isinstance(value, list):
        raise TypeError("“for” needs a list")
    return value[:MAX_ITEMS]


FILTERS: dict[str, Callable[..., Any]] = {
    "capitalize": _of_text(str.capitalize),
    "default": _default,
    "length": _length,
    "lower": _of_text(str.lower),
    "title": _of_text(str.title),
    "trim": _of_text(str.strip),
    "truncate": _truncate,
    "upper": _of_text(str.upper),
}
TESTS = frozenset({"defined", "undefined"})
_LOOP = frozenset({"first", "last", "index", "length"})
_EACH = "each item"  # a filter's name that no template can write

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Filter, nodes.If,
    nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Test, nodes.For,
    nodes.Scope,  # around “autoescape”, which is refused at its own line
)  # fmt: skip
_WORDS: dict[type[nodes.Node], str] = {
    nodes.Call: "calls such as “name()”",
    nodes.CallBlock: "“call”",
    nodes.Macro: "“macro”",
    nodes.Assign: "“set”",
    nodes.AssignBlock: "“set”",
    nodes.Include: "“include”",
    nodes.Import: "“import”",
    nodes.FromImport: "“import”",
    nodes.Extends: "“extends”",
    nodes.Block: "“block”",
    nodes.FilterBlock: "“filter” blocks",
    nodes.With: "“with”",
    nodes.ScopedEvalContextModifier: "“autoescape”",
    nodes.Getitem: "square brackets",
    nodes.List: "lists",
    nodes.Dict: "lists",
    nodes.Tuple: "lists",
    nodes.Concat: "“~”",
    nodes.Neg: "calculations",
    nodes.Pos: "calculations",
}


class _Missing(StrictUndefined):
    """A field without a value. It can be tested and replaced, but not printed."""

    __slots__ = ()

    def __bool__(self) -> Any:
        return False


class _Environment(ImmutableSandboxedEnvironment):
    """Reads keys of dicts, and a few attributes of `loop`; never another attribute."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, dict):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        if isinstance(obj, Undefined):
            return obj
        raise SecurityError(f"“{attribute}” is not a field")

    def getitem(self, obj: Any, argument: Any) -> Any:
        raise SecurityError("square brackets are not allowed")

    def call(self, *args: Any, **kwargs: Any) -> Any:
        raise SecurityError("calls are not allowed")


def _printed(value: Any) -> Any:
    if isinstance(value, Undefined | type(None)) or (value == "" and not isinstance(value, _Chosen)):
        raise _Empty
    if isinstance(value, list | dict | LoopContext):
        raise TypeError("a list cannot be printed; use “for”")
    return value


def _environment(*, html: bool) -> _Environment:
    environment = _Environment(autoescape=html, undefined=_Missing, finalize=_printed, optimized=False, cache_size=0)
    environment.globals.clear()
    environment.filters = {**FILTERS, _EACH: _items}
    environment.tests = {name: environment.tests[name] for name in TESTS}
    return environment


_HTML, _PLAIN = _environment(html=True), _environment(html=False)

# --- checking ---------------------------------------------------------------------------------------


def _forbidden(node: nodes.Node, what: str) -> TemplateError:
    return TemplateError("template_forbidden", f"{what} cannot be used in templates.", node.lineno, what=what)


def _check(tree: nodes.Template, fields: Set[str] | None) -> None:
    """Refuses what is not allowed, by the line. `fields`: names that exist; None: any name."""
    waiting: list[tuple[nodes.Node, int, frozenset[str]]] = [(tree, 0, frozenset())]
    count = 0
    while waiting:
        node, depth, loop_names = waiting.pop()
        count += 1
        if count > MAX_NODES:
            raise TemplateError("template_limit", "the template has too many parts.", node.lineno)
        if depth > MAX_DEPTH:
            raise TemplateError("template_limit", "too many parts are inside each other.", node.lineno)
        if not isinstance(node, _ALLOWED):
            raise _forbidden(node, _WORDS.get(type(node), "calculations"))
        match node:
            case nodes.Name():
                _check_name(node, fields, loop_names)
            case nodes.Const():
                if isinstance(node.value, str) and len(node.value) > MAX_CONSTANT:
                    raise TemplateError("template_limit", "a text in the template is too long.", node.lineno)
                if (
                    not isinstance(node.value, str | int | float | None)
                    or not -MAX_NUMBER <= _number(node.value) <= MAX_NUMBER
                ):
                    raise TemplateError("template_limit", "a number in the template is too large.", node.lineno)
            case nodes.Getattr() if node.attr.startswith("_"):
                raise _forbidden(node, f"“{node.attr[:60]}”")
            case nodes.Filter():
                if node.name not in FILTERS or node.node is None:
                    raise _unknown(node, "filter", node.name)
                if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
                    raise _forbidden(node, "named arguments of filters")
            case nodes.Test() if node.name not in TESTS:
                raise _unknown(node, "test", node.name)
            case nodes.For():
                inner = _check_loop(node, loop_names)
                waiting.append((node.iter, depth + 1, loop_names))
                waiting += [(child, depth + 1, inner) for child in node.body]
                waiting += [(child, depth + 1, loop_names) for child in node.else_]
                node.iter = nodes.Filter(node.iter, _EACH, [], [], None, None, lineno=node.lineno)
                continue
        waiting += [(child, depth + 1, loop_names) for child in node.iter_child_nodes()]


def _number(value: Any) -> int | float:
    return value if isinstance(value, int | float) else 0


def _check_name(node: nodes.Name, fields: Set[str] | None, loop_names: frozenset[str]) -> None:
    if node.ctx != "load":
        raise _forbidden(node, "assignments")
    if node.name in loop_names or fields is None or node.name in fields:
        return
    raise _unknown(node, "field", node.name)


def _unknown(node: nodes.Node, kind: str, name: str) -> TemplateError:
    return TemplateError("template_error", f"there is no {kind} “{name[:60]}”.", node.lineno, kind=kind, name=name[:60])


def _check_loop(node: nodes.For, loop_names: frozenset[str]) -> frozenset[str]:
    """Returns the names inside the loop."""
    if loop_names:
        raise _forbidden(node, "“for” inside “for”")
    if node.recursive or node.test is not None:
        raise _forbidden(node, "“for … if” and “recursive”")
    if not isinstance(node.target, nodes.Name):
        raise _forbidden(node, "two names in “for”")
    if not isinstance(node.iter, nodes.Name | nodes.Getattr):
        raise _forbidden(node, "“for” over anything but a field")
    return frozenset({node.target.name, "loop"})


# --- rendering --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Template:
    """A checked and compiled template."""

    _compiled: Any

    def render(self, values: Mapping[str, Any]) -> str:
        """The output. Raises `TemplateError`: "template_missing" if a field without a value would be printed."""
        started_s = time.thread_time()
        parts: list[str] = []
        size = 0
        context = self._compiled.new_context(plain(values))
        try:
            chunks: Iterator[str] = self._compiled.root_render_func(context)
            for number, chunk in enumerate(chunks):
                parts.append(chunk)
                size += len(chunk)
                if size > MAX_OUTPUT:
                    raise TemplateError("template_limit", f"the result has more than {MAX_OUTPUT} characters.")
                if number % _CHUNKS_PER_CHECK == 0 and time.thread_time() - started_s > MAX_CPU_S:
                    raise TemplateError("template_limit", "the template takes too long.")
        except TemplateError:
            raise
        except _Empty as error:
            raise TemplateError("template_missing", "a field has no value.", self._line(error)) from None
        except SecurityError as error:
            raise TemplateError("template_forbidden", f"{error.message}.", self._line(error)) from None
        except (UndefinedError, TemplateRuntimeError) as error:
            raise TemplateError("template_missing", "a field has no value.", self._line(error)) from None
        except (TypeError, ValueError, ArithmeticError) as error:
            raise TemplateError("template_error", f"{error}.", self._line(error)) from None
        return "".join(parts)

    def _line(self, error: BaseException) -> int:
        """The template's line that raised the error."""
        line, frame = 0, error.__traceback__
        while frame is not None:
            if frame.tb_frame.f_code is self._compiled.root_render_func.__code__:
                line = int(self._compiled.get_corresponding_lineno(frame.tb_lineno))
            frame = frame.tb_next
        return line


def parse(source: str, *, html: bool, text: bool = False, fields: Set[str] | None = None) -> Template:
    """Checks and compiles a template. Raises `TemplateError` with the line.

    `html`: the output is HTML, and values are escaped. `text`: the template itself is text, so that it is escaped too.
    `fields`: the names that a template may use; None allows any."""
    if len(source) > MAX_SOURCE:
        raise TemplateError("template_limit", f"a template can have at most {MAX_SOURCE} characters.")
    return _parse(source, html, html and text, None if fields is None else frozenset(fields))


@lru_cache(512)
def _parse(source: str, html: bool, escaped: bool, fields: frozenset[str] | None) -> Template:
    environment = _HTML if html else _PLAIN
    try:
        tree = environment.parse(source)
        _check(tree, fields)
        if escaped:
            for data in tree.find_all(nodes.TemplateData):
                data.data = str(escape(data.data))
        return Template(environment.from_string(tree))
    except TemplateSyntaxError as error:
        raise TemplateError(
            "template_syntax", _visible(error.message or "the template cannot be read"), error.lineno
        ) from None
    except ValueError:  # a number of thousands of digits
        raise TemplateError("template_limit", "a number in the template is too large.") from None
    except (RecursionError, MemoryError):
        raise TemplateError("template_limit", "too many parts are inside each other.") from None


def _visible(message: str) -> str:
    """Jinja2's sentence with invisible characters named."""
    text = "".join(char if char.isprintable() else f"U+{ord(char):04X}" for char in message[:200])
    return text if text.endswith(".") else text + "."


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with plain values only: texts, numbers, lists and dicts of them. Raises `TypeError` for anything else."""
    return {str(name): _plain(value, 0) for name, value in values.items()}


def _plain(value: Any, depth: int) -> Any:
    if depth > 4:
        raise TypeError("values are too deeply nested")
    match value:
        case bool() | None | float():
            return value
        case int():
            return value if abs(value) < 10**18 else str(value)[:MAX_VALUE]
        case str():
            return str.__str__(value)[:MAX_VALUE]
        case list() | tuple():
            return [_plain(item, depth + 1) for item in value[: MAX_ITEMS + 1]]
        case Mapping():
            return {str(name): _plain(inner, depth + 1) for name, inner in value.items()}
    raise TypeError(f"a {type(value).__name__} is no value of a template")
