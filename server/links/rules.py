"""Finds URLs in texts, normalizes targets of short links, and detects clicks by programs. Pure.

A target is stored as it is sent in `Location`: http or https, ASCII host, no line breaks, no characters that programs
interpret differently (U2). The server never fetches a target.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, unquote, urlsplit

from server import addresses

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CODE_LENGTH = 8
CODE = re.compile(rf"[0-9A-Za-z]{{{CODE_LENGTH}}}")
# Text that phones include in a URL by mistake: punctuation after it, or words of a language without spaces.
_TRAILING_TEXT = re.compile(r"[^0-9A-Za-z\x00-\x1f\x7f-\x9f]*|[^\x00-\x9f].*", re.DOTALL)
MAX_TARGET = 8192  # characters of the target as it is stored
MAX_LOGGED = 300  # characters kept of a click's user agent and referrer


@dataclass(frozen=True, slots=True)
class ContactClick:
    """A person's click on a link that was sent to a contact."""

    link: int
    contact: int
    at: datetime


@dataclass(frozen=True, slots=True)
class LinksClicked:
    """Announced when clicks were counted. Clicks by programs are not included."""

    clicks: tuple[ContactClick, ...]


# --- URLs in a text --------------------------------------------------------------------------------

_URL_START = re.compile(r"https?://|www\.(?=[^\s.])", re.IGNORECASE)
# Characters that end a URL: white space, quotation marks and brackets, punctuation of other scripts.
_URL_END = re.compile(r"[\s<>\"“”«»„‹›`\x00-\x1f\x7f-\x9f，、；：！？（）「」『』【】《》〈〉〔〕｢｣､،؛؟।॥]|$")
# Letters of languages without spaces between words, and emoji.
_WIDE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2600-\u27bf\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U0001f000-\U0001faff\U00020000-\U0003ffff]"
)
_WIDE_WORD = re.compile(f"{_WIDE.pattern}+")
_WIDE_DOMAINS = frozenset(
    "中国 中國 公司 网络 网址 网站 在线 商城 网店 商店 中文网 台灣 台湾 香港 澳門 新加坡 한국 닷컴 닷넷 삼성 みんな コム ストア クラウド セール ไทย คอม ລາວ".split()
)
_LATIN = re.compile(r"[A-Za-z0-9]")
_TRAILING = ".,:;!?'’‘…*_~|·。、，！？：；\u00ad\u200b\u200e\u200f\u202c\u2060\u2069\ufeff"  # and invisible characters
_PAIRS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class FoundUrl:
    """A URL in a text: `text[start:end]`, without the punctuation and words around it."""

    start: int
    end: int
    raw: str


def find_urls(text: str) -> list[FoundUrl]:
    """All URLs that begin with http://, https:// or www., in order.

    `widget/shared/addresses.ts` finds the same; `links_vectors.json` tests both.
    """
    return list(_find(text))


def _find(text: str) -> Iterator[FoundUrl]:
    position = 0
    while (match := _URL_START.search(text, position)) is not None:
        position = match.end()
        before = text[match.start() - 1] if match.start() else " "
        if (before in "@_" or before.isalnum()) and not _WIDE.match(before):
            continue
        raw = _strip_sentence(text[match.start() : match.start() + _url_length(text, match)])
        if "." in raw or "://" in raw:
            position = max(position, match.start() + len(raw))
            yield FoundUrl(match.start(), match.start() + len(raw), raw)


def _url_length(text: str, match: re.Match[str]) -> int:
    """The length of a URL. In languages without spaces, words can follow a URL directly. Letters of such a language end the
    URL if they follow Latin letters; after a slash they are part of the path.
    """
    end = _URL_END.search(text, match.end())
    assert end is not None
    run = text[match.start() : end.start()]
    prefix = match.end() - match.start()  # length of "https://" or "www."
    host = re.search(r"[/?#]|$", run[prefix:])
    assert host is not None
    path = prefix + host.start()
    for index in range(prefix, len(run)):
        if index < path:
            if _host_ends(run[prefix:path], index - prefix):
                return index
        elif _path_ends(run, index):
            return index
    return len(run)


def _host_ends(host: str, index: int) -> bool:
    """Whether the host ends before `index`. The part before `index` must be a complete host."""
    char, last = host[index], host[index - 1]
    stop = char in "。｡"
    if not stop and not (_WIDE.match(char) and (_LATIN.match(last) or last in ".]")):
        return False
    if "." not in host[:index].rstrip(".") and ":" not in host[:index]:
        return False
    if stop:
        return True
    # "shop.example.中国" is a host; in "shop.example.com.谢谢" the last dot ends a sentence.
    word = _WIDE_WORD.match(host, index)
    assert word is not None
    return last != "." or not (host[word.end() :] or word[0] in _WIDE_DOMAINS)


def _path_ends(run: str, index: int) -> bool:
    char = run[index]
    if char in "。｡":
        return True
    if not _WIDE.match(char):
        return False
    last, before = run[index - 1], run[index - 2]
    if last in ".,;:!'":
        return bool(_LATIN.match(before)) or last in ",;!"
    return bool(_LATIN.match(last)) or last in ")]"


def _strip_sentence(raw: str) -> str:
    """Strips the sentence's punctuation: `https://a.example/b).` ends at `b`. A bracket that was opened in the URL stays."""
    while raw:
        last = raw[-1]
        opening = _PAIRS.get(last)
        if last in _TRAILING or (opening is not None and raw.count(last) > raw.count(opening)):
            raw = raw[:-1]
        else:
            break
    return raw


# --- targets -----------------------------------------------------------------------------------------

