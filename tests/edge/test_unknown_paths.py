"""Unknown paths: a browser gets the console's page with status 404, other clients get JSON without internal details."""

from __future__ import annotations

import pytest

from server.web import pages
from tests.online import Online

PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """A built console, whether or not this checkout has one."""
    (tmp_path / "console").mkdir()
    (tmp_path / "console" / "index.html").write_text("<title>Threadline</title><script nonce=__CSP_NONCE__></script>")
    monkeypatch.setattr(pages, "STATIC", tmp_path)


@pytest.mark.parametrize("path", ["/nothing", "/nothing/at/all", "/apiary", "/login/nothing"])
async def test_a_browser_gets_the_consoles_page(online: Online, built: None, path: str) -> None:
    answer = await online.get(path, headers=PAGE)
    assert answer.status == 404 and answer.headers["content-type"].startswith("text/html")
    assert "script-src 'self' 'nonce-" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/api/nothing",
        "/api",
        "/api/",
        "/widget/nothing",
        "/static/nothing.js",
        "/files/nothing",
        "/ws/nothing",
        "/metrics",
    ],
)
async def test_api_paths_get_json_errors_also_in_a_browser(online: Online, built: None, path: str) -> None:
    answer = await online.get(path, headers=PAGE)
    assert answer.status == 404 and set(answer.json()["error"]) >= {"code", "message", "ref"}


async def test_a_client_that_does_not_accept_html_gets_json(online: Online, built: None) -> None:
    for headers in ({"accept": "*/*"}, {"accept": "application/json"}):
        assert (await online.get("/nothing", headers=headers)).json()["error"]["code"] == "not_found"
    post_answer = await online.send("POST", "/nothing", {}, headers=PAGE)
    assert post_answer.status in (403, 404) and post_answer.json()["error"]["code"]
