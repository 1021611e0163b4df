/** The ticket list: which tickets are in it, in which order. Pure. */
import type { TicketOut } from '../../generated/protocol'
import type { Filter } from '../address'

export interface TicketList {
  /** In the order of the filter; gapless from the top. */
  readonly rows: readonly TicketOut[]
  /** Where the next page starts; null at the end. */
  readonly cursor: string | null
}

export const EMPTY_LIST: TicketList = { rows: [], cursor: null }

/** Whether a ticket is in the list. One that is being closed has already left the open ones (INB-26). */
export function belongs(ticket: TicketOut, filter: Filter, me: number): boolean {
  const status = ticket.status === 'open' && ticket.closing_at ? 'closing' : ticket.status
  if (status !== filter.status) return false
  if (filter.channel && ticket.channel !== filter.channel) return false
  // Answered customers do not wait: the server leaves them out of this order, too.
  if (filter.sort === 'waiting' && ticket.waiting_since === null) return false
  if (filter.view === 'mine') return ticket.assignee === me
  if (filter.view === 'unassigned') return ticket.assignee === null
  return true
}

/** Order of two tickets; ties by id, as on the server, so that pages fit together. */
export function compare(sort: Filter['sort'], a: TicketOut, b: TicketOut): number {
  if (sort === 'oldest') return compareTimes(a.last_message_at, b.last_message_at) || a.id - b.id
  if (sort === 'newest') return compareTimes(b.last_message_at, a.last_message_at) || b.id - a.id
  if (a.waiting_since !== null && b.waiting_since !== null)
    return compareTimes(a.waiting_since, b.waiting_since) || a.id - b.id
  if (a.waiting_since !== null) return -1
  if (b.waiting_since !== null) return 1
  return compareTimes(b.last_message_at, a.last_message_at) || b.id - a.id
}

/** Applies a changed ticket: it appears, moves, stays or leaves. An older `rev` changes nothing. */
export function withTicket(list: TicketList, ticket: TicketOut, filter: Filter, me: number): TicketList {
  const at = list.rows.findIndex((row) => row.id === ticket.id)
  if (at >= 0 && list.rows[at]!.rev > ticket.rev) return list
  const others = at >= 0 ? list.rows.toSpliced(at, 1) : list.rows
  if (!belongs(ticket, filter, me)) return at >= 0 ? { ...list, rows: others } : list
  const to = position(others, ticket, filter.sort)
  // Below the last loaded row there may be rows that are not loaded yet, so the next page brings this one. */
  if (to === others.length && list.cursor !== null) return at >= 0 ? { ...list, rows: others } : list
  return { ...list, rows: others.toSpliced(to, 0, ticket) }
}

/** Appends a page below the loaded rows. */
export function withPage(list: TicketList, tickets: readonly TicketOut[], cursor: string | null): TicketList {
  const loadedIds = new Set(list.rows.map((row) => row.id))
  return { rows: [...list.rows, ...tickets.filter((ticket) => !loadedIds.has(ticket.id))], cursor }
}

/**
 * A fetched list with the changes that live frames brought while it was being fetched. `before` and `now`: every summary
 * known when the page was requested, and when it arrived.
 */
export function caughtUp(
  list: TicketList,
  before: ReadonlyMap<number, TicketOut>,
  now: ReadonlyMap<number, TicketOut>,
  filter: Filter,
  me: number,
): TicketList {
  let result = list
  for (const ticket of now.values())
    if (before.get(ticket.id) !== ticket) result = withTicket(result, ticket, filter, me)
  return result
}

/** The ticket to go to when `id` leaves the list: the one below, else the one above. */
export function neighbour(list: TicketList, id: number): TicketOut | null {
  const at = list.rows.findIndex((row) => row.id === id)
  if (at < 0) return list.rows[0] ?? null
  return list.rows[at + 1] ?? list.rows[at - 1] ?? null
}

/** The number of tickets in the list, if it is known. `open`: the number of all open tickets. */
export function countOf(filter: Filter, { rows, cursor }: TicketList, open: number): string {
  if (filter.status !== 'open') return ''
  const isWholeInbox = filter.view === 'all' && !filter.channel
  const count = isWholeInbox ? open : rows.length
  return count === 0 ? '' : `${count}${isWholeInbox || cursor === null ? '' : '+'}`
}

/** The row from which the keyboard moves: the focused one, else the open one; -1 if neither is in the list. */
export function keyboardRow(rows: readonly TicketOut[], focused: number | null, open: number | null): number {
  const find = (id: number | null) => rows.findIndex((row) => row.id === id)
  const at = find(focused)
  return at >= 0 ? at : find(open)
}

/** The row to go to. If the keyboard's row has left the list, counted from its former place (`before`). */
export function stepFrom(at: number, before: number, by: 1 | -1, count: number): number {
  const to = at >= 0 ? at + by : by > 0 ? before : before - 1
  return Math.min(count - 1, Math.max(0, to))
}

function position(rows: readonly TicketOut[], ticket: TicketOut, sort: Filter['sort']): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (compare(sort, rows[middle]!, ticket) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** RFC 3339 in UTC sorts as text only with equal precision; times are compared as times. */
function compareTimes(a: string, b: string): number {
  return a === b ? 0 : Date.parse(a) - Date.parse(b) || (a < b ? -1 : 1)
}