_PORTS = {"http": 80, "https": 443}
_SAFE = "!$%&'()*+,-./:;=?@[]_~#"  # after the host; `%` is not escaped, because it may begin an escape


class BadTarget(ValueError):
    """Not a valid target of a short link; the message says why."""


def normal_target(raw: str) -> str:
    """The URL as browsers read it. Raises `BadTarget`.

    Hosts in other scripts become punycode, which reveals look-alikes; unusual spellings of IP addresses become the usual
    one; a user name is refused, because people take it for the host.
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
    except ValueError:
        raise BadTarget("The address cannot be read.") from None
    if parts.scheme not in _PORTS:
        raise BadTarget("Only addresses that begin with http:// or https:// can be shortened.")
    if "@" in parts.netloc:
        raise BadTarget("The address has a user name in it, which reads like another site's name.")
    try:
        where = addresses.host(parts.netloc, parts.hostname or "")
    except addresses.BadAddress as bad:
        raise BadTarget(str(bad)) from None
    if port is not None and port != _PORTS[parts.scheme]:
        where += f":{port}"
    path = parts.path or "/"
    if parts.query:
        path += "?" + parts.query
    if parts.fragment:
        path += "#" + parts.fragment
    target = f"{parts.scheme}://{where}{quote(path, safe=_SAFE)}"
    if len(target) > MAX_TARGET:
        raise BadTarget(f"The address is longer than {MAX_TARGET} characters.")
    return target


def is_own(target: str, public_url: str, domain: str) -> bool:
    """Whether a normalized target is one of our short links, which would redirect in a circle (U6).

    That is everything on the links' domain, and paths below /l on the server itself.
    """
    host, path = _host_and_path(target)
    if domain and host == domain:
        return True
    first = path.replace("\\", "/").lstrip("/").split("/")
    return host == _host_and_path(normal_target(public_url))[0] and "l" in first[:-1]


def _host_and_path(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port
    path = unquote(unquote(parts.path))
    return (f"{host}:{port}" if port else host), path


# --- codes --------------------------------------------------------------------------------------------


def code_from(entropy: bytes) -> str | None:
    """Eight base62 characters, all equally likely, because bytes from 248 on are skipped. None: too few bytes are left."""
    usable = [ALPHABET[byte % 62] for byte in entropy if byte < 248]
    return "".join(usable[:CODE_LENGTH]) if len(usable) >= CODE_LENGTH else None


def code_in(path: str) -> str | None:
    """The code at the start of a path below /l/. None: there is no code, or more than the end of a sentence follows it."""
    code, after = path[:CODE_LENGTH], path[CODE_LENGTH:]
    return code if CODE.fullmatch(code) and _TRAILING_TEXT.fullmatch(after) else None


def link_prefix(public_url: str, domain: str) -> str:
    """The part of a short link before its code."""
    return f"{public_url.partition('://')[0]}://{domain}/" if domain else f"{public_url}/l/"


def shortable(text: str, public_url: str, domain: str) -> list[tuple[FoundUrl, str]]:
    """The URLs of a text that become short links, with their targets; leaves out invalid targets and our own short links.
    `agents_ui/src/messaging/links.ts` does the same for the preview."""
    urls_and_targets = []
    for url in find_urls(text):
        try:
            target = normal_target(url.raw)
        except BadTarget:
            continue
        if not is_own(target, public_url, domain):
            urls_and_targets.append((url, target))
    return urls_and_targets


# --- who clicked ----------------------------------------------------------------------------------------

# User agents of programs: previews of messengers, crawlers, scanners, libraries. Not "Cubot", which makes phones.
_BOT_AGENTS = re.compile(
    r"(?<!cu)bot\b|crawl|spider|slurp|preview|scan|fetch|monitor|probe|check(er)?\b|headless|phantom|selenium|puppeteer|playwright"
    r"|facebookexternalhit|facebot|whatsapp|telegram|skypeuri|google-(safety|read|inspection)|googleimageproxy|feedfetcher"
    r"|proofpoint|mimecast|barracuda|symantec|forcepoint|trendmicro|zscaler|fortinet|virustotal|urlscan|safelinks|cloudmark"
    r"|curl/|wget|python|aiohttp|httpx|okhttp|java/|jakarta|apache-http|go-http|libwww|axios|node-fetch|undici|node/|ruby/|perl/|php/|guzzle|postman|insomnia"
    r"|twilio|link-?expander|embedly|iframely|cfnetwork",
    re.IGNORECASE,
)


def is_bot(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a program followed the link. `headers`: by lower-case name.

    Requests by programs are HEAD, a prefetch, without a user agent, or for something other than a page.
    """
    if method != "GET":
        return True
    ahead = " ".join(headers.get(name, "") for name in ("purpose", "sec-purpose", "x-purpose", "x-moz")).lower()
    if any(word in ahead for word in ("prefetch", "prerender", "preview")):
        return True
    agent = headers.get("user-agent", "").strip()
    if not agent or _BOT_AGENTS.search(agent[:2000]):
        return True
    if headers.get("sec-fetch-dest", "document") not in ("document", "iframe"):
        return True
    return "text/html" not in headers.get("accept", "") or "accept-language" not in headers


def log_text(text: str) -> str:
    """A header for the click log: printable characters only, cut off at `MAX_LOGGED` (U8)."""
    return "".join(char for char in text[: MAX_LOGGED * 2] if char.isprintable())[:MAX_LOGGED]


def log_referrer(text: str) -> str:
    """The referrer for the click log, without query and fragment, which may be private."""
    return log_text(text.partition("#")[0].partition("?")[0])
