"""Builds the OpenAPI 3.1 description of every endpoint, from the same list as the routes.

The first sentence of a handler's docstring is the summary; a test fails if it is missing. PROTOCOL.md describes the
frames of sockets.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from server import __version__
from server.accounts.rules import TABLE, Can
from server.frames import left_out
from server.kernel.json_schema import FEATURE, Schema
from server.web.http import Endpoint, Public, Visiting

Endpoints = Iterable[Endpoint]

REF = "#/components/schemas/{model}"
COOKIE, TOKEN, KEY = "session", "visitor", "api_key"

INTRODUCTION = (
    "What the console uses, for programs of your own. JSON in, JSON out. Whoever is signed in sends the session cookie; "
    "every write needs an `Origin` header that is this server's public address. Writes that carry a `key` are safe to repeat."
)


class ErrorBody(BaseModel):
    """`code` is stable, `message` is for people, `ref` identifies the line in the log."""

    code: str
    message: str
    field: str | None = left_out()
    ref: str
    retry_after: float | None = left_out()


class FaultOut(BaseModel):
    """A fault of one field. `field`: its path, like `texts.0.text`. `params`: values for the sentence that the console shows."""

    field: str
    code: str
    params: dict[str, Any]


class Changer(BaseModel):
    id: int
    name: str


class Change(BaseModel):
    """A newer change of a settings document. `who` null: Threadline itself, or the command line."""

    at: str
    who: Changer | None
    fields: list[str]


class ConflictOut(BaseModel):
    """With `stale_version`: the settings as they are now, with their version, and who changed them since, newest first."""

    current: dict[str, Any]
    changes: list[Change]


class ErrorResponse(BaseModel):
    """The body of every response that is not a success. `errors`: every fault of a form."""

    error: ErrorBody
    errors: list[FaultOut]
    conflict: ConflictOut | None = left_out()


class Description(BaseModel):
    """OpenAPI 3.1, for programs."""

    openapi: str
    info: dict[str, Any]
    servers: list[dict[str, Any]]
    paths: dict[str, Any]
    components: dict[str, Any]


def _schemas(endpoints: Endpoints) -> tuple[Any, dict[str, dict[str, Any]]]:
    """References by model and mode, and all schemas by name, in the form in which bodies are read and responses sent."""
    bodies = {endpoint.body for endpoint in endpoints if endpoint.body is not None}
    responses = {ErrorResponse} | {endpoint.response for endpoint in endpoints if endpoint.response is not None}

    def sorted_models(models: Iterable[type[BaseModel]]) -> list[type[BaseModel]]:
        return sorted(models, key=lambda model: (model.__name__, model.__module__))  # the same order in every run

    models: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in sorted_models(bodies)]
    models += [(model, "serialization") for model in sorted_models(responses)]
    references, definitions = models_json_schema(models, ref_template=REF, schema_generator=Schema)
    return references, definitions["$defs"]


def feature_by_model(endpoints: Endpoints) -> dict[str, str]:
    """The feature that defines each schema of the description. Other types belong to the feature of a model that uses them."""
    schemas = _schemas(list(endpoints))[1]
    feature_of = {name: schema[FEATURE] for name, schema in schemas.items() if FEATURE in schema}
    for name in schemas.keys() - feature_of.keys():
        users = (
            feature_of[referring]
            for referring, schema in schemas.items()
            if referring in feature_of and f'/{name}"' in json.dumps(schema)
        )
        feature_of[name] = min(users)
    return dict(sorted(feature_of.items()))


def document(endpoints: Endpoints, public_url: str) -> dict[str, Any]:
    """Returns the whole description."""
    described = list(endpoints)
    references, schemas = _schemas(described)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in described:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Threadline", "version": __version__, "description": INTRODUCTION},
        "servers": [{"url": public_url}],
        "paths": paths,
        "components": {
            "schemas": {name: _without_feature(schema) for name, schema in schemas.items()},
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
                KEY: {"type": "http", "scheme": "bearer", "description": "An API key with the scope of the call."},
            },
        },
    }


def _without_feature(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != FEATURE}


def summary(endpoint: Endpoint) -> str:
    """First sentence of the handler's docstring; "" when there is none."""
    paragraph = " ".join((inspect.getdoc(endpoint.handler) or "").split("\n\n")[0].split())
    return paragraph.rstrip(".")


def _operation(endpoint: Endpoint, references: Any) -> dict[str, Any]:
    response: dict[str, Any] = {"description": "Done."}
    if endpoint.response is not None:
        response["content"] = _json_content(references[(endpoint.response, "serialization")])
    else:
        response["content"] = {endpoint.response_type: {}}
    area = endpoint.area or endpoint.handler.__module__.split(".")[-2]
    operation: dict[str, Any] = {
        "operationId": f"{area}_{endpoint.handler.__name__}",
        "tags": [area],
        "summary": summary(endpoint),
        "description": _who_may_call(endpoint),
        "security": _security(endpoint),
        "parameters": _parameters(endpoint),
        "responses": {
            "200": response,
            "default": {
                "description": "Refused; `code` says why.",
                "content": _json_content({"$ref": REF.format(model="ErrorResponse")}),
            },
        },
    }
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": _json_content(references[(endpoint.body, "validation")]),
        }
    elif endpoint.raw:
        operation["requestBody"] = {"required": True, "content": {endpoint.body_type: {}}}
    return operation


def _json_content(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _who_may_call(endpoint: Endpoint) -> str:
    needs = endpoint.needs
    if isinstance(needs, Can):
        roles = ", ".join(sorted(role.value for role in TABLE[needs]))
        return f"May: {roles} (`{needs.value}`)."
    return "May: anybody." if isinstance(needs, Public) else "May: a visitor, with their token."


def _security(endpoint: Endpoint) -> list[dict[str, Any]]:
    if isinstance(endpoint.needs, Visiting):
        return [{TOKEN: []}]
    public: list[dict[str, Any]] = [{}, {COOKIE: []}, {TOKEN: []}]
    return (public if isinstance(endpoint.needs, Public) else [{COOKIE: []}]) + [{KEY: []}] * endpoint.keys


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{([a-z_]+)}", endpoint.path)
    ]
    parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in endpoint.query.items()]
    if endpoint.raw:
        parameters += [{"name": name, "in": "header", "schema": {"type": "string"}} for name in endpoint.headers]
    return parameters
