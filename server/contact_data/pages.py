"""Serves the page that a confirmation mail opens: a question and a button. Opening it confirms nothing, because programs
that scan mail open every link (CON-9)."""

from __future__ import annotations

import json
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from server.contact_data.texts import PAGE
from server.kernel.context import App
from server.web import pages
from server.webchat.settings import WIDGET

_HTML = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style nonce="{nonce}">
:root {{ color-scheme: light dark; }}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; font: 1.125rem/1.5 system-ui, sans-serif;
  background: light-dark(#f4f4f6, #17181c); color: light-dark(#1b1c20, #ececf0); }}
main {{ max-width: 28rem; margin: 1rem; padding: 2rem; border-radius: 1rem; text-align: center;
  background: light-dark(#fff, #24262c); }}
h1 {{ font-size: 1.375rem; margin: 0 0 0.75rem; overflow-wrap: anywhere; }}
p {{ margin: 0 0 1.5rem; overflow-wrap: anywhere; }}
button {{ font: inherit; font-weight: 600; padding: 0.75rem 1.5rem; border: 0; border-radius: 0.5rem; cursor: pointer;
  background: light-dark(#1b1c20, #ececf0); color: light-dark(#fff, #17181c); }}
button:focus-visible {{ outline: 3px solid #4c8bf5; outline-offset: 3px; }}
button[disabled] {{ opacity: 0.6; cursor: default; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p id="words" role="status">{question}</p>
<button id="confirm" type="button">{button}</button>
</main>
<script nonce="{nonce}">
const texts = {texts}, words = document.getElementById('words'), button = document.getElementById('confirm')
button.addEventListener('click', async () => {{
  button.disabled = true
  let status = 0
  try {{
    const answer = await fetch('/confirm', {{ method: 'POST', headers: {{ 'content-type': 'application/json' }},
      body: JSON.stringify({{ token: location.hash.slice(1) }}) }})
    status = answer.status
  }} catch {{}}
  if (status === 200 || status === 404 || status === 422) {{
    words.textContent = status === 200 ? texts.done : texts.expired
    button.hidden = true
  }} else {{
    words.textContent = texts.failed
    button.disabled = false
  }}
}})
</script>
</body>
</html>
"""


def language_of(header: str) -> str:
    """The first of our languages that the browser asks for; "en" if there is none."""
    for part in header.split(",")[:20]:
        language = part.strip()[:2].lower()
        if language in PAGE:
            return language
    return "en"


def routes(app: App) -> list[BaseRoute]:
    async def confirm(request: Request) -> Response:
        nonce = app.ids.token(16)
        language = language_of(request.headers.get("accept-language", ""))
        texts = PAGE[language]
        brand = (await WIDGET.cached(app).get()).brand
        # "<" cannot end the script: it is escaped.
        spoken = {"done": texts.done, "expired": texts.expired, "failed": texts.failed}
        html = _HTML.format(
            language=language,
            nonce=nonce,
            title=escape(texts.title),
            question=escape(texts.question.format(brand=brand)),
            button=escape(texts.button),
            texts=json.dumps(spoken, ensure_ascii=False).replace("<", "\\u003c"),
        )
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
            "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )
        headers = {
            **pages.COMMON,
            "content-security-policy": policy,
            "cache-control": "no-store",
            "referrer-policy": "no-referrer",
        }
        return HTMLResponse(html, headers=headers)

    return [Route("/confirm", confirm, methods=["GET"])]
