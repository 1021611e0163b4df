"""Following a short link over HTTP: the redirect, its headers, and limits on guessing."""

from __future__ import annotations

import aiohttp
import pytest
from yarl import URL

from server.links import actions
from server.links.click_buffer import Clicks
from server.schema.short_links import link_clicks, short_links
from tests.edge.cases import links as cases
from tests.online import Online, listen
from tests.saving import save

PHONE = {
    "user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile/15E148 Safari/604.1",
    "accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "accept-language": "en-US",
}


async def create_link(online: Online, target: str = "https://shop.example/spring?a=1&b=%0d%0a#top") -> str:
    _, codes = await online.app.write(actions.shorten, target, None, None, online.url)
    return codes[0]


async def follow(online: Online, path: str, method: str = "GET", **headers: str) -> aiohttp.ClientResponse:
    async with online.http.request(method, online.url + path, headers=PHONE | headers, allow_redirects=False) as answer:
        await answer.read()
        return answer


async def test_a_link_redirects_to_its_target_without_a_referrer(online: Online) -> None:
    code = await create_link(online)
    answer = await follow(online, f"/l/{code}")
    assert answer.status == 302
    assert answer.headers["location"] == "https://shop.example/spring?a=1&b=%0d%0a#top"
    assert answer.headers["referrer-policy"] == "no-referrer" and answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    await follow(online, f"/l/{code}", "HEAD")
    await follow(online, f"/l/{code}", **{"user-agent": "WhatsApp/2.23"})
    await Clicks.of(online.app).flush()
    row = (await online.world.rows(short_links))[0]
    assert (row.clicks, row.bot_clicks) == (1, 2)


async def test_u5_an_unknown_code_redirects_nowhere(online: Online, subtests: pytest.Subtests) -> None:
    valid_code = await create_link(online)
    for code in cases.CODES:
        with subtests.test(code[:20]):
            path = f"/l/{code.replace('{code}', valid_code)}"
            # each from its own address, so that the limit on guessing does not apply
            own_address = {"x-forwarded-for": f"203.0.113.{len(code)}"}
            assert (await follow(online, path, **own_address)).status in (404, 414)
            answer = await online.send("GET", path, headers=own_address)
            assert (answer.status, answer.code) == (404, "not_found"), "a program gets JSON instead of the page"
    assert (await follow(online, f"/l/{valid_code}")).status == 302


AFTER = [
    "",
    ".",
    ",",
    "!",
    "?!",
    "/",
    "//",
    ")",
    ").",
    "”",
    "…",
    "。",
    "，谢谢",
    "에서",
    "에서 확인",
    "を見て",
    "»",
    ">",
    "%20",
    "'",
    "*",
]


async def test_punctuation_after_a_link_is_ignored(online: Online, subtests: pytest.Subtests) -> None:
    code = await create_link(online, "https://shop.example/")
    for after in AFTER:
        with subtests.test(after):
            after = after.replace("?", "%3f")
            for path in (f"/l/{code}{after}", f"//l/{code}{after}", f"/L/{code}{after}"):
                assert (await follow(online, path)).headers.get("location") == "https://shop.example/", path
    for after in ("x", "/x", "-x", ".html", "%00", "%0d%0ax"):
        assert (await follow(online, f"/l/{code}{after}")).status == 404, after


async def test_a_customer_never_sees_the_console(online: Online, subtests: pytest.Subtests) -> None:
    for number, path in enumerate(
        (
            "/l/AAAAAAAA",
            "/l/AAAAAAAA/",
            "/l/AAAAAAAA.",
            "/l",
            "/l/",
            "/l//",
            "//l/x",
            "/L/AAAAAAAA",
            "/l/a/b/c",
            "/l/AAAAAAAA?x=1",
        )
    ):
        with subtests.test(path):
            headers = PHONE | {"x-forwarded-for": f"203.0.114.{number}"}
            async with online.http.get(
                URL(online.url + path, encoded=True), headers=headers, allow_redirects=False
            ) as answer:
                body = await answer.text()
            assert answer.status == 404 and "This link leads nowhere" in body and "<script" not in body
            assert answer.headers["cache-control"] == "no-store"
            assert (
                await online.send("GET", path, headers={"x-forwarded-for": headers["x-forwarded-for"]})
            ).code == "not_found"
    assert (await follow(online, "/lost")).headers["content-security-policy"] != "", (
        "pages of the console must keep their content security policy"
    )


async def test_u3_no_query_parameter_redirects(online: Online, subtests: pytest.Subtests) -> None:
    code = await create_link(online, "https://shop.example/")
    for number, (method, path) in enumerate(cases.ROUTES):
        with subtests.test(f"{method} {path}"):
            for elsewhere in cases.ELSEWHERE:
                query = "&".join(f"{name}={elsewhere}" for name in cases.PARAMETERS)
                url = URL(online.url + path.replace("{code}", code) + "?" + query, encoded=True)
                headers = {**PHONE, "origin": online.url, "x-forwarded-for": f"203.0.113.{number}"}
                async with online.http.request(method, url, headers=headers, allow_redirects=False) as answer:
                    location, body = answer.headers.get("location", ""), await answer.read()
                assert location == ("https://shop.example/" if "{code}" in path else ""), location
                assert b"evil.example" not in body and "evil" not in str(answer.headers)


