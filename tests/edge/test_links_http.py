"""Following a short link over HTTP: where it leads, what it says, how guessing ends."""

from __future__ import annotations

import aiohttp
import pytest
from yarl import URL

from server.links import actions
from server.links.clicks import Clicks
from server.schema import link_clicks, short_links
from tests.edge.cases import links as cases
from tests.online import Online, listen

PHONE = {
    "user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile/15E148 Safari/604.1",
    "accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "accept-language": "en-US",
}


async def link(online: Online, target: str = "https://shop.example/spring?a=1&b=%0d%0a#top") -> str:
    _, codes = await online.app.write(actions.shorten, target, None, None, online.url)
    return codes[0]


async def follow(online: Online, path: str, method: str = "GET", **headers: str) -> aiohttp.ClientResponse:
    async with online.http.request(method, online.url + path, headers=PHONE | headers, allow_redirects=False) as answer:
        await answer.read()
        return answer


async def test_a_link_leads_to_its_target_and_tells_nobody_where_from(online: Online) -> None:
    code = await link(online)
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


async def test_u5_a_code_that_is_none_leads_nowhere(online: Online, subtests: pytest.Subtests) -> None:
    real = await link(online)
    for code in cases.CODES:
        with subtests.test(code[:20]):
            path = f"/l/{code.replace('{code}', real)}"
            apart = {"x-forwarded-for": f"203.0.113.{len(code)}"}  # not as one who guesses
            assert (await follow(online, path, **apart)).status in (404, 414)
            answer = await online.send("GET", path, headers=apart)
            assert (answer.status, answer.code) == (404, "not_found"), "programs get an answer of theirs"
    assert (await follow(online, f"/l/{real}")).status == 302


async def test_u3_no_parameter_sends_anybody_anywhere(online: Online, subtests: pytest.Subtests) -> None:
    code = await link(online, "https://shop.example/")
    for number, (method, path) in enumerate(cases.ROUTES):
        with subtests.test(f"{method} {path}"):
            for elsewhere in cases.ELSEWHERE:
                query = "&".join(f"{name}={elsewhere}" for name in cases.PARAMETERS)
                url = URL(online.url + path.replace("{code}", code) + "?" + query, encoded=True)
                headers = {**PHONE, "origin": online.url, "x-forwarded-for": f"203.0.113.{number}"}
                async with online.http.request(method, url, headers=headers, allow_redirects=False) as answer:
                    where, body = answer.headers.get("location", ""), await answer.read()
                assert where == ("https://shop.example/" if "{code}" in path else ""), where
                assert b"evil.example" not in body and "evil" not in str(answer.headers)


@pytest.mark.parametrize("target", cases.PRIVATE)
async def test_u6_a_private_address_is_passed_on_and_never_asked(online: Online, target: str) -> None:
    """A shop may link to what stands in its own house; the server itself follows no link (the test below)."""
    assert (await follow(online, f"/l/{await link(online, target)}")).status == 302


@pytest.mark.parametrize("name", cases.CLICKS)
async def test_u8_what_a_click_says_of_itself_is_one_short_line(online: Online, name: str) -> None:
    code = await link(online)
    assert (await follow(online, f"/l/{code}", **cases.CLICKS[name])).status == 302
    await Clicks.of(online.app).flush()
    (row,) = await online.world.rows(link_clicks)
    for kept in (row.user_agent, row.referrer):
        assert len(kept) <= 300 and kept.isprintable() and "secret" not in kept and "token" not in kept


async def test_guessing_ends_for_the_address_and_for_nobody_else(online: Online) -> None:
    code = await link(online)
    seen = [(await follow(online, f"/l/{n:08d}", **{"x-forwarded-for": "203.0.113.9"})).status for n in range(40)]
    assert seen == [404] * 30 + [429] * 10
    stopped = await follow(online, f"/l/{code}", **{"x-forwarded-for": "203.0.113.9"})
    assert stopped.status == 429 and int(stopped.headers["retry-after"]) >= 1, "a right guess is not told apart now"
    assert (await follow(online, f"/l/{code}", **{"x-forwarded-for": "203.0.113.10"})).status == 302
    await online.world.advance(seconds=5)
    assert (await follow(online, f"/l/{code}", **{"x-forwarded-for": "203.0.113.9"})).status == 302


async def test_right_links_are_never_limited(online: Online) -> None:
    code = await link(online)
    assert {(await follow(online, f"/l/{code}")).status for _ in range(200)} == {302}
    while await Clicks.of(online.app).flush() and Clicks.of(online.app).waiting:
        pass
    assert (await online.world.rows(short_links))[0].clicks == 200


async def test_on_a_domain_of_its_own_there_are_links_and_nothing_else(online: Online) -> None:
    olga = await online.agent("olga", socket=False)
    answer = await olga.send("PUT", "/api/links/settings", {"domain": "https://Go.shop.example/"})
    assert answer.status == 200 and answer.json() == {"domain": "go.shop.example"}
    assert (await olga.get("/api/links/settings")).json() == {"domain": "go.shop.example"}
    code = await link(online)
    text, codes = await online.app.write(actions.shorten, "https://shop.example/", None, None, online.url)
    assert text == f"http://go.shop.example/{codes[0]}"
    own = {"host": "Go.Shop.Example"}
    assert (await follow(online, f"/{code}", **own)).status == 302
    assert (await follow(online, f"/l/{code}", **own)).status == 302
    for path in ("/", "/inbox", "/settings", "/api/session", "/healthz", "/widget/loader.js", f"/{code}/x"):
        assert (await follow(online, path, **own)).status == 404, path
    assert (await follow(online, f"/{code}", "POST", **own)).status == 405
    assert (await follow(online, f"/{code}")).status == 404, "elsewhere a bare code is nothing"
    assert (await follow(online, f"/l/{code}")).status == 302, "links that were sent before go on"
    lines = (await olga.get("/api/audit?limit=1")).json()["lines"]
    assert (lines[0]["action"], lines[0]["detail"]) == ("links_changed", {"settings": ["domain"]})


async def test_the_domain_is_the_channel_keepers_business_and_must_be_another(online: Online) -> None:
    ana, mona = await online.agent("ana", socket=False), await online.agent("mona", socket=False)
    assert (await ana.get("/api/links/settings")).status == 403
    assert (await ana.send("PUT", "/api/links/settings", {"domain": ""})).status == 403
    host = online.url.partition("://")[2]
    for bad in (host, f"http://{host}", "no domain", "a@b.example", "go.example/x"):
        answer = await mona.send("PUT", "/api/links/settings", {"domain": bad})
        assert answer.status == 422 and answer.json()["error"]["field"] == "domain", bad


async def test_the_server_never_fetches_a_target(online: Online) -> None:
    """A target that would notice a visit: it gets none, neither when the link is made nor when it is followed."""
    listener = listen()
    target = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    code = await link(online, target)
    assert (await follow(online, f"/l/{code}")).headers["location"] == target
    await Clicks.of(online.app).flush()
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()
