"""The OpenAPI description of our API is complete and correct; requests generated from it cause no server error."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from server.accounts.rules import Can
from server.app import ENDPOINTS
from server.web import auth, openapi
from server.web.paging import PAGING_QUERY
from tests.online import Online

EXAMPLES = 4  # for each operation, kind of data and caller
FLOOR = 200  # fewer requests prove nothing
# Internals that no client may receive: code, paths, statements.
LEAKS = re.compile(
    r"Traceback|File \"|/srv/|/home/|/tmp/|site-packages|\.py\b|sqlite3?\.|psycopg|SELECT |INSERT |UPDATE |<class|object at 0x|k3y-of-the-tests",
)


@schemathesis.serializer("message/rfc822")
def bounce(ctx: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


# These endpoints end sessions or lock users out, so they run first, with other users' sessions.
DESTRUCTIVE = ("/api/logout", "/api/sessions", "/api/sessions/{id}", "/api/users/{id}", "/api/password")


def test_every_endpoint_is_described_and_nothing_else_is() -> None:
    document = openapi.document(ENDPOINTS, "http://localhost:8000")
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
    for endpoint in ENDPOINTS:
        operation = document["paths"][endpoint.path][endpoint.method.lower()]
        words = operation["summary"]
        assert 10 <= len(words) <= 130 and "\n" not in words, (
            f"{endpoint.handler.__qualname__} needs a docstring: {words!r}"
        )
        assert operation["description"].startswith("May: ")
        if isinstance(endpoint.needs, Can):
            assert operation["security"] == [{"session": []}, {"api_key": []}][: 1 + endpoint.keys]
        if endpoint.writes and endpoint.body is None and not endpoint.raw:
            assert endpoint.method == "DELETE", f"{endpoint.path} takes a body that it does not describe"
        expected = set(
            re.findall(
                r"""(?:query\.get\(|whole_number\(call, |choice\(call, )"([a-z_]+)\"""", _source(endpoint.handler)
            )
        )
        if "paging.place(call)" in _source(endpoint.handler):
            expected |= set(PAGING_QUERY)
        assert expected == set(endpoint.query), f"{endpoint.path} reads {expected} and describes {set(endpoint.query)}"
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


def _source(handler: Any) -> str:
    import inspect

    return inspect.getsource(handler)


async def test_the_description_needs_a_session(online: Online) -> None:
    assert (await online.get("/api/openapi.json")).status == 401
    ana = await online.agent("ana", socket=False)
    answer = await ana.get("/api/openapi.json")
    assert answer.status == 200 and answer.json()["openapi"] == "3.1.0"
    assert answer.json()["servers"] == [{"url": online.url}]


def attack(url: str, document: dict[str, Any], headers: dict[str, str], wanted: Any) -> Counter[str]:
    """Calls the `wanted` operations with valid and invalid data; counts the responses."""
    statuses: Counter[str] = Counter()
    schema = schemathesis.openapi.from_dict(document)
    for result in schema.get_all_operations():
        operation = result.ok()
        if not wanted(operation.path):
            continue
        # A caller without the right is refused, whatever the request contains.
        closed = "authorization" in headers and operation.definition.raw["security"][0] == {"session": []}
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=1 if closed else EXAMPLES,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def call(case: Any) -> None:
                if isinstance(case.body, dict) and "wait" in case.body:
                    case.body["wait"] = 0  # a long-poll would only slow the test down
                answer = case.call(base_url=url, headers=headers, timeout=30)
                statuses[f"{answer.status_code}"] += 1
                checks = [not_a_server_error, content_type_conformance, response_schema_conformance]
                if answer.status_code < 300:
                    case.validate_response(answer, checks=checks)
                else:
                    check_refusal(case, answer)

            try:
                call()
            except Exception as error:
                error.add_note(f"{operation.method.upper()} {operation.path}, {mode.value} data")
                if "Unsatisfiable" in type(error).__name__ or "Skip" in type(error).__name__:
                    continue  # a route without input has no invalid input
                raise
    return statuses


def check_refusal(case: Any, answer: Any) -> None:
    assert answer.status_code != 500 and answer.status_code < 504, answer.text
    description = f"{case.method} {case.formatted_path}: {answer.status_code} {answer.text[:400]}"
    error = answer.json()["error"]
    assert set(error) <= {"code", "message", "field", "ref", "retry_after"}, description
    assert {"code", "message", "ref"} <= set(error), description
    assert re.fullmatch(r"[a-z0-9_]+", error["code"]), description
    # An error may quote what the caller sent, and no internals.
    assert not LEAKS.search(error["message"]), description
    assert "server" not in answer.headers and "x-powered-by" not in answer.headers


@pytest.mark.timeout(300)
async def test_generated_requests_find_no_crash_no_undocumented_response_and_no_leak(online: Online) -> None:
    zoe = await online.visitor()
    await zoe.says("So that there is something to read.")
    document = openapi.document(ENDPOINTS, online.url)
    own_site = {"origin": online.url, "sec-fetch-site": "same-origin"}

    def cookie(token: str) -> dict[str, str]:
        return own_site | {"cookie": auth.session_cookie(online.app, token).partition(";")[0]}

    adam, olga = await online.agent("adam", socket=False), await online.agent("olga", socket=False)
    visitor = own_site | {"authorization": f"Bearer {auth.mint_visitor_token(online.app)}"}
    statuses = {
        "adam": await asyncio.to_thread(
            attack, online.url, document, cookie(adam.desk.token), lambda path: path in DESTRUCTIVE
        ),
        "olga": await asyncio.to_thread(
            attack, online.url, document, cookie(olga.desk.token), lambda path: path not in DESTRUCTIVE
        ),
        "visitor": await asyncio.to_thread(attack, online.url, document, visitor, lambda path: True),
    }
    # The minimum of requests, and the responses that must occur: success, and refusals of data, roles and strangers.
    total = sum(statuses.values(), Counter())
    assert total.total() >= FLOOR and total["200"] > 30 and total["422"] > 10, statuses
    assert statuses["olga"]["200"] > 30
    assert (await olga.get("/api/session")).json()["user"], "the generated requests must not end the owner's session"
    assert statuses["visitor"]["401"] > 40
    assert set(total) <= {"200", "400", "401", "403", "404", "409", "413", "415", "422", "429"}, statuses
    # The server still works.
    await (await online.visitor()).says("Still there?")
