"""The OpenAPI 3.1 description of every endpoint, made from the same literal list that the routes are made from.

The first sentence of a handler's docstring is the summary; a test fails when one is missing. Frames over
sockets are not HTTP: PROTOCOL.md describes those.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from server import __version__
from server.accounts.rules import TABLE, Can
from server.web.http import Endpoint, Public, Visiting

REF = "#/components/schemas/{model}"
COOKIE, TOKEN = "session", "visitor"

INTRODUCTION = (
    "What the console uses, for programs of your own. JSON in, JSON out. Whoever is signed in sends the session cookie; "
    "every write needs an `Origin` header that is this server's public address. Writes that carry a `key` are safe to repeat."
)


class ErrorBody(BaseModel):
    """`code` is stable, `message` is for people, `ref` finds the line in the log."""

    code: str
    message: str
    field: str | None = None
    ref: str | None = None
    retry_after: float | None = None


class Error(BaseModel):
    """The shape of every answer that is not a success."""

    error: ErrorBody


def document(endpoints: Iterable[Endpoint], public_url: str) -> dict[str, Any]:
    """The whole description."""
    described = list(endpoints)
    models = {Error} | {model for e in described for model in (e.body, e.answer) if model is not None}
    # Sorted: the same program describes itself in the same words.
    wanted = sorted(models, key=lambda model: (model.__name__, model.__module__))
    references, schemas = models_json_schema([(model, "validation") for model in wanted], ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in described:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Threadline", "version": __version__, "description": INTRODUCTION},
        "servers": [{"url": public_url}],
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {
                COOKIE: {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "threadline",
                    "description": "`__Host-threadline` on https.",
                },
                TOKEN: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A visitor's token, from the widget's `ready` frame.",
                },
            },
        },
    }


def summary(endpoint: Endpoint) -> str:
    """First sentence of the handler's docstring; "" when there is none."""
    words = " ".join((inspect.getdoc(endpoint.handler) or "").split("\n\n")[0].split())
    return words.rstrip(".")


def _operation(endpoint: Endpoint, references: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "Done."}
    if endpoint.answer is not None:
        answer["content"] = _json(references[(endpoint.answer, "validation")])
    elif endpoint.gives is not None:
        answer["content"] = {endpoint.gives: {}}
    else:
        answer["content"] = _json({"type": "object"})
    operation: dict[str, Any] = {
        "operationId": endpoint.handler.__module__.split(".")[-2] + "_" + endpoint.handler.__name__,
        "tags": [endpoint.handler.__module__.split(".")[-2]],
        "summary": summary(endpoint),
        "description": _who(endpoint),
        "security": _security(endpoint),
        "parameters": _parameters(endpoint),
        "responses": {
            "200": answer,
            "default": {
                "description": "Refused; `code` says why.",
                "content": _json({"$ref": REF.format(model="Error")}),
            },
        },
    }
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(references[(endpoint.body, "validation")])}
    elif endpoint.raw:
        operation["requestBody"] = {"required": True, "content": {endpoint.takes: {}}}
    return operation


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _who(endpoint: Endpoint) -> str:
    needs = endpoint.needs
    if isinstance(needs, Can):
        roles = ", ".join(sorted(role.value for role in TABLE[needs]))
        return f"May: {roles} (`{needs.value}`)."
    return "May: anybody." if isinstance(needs, Public) else "May: a visitor, with their token."


def _security(endpoint: Endpoint) -> list[dict[str, Any]]:
    if isinstance(endpoint.needs, Visiting):
        return [{TOKEN: []}]
    return [{}, {COOKIE: []}, {TOKEN: []}] if isinstance(endpoint.needs, Public) else [{COOKIE: []}]


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{([a-z_]+)}", endpoint.path)
    ]
    found += [{"name": name, "in": "query", "schema": schema} for name, schema in endpoint.query.items()]
    if endpoint.raw:
        found += [{"name": name, "in": "header", "schema": {"type": "string"}} for name in endpoint.headers]
    return found
