/** The ticket list on the screen and the loaded summaries, updated live. */
import { useEffect } from 'react'
import { create } from 'zustand'
import { useSession } from '../../kernel/session'
import type { TicketOut } from '../../generated/protocol'
import { api, query } from '../../kernel/api'
import type { TicketPage } from '../../generated/inbox'
import { setCounts, useLive } from '../../live/store'
import { caughtUp, EMPTY_LIST, type TicketList, withPage, withTicket } from './ticketLists'
import { DEFAULT_FILTER, type Filter } from '../address'

const PAGE = 50
/** The most rows that are fetched again after a reconnect; the agent scrolls for more. */
const REFRESH_ROWS = 300
/** Summaries kept beside the rows of the list; the least recently applied one is dropped first. */
const KEPT_TICKETS = 2_000
/** The number of lists that are cached. */
const KEPT_LISTS = 8

interface TicketsState {
  filter: Filter
  list: TicketList
  phase: 'loading' | 'ready' | 'failed'
  paging: boolean
  /** The most recently applied summaries, and the open ticket's. */
  byId: ReadonlyMap<number, TicketOut>
}

export const useTickets = create<TicketsState>(() => ({
  filter: DEFAULT_FILTER,
  list: EMPTY_LIST,
  phase: 'loading',
  paging: false,
  byId: new Map(),
}))

/** Lists shown before are drawn at once from here and then fetched again. */
const seenLists = new Map<string, TicketList>()
let loadNumber = 0
/** The open ticket: its summary is kept, however many others are applied. */
let openTicketId: number | null = null

const nameOf = (filter: Filter) => JSON.stringify([filter.status, filter.view, filter.channel, filter.sort])
const me = () => useSession.getState().user?.id ?? 0

function page(filter: Filter, cursor: string | null): Promise<TicketPage> {
  return api.get<TicketPage>(`/api/tickets${query({ ...filter, after: cursor, limit: PAGE })}`)
}

export function showList(filter: Filter): void {
  const state = useTickets.getState()
  if (state.phase !== 'loading' && nameOf(state.filter) === nameOf(filter)) return
  if (state.phase === 'ready') keepList(state.filter, state.list)
  const cached = seenLists.get(nameOf(filter))
  useTickets.setState({ filter, list: cached ?? EMPTY_LIST, phase: cached ? 'ready' : 'loading' })
  void refreshList()
}

/** A list scrolled far down is not kept: `refreshList` would cut it. */
function keepList(filter: Filter, list: TicketList): void {
  seenLists.delete(nameOf(filter))
  if (list.rows.length > REFRESH_ROWS) return
  seenLists.set(nameOf(filter), list)
  for (const name of [...seenLists.keys()].slice(0, -KEPT_LISTS)) seenLists.delete(name)
}

/** Fetches the loaded rows again; changes that live frames brought meanwhile win. */
export async function refreshList(): Promise<void> {
  const myLoad = ++loadNumber
  const { filter, list, byId } = useTickets.getState()
  const { unread, open } = useLive.getState()
  const rowCount = Math.min(Math.max(list.rows.length, 1), REFRESH_ROWS)
  try {
    let fetched: TicketList = EMPTY_LIST
    do {
      const answer = await page(filter, fetched.cursor)
      if (myLoad !== loadNumber) return
      fetched = withPage(fetched, answer.tickets, answer.after)
      // Counts that a frame brought while the list was being fetched are newer.
      const counted = useLive.getState()
      if (counted.unread === unread && counted.open === open) setCounts(answer.counts)
    } while (fetched.cursor !== null && fetched.rows.length < rowCount)
    showFetched(fetched, byId, fetched.rows)
  } catch {
    if (myLoad === loadNumber && useTickets.getState().phase === 'loading')
      useTickets.setState({ phase: 'failed' })
  }
}

/** Shows a fetched list; `before`: every summary known when it was requested. */
function showFetched(
  list: TicketList,
  before: ReadonlyMap<number, TicketOut>,
  tickets: readonly TicketOut[],
): void {
  const { filter, byId } = useTickets.getState()
  useTickets.setState({
    list: caughtUp(list, before, byId, filter, me()),
    phase: 'ready',
    byId: withSummaries(byId, tickets),
  })
}

export async function nextPage(): Promise<void> {
  const { filter, list, paging, byId } = useTickets.getState()
  if (paging || list.cursor === null) return
  const myLoad = loadNumber
  useTickets.setState({ paging: true })
  try {
    const answer = await page(filter, list.cursor)
    if (myLoad !== loadNumber) return
    showFetched(withPage(useTickets.getState().list, answer.tickets, answer.after), byId, answer.tickets)
  } catch {
    // The next scroll repeats the request.
  } finally {
    useTickets.setState({ paging: false })
  }
}

/** Applies a ticket summary from the socket or from a response. */
export function applySummary(ticket: TicketOut): void {
  const { byId, list, filter } = useTickets.getState()
  const current = byId.get(ticket.id)
  if (current && current.rev > ticket.rev) return
  seenLists.clear()
  useTickets.setState({
    byId: withSummaries(byId, [ticket]),
    list: withTicket(list, ticket, filter, me()),
  })
}

/** The open ticket, live. */
export function useTicket(id: number | null): TicketOut | null {
  useEffect(() => {
    openTicketId = id
    return () => void (openTicketId = null)
  }, [id])
  return useTickets((state) => (id === null ? null : (state.byId.get(id) ?? null)))
}

export function forgetTickets(): void {
  loadNumber++
  seenLists.clear()
  useTickets.setState({ list: EMPTY_LIST, phase: 'loading', byId: new Map() })
}

function withSummaries(
  byId: ReadonlyMap<number, TicketOut>,
  tickets: readonly TicketOut[],
): ReadonlyMap<number, TicketOut> {
  const next = new Map(byId)
  for (const ticket of tickets) {
    const current = next.get(ticket.id)
    if (current && current.rev > ticket.rev) continue
    // Most recently applied last.
    next.delete(ticket.id)
    next.set(ticket.id, ticket)
  }
  for (const id of next.keys()) {
    if (next.size <= KEPT_TICKETS) break
    if (id !== openTicketId) next.delete(id)
  }
  return next
}
