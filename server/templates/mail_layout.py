"""Writes a mail as text and HTML from one source: a subject, paragraphs, perhaps a button, and small notes.

Each part is a template of `sandbox`. It is rendered once as text and once as HTML, so that both say the same. The HTML
loads nothing from the network, and its styles are in its elements, because many mail programs ignore style sheets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    import css_inline

BLACK, WHITE = "#000000", "#ffffff"


@dataclass(frozen=True, slots=True)
class MailText:
    """The source of a mail. `paragraphs` follow the title, which is the subject unless it is given; `notes` end the mail."""

    subject: str
    paragraphs: Sequence[str]
    button: str = ""
    notes: Sequence[str] = ()
    title: str = ""
    link_hint: str = ""  # before the button's address, for programs that show no buttons


@dataclass(frozen=True, slots=True)
class Look:
    """The brand's appearance. `color`: "#rrggbb". `language`: of the text."""

    brand: str
    color: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Written:
    subject: str
    text: str
    html: str


def write(source: MailText, values: Mapping[str, Any], look: Look, url: str = "") -> Written:
    """The mail. `url`: where the button leads. Raises `sandbox.TemplateError`."""
    from server.templates import sandbox

    values = {**values, "brand": look.brand}

    def as_text(template: str) -> str:
        return sandbox.parse(template, html=False).render(values)

    def as_html(template: str) -> Markup:
        html = sandbox.parse(template, html=True, text=True).render(values).strip()
        return Markup(html.replace("\n", "<br>"))  # noqa: S704 - the sandbox escaped it

    title = source.title or source.subject
    subject = as_text(source.subject)
    has_button = bool(source.button and url)
    text = [as_text(title), *map(as_text, source.paragraphs)]
    if has_button:
        text.append(f"{as_text(source.button)}:\n{url}")
    text += [*map(as_text, source.notes), f"-- \n{look.brand}"]
    return Written(
        subject=" ".join(subject.split()),
        text="\n\n".join(part.strip() for part in text) + "\n",
        html=_html(
            look,
            subject=subject,
            title=as_html(title),
            paragraphs=[as_html(paragraph) for paragraph in source.paragraphs],
            button=(as_html(source.button), url) if has_button else None,
            link_hint=as_html(source.link_hint) if has_button and source.link_hint else None,
            notes=[as_html(note) for note in source.notes],
        ),
    )


def _html(
    look: Look,
    *,
    subject: str,
    title: Markup,
    paragraphs: Sequence[Markup],
    button: tuple[Markup, str] | None,
    link_hint: Markup | None,
    notes: Sequence[Markup],
) -> str:
    parts = [Markup("<h1>{}</h1>").format(title)]
    parts += [Markup("<p>{}</p>").format(paragraph) for paragraph in paragraphs]
    if button is not None:
        label, url = button
        parts.append(Markup('<p class="action"><a class="button" href="{}">{}</a></p>').format(url, label))
    small = [Markup("<p>{}</p>").format(note) for note in notes]
    if button is not None and link_hint is not None:
        small.insert(
            0, Markup('<p>{}<br><a class="plain" href="{}">{}</a></p>').format(link_hint, button[1], button[1])
        )
    initial = look.brand.strip()[:1].upper()
    page = _PAGE.format(
        language=look.language,
        subject=subject,
        brand=look.brand,
        initial=initial,
        parts=Markup("\n").join(parts),
        small=Markup("\n").join(small),
    )
    styles = _STYLES.replace("BRAND", look.color).replace("ON_COLOR", text_on(look.color))
    return _inliner().inline(str(page).replace("<style></style>", f"<style>{styles}</style>", 1))


@cache
def _inliner() -> css_inline.CSSInliner:
    import css_inline

    # The media query for dark screens cannot be inlined and stays.
    return css_inline.CSSInliner(keep_style_tags=False, keep_at_rules=True, load_remote_stylesheets=False)


def text_on(color: str) -> str:
    """White, or black if white is hard to read on `color`."""
    return WHITE if _contrast(color, WHITE) >= 4.5 else BLACK


def _contrast(one: str, other: str) -> float:
    """(L1 + 0.05) / (L2 + 0.05). Source: WCAG 2.2, relative luminance."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    channels = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


_PAGE = Markup("""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{subject}</title>
<style></style>
</head>
<body class="page">
<table role="presentation" class="outer" width="100%" cellpadding="0" cellspacing="0" border="0"><tr><td align="center" class="margin">
<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0" border="0"><tr><td class="inside">
<p class="brand"><span class="mark" aria-hidden="true">{initial}</span> <span class="name">{brand}</span></p>
{parts}
<div class="small">
{small}
</div>
</td></tr></table>
</td></tr></table>
</body>
</html>
""")

_STYLES = """
.page { margin: 0; padding: 0; background-color: #f3f4f6; }
.outer { background-color: #f3f4f6; }
.margin { padding: 24px 12px; }
.card { max-width: 560px; background-color: #ffffff; border-radius: 12px; border-collapse: separate; }
.inside { padding: 32px 28px 24px; font-family: -apple-system, "Segoe UI", Roboto, "Noto Sans", "Apple SD Gothic Neo", "Malgun Gothic", Arial, sans-serif; font-size: 16px; line-height: 1.5; color: #1f2328; text-align: left; word-break: break-word; }
.brand { margin: 0 0 28px; font-weight: 600; }
.mark { display: inline-block; width: 28px; height: 28px; margin-right: 6px; line-height: 28px; text-align: center; border-radius: 8px; background-color: BRAND; color: ON_COLOR; }
h1 { margin: 0 0 12px; font-size: 22px; line-height: 1.3; font-weight: 650; }
p { margin: 0 0 16px; }
.action { margin: 24px 0 28px; }
.button { display: inline-block; padding: 12px 22px; border-radius: 8px; background-color: BRAND; color: ON_COLOR; font-weight: 600; text-decoration: none; }
.small { padding-top: 16px; border-top: 1px solid #e4e7eb; font-size: 13px; color: #57606a; }
.small p { margin: 0 0 10px; }
.plain { color: #57606a; text-decoration: underline; word-break: break-all; }
@media (prefers-color-scheme: dark) {
  .page, .outer { background-color: #15171a !important; }
  .card { background-color: #1f2226 !important; }
  .inside { color: #e6e8eb !important; }
  .small { color: #a3aab3 !important; border-color: #383d44 !important; }
  .plain { color: #a3aab3 !important; }
}
"""
