"""Settings of short links: their domain (CAM-26)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from server.kernel.documents import Document, input_error
from server.links import rules


class LinkSettings(BaseModel):
    """`domain`: a separate domain that points to this server, with links like `/CODE`. Empty: `/l/CODE` on this server."""

    model_config = ConfigDict(extra="ignore")

    domain: str = Field("", max_length=253)

    @field_validator("domain")
    @classmethod
    def _domain(cls, value: str) -> str:
        return normal_domain(value)


def normal_domain(value: str) -> str:
    """`go.brand.example` (and a port, where there is one) from what an owner types. Raises `input_error`."""
    value = value.strip()
    if not value:
        return ""
    if "://" not in value:
        value = "https://" + value
    try:
        target = rules.normal_target(value)
    except rules.BadTarget:
        target = ""
    host, slash, path = target.partition("://")[2].partition("/")
    if not host or not slash or path:
        raise input_error("bad_domain", f"{value[:60]!r} is not a domain. Enter it like go.brand.example.")
    return host


LINKS = Document("links", LinkSettings)
