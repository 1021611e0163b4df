"""The text of a campaign, and how it is composed for one person. Pure except for the models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from server.campaigns import compliance
from server.kernel.documents import input_error
from server.links import rules as links
from server.receipts.deciding import Composed
from server.text import clean_text

if TYPE_CHECKING:
    from server.templates.sandbox import Template

SAMPLE_CODE = "0" * links.CODE_LENGTH  # a short link's code in previews: as long as a real one (CAM-24)


class Content(BaseModel):
    """`text`: a template of `templates.sandbox`. `opt_out_text` and `contact_text`: "": the usual wording."""

    model_config = ConfigDict(extra="ignore", strict=True)

    text: str = Field("", max_length=4_000)
    prefix: bool = True
    opt_out: bool = True
    contact: bool = False
    opt_out_text: str = Field("", max_length=160)
    contact_text: str = Field("", max_length=160)
    shorten_links: bool = True  # CAM-25

    @field_validator("text", "opt_out_text", "contact_text")
    @classmethod
    def _clean(cls, value: str) -> str:
        return clean_text(value).strip()

    @field_validator("opt_out_text")
    @classmethod
    def _names_stop(cls, value: str) -> str:
        if value and "stop" not in value.casefold():
            raise input_error("opt_out_without_stop", "The opt-out wording must contain STOP.")
        return value


class Composer:
    """Composes the text of one campaign. `new_code`: makes the code of a short link.

    The order is prefix, text, contact information, opt-out wording.
    """

    def __init__(
        self,
        content: Content,
        template: Template,
        brand: str,
        contact: str,
        base: str,
        domain: str,
        new_code: Callable[[], str],
    ) -> None:
        """`brand`: of the prefix. `contact`: contact information without `content.contact_text`. `base`, `domain`: of
        short links."""
        self._content, self._template, self._brand = content, template, brand
        self._contact = content.contact_text or contact
        self._base, self._domain, self._new_code = base, domain, new_code

    def __call__(self, values: Mapping[str, Any], country: str) -> Composed:
        """Raises `TemplateError` if a variable without a default has no value."""
        content = self._content
        text = self._template.render(values).strip()
        codes: list[tuple[str, str]] = []
        if content.shorten_links:
            text, codes = self._shorten(text)
        parts = [text]
        if self._brand and (content.prefix or country in compliance.PREFIX_MANDATORY):
            parts[0] = f"{self._brand}: {text}"
        if content.contact and self._contact:
            parts.append(self._contact)
        if content.opt_out:
            parts.append(content.opt_out_text or compliance.opt_out(country, str(values.get("language", ""))))
        return Composed("\n".join(parts), tuple(codes))

    def _shorten(self, text: str) -> tuple[str, list[tuple[str, str]]]:
        start = links.link_prefix(self._base, self._domain)
        codes: dict[str, str] = {}
        parts, position = [], 0
        for url, target in links.shortable(text, self._base, self._domain):
            if target not in codes:
                codes[target] = self._new_code()
            parts += [text[position : url.start], start, codes[target]]
            position = url.end
        return "".join([*parts, text[position:]]), [(code, target) for target, code in codes.items()]


def missing_compliance(content: Content, countries: Mapping[str, int], brand: str) -> dict[str, list[str]]:
    """What is switched off although countries of recipients require it: the part → the countries (CAM-27)."""
    off = {
        "prefix": not content.prefix or not brand,
        "opt_out": not content.opt_out,
        "contact": not content.contact,
    }
    return {
        part: needing
        for part, is_off in off.items()
        if is_off and (needing := sorted(compliance.REQUIRED_IN[part] & countries.keys()))
    }
