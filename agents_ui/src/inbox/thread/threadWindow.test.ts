import { describe, expect, it } from 'vitest'
import { dice } from '../../testing/made'
import { rowAt, shownAt, starts } from './threadWindow'

describe('the rows of a long thread that are drawn', () => {
  it('are the rows in and near the view; empty space replaces the others', () => {
    const begins = starts(Array.from({ length: 100 }, () => 50))
    expect(shownAt(begins, 1_000, 200, 100)).toEqual({ start: 18, end: 27, above: 900, below: 3_650 })
    expect(shownAt(begins, 0, 200, 0)).toEqual({ start: 0, end: 5, above: 0, below: 4_750 })
  })

  it('are the last rows when the view is beyond the end, for example after a long row was removed', () => {
    const begins = starts([50, 50, 50])
    expect(shownAt(begins, 9_000, 100, 0)).toEqual({ start: 1, end: 3, above: 50, below: 0 })
    expect(shownAt(begins, 0, 500, 0)).toEqual({ start: 0, end: 3, above: 0, below: 0 })
    expect(shownAt(starts([]), 0, 500, 0)).toEqual({ start: 0, end: 0, above: 0, below: 0 })
  })

  it.each(Array.from({ length: 40 }, (_, seed) => seed))(
    'cover the view for rows of any height (%i)',
    (seed) => {
      const random = dice(seed)
      const heights = Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * 400))
      const begins = starts(heights)
      const total = begins.at(-1)!
      for (let step = 0; step < 30; step++) {
        const [view, margin] = [100 + random() * 900, random() * 1_000]
        const top = random() * Math.max(0, total - view)
        const { start, end, above, below } = shownAt(begins, top, view, margin)
        const drawn = heights.slice(start, end).reduce((sum, height) => sum + height, 0)
        expect(above + drawn + below).toBe(total)
        expect(above).toBeLessThanOrEqual(top)
        expect(above + drawn).toBeGreaterThanOrEqual(Math.min(total, top + view))
        const row = rowAt(begins, top)
        if (heights.length) expect(begins[row]! <= top && row < heights.length).toBe(true)
      }
    },
  )
})
