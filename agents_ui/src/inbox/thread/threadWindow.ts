/** Which rows of a long thread are drawn: those in view and some around them. Pure. */
import type { Row } from './threadRows'

/** A row and the distance of its upper edge from the top of the view in pixels; or the end of the thread, at the bottom of the view. */
export type Place = { readonly key: string; readonly offset: number } | 'end'

export interface Shown {
  /** Index of the first rendered row, and of the first row after the last. */
  readonly start: number
  readonly end: number
  /** Estimated height of the rows above and below in pixels. */
  readonly above: number
  readonly below: number
}

/** Up to this number of rows all are rendered, so that the browser's search and screen readers find all of them. */
export const DRAWN_WHOLE = 150

const CHARS_A_LINE = 60
const LINE_PX = 21

/** The assumed height of a row that was not rendered yet. */
export function estimate(row: Row): number {
  if (row.kind === 'day') return 45
  if (row.kind === 'line') return 31
  if (row.kind === 'card') return 47
  if (row.kind === 'mail') return 70
  if (row.kind === 'hole') return 120
  const text = row.entry?.text ?? row.sending?.text ?? ''
  const lines = Math.min(40, Math.ceil(text.length / CHARS_A_LINE) || 1)
  return lines * LINE_PX + (row.first ? 30 : 19) + (row.last ? 20 : 0) + row.files.length * 180
}

/** The upper edge of each row, and at the end the lower edge of the last one. */
export function starts(heights: readonly number[]): readonly number[] {
  const edges = [0]
  for (const height of heights) edges.push(edges.at(-1)! + height)
  return edges
}

/** The row at this height: the last one that begins at or above it. */
export function rowAt(begins: readonly number[], at: number): number {
  let [low, high] = [0, Math.max(0, begins.length - 2)]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (begins[middle]! <= at) low = middle
    else high = middle - 1
  }
  return low
}

/** `top`: the height at which the view begins; `margin`: pixels to draw above and below the view. */
export function shownAt(begins: readonly number[], top: number, view: number, margin: number): Shown {
  const total = begins.at(-1)!
  const count = begins.length - 1
  const from = Math.min(Math.max(0, top), Math.max(0, total - view))
  const start = count ? rowAt(begins, from - margin) : 0
  const end = count ? rowAt(begins, from + view + margin) + 1 : 0
  return { start, end, above: begins[start]!, below: total - begins[end]! }
}
