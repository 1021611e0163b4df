"""A15: the client's address, which limits, lock-outs and the audit log use."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from server.settings import Settings
from server.web.limits import client_address, customer_network
from tests.edge.raw import handshake
from tests.online import Online, open_online
from tests.running import threadline
from tests.world import PASSWORD, email_of

DOCKER = "127.0.0.1,172.16.0.0/12,2001:db8:1::/48"


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        ("203.0.113.9", "8.8.8.8", "127.0.0.1", "203.0.113.9"),  # the peer is not a trusted proxy
        ("127.0.0.1", "8.8.8.8", "127.0.0.1", "8.8.8.8"),
        ("127.0.0.1", "1.1.1.1, 8.8.8.8", "127.0.0.1", "8.8.8.8"),  # the client invented the first address
        ("127.0.0.1", "8.8.8.8, 127.0.0.1", "127.0.0.1", "8.8.8.8"),
        ("127.0.0.1", "8.8.8.8", "", "127.0.0.1"),
        ("127.0.0.1", "<script>", "127.0.0.1", "unknown"),
        ("127.0.0.1", "9" * 500, "127.0.0.1", "unknown"),
        ("127.0.0.1", "2001:db8::1:2:3:4", "127.0.0.1", "2001:0db8:0000:0000::/64"),
        ("127.0.0.1", "::ffff:8.8.8.8", "127.0.0.1", "8.8.8.8"),
        ("127.0.0.1", "", "127.0.0.1", "127.0.0.1"),
        # ports, brackets and zones, as proxies write them
        ("127.0.0.1", "203.0.113.9:51234", "127.0.0.1", "203.0.113.9"),
        ("127.0.0.1", "[2001:db8::1]:443", "127.0.0.1", "2001:0db8:0000:0000::/64"),
        ("127.0.0.1", "[2001:db8::1]", "127.0.0.1", "2001:0db8:0000:0000::/64"),
        ("127.0.0.1", "[::ffff:203.0.113.9]:80", "127.0.0.1", "203.0.113.9"),
        ("127.0.0.1", "fe80::1%eth0", "127.0.0.1", "fe80:0000:0000:0000::/64"),
        ("127.0.0.1", "[fe80::1%25eth0]:80", "127.0.0.1", "fe80:0000:0000:0000::/64"),
        ("127.0.0.1", "203.0.113.9:51234, 127.0.0.1:80", "127.0.0.1", "203.0.113.9"),
        ("fe80::1%eth0", "8.8.8.8", "127.0.0.1", "fe80:0000:0000:0000::/64"),
        ("fe80::1%eth0", "8.8.8.8", "fe80::1%eth1", "8.8.8.8"),
        ("::ffff:127.0.0.1", "8.8.8.8", "127.0.0.1", "8.8.8.8"),  # a socket for both IPv4 and IPv6
        # networks
        ("172.18.0.2", "8.8.8.8", DOCKER, "8.8.8.8"),
        ("172.32.0.2", "8.8.8.8", DOCKER, "172.32.0.2"),
        ("172.18.0.2", "1.1.1.1, 8.8.8.8, 172.18.0.9, 127.0.0.1", DOCKER, "8.8.8.8"),
        ("2001:db8:1::5", "8.8.8.8", DOCKER, "8.8.8.8"),
        ("172.18.0.2", "8.8.8.8", "::ffff:172.16.0.0/108", "8.8.8.8"),
        ("172.18.0.2", "8.8.8.8", " 172.18.0.2 , ", "8.8.8.8"),
        # every hop is trusted: the farthest one counts
        ("127.0.0.1", "172.18.0.7", DOCKER, "172.18.0.7"),
        ("127.0.0.1", "172.18.0.7, 172.18.0.8", DOCKER, "172.18.0.7"),
        # an unreadable hop ends the list: the hops before it are not trusted
        ("127.0.0.1", "8.8.8.8, unknown", "127.0.0.1", "unknown"),
        ("127.0.0.1", "8.8.8.8, unknown, 127.0.0.1", "127.0.0.1", "unknown"),
        ("127.0.0.1", "8.8.8.8, , 127.0.0.1 ,", "127.0.0.1", "8.8.8.8"),  # empty items are skipped
        ("nonsense", "8.8.8.8", "127.0.0.1", "unknown"),
    ],
)
@pytest.mark.parametrize("lines", ["one line", "a line each"])
def test_forwarded_addresses_count_from_our_own_proxies_only(
    peer: str, forwarded: str, trusted: str, address: str, lines: str
) -> None:
    """A proxy may append to the header line or add another line; both are one list (RFC 9110, 5.3)."""
    settings = Settings(_env_file=None, trusted_proxies=trusted)  # type: ignore[call-arg]
    header_lines = [forwarded] if lines == "one line" else forwarded.split(",")
    headers = [(b"x-forwarded-for", item.encode()) for item in header_lines] if forwarded else []
    headers += [(b"x-real-ip", b"6.6.6.6"), (b"cf-connecting-ip", b"6.6.6.6"), (b"forwarded", b"for=6.6.6.6")]
    assert client_address(settings, {"client": (peer, 1), "headers": headers}) == address


def test_all_ipv6_addresses_of_a_64_network_are_one_customer() -> None:
    assert customer_network("2001:db8::1") == customer_network("2001:db8::ffff") != customer_network("2001:db8:0:1::1")


@pytest.mark.parametrize(
    ("trusted", "expected"),
    [
        ("nginx", "neither an IP address nor a network"),
        ("localhost", "neither an IP address nor a network"),
        ("*", "neither an IP address nor a network"),
        ("127.0.0.1 ::1", "neither an IP address nor a network"),
        ("172.16.0.0/33", "neither an IP address nor a network"),
        ("127.0.0.1:80", "neither an IP address nor a network"),
        ("127.0.0.1,172.17.0.1/16", "Write 172.17.0.1 or 172.17.0.0/16"),
        ("0.0.0.0/0", "the whole internet"),
        ("::/0", "the whole internet"),
        ("::ffff:0.0.0.0/96", "the whole internet"),
    ],
)
def test_an_unusable_list_of_proxies_is_refused(trusted: str, expected: str) -> None:
    with pytest.raises(ValueError, match="trusted_proxies") as refused:
        Settings(_env_file=None, trusted_proxies=trusted)  # type: ignore[call-arg]
    assert expected in str(refused.value)


def test_the_command_line_reports_it_in_one_line(tmp_path) -> None:
    result = threadline(tmp_path, "serve", THREADLINE_TRUSTED_PROXIES="nginx")
    assert result.returncode == 2 and result.stderr.splitlines() == [
        "THREADLINE_TRUSTED_PROXIES 'nginx' is neither an IP address nor a network such as 172.16.0.0/12. Host names are not allowed here."
    ]


# --- against a running server ---------------------------------------------------------------------------

VICTIM = "203.0.113.9"


async def sign_in(online: Online, name: str, password: str, *forwarded: str) -> tuple[int, bytes]:
    """Signs in through a proxy that adds its own header lines after the client's."""
    body = orjson.dumps({"email": email_of(name), "password": password})
    lines = [f"X-Forwarded-For: {item}" for item in forwarded]
    head = [
        "POST /api/login HTTP/1.1", "Host: x", f"Origin: {online.url}", "Content-Type: application/json",
        f"Content-Length: {len(body)}", "Connection: close", *lines, "", "",
    ]  # fmt: skip
    answer = await online.says_raw("\r\n".join(head).encode() + body)
    return int(answer.split(b" ", 2)[1]), answer