@pytest.mark.parametrize("target", cases.PRIVATE)
async def test_u6_a_private_address_is_redirected_to_and_never_requested(online: Online, target: str) -> None:
    """A shop may link to addresses in its own network; the server itself never requests a link's target (the last test
    here)."""
    assert (await follow(online, f"/l/{await create_link(online, target)}")).status == 302


@pytest.mark.parametrize("name", cases.CLICKS)
async def test_u8_headers_of_a_click_are_stored_as_one_short_line(online: Online, name: str) -> None:
    code = await create_link(online)
    assert (await follow(online, f"/l/{code}", **cases.CLICKS[name])).status == 302
    await Clicks.of(online.app).flush()
    (row,) = await online.world.rows(link_clicks)
    for value in (row.user_agent, row.referrer):
        assert len(value) <= 300 and value.isprintable() and "secret" not in value and "token" not in value


async def test_guessing_blocks_only_the_guessing_address(online: Online) -> None:
    code = await create_link(online)
    statuses = [(await follow(online, f"/l/{n:08d}", **{"x-forwarded-for": "203.0.113.9"})).status for n in range(40)]
    assert statuses == [404] * 30 + [429] * 10
    stopped = await follow(online, f"/l/{code}", **{"x-forwarded-for": "203.0.113.9"})
    assert stopped.status == 429 and int(stopped.headers["retry-after"]) >= 1, (
        "a blocked address must not learn that a code is right"
    )
    assert (await follow(online, f"/l/{code}", **{"x-forwarded-for": "203.0.113.10"})).status == 302
    await online.world.advance(seconds=5)
    assert (await follow(online, f"/l/{code}", **{"x-forwarded-for": "203.0.113.9"})).status == 302


async def test_valid_links_are_never_limited(online: Online) -> None:
    code = await create_link(online)
    assert {(await follow(online, f"/l/{code}")).status for _ in range(200)} == {302}
    while await Clicks.of(online.app).flush() and Clicks.of(online.app).waiting:
        pass
    assert (await online.world.rows(short_links))[0].clicks == 200


async def test_the_links_domain_serves_only_links(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    answer = await save(olga, "/api/links/settings", {"domain": "https://Go.shop.example/"})
    assert answer.status == 200 and answer.json()["domain"] == "go.shop.example"
    assert (await olga.get("/api/links/settings")).json()["domain"] == "go.shop.example"
    code = await create_link(online)
    text, codes = await online.app.write(actions.shorten, "https://shop.example/", None, None, online.url)
    assert text == f"http://go.shop.example/{codes[0]}"
    link_host = {"host": "Go.Shop.Example"}
    assert (await follow(online, f"/{code}", **link_host)).status == 302
    assert (await follow(online, f"/l/{code}", **link_host)).status == 302
    assert (await follow(online, f"/{code}.", **link_host)).status == 302
    for path in ("/", "/inbox", "/settings", "/api/session", "/healthz", "/widget/loader.js", f"/{code}/x"):
        assert (await follow(online, path, **link_host)).status == 404, path
    assert (await follow(online, f"/{code}", "POST", **link_host)).status == 405
    assert (await follow(online, f"/{code}")).status == 404, "only the links' domain serves a bare code"
    assert (await follow(online, f"/l/{code}")).status == 302, "links sent before the change must still work"
    lines = (await olga.get("/api/audit?limit=1")).json()["lines"]
    assert (lines[0]["action"], lines[0]["detail"]) == ("links_changed", {"settings": ["domain"]})


async def test_the_links_domain_needs_the_right_to_change_channels_and_must_differ_from_the_public_url(
    online: Online,
) -> None:
    ana, mona = await online.agent("ana", socket=False), await online.agent("mona", socket=False)
    assert (await ana.get("/api/links/settings")).status == 403
    assert (await save(ana, "/api/links/settings", {"domain": ""})).status == 403
    host = online.url.partition("://")[2]
    for bad in (host, f"http://{host}", "no domain", "a@b.example", "go.example/x"):
        answer = await save(mona, "/api/links/settings", {"domain": bad})
        assert answer.status == 422 and answer.json()["error"]["field"] == "domain", bad


async def test_the_server_never_fetches_a_target(online: Online) -> None:
    """The target gets no request, neither when its link is created nor when the link is followed."""
    listener = listen()
    target = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    code = await create_link(online, target)
    assert (await follow(online, f"/l/{code}")).headers["location"] == target
    await Clicks.of(online.app).flush()
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()
