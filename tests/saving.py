"""Saves settings in tests: with the stored version, as the console does."""

from __future__ import annotations

from typing import Any

from tests.online import Agent, Answer


async def save(agent: Agent, path: str, settings: dict[str, Any]) -> Answer:
    """PUTs `settings` with the version from a GET."""
    stored = (await agent.get(path)).json()
    return await agent.send("PUT", path, {**settings, "version": stored.get("version")})
