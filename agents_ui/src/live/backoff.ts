export const FIRST_MS = 500
export const LONGEST_MS = 30_000

/** How long to wait before attempt `n` (from 0): doubling, with full jitter, so that a restart is not a stampede. */
export function backoffMs(n: number, random = Math.random()): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(n, 16)) * random
}

/** Close codes after which trying again cannot help. */
export const FINAL_CODES: ReadonlySet<number> = new Set([4401, 4403, 4426])
