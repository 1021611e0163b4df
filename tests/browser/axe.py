"""axe-core in a page or a frame, in light and in dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.async_api import Frame, Page

SCRIPT = Path(__file__).parents[2] / "agents_ui" / "node_modules" / "axe-core" / "axe.min.js"
# Waits for the colour scheme, which Mantine sets by script, and for colour transitions.
SETTLED = """async scheme => {
  const taken = () => [null, scheme].includes(document.documentElement.getAttribute('data-mantine-color-scheme'))
  while (!taken()) await new Promise(requestAnimationFrame)
  const moving = () => document.getAnimations().some(a => a.effect.getComputedTiming().endTime !== Infinity)
  for (let still = 0; still < 3; still = moving() ? 0 : still + 1) await new Promise(requestAnimationFrame)
}"""
RUN = "async () => (await axe.run(document, {resultTypes: ['violations'], iframes: false})).violations"


async def serious(where: Page | Frame) -> list[str]:
    """Serious and critical violations, as sentences. Uses the debugger, which ignores content security policies."""
    page = where if isinstance(where, Page) else where.page
    if not await where.evaluate("'axe' in window"):
        await where.evaluate(SCRIPT.read_text())
    results: list[str] = []
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await where.evaluate(SETTLED, scheme)
        violations: list[dict[str, Any]] = await where.evaluate(RUN)
        for rule in violations:
            if rule["impact"] in ("serious", "critical"):
                results += [
                    f"{scheme}: {rule['id']}: {node['failureSummary']}: {node['html'][:200]}" for node in rule["nodes"]
                ]
    await page.emulate_media(color_scheme="light")
    return results