async def address_of_session(online: Online, answer: bytes) -> str:
    cookie = answer.partition(b"set-cookie: ")[2].partition(b";")[0].decode()
    listed = (await online.get("/api/sessions", headers={"cookie": cookie})).json()["sessions"]
    result: str = next(item["address"] for item in listed if item["current"])
    return result


async def test_an_invented_header_neither_escapes_the_sign_in_limit_nor_locks_out_a_victim(tmp_path) -> None:
    async with open_online(tmp_path / "data", login_attempts=1) as online:
        attempts = [
            await sign_in(online, f"nobody{n}", "wrong wrong wrong", VICTIM if n % 2 else f"198.51.100.{n}", "192.0.2.66")
            for n in range(14)
        ]  # fmt: skip
        assert [status for status, _ in attempts] == [401] * 10 + [429] * 4, "one address may fail to sign in ten times"
        status, answer = await sign_in(online, "ana", PASSWORD, VICTIM)
        assert status == 200
        assert await address_of_session(online, answer) == VICTIM


async def test_two_people_behind_a_proxy_that_adds_ports_have_separate_limits(tmp_path) -> None:
    async with open_online(tmp_path / "data", login_attempts=1) as online:
        for n in range(12):
            status, _ = await sign_in(online, f"nobody{n}", "wrong wrong wrong", f"192.0.2.66:{40_000 + n}")
        assert status == 429
        status, answer = await sign_in(online, "ana", PASSWORD, f"{VICTIM}:51234")
        assert status == 200 and await address_of_session(online, answer) == VICTIM


@pytest.mark.parametrize("hop", ["fe80::1%eth0", "[fe80::1%eth0]:443", "unknown", "", ",", "%", "[", "]:", ":", "::%"])
async def test_any_forwarded_header_gets_a_response(online: Online, hop: str) -> None:
    status, _ = await sign_in(online, "ana", PASSWORD, hop)
    assert status == 200


async def test_sockets_are_limited_by_the_same_address(tmp_path) -> None:
    """The handshake reads the header lines as a request does."""
    async with open_online(tmp_path / "data", address_sockets=1) as online:

        async def dial(*forwarded: str) -> tuple[int, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection(*online.address)
            lines = "".join(f"X-Forwarded-For: {item}\r\n" for item in forwarded).encode()
            writer.write(handshake(online).removesuffix(b"\r\n") + lines + b"\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            return int(head.split(b" ", 2)[1]), writer

        first, first_answer = await dial("198.51.100.1", "192.0.2.66")
        second, second_answer = await dial("198.51.100.2", "192.0.2.66:1234")
        third, third_answer = await dial("192.0.2.66", VICTIM)
        assert (first, second, third) == (101, 429, 101)
        for writer in (first_answer, second_answer, third_answer):
            writer.close()
