/** The ticket list on the screen and every summary we know, kept live. */
import { create } from 'zustand'
import { useSession } from '../accounts/session'
import type { TicketOut } from '../generated/protocol'
import { api, query } from '../kernel/api'
import type { TicketPage } from '../kernel/contract'
import { setCounts, useLive } from '../live/store'
import { caughtUp, DEFAULT_FILTER, EMPTY_LIST, type Filter, place, type TicketList, withPage } from './list'

const PAGE = 50
/** After a reconnect so many rows are fetched again at most; further down one scrolls again. */
const REFRESH_ROWS = 300

interface TicketsState {
  filter: Filter
  list: TicketList
  phase: 'loading' | 'ready' | 'failed'
  paging: boolean
  byId: ReadonlyMap<number, TicketOut>
}

export const useTickets = create<TicketsState>(() => ({
  filter: DEFAULT_FILTER,
  list: EMPTY_LIST,
  phase: 'loading',
  paging: false,
  byId: new Map(),
}))

/** Lists seen before come back at once, and are then fetched again. */
const shelf = new Map<string, TicketList>()
let load = 0

const nameOf = (filter: Filter) => JSON.stringify([filter.status, filter.view, filter.channel, filter.sort])
const me = () => useSession.getState().user?.id ?? 0

function page(filter: Filter, cursor: string | null): Promise<TicketPage> {
  return api.get<TicketPage>(`/api/tickets${query({ ...filter, cursor, limit: PAGE })}`)
}

export function showList(filter: Filter): void {
  const state = useTickets.getState()
  if (state.phase !== 'loading' && nameOf(state.filter) === nameOf(filter)) return
  if (state.phase === 'ready') shelf.set(nameOf(state.filter), state.list)
  const kept = shelf.get(nameOf(filter))
  useTickets.setState({ filter, list: kept ?? EMPTY_LIST, phase: kept ? 'ready' : 'loading' })
  void refreshList()
}

/** Fetches the rows on the screen again, newest state first; what the socket brought meanwhile wins. */
export async function refreshList(): Promise<void> {
  const mine = ++load
  const { filter, list, byId } = useTickets.getState()
  const { unread, open } = useLive.getState()
  const wanted = Math.min(Math.max(list.rows.length, 1), REFRESH_ROWS)
  try {
    let fresh: TicketList = EMPTY_LIST
    do {
      const answer = await page(filter, fresh.cursor)
      if (mine !== load) return
      fresh = withPage(fresh, answer.tickets, answer.cursor)
      // What the socket counted meanwhile is newer.
      const counted = useLive.getState()
      if (counted.unread === unread && counted.open === open) setCounts(answer.counts)
    } while (fresh.cursor !== null && fresh.rows.length < wanted)
    show(fresh, byId, fresh.rows)
  } catch {
    if (mine === load && useTickets.getState().phase === 'loading') useTickets.setState({ phase: 'failed' })
  }
}

/** A list that came; `before`: every summary known when it was asked for. */
function show(list: TicketList, before: ReadonlyMap<number, TicketOut>, tickets: readonly TicketOut[]): void {
  const { filter, byId } = useTickets.getState()
  useTickets.setState({
    list: caughtUp(list, before, byId, filter, me()),
    phase: 'ready',
    byId: learnt(byId, tickets),
  })
}

export async function nextPage(): Promise<void> {
  const { filter, list, paging, byId } = useTickets.getState()
  if (paging || list.cursor === null) return
  const mine = load
  useTickets.setState({ paging: true })
  try {
    const answer = await page(filter, list.cursor)
    if (mine !== load) return
    show(withPage(useTickets.getState().list, answer.tickets, answer.cursor), byId, answer.tickets)
  } catch {
    // The next scroll asks again.
  } finally {
    useTickets.setState({ paging: false })
  }
}

/** A summary arrived, from the socket or as an answer. */
export function learn(ticket: TicketOut): void {
  const { byId, list, filter } = useTickets.getState()
  const known = byId.get(ticket.id)
  if (known && known.rev > ticket.rev) return
  shelf.clear()
  useTickets.setState({
    byId: learnt(byId, [ticket]),
    list: place(list, ticket, filter, me()),
  })
}

export function useTicket(id: number | null): TicketOut | null {
  return useTickets((state) => (id === null ? null : (state.byId.get(id) ?? null)))
}

export function forgetTickets(): void {
  load++
  shelf.clear()
  useTickets.setState({ list: EMPTY_LIST, phase: 'loading', byId: new Map() })
}

function learnt(
  byId: ReadonlyMap<number, TicketOut>,
  tickets: readonly TicketOut[],
): ReadonlyMap<number, TicketOut> {
  const next = new Map(byId)
  for (const ticket of tickets) {
    const known = next.get(ticket.id)
    if (!known || known.rev <= ticket.rev) next.set(ticket.id, ticket)
  }
  return next
}
