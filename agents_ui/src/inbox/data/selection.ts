/** The tickets of the list that are chosen for a bulk action. */
import { create } from 'zustand'
import type { TicketOut } from '../../generated/protocol'

/** What one request takes. */
export const MOST_CHOSEN = 500

interface Selection {
  ids: ReadonlySet<number>
  /** The ticket chosen last, where a range begins. */
  from: number | null
}

const NOTHING: Selection = { ids: new Set(), from: null }

export const useSelection = create<Selection>(() => NOTHING)

export const clearSelection = () => useSelection.setState(NOTHING)

export const chooseOnly = (rows: readonly TicketOut[]) =>
  useSelection.setState({ ids: new Set(rows.slice(0, MOST_CHOSEN).map(({ id }) => id)), from: null })

/** Chooses a ticket or takes it back. `range`: chooses all rows between the ticket chosen last and this one. */
export function choose(rows: readonly TicketOut[], id: number, range: boolean): void {
  const { ids, from } = useSelection.getState()
  const next = new Set(ids)
  const [a, b] = [from, id].map((end) => rows.findIndex((row) => row.id === end)) as [number, number]
  if (range && a >= 0 && b >= 0)
    for (const row of rows.slice(Math.min(a, b), Math.max(a, b) + 1)) next.add(row.id)
  else if (!next.delete(id)) next.add(id)
  if (next.size <= MOST_CHOSEN) useSelection.setState({ ids: next, from: id })
}
