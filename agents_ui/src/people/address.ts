/** Reads and writes the state of the table of contacts in the URL. Pure. */
import type { TableBody } from '../generated/people'

export type SortName = NonNullable<TableBody['sort']>
export const SORTS = ['created', 'name', 'email', 'added', 'opened', 'clicked'] as const

export interface TableState {
  q: string
  /** Named apart from the inbox's `sort`, because the router joins the types of all addresses. */
  order: SortName
  descending: boolean
  /** Also contacts without any address. */
  hidden: boolean
}

export const DEFAULT_TABLE: TableState = { q: '', order: 'created', descending: true, hidden: false }

/** An address names only what differs from the default; an unknown value means the default. */
export function tableSearchOf(search: Record<string, unknown>): Partial<TableState> {
  const order = SORTS.find((one) => one === search.order) ?? DEFAULT_TABLE.order
  const state: TableState = {
    q: typeof search.q === 'string' || typeof search.q === 'number' ? String(search.q).slice(0, 100) : '',
    order,
    descending: typeof search.descending === 'boolean' ? search.descending : true,
    hidden: search.hidden === true,
  }
  return Object.fromEntries(
    Object.entries(state).filter(([name, value]) => DEFAULT_TABLE[name as keyof TableState] !== value),
  )
}

/** The event that the page of a contact begins its timeline with. */
export function eventOf(search: Record<string, unknown>): { event?: number } {
  return typeof search.event === 'number' && search.event > 0 ? { event: search.event } : {}
}

/** The contact that the builder explains, and the filter that a new segment begins with. */
export function whyOf(search: Record<string, unknown>): { why?: number; preset?: string } {
  return {
    ...(typeof search.why === 'number' && search.why > 0 && { why: search.why }),
    ...(typeof search.preset === 'string' && { preset: search.preset.slice(0, 40) }),
  }
}
