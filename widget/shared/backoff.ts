export const FIRST_MS = 500
export const LONGEST_MS = 30_000

/** How long to wait before attempt `n` (from 0): doubling, with full jitter, so that clients do not all return at once after a restart. */
export const backoffMs = (n: number, random = Math.random()): number =>
  Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(n, 16)) * random

/** Close codes after which a retry cannot help: signed out, forbidden, this page is too old. */
export const FINAL_CODES: readonly number[] = [4401, 4403, 4426]
