"""Compares every successful response in a test with the API's description, strictly.

Types of the console are generated from the description, so a field that is missing in the description or in a response
is a fault.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any, Protocol, TypeVar

import jsonschema_rs
import orjson

from server.app import ENDPOINTS
from server.web import openapi


class Answer(Protocol):
    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...


A = TypeVar("A", bound=Answer)


@cache
def _described() -> list[tuple[str, list[str], Any]]:
    """The method, the path's segments and the response's validator of every endpoint with a JSON response."""
    document = openapi.document(ENDPOINTS, "http://localhost")
    schemas = copy.deepcopy(document["components"]["schemas"])
    for schema in schemas.values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    results = []
    for endpoint in ENDPOINTS:
        if endpoint.response is not None:
            operation = document["paths"][endpoint.path][endpoint.method.lower()]
            (content,) = operation["responses"]["200"]["content"].values()
            schema = {**content["schema"], "components": {"schemas": schemas}}
            results.append((endpoint.method, endpoint.path.split("/"), jsonschema_rs.validator_for(schema)))
    return results


def check(method: str, path: str, status: int, body: bytes) -> None:
    """Raises if a successful response differs from the description. Fixed segments of a path match before parameters."""
    if status != 200:
        return
    segments = path.partition("?")[0].split("/")
    fitting = [
        (sum(part.startswith("{") for part in described), validator)
        for described_method, described, validator in _described()
        if described_method == method
        and len(described) == len(segments)
        and all(part.startswith("{") or part == segment for part, segment in zip(described, segments, strict=True))
    ]
    if not fitting:
        return
    _, validator = min(fitting, key=lambda item: item[0])
    problems = [f"{list(error.instance_path)}: {error.message}" for error in validator.iter_errors(orjson.loads(body))]
    assert not problems, f"{method} {path} does not answer as described:\n" + "\n".join(problems[:5])


def checked(method: str, path: str, answer: A) -> A:
    """Checks the response and returns it."""
    check(method, path, answer.status, answer.body)
    return answer
