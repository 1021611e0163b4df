/** A list that does not jump: rows that arrive above what one reads move the scroll with them. */
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'
import type { TicketOut } from '../generated/protocol'
import type { Filter } from './list'

export const ROW_HEIGHT = 84
const AT_TOP_PX = 30
const NONE: ReadonlySet<number> = new Set()

/**
 * How far the scroll must move so that the first row in view that stands where it stood (same `rev`) stays
 * in place; and which tickets appeared or rose above it. Pure.
 */
export function shift(
  before: readonly TicketOut[],
  after: readonly TicketOut[],
  firstVisible: number,
): { rows: number; fresh: number[] } {
  const places = new Map(after.map((row, index) => [row.id, { index, rev: row.rev }]))
  for (let i = firstVisible; i < before.length; i++) {
    const now = places.get(before[i]!.id)
    if (!now || now.rev !== before[i]!.rev) continue
    const revs = new Map(before.slice(0, i).map((row) => [row.id, row.rev]))
    const fresh = after
      .slice(0, now.index)
      .filter((row) => revs.get(row.id) !== row.rev)
      .map((row) => row.id)
    return { rows: now.index - i, fresh }
  }
  return { rows: 0, fresh: [] }
}

export function useSteadyScroll(
  box: RefObject<HTMLDivElement | null>,
  rows: readonly TicketOut[],
  filter: Filter,
): { fresh: number; toTop: () => void } {
  const [fresh, setFresh] = useState<ReadonlySet<number>>(NONE)
  const held = useRef(rows)
  const name = JSON.stringify(filter)
  const shown = useRef(name)

  useLayoutEffect(() => {
    const element = box.current
    const before = held.current
    held.current = rows
    if (!element || before === rows) return
    if (shown.current !== name) {
      shown.current = name
      element.scrollTop = 0
      setFresh(NONE)
      return
    }
    if (element.scrollTop <= AT_TOP_PX) return
    const moved = shift(before, rows, Math.floor(element.scrollTop / ROW_HEIGHT))
    if (moved.rows) element.scrollTop += moved.rows * ROW_HEIGHT
    if (moved.fresh.length > 0 && filter.sort === 'newest')
      setFresh((earlier) => new Set([...earlier, ...moved.fresh]))
  }, [box, rows, name, filter.sort])

  useEffect(() => {
    const element = box.current
    if (!element) return
    const look = () => element.scrollTop <= AT_TOP_PX && setFresh(NONE)
    element.addEventListener('scroll', look, { passive: true })
    return () => element.removeEventListener('scroll', look)
  }, [box])

  const toTop = useCallback(() => {
    box.current?.scrollTo({ top: 0, behavior: 'smooth' })
    setFresh(NONE)
  }, [box])
  return { fresh: fresh.size, toTop }
}
