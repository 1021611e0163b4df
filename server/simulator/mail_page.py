"""The Mail page: the mails that the demo's mail server received, read from their bytes."""

from __future__ import annotations

import email.policy
from email import message_from_bytes
from email.message import EmailMessage
from email.utils import parseaddr
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from server.errors import Forbidden, NotFound
from server.kernel.clock import rfc3339
from server.kernel.context import App
from server.simulator.mail import Catcher, Caught
from server.simulator.page_handlers import serve_file, with_refusals

FILES = Path(__file__).parent
WAIT_S = 20.0  # how long a request may wait for a change
MAX_LINKS = 20
MAX_RAW = 300_000  # characters of the source that the page shows

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-cache",
}
# A mail's HTML: no script, no request to anywhere, not even to this server, and an origin of its own.
MAIL_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class MailPage:
    """Handlers of the page. Everything that they show is parsed from the received bytes."""

    def __init__(self, app: App, catcher: Catcher) -> None:
        self.app, self.catcher = app, catcher

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/mail", serve_file(FILES / "mail.html", "text/html", HEADERS), methods=["GET"]),
            Route("/mail/mail.js", serve_file(FILES / "mail.js", "text/javascript", HEADERS), methods=["GET"]),
            Route("/mail/mail.css", serve_file(FILES / "mail.css", "text/css", HEADERS), methods=["GET"]),
            Route("/mail/state", with_refusals(self.app, self.state), methods=["GET"]),
            Route("/mail/clear", with_refusals(self.app, self.clear), methods=["POST"]),
            Route("/mail/{id:int}", with_refusals(self.app, self.one), methods=["GET"]),
            Route("/mail/{id:int}/html", with_refusals(self.app, self.html), methods=["GET"]),
        ]

    async def state(self, request: Request) -> Response:
        """The list, newest first. With `after`, waits until the list's version is newer."""
        after = request.query_params.get("after", "")
        if after.isascii() and after.isdecimal() and len(after) < 16:
            await self.catcher.wait_for_change(int(after), WAIT_S)
        body = {
            "version": self.catcher.version,
            "console": self.app.settings.public_url,
            "mails": [_summary(caught) for caught in reversed(self.catcher.mails)],
        }
        return JSONResponse(body, headers={"cache-control": "no-store"})

    def _find(self, request: Request) -> Caught:
        caught = self.catcher.find(request.path_params["id"])
        if caught is None:
            raise NotFound()
        return caught

    async def one(self, request: Request) -> Response:
        """One mail: its text, links, headers and source."""
        caught = self._find(request)
        message = parse(caught)
        html = body_of(message, "html")
        body = {
            **_summary(caught),
            "text": body_of(message, "plain"),
            "html": bool(html),
            "links": links_in(html),
            "headers": [[name, str(value)] for name, value in message.items()],
            "raw": caught.content.decode("utf-8", "replace")[:MAX_RAW],
        }
        return JSONResponse(body, headers={"cache-control": "no-store"})

    async def html(self, request: Request) -> Response:
        """The HTML as it was received, for a frame without rights."""
        return HTMLResponse(body_of(parse(self._find(request)), "html"), headers=MAIL_HEADERS)

    async def clear(self, request: Request) -> Response:
        """Deletes all mails."""
        settings = self.app.settings
        if request.headers.get("origin") not in (settings.public_url, settings.demo_url):
            raise Forbidden("This request came from another site.", "cross_site")
        await self.catcher.clear()
        return JSONResponse({})


def parse(caught: Caught) -> EmailMessage:
    message = message_from_bytes(caught.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def body_of(message: EmailMessage, kind: str) -> str:
    """The text or HTML of a mail; "" if it has none or it cannot be decoded."""
    part = message.get_body((kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except (LookupError, ValueError):  # an unknown character set, or bytes that it does not allow
        return ""


def _summary(caught: Caught) -> dict[str, Any]:
    message = parse(caught)
    name, address = parseaddr(str(message["From"] or ""))
    return {
        "id": caught.id,
        "at": rfc3339(caught.at),
        "to": caught.recipient,
        "from": name or address,
        "subject": str(message["Subject"] or ""),
    }


class _Links(HTMLParser):
    """The addresses and labels of the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self._address, self._label = "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._address, self._label = dict(attrs).get("href") or "", ""

    def handle_data(self, data: str) -> None:
        self._label += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._address:
            self.links.append((self._address, " ".join(self._label.split())))
            self._address = ""


def links_in(html: str) -> list[dict[str, str]]:
    """The links to web pages, each address once: the frame of a mail cannot open them."""
    found = _Links()
    found.feed(html)
    labels: dict[str, str] = {}
    for address, label in found.links:
        if _scheme(address) in ("http", "https"):
            labels.setdefault(address, label)
    return [{"url": url, "label": label} for url, label in [*labels.items()][:MAX_LINKS]]


def _scheme(address: str) -> str | None:
    """The scheme of an address; None if it is not an address."""
    try:
        return urlsplit(address).scheme.lower()
    except ValueError:
        return None
