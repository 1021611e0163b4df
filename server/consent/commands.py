"""Commands that verify the ledger and export the evidence for one message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from server.consent import chain, proof
from server.errors import NotFound
from server.kernel.context import App


async def verify(app: App, report: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
    """`proof.Verified` as JSON, from one snapshot; the running server keeps working."""
    verified: proof.Verified = await app.read_slowly(proof.verify, app.key(chain.PURPOSE))
    return verified.wire()


async def evidence(app: App, outbound: int) -> dict[str, Any]:
    """The evidence for one message, as JSON. Raises `NotFound`."""
    exported: dict[str, Any] | None = await app.read_slowly(proof.evidence, app.key(chain.PURPOSE), outbound)
    if exported is None:
        raise NotFound("There is no message with this number.")
    return exported
