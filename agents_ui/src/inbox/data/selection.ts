/** The tickets that are chosen for a bulk action: some of the loaded ones, or all that match the list's filter. */
import { create } from 'zustand'
import type { BulkProgress } from '../../generated/inbox'
import type { TicketOut } from '../../generated/protocol'

/** The most tickets that one request may name. */
export const MOST_CHOSEN = 500

/** All tickets of the list, as they were counted at `asOf`, except some. */
export interface Matching {
  count: number
  asOf: string
  except: ReadonlySet<number>
}

interface Selection {
  ids: ReadonlySet<number>
  /** The ticket selected last, where a range begins. */
  from: number | null
  matching: Matching | null
}

const NOTHING: Selection = { ids: new Set(), from: null, matching: null }

export const useSelection = create<Selection>(() => NOTHING)

export const clearSelection = () => useSelection.setState(NOTHING)

export const chooseOnly = (rows: readonly TicketOut[]) =>
  useSelection.setState({ ...NOTHING, ids: new Set(rows.slice(0, MOST_CHOSEN).map(({ id }) => id)) })

/** Selects all tickets of the list, loaded or not. */
export const chooseMatching = (count: number, asOf: string) =>
  useSelection.setState({ ...NOTHING, matching: { count, asOf, except: new Set() } })

/** The chosen ones of the loaded rows. A ticket with a newer message than the count is not one of "all". */
export function chosenOf({ ids, matching }: Selection, rows: readonly TicketOut[]): readonly TicketOut[] {
  if (!matching) return ids.size === 0 ? [] : rows.filter(({ id }) => ids.has(id))
  const until = Date.parse(matching.asOf) + 1
  return rows.filter(({ id, last_message_at: at }) => !matching.except.has(id) && Date.parse(at) < until)
}

/** Selects or deselects a ticket. `range`: selects all rows between the ticket selected last and this one. */
export function choose(rows: readonly TicketOut[], id: number, range: boolean): void {
  const { ids, from, matching } = useSelection.getState()
  if (matching) {
    const except = new Set(matching.except)
    if (!except.delete(id) && except.size < MOST_CHOSEN) except.add(id)
    useSelection.setState({ matching: { ...matching, except }, from: id })
    return
  }
  const next = new Set(ids)
  const [a, b] = [from, id].map((end) => rows.findIndex((row) => row.id === end)) as [number, number]
  if (range && a >= 0 && b >= 0)
    for (const row of rows.slice(Math.min(a, b), Math.max(a, b) + 1)) next.add(row.id)
  else if (!next.delete(id)) next.add(id)
  if (next.size <= MOST_CHOSEN) useSelection.setState({ ids: next, from: id })
}

/** The action on all tickets of a list that runs now; null if none does. */
export const useBulkRun = create<{ run: BulkProgress | null }>(() => ({ run: null }))
