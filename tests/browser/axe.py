"""axe-core in a page or a frame, in light and in dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.async_api import Frame, Page

SCRIPT = Path(__file__).parents[2] / "agents_ui" / "node_modules" / "axe-core" / "axe.min.js"
# Mantine takes the scheme over by script, and colours may fade.
SETTLED = """async scheme => {
  const taken = () => [null, scheme].includes(document.documentElement.getAttribute('data-mantine-color-scheme'))
  while (!taken()) await new Promise(requestAnimationFrame)
  const moving = () => document.getAnimations().some(a => a.effect.getComputedTiming().endTime !== Infinity)
  for (let still = 0; still < 3; still = moving() ? 0 : still + 1) await new Promise(requestAnimationFrame)
}"""
RUN = "async () => (await axe.run(document, {resultTypes: ['violations'], iframes: false})).violations"


async def serious(where: Page | Frame) -> list[str]:
    """What is serious or critical, as sentences. Evaluated by the debugger, which no content policy stops."""
    page = where if isinstance(where, Page) else where.page
    if not await where.evaluate("'axe' in window"):
        await where.evaluate(SCRIPT.read_text())
    found: list[str] = []
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await where.evaluate(SETTLED, scheme)
        violations: list[dict[str, Any]] = await where.evaluate(RUN)
        for rule in violations:
            if rule["impact"] in ("serious", "critical"):
                found += [
                    f"{scheme}: {rule['id']}: {node['failureSummary']}: {node['html'][:200]}" for node in rule["nodes"]
                ]
    await page.emulate_media(color_scheme="light")
    return found
