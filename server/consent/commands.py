"""Consent from the command line: is the ledger as it was written, and what proves one message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from server.consent import chain, proof
from server.errors import NotFound
from server.kernel.context import App


async def verify(app: App, report: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
    """`proof.Verified` as JSON. Reads everything in one snapshot, beside the running server's work."""
    found: proof.Verified = await app.read_slowly(proof.verify, app.key(chain.PURPOSE))
    return found.wire()


async def evidence(app: App, outbound: int) -> dict[str, Any]:
    """Why this message could be sent, as JSON."""
    found: dict[str, Any] | None = await app.read_slowly(proof.evidence, app.key(chain.PURPOSE), outbound)
    if found is None:
        raise NotFound("There is no message of this number.")
    return found
