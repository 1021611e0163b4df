"""Short links: which addresses in a text become one, how a target is written, who is a machine. Pure.

A target is stored as it will be sent in `Location`: http or https, host in ASCII, nothing in it that ends a header
line or that two programs read differently (BAD_INPUTS U2). Nothing here, and nothing that calls this, ever fetches one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, unquote, urlsplit

import idna

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CODE_LENGTH = 8
CODE = re.compile(rf"[0-9A-Za-z]{{{CODE_LENGTH}}}")
MAX_TARGET = 8192  # characters of the target as it is stored
MAX_NOTED = 300  # characters kept of a click's user agent and referrer

# --- what in a text is an address ------------------------------------------------------------------

# Up to white space, a bracket that people put around addresses, a quotation mark, or a control character.
_URL = re.compile(r"(?<![\w@])(?:https?://|www\.(?=[^\s.]))[^\s<>\"“”«»„\x00-\x1f\x7f-\x9f]+", re.IGNORECASE)
_TRAILING = ".,:;!?'’‘…*_~|·。、，！？：；"
_PAIRS = {")": "(", "]": "[", "}": "{", "）": "（", "」": "「", "』": "『", "】": "【"}


@dataclass(frozen=True, slots=True)
class Found:
    """An address in a text: `text[start:end]`, without the punctuation of the sentence around it."""

    start: int
    end: int
    raw: str


def find_urls(text: str) -> list[Found]:
    """Every address that begins with http://, https:// or www., in order."""
    return list(_find(text))


def _find(text: str) -> Iterator[Found]:
    for match in _URL.finditer(text):
        raw = _without_sentence(match[0])
        if "." in raw or "://" in raw:
            yield Found(match.start(), match.start() + len(raw), raw)


def _without_sentence(raw: str) -> str:
    """`(see https://a.example/b).` ends at `b`; a bracket that the address opened itself belongs to it."""
    while raw:
        last = raw[-1]
        opening = _PAIRS.get(last)
        if last in _TRAILING or (opening is not None and raw.count(last) > raw.count(opening)):
            raw = raw[:-1]
        else:
            break
    return raw


# --- how a target is written -------------------------------------------------------------------------

_PORTS = {"http": 80, "https": 443}
_SAFE = "!$%&'()*+,-./:;=?@[]_~#"  # of what follows the host; `%` stays, as it may begin an escape
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")


class BadTarget(ValueError):
    """Not an address that a short link may lead to; the sentence says why."""


def normal_target(raw: str) -> str:
    """The address as browsers will read it. Raises `BadTarget`.

    Names in other scripts become punycode, so that a look-alike shows; numbers written oddly become the address they
    mean; a user name in front of the host is refused, because people read it as the host.
    """
    if len(raw) > MAX_TARGET:
        raise BadTarget(f"The address is longer than {MAX_TARGET} characters.")
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") or char.isspace() for char in raw):
        raise BadTarget("The address has a line break, a space or an invisible character in it.")
    if "\\" in raw:
        raise BadTarget("The address has a backslash in it, which programs read differently.")
    if raw[:4].lower() == "www.":
        raw = "https://" + raw
    try:
        parts = urlsplit(raw)
        port = parts.port
        host = parts.hostname or ""
    except ValueError:
        raise BadTarget("The address cannot be read.") from None
    if parts.scheme not in _PORTS:
        raise BadTarget("Only addresses that begin with http:// or https:// can be shortened.")
    if "@" in parts.netloc:
        raise BadTarget("The address has a user name in it, which reads like another site's name.")
    where = _machine(parts.netloc, host) if "[" in parts.netloc else _host(host)
    if port is not None and port != _PORTS[parts.scheme]:
        where += f":{port}"
    rest = parts.path or "/"
    if parts.query:
        rest += "?" + parts.query
    if parts.fragment:
        rest += "#" + parts.fragment
    target = f"{parts.scheme}://{where}{quote(rest, safe=_SAFE)}"
    if len(target) > MAX_TARGET:
        raise BadTarget(f"The address is longer than {MAX_TARGET} characters.")
    return target


_BRACKETED = re.compile(r"\[[^\[\]%]*\](:[0-9]*)?")  # nothing before or after, which the library would skip; no zone


def _machine(authority: str, host: str) -> str:
    try:
        if not _BRACKETED.fullmatch(authority):
            raise ValueError
        return f"[{IPv6Address(host)}]"
    except ValueError:
        raise BadTarget("The address of the machine cannot be read.") from None


def _host(host: str) -> str:
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise BadTarget("The name of the site cannot be read.") from None
    host = host.lower()
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise BadTarget("The name of the site cannot be read.")
    last = host.rstrip(".").rpartition(".")[2]
    if last.isdecimal() or re.fullmatch(r"0x[0-9a-f]*", last):
        return str(IPv4Address(_numbers(host.rstrip("."))))
    return host


