"""The internals of uvicorn and websockets that our code uses, by name.

`web/http_protocol.py` and `live/transport.py` override classes of these libraries, whose internals may change with any
minor version. So the minor versions are pinned. Before you raise a minor version, compare what is listed here: each
overridden method, each attribute used, and the stand-ins for a transport.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.server import ServerProtocol

from server.live.transport import LimitedProtocol, Socket
from server.web.http_protocol import HttpProtocol, _ResponseWriter

ROOT = Path(__file__).parents[2]
PINNED = ("uvicorn", "websockets")

OVERRIDDEN: dict[type, set[str]] = {
    HttpProtocol: {
        "__init__", "connection_made", "connection_lost", "data_received", "handle_websocket_upgrade", "on_message_begin",
        "on_headers_complete", "on_body", "on_message_complete", "on_response_complete", "send_400_response",
        "_should_upgrade",
    },
    Socket: {
        "__init__", "handle_connect", "connection_lost", "handle_ping", "handle_pong", "handle_text", "handle_cont",
        "handle_parser_exception", "shutdown", "send", "data_received",
    },
    LimitedProtocol: {"__init__", "recv_frame"},
}  # fmt: skip

# Attributes of the base class that are used but not overridden.
USED: dict[type, set[str]] = {
    HttpProtocol: {
        "logger", "loop", "transport", "cycle", "headers", "url", "parser", "scope",
    },
    Socket: {
        "conn", "loop", "config", "transport", "scope", "frames", "curr_msg_data_type", "close_sent", "close_timer", "queue",
        "read_paused", "handshake_complete", "handshake_initiated", "request", "response", "disconnected", "writable",
    },
    LimitedProtocol: {
        "current_size", "events", "close_sent", "data_to_send", "fail", "handshake_exc", "reader", "send_close", "state",
    },
}  # fmt: skip
OF_A_CYCLE = {"transport", "logger", "response_complete"}
BASES: dict[type, type] = {
    HttpProtocol: HttpToolsProtocol,
    Socket: WebSocketsSansIOProtocol,
    LimitedProtocol: ServerProtocol,
}
ids = [base.__name__ for base in BASES]


def tree(kind: type) -> ast.Module:
    return ast.parse(textwrap.dedent(inspect.getsource(kind)))


def attributes(kind: type, owner_name: str) -> set[str]:
    """Attributes that `kind` uses of the object named `owner_name`: "self", "conn", "cycle"; also of `self.conn` and
    `self.cycle`."""
    result = set()
    for node in ast.walk(tree(kind)):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            if name == owner_name:
                result.add(node.attr)
    return result


def base_names(base: type) -> set[str]:
    """Methods of the base class and its bases, and the attributes that they set."""
    sources = "".join(inspect.getsource(item) for item in base.__mro__ if item.__module__.startswith(PINNED))
    return set(dir(base)) | set(re.findall(r"self\.(\w+)\s*(?::[^=\n]+)?=", sources))


def own_names(kind: type) -> set[str]:
    """Names that the class itself defines, annotates or sets and that its base does not have."""
    set_here = re.findall(r"self\.(\w+)\b[^=\n]* = ", inspect.getsource(kind))
    return (set(vars(kind)) | set(vars(kind).get("__annotations__", {})) | set(set_here)) - base_names(BASES[kind])


@pytest.mark.parametrize("name", PINNED)
def test_the_minor_is_pinned_and_is_the_one_that_is_tested(name: str) -> None:
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    major, minor = version(name).split(".")[:2]
    (line,) = [item for item in dependencies if re.match(rf"{name}\b", item)]
    assert re.fullmatch(rf"{name}>={major}\.{minor}(\.\d+)?,<{major}\.{int(minor) + 1}", line), line


@pytest.mark.parametrize("kind", BASES, ids=ids)
def test_overridden_methods_exist_in_the_base_with_the_same_parameters(kind: type) -> None:
    base = BASES[kind]
    functions = {name for name, value in vars(kind).items() if inspect.isfunction(value)}
    assert functions & set(dir(base)) == OVERRIDDEN[kind]
    for name in OVERRIDDEN[kind] - {"__init__"}:
        own_parameters, base_parameters = (
            list(inspect.signature(getattr(item, name)).parameters) for item in (kind, base)
        )
        assert own_parameters == base_parameters, f"{kind.__name__}.{name}"


@pytest.mark.parametrize("kind", BASES, ids=ids)
def test_used_internals_exist_in_the_base(kind: type) -> None:
    used = attributes(kind, "self") | (attributes(Socket, "conn") if kind is LimitedProtocol else set())
    used -= own_names(kind) | OVERRIDDEN[kind]
    assert used == USED[kind]
    assert used <= base_names(BASES[kind])


def test_a_request_cycle_uses_only_what_its_transport_stand_in_has() -> None:
    assert attributes(HttpProtocol, "cycle") == OF_A_CYCLE
    assert base_names(RequestResponseCycle) >= OF_A_CYCLE
    used = set(re.findall(r"self\.transport\.(\w+)", inspect.getsource(RequestResponseCycle)))
    assert used == {"write", "close", "is_closing"} and used <= set(dir(_ResponseWriter))
