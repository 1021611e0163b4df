"""Which endpoint answers a request: found by its path's segments, not by trying one pattern after another.

Only what is certain is answered here. Anything else (a page, a file, `HEAD`, nothing at all) goes on to
Starlette's router, which knows the same endpoints and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.types import ASGIApp

from server.kernel.context import App
from server.web.http import Endpoint


@dataclass(slots=True)
class _Node:
    """One segment deep: the fixed ones below, the parameter below, and who answers here."""

    fixed: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    answers: dict[str, tuple[ASGIApp, list[str]]] = field(default_factory=dict)  # by method; names of the parameters


class Switchboard:
    def __init__(self, app: App, endpoints: Iterable[Endpoint]) -> None:
        self._root = _Node()
        for endpoint in endpoints:
            self._add(endpoint, endpoint.route(app).app)

    def _add(self, endpoint: Endpoint, answer: ASGIApp) -> None:
        node, names = self._root, []
        for segment in endpoint.path.split("/")[1:]:
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.fixed.setdefault(segment, _Node())
        node.answers.setdefault(endpoint.method, (answer, names))

    def find(self, method: str, path: str) -> tuple[ASGIApp, dict[str, str]] | None:
        """Who answers, and the parameters of the path; a fixed segment goes before a parameter."""
        node, values = self._root, []
        for segment in path.split("/")[1:]:
            below = node.fixed.get(segment)
            if below is None:
                below = node.parameter
                if below is None or not segment:
                    return None
                values.append(segment)
            node = below
        found = node.answers.get(method)
        if found is None:
            return None
        answer, names = found
        return answer, dict(zip(names, values, strict=True))
