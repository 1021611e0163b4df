/** The tickets of the list that are chosen for a bulk action. */
import { create } from 'zustand'
import type { TicketOut } from '../../generated/protocol'

/** The most tickets that one request may contain. */
export const MOST_CHOSEN = 500

interface Selection {
  ids: ReadonlySet<number>
  /** The ticket selected last, where a range begins. */
  from: number | null
}

const NOTHING: Selection = { ids: new Set(), from: null }

export const useSelection = create<Selection>(() => NOTHING)

export const clearSelection = () => useSelection.setState(NOTHING)

export const chooseOnly = (rows: readonly TicketOut[]) =>
  useSelection.setState({ ids: new Set(rows.slice(0, MOST_CHOSEN).map(({ id }) => id)), from: null })

/** Selects or deselects a ticket. `range`: selects all rows between the ticket selected last and this one. */
export function choose(rows: readonly TicketOut[], id: number, range: boolean): void {
  const { ids, from } = useSelection.getState()
  const next = new Set(ids)
  const [a, b] = [from, id].map((end) => rows.findIndex((row) => row.id === end)) as [number, number]
  if (range && a >= 0 && b >= 0)
    for (const row of rows.slice(Math.min(a, b), Math.max(a, b) + 1)) next.add(row.id)
  else if (!next.delete(id)) next.add(id)
  if (next.size <= MOST_CHOSEN) useSelection.setState({ ids: next, from: id })
}
