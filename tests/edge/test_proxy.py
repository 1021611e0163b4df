"""The nginx configuration in docs/operations.md works; the test changes only port and certificate."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.operations import network
from server.web import limits
from tests.online import Online, open_online
from tests.services import free_port

GUIDE = Path(__file__).parents[2] / "docs" / "operations.md"
NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian: apt-get install nginx-light)")


def configuration(folder: Path, port: int, upstream: str) -> str:
    """The guide's configuration, with the paths and ports of this test."""
    result = re.search(r"```nginx\n(.*?)```", GUIDE.read_text(), re.S)
    assert result is not None
    site = result[1]
    for original, replacement in (
        ("server 127.0.0.1:8000;", f"server {upstream};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port};"),
        ("server_name chat.example.com;", "server_name 127.0.0.1;"),
    ):
        assert original in site
        site = site.replace(original, replacement)
    site = re.sub(r"\s*ssl_certificate\S*\s+[^;]+;", "", site)
    temp = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
        f"events {{}}\nhttp {{ access_log off; {temp}\n{site}\n}}\n"
    )


@contextmanager
def nginx(folder: Path, port: int, upstream: str) -> Iterator[str]:
    assert NGINX is not None
    folder.mkdir()
    (folder / "nginx.conf").write_text(configuration(folder, port, upstream))
    process = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.PIPE)
    try:
        for _ in range(100):
            if process.poll() is not None:
                raise AssertionError(process.stderr.read().decode() if process.stderr else "nginx ended")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=1)
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
        if process.stderr:
            process.stderr.close()


@needs_nginx
async def test_the_guides_nginx_passes_everything_through_and_nothing_else(tmp_path: Path) -> None:
    port = free_port()
    async with open_online(tmp_path / "data", metrics=True) as online:
        online.app.settings.public_url = f"http://127.0.0.1:{port}"
        with nginx(tmp_path / "nginx", port, online.url.removeprefix("http://")) as url:
            await through(online, url)


async def through(online: Online, url: str) -> None:
    assert [f.state for f in await network.check_websocket(online.app)] == ["ok"]
    public = await network.check_public_url(online.app)
    assert [f.message for f in public if f.state == "fail"] == []

    direct, online.url = online.url, url
    try:
        # The whole product through the proxy: sockets, long-poll, files of full size.
        zoe, poller = await online.visitor(), await online.visitor(over="poll")
        await zoe.says("Through the proxy.")
        await poller.says("And by long-poll.")
        ana = await online.agent("ana")
        large = await online.send(
            "POST", "/api/files", raw=b"z" * (15 << 20), headers={"cookie": ana.cookie, "x-file-name": "large.bin"}
        )
        assert large.status == 200
        # The server sees the client's real address, whatever the client claims; /metrics is not served.
        addresses: list[str] = []
        client_address = limits.client_address

        def record_address(settings: object, scope: object) -> str:
            addresses.append(client_address(settings, scope))  # type: ignore[arg-type]
            return addresses[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(limits, "client_address", record_address)
            await online.get("/api/session", headers={"x-forwarded-for": "198.51.100.99"})
        assert addresses == ["127.0.0.1"]
        assert (await online.get("/metrics")).status == 404
    finally:
        online.url = direct
