"""Normalises addresses for comparison: hosts and origins as browsers write them, IP addresses as proxies pass them
on."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Ip = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class BadAddress(ValueError):
    """The address is invalid. The message tells the person who entered it what is wrong."""


# --- IP addresses -------------------------------------------------------------------------------

_PORT = re.compile(r"\[(.*)\](?::\d*)?|([\d.]+):\d*")  # [2001:db8::1]:443, [2001:db8::1], 203.0.113.9:443


@lru_cache(4_000)
def ip(text: str) -> Ip | None:
    """The IP address of a peer or a proxy hop, without port, brackets and zone; None if the text is not one.

    IPv4 inside IPv6 (`::ffff:203.0.113.9`), which a socket for both reports, becomes the IPv4 address.
    """
    text = text[:100].strip()
    if match := _PORT.fullmatch(text):
        text = match[1] or match[2] or ""
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (parsed.version == 6 and parsed.ipv4_mapped) or parsed


@lru_cache(16)
def networks(text: str) -> tuple[Network, ...]:
    """Parses a comma-separated list of addresses and networks (`10.0.0.0/8`). Raises `BadAddress`."""
    return tuple([_network(part.strip()) for part in text.split(",") if part.strip()])


def _network(text: str) -> Network:
    address, slash, length = text.partition("/")
    address = address.partition("%")[0]
    try:
        network = ip_network(address + slash + length, strict=False)
    except ValueError:
        raise BadAddress(
            f"{text[:60]!r} is neither an IP address nor a network such as 172.16.0.0/12. Host names are not allowed here."
        ) from None
    if network.network_address != ip_address(address):
        raise BadAddress(f"{text[:60]!r} names both one machine and a whole network. Write {address} or {network}.")
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped and network.prefixlen >= 96:
        network = IPv4Network((mapped, network.prefixlen - 96))
    if not network.prefixlen:
        raise BadAddress(f"{text[:60]!r} is the whole internet: everybody could claim any address.")
    return network


# --- names and origins --------------------------------------------------------------------------

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")
# with nothing before or after, which the library would ignore, and no zone
_BRACKETED = re.compile(r"\[[^\[\]%]*\](:[0-9]*)?")


def origin(text: str) -> str:
    """The origin as a browser sends it: `https://chat.example.com`, lower case, punycode, without the scheme's default
    port.

    Raises `BadAddress` for a path, a user name, another scheme and anything else that is not an origin.
    """
    if any(char.isspace() or not char.isprintable() for char in text):
        raise BadAddress("The address has a space or an invisible character in it.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise BadAddress("The address cannot be read.") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise BadAddress("The address must look like https://chat.example.com.")
    if "@" in parts.netloc:
        raise BadAddress("The address must not have a user name in it.")
    if parts.path not in ("", "/") or "?" in text or "#" in text:
        raise BadAddress("The address must look like https://chat.example.com, without a path.")
    if port == 0:
        raise BadAddress("Browsers cannot reach port 0.")
    return f"{parts.scheme}://{host(parts.netloc, parts.hostname)}" + (
        f":{port}" if port is not None and port != _PORTS[parts.scheme] else ""
    )


def local(listening: str, port: int) -> tuple[str, ...]:
    """The origins under which a browser on this machine reaches a server that listens on `listening`, the preferred one
    first."""
    address = ip(listening)
    if listening in ("", "localhost") or address in (IPv4Address("0.0.0.0"), IPv4Address("127.0.0.1")):  # noqa: S104
        names = ["localhost", "127.0.0.1"]
    elif address in (IPv6Address("::"), IPv6Address("::1")):
        names = ["[::1]", "localhost"]
    else:
        names = [f"[{listening}]" if ":" in listening else listening]
    return tuple([f"http://{name}" + (f":{port}" if port != _PORTS["http"] else "") for name in names])


def host(authority: str, name: str) -> str:
    """The host of an address as browsers write it. `authority` and `name` come from `urlsplit`. Raises `BadAddress`.

    Names in other scripts become punycode; unusual spellings of an IP address become the usual one.
    """
    return _ipv6_host(authority, name) if "[" in authority else _host_name(name)


def _ipv6_host(authority: str, name: str) -> str:
    try:
        if not _BRACKETED.fullmatch(authority):
            raise ValueError
        return f"[{IPv6Address(name)}]"
    except ValueError:
        raise BadAddress("The address of the machine cannot be read.") from None


def _host_name(name: str) -> str:
    if not name.isascii():
        import idna  # imported late: its tables are large, and few names need it

        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise BadAddress("The name of the site cannot be read.") from None
    name = name.lower()
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise BadAddress("The name of the site cannot be read.")
    last_label = name.rstrip(".").rpartition(".")[2]
    if last_label.isdecimal() or re.fullmatch(r"0x[0-9a-f]*", last_label):
        return str(IPv4Address(_ipv4_number(name.rstrip("."))))
    return name


def _ipv4_number(name: str) -> int:
    """`127.1`, `0x7f000001` and `017700000001` as browsers read them (WHATWG's IPv4 parser). Raises
    `BadAddress` for other names."""
    parts = name.split(".")
    try:
        numbers = [
            int(p, 16) if p.startswith("0x") and p[2:] else int(p, 8) if len(p) > 1 and p[0] == "0" else int(p)
            for p in parts
        ]
    except ValueError:
        raise BadAddress("The number of the machine cannot be read.") from None
    if len(numbers) > 4 or any(n > 255 for n in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(numbers)):
        raise BadAddress("The number of the machine cannot be read.")
    return sum(n << (24 - 8 * index) for index, n in enumerate(numbers[:-1])) + numbers[-1]