def _numbers(host: str) -> int:
    """`127.1`, `0x7f000001`, `017700000001`: what browsers make of them (WHATWG's IPv4 parser)."""
    parts = host.split(".")
    try:
        found = [
            int(p, 16) if p.startswith("0x") and p[2:] else int(p, 8) if len(p) > 1 and p[0] == "0" else int(p)
            for p in parts
        ]
    except ValueError:
        raise BadTarget("The number of the machine cannot be read.") from None
    if len(found) > 4 or any(n > 255 for n in found[:-1]) or found[-1] >= 256 ** (5 - len(found)):
        raise BadTarget("The number of the machine cannot be read.")
    return sum(n << (24 - 8 * place) for place, n in enumerate(found[:-1])) + found[-1]


def is_own(target: str, public_url: str, domain: str) -> bool:
    """A short link of ours, which would only lead in a circle (U6). `target` is normal.

    Everything on the domain of the links counts; of the server itself only what stands below /l.
    """
    host, path = _place(target)
    if domain and host == domain:
        return True
    first = path.replace("\\", "/").lstrip("/").split("/")
    return host == _place(normal_target(public_url))[0] and "l" in first[:-1]


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port
    path = unquote(unquote(parts.path))
    return (f"{host}:{port}" if port else host), path


# --- codes --------------------------------------------------------------------------------------------


def code_from(entropy: bytes) -> str | None:
    """Eight base62 characters, all equally likely: bytes from 248 on are left out. None: too few remained."""
    usable = [ALPHABET[byte % 62] for byte in entropy if byte < 248]
    return "".join(usable[:CODE_LENGTH]) if len(usable) >= CODE_LENGTH else None


def prefix(public_url: str, domain: str) -> str:
    """What stands before the code."""
    return f"{public_url.partition('://')[0]}://{domain}/" if domain else f"{public_url}/l/"


def shortable(text: str, public_url: str, domain: str) -> list[tuple[Found, str]]:
    """The addresses of a text that become short links, with their targets; what is no good target, and what is a short
    link of ours already, stays as it was typed. `agents_ui/src/sms/links.ts` says the same before it is sent."""
    found = []
    for one in find_urls(text):
        try:
            target = normal_target(one.raw)
        except BadTarget:
            continue
        if not is_own(target, public_url, domain):
            found.append((one, target))
    return found


# --- who clicked ----------------------------------------------------------------------------------------

# Programs that fetch addresses for people: previews of messengers, crawlers, scanners of mail and text filters, libraries.
# Cubot makes telephones.
_MACHINES = re.compile(
    r"(?<!cu)bot\b|crawl|spider|slurp|preview|scan|fetch|monitor|probe|check(er)?\b|headless|phantom|selenium|puppeteer|playwright"
    r"|facebookexternalhit|facebot|whatsapp|telegram|skypeuri|google-(safety|read|inspection)|googleimageproxy|feedfetcher"
    r"|proofpoint|mimecast|barracuda|symantec|forcepoint|trendmicro|zscaler|fortinet|virustotal|urlscan|safelinks|cloudmark"
    r"|curl/|wget|python|aiohttp|httpx|okhttp|java/|jakarta|apache-http|go-http|libwww|axios|node-fetch|undici|node/|ruby/|perl/|php/|guzzle|postman|insomnia"
    r"|twilio|link-?expander|embedly|iframely|cfnetwork",
    re.IGNORECASE,
)


def is_bot(method: str, headers: Mapping[str, str]) -> bool:
    """Did a program, and no person, follow the link? `headers` by lower-case name.

    Everything a browser never does when a person taps: HEAD, fetching ahead, no user agent, not asking for a page.
    """
    if method != "GET":
        return True
    ahead = " ".join(headers.get(name, "") for name in ("purpose", "sec-purpose", "x-purpose", "x-moz")).lower()
    if any(word in ahead for word in ("prefetch", "prerender", "preview")):
        return True
    agent = headers.get("user-agent", "").strip()
    if not agent or _MACHINES.search(agent[:2000]):
        return True
    if headers.get("sec-fetch-dest", "document") not in ("document", "iframe"):
        return True
    return "text/html" not in headers.get("accept", "") or "accept-language" not in headers


def noted(text: str) -> str:
    """A header as the click log keeps it (U8): one line, cut. Whoever shows it escapes it, as with every text."""
    return "".join(char for char in text[: MAX_NOTED * 2] if char.isprintable())[:MAX_NOTED]


def noted_referrer(text: str) -> str:
    """Where the click came from: site and path. What stands in a query is somebody's business, not ours."""
    return noted(text.partition("#")[0].partition("?")[0])
