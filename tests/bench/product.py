"""The product as a real process with all features on, a synced disk and a signed-in owner."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from tests.bench.processes import ROOT, Child, free_port

# All load comes from one address, so the limits that stop a flood are raised; none is switched off.
CROWD = {
    "THREADLINE_VISITOR_MESSAGES_PER_MINUTE": "10000000",
    "THREADLINE_ADDRESS_MESSAGES_PER_MINUTE": "10000000",
    "THREADLINE_ADDRESS_CONNECTS_PER_MINUTE": "10000000",
    "THREADLINE_ADDRESS_SOCKETS": "100000",
    "THREADLINE_MAX_SOCKETS": "100000",
    "THREADLINE_SQLITE_SYNC": "FULL",
    "THREADLINE_LOG_LEVEL": "warning",
}
OWNER = {"name": "Ana Bench", "email": "ana@bench.example", "password": "a long bench passphrase"}


class Product:
    """`with Product(folder) as product` gives a migrated, running server; `cookie` is a signed-in owner's."""

    def __init__(self, folder: Path, *, env: dict[str, str] | None = None, name: str = "product") -> None:
        self.folder = folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.cookie = ""
        self._env = {
            **CROWD,
            "THREADLINE_DATA_DIR": str(self.folder),
            "THREADLINE_PORT": str(self.port),
            "THREADLINE_PUBLIC_URL": self.origin,
            "DATABASE_URL": "",
            "REDIS_URL": "",
            **(env or {}),
        }
        self.child: Child | None = None

    @property
    def database(self) -> Path:
        return self.folder / "threadline.db"

    @property
    def pids(self) -> list[int]:
        assert self.child is not None
        return self.child.pids

    def migrate(self) -> None:
        argv = [sys.executable, "-m", "server", "migrate"]
        env = {**os.environ, **self._env}
        subprocess.run(argv, cwd=ROOT, env=env, check=True, capture_output=True)

    def start(self, env: dict[str, str] | None = None) -> Child:
        argv = [sys.executable, "-m", "server", "serve"]
        log = self.folder / "server.log"
        self.child = Child(argv, port=self.port, log=log, env={**self._env, **(env or {})})
        return self.child

    def sign_in(self) -> None:
        """Signs the owner in; creates the owner first if the database is empty."""
        owner_options = [part for name, value in OWNER.items() for part in (f"--{name}", value)]
        argv = [sys.executable, "-m", "server", "create-owner", *owner_options]
        subprocess.run(argv, cwd=ROOT, env={**os.environ, **self._env}, check=False, capture_output=True)
        status, cookie = self._post("/api/login", OWNER)
        if status != 200 or cookie is None:
            raise RuntimeError(f"could not sign in: {status}")
        self.cookie = cookie.split(";")[0]

    def _post(self, path: str, body: Any) -> tuple[int, str | None]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"content-type": "application/json", "origin": self.origin}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, answer.getheader("set-cookie")

    def request(self, method: str, path: str, body: Any) -> Any:
        """Sends a request as the owner; returns the response body; raises if it is refused."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"content-type": "application/json", "origin": self.origin, "cookie": self.cookie}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"{method} {path}: {response.status} {content[:300]!r}")
        return json.loads(content)

    def target(self, **more: Any) -> dict[str, Any]:
        """The address, cookie and process ids that a load driver needs."""
        return {
            "kind": "product", "port": self.port, "origin": self.origin, "cookie": self.cookie, "pids": self.pids, **more,
        }  # fmt: skip

    def __enter__(self) -> Self:
        self.migrate()
        self.start().wait_until_listening()
        self.sign_in()
        return self

    def __exit__(self, *_: object) -> None:
        if self.child is not None:
            self.child.stop()


def floor_target(child: Child) -> dict[str, Any]:
    return {"kind": "floor", "port": child.port, "pids": child.pids}
