/** Keeps the list's rows in place on the screen while rows arrive above them. */
import { type RefObject, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import type { TicketOut } from '../../generated/protocol'
import { usePrefs } from '../../kernel/prefs'
import { ROW_REM } from '../../ui/theme'
import type { Filter } from '../address'

const AT_TOP_PX = 30
const NONE: ReadonlySet<number> = new Set()

/** A row's height in px, by the person's density and their browser's font size. */
export function useRowHeight(): number {
  const rem = ROW_REM[usePrefs((state) => state.density)]
  return useMemo(() => rem * (parseFloat(getComputedStyle(document.documentElement).fontSize) || 16), [rem])
}

/**
 * `rows`: how many rows the first visible ticket with an unchanged `rev` has moved down. `fresh`: the tickets that
 * appeared or moved above it. Pure.
 */
export function shift(
  before: readonly TicketOut[],
  after: readonly TicketOut[],
  firstVisible: number,
): { rows: number; newAbove: number[] } {
  const placeById = new Map(after.map((row, index) => [row.id, { index, rev: row.rev }]))
  for (let i = firstVisible; i < before.length; i++) {
    const newPlace = placeById.get(before[i]!.id)
    if (!newPlace || newPlace.rev !== before[i]!.rev) continue
    const revs = new Map(before.slice(0, i).map((row) => [row.id, row.rev]))
    const newAbove = after
      .slice(0, newPlace.index)
      .filter((row) => revs.get(row.id) !== row.rev)
      .map((row) => row.id)
    return { rows: newPlace.index - i, newAbove }
  }
  return { rows: 0, newAbove: [] }
}

export function useListAnchor(
  box: RefObject<HTMLDivElement | null>,
  rows: readonly TicketOut[],
  filter: Filter,
  height: number,
): { newAbove: number; toTop: () => void } {
  const [newAbove, setFresh] = useState<ReadonlySet<number>>(NONE)
  const lastRows = useRef(rows)
  const filterName = JSON.stringify(filter)
  const shownFilter = useRef(filterName)

  useLayoutEffect(() => {
    const element = box.current
    const before = lastRows.current
    lastRows.current = rows
    if (!element || before === rows) return
    if (shownFilter.current !== filterName) {
      shownFilter.current = filterName
      element.scrollTop = 0
      setFresh(NONE)
      return
    }
    if (element.scrollTop <= AT_TOP_PX) return
    const moved = shift(before, rows, Math.floor(element.scrollTop / height))
    if (moved.rows) element.scrollTop += moved.rows * height
    if (moved.newAbove.length > 0 && filter.sort === 'newest')
      setFresh((earlier) => new Set([...earlier, ...moved.newAbove]))
  }, [box, rows, filterName, filter.sort, height])

  useEffect(() => {
    const element = box.current
    if (!element) return
    const clearAtTop = () => element.scrollTop <= AT_TOP_PX && setFresh(NONE)
    element.addEventListener('scroll', clearAtTop, { passive: true })
    return () => element.removeEventListener('scroll', clearAtTop)
  }, [box])

  const toTop = useCallback(() => {
    box.current?.scrollTo({ top: 0, behavior: 'smooth' })
    setFresh(NONE)
  }, [box])
  return { newAbove: newAbove.size, toTop }
}
