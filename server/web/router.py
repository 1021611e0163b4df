"""Finds the endpoint of a request by the segments of its path, faster than trying patterns.

Requests without a match here (pages, files, `HEAD`, errors) go to Starlette's router, which has the same endpoints.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.types import ASGIApp

from server.kernel.context import App
from server.web.http import Endpoint


@dataclass(slots=True)
class _Node:
    """A path prefix: its children by fixed segment, its parameter child, and the endpoints at this path."""

    fixed: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    endpoints: dict[str, tuple[ASGIApp, list[str]]] = field(default_factory=dict)  # by method; names of the parameters


class Router:
    def __init__(self, app: App, endpoints: Iterable[Endpoint]) -> None:
        self._root = _Node()
        for endpoint in endpoints:
            self._add(endpoint, endpoint.route(app).app)

    def _add(self, endpoint: Endpoint, app: ASGIApp) -> None:
        node, names = self._root, []
        for segment in endpoint.path.split("/")[1:]:
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.fixed.setdefault(segment, _Node())
        node.endpoints.setdefault(endpoint.method, (app, names))

    def find(self, method: str, path: str) -> tuple[ASGIApp, dict[str, str]] | None:
        """The endpoint and the path parameters; a fixed segment has precedence over a parameter."""
        node, values = self._root, []
        for segment in path.split("/")[1:]:
            child = node.fixed.get(segment)
            if child is None:
                child = node.parameter
                if child is None or not segment:
                    return None
                values.append(segment)
            node = child
        match = node.endpoints.get(method)
        if match is None:
            return None
        endpoint, names = match
        return endpoint, dict(zip(names, values, strict=True))
