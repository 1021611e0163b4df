/** The ticket list: which tickets stand in it, and where. Pure. */
import type { TicketOut } from '../generated/protocol'

export const STATUSES = ['open', 'snoozed', 'closed'] as const
export const VIEWS = ['all', 'mine', 'unassigned'] as const
export const SORTS = ['newest', 'oldest', 'waiting'] as const
export const CHANNELS = ['', 'webchat', 'sms'] as const

export interface Filter {
  status: (typeof STATUSES)[number]
  view: (typeof VIEWS)[number]
  channel: (typeof CHANNELS)[number]
  sort: (typeof SORTS)[number]
}

export const DEFAULT_FILTER: Filter = { status: 'open', view: 'all', channel: '', sort: 'newest' }

export interface TicketList {
  /** In the order of the filter; gapless from the top. */
  readonly rows: readonly TicketOut[]
  /** Where the next page starts; null at the end. */
  readonly cursor: string | null
}

export const EMPTY_LIST: TicketList = { rows: [], cursor: null }

/** Whether a ticket stands in the list. One that is being closed has already left the open ones (INB-26). */
export function belongs(ticket: TicketOut, filter: Filter, me: number): boolean {
  const status = ticket.status === 'open' && ticket.closing_at ? 'closing' : ticket.status
  if (status !== filter.status) return false
  if (filter.channel && ticket.channel !== filter.channel) return false
  if (filter.view === 'mine') return ticket.assignee === me
  if (filter.view === 'unassigned') return ticket.assignee === null
  return true
}

/** Order of two tickets; ties by id, as on the server, so that pages fit together. */
export function compare(sort: Filter['sort'], a: TicketOut, b: TicketOut): number {
  if (sort === 'oldest') return order(a.last_message_at, b.last_message_at) || a.id - b.id
  if (sort === 'newest') return order(b.last_message_at, a.last_message_at) || b.id - a.id
  if (a.waiting_since !== null && b.waiting_since !== null)
    return order(a.waiting_since, b.waiting_since) || a.id - b.id
  if (a.waiting_since !== null) return -1
  if (b.waiting_since !== null) return 1
  return order(b.last_message_at, a.last_message_at) || b.id - a.id
}

/** A ticket changed: it appears, moves, stays or leaves. An older `rev` than the one held changes nothing. */
export function place(list: TicketList, ticket: TicketOut, filter: Filter, me: number): TicketList {
  const at = list.rows.findIndex((row) => row.id === ticket.id)
  if (at >= 0 && list.rows[at]!.rev > ticket.rev) return list
  const rest = at >= 0 ? list.rows.toSpliced(at, 1) : list.rows
  if (!belongs(ticket, filter, me)) return at >= 0 ? { ...list, rows: rest } : list
  const to = position(rest, ticket, filter.sort)
  // Behind the last row we hold there may be others that we do not hold yet: the next page brings it.
  if (to === rest.length && list.cursor !== null) return at >= 0 ? { ...list, rows: rest } : list
  return { ...list, rows: rest.toSpliced(to, 0, ticket) }
}

/** A page below the rows we hold. */
export function withPage(list: TicketList, tickets: readonly TicketOut[], cursor: string | null): TicketList {
  const held = new Set(list.rows.map((row) => row.id))
  return { rows: [...list.rows, ...tickets.filter((ticket) => !held.has(ticket.id))], cursor }
}

/**
 * A list whose page was on its way while the socket told of more: what changed meanwhile takes its place, also what the
 * page does not hold because it was read before. `before` and `now`: every summary known when the page was asked for, and when
 * it came.
 */
export function caughtUp(
  list: TicketList,
  before: ReadonlyMap<number, TicketOut>,
  now: ReadonlyMap<number, TicketOut>,
  filter: Filter,
  me: number,
): TicketList {
  let found = list
  for (const ticket of now.values())
    if (before.get(ticket.id) !== ticket) found = place(found, ticket, filter, me)
  return found
}

/** The ticket to go to when `id` leaves the list: the one below, else the one above. */
export function neighbour(list: TicketList, id: number): TicketOut | null {
  const at = list.rows.findIndex((row) => row.id === id)
  if (at < 0) return list.rows[0] ?? null
  return list.rows[at + 1] ?? list.rows[at - 1] ?? null
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
function order(a: string, b: string): number {
  return a === b ? 0 : Date.parse(a) - Date.parse(b) || (a < b ? -1 : 1)
}
