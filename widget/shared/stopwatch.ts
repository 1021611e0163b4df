/**
 * Milliseconds since the start: the larger of two clocks. The wall clock may be set back, and `performance.now()` stops in Chrome on
 * macOS and Linux while the laptop sleeps.
 */
export function stopwatch(): () => number {
  const ticks = performance.now()
  const wall = Date.now()
  return () => Math.max(performance.now() - ticks, Date.now() - wall)
}
