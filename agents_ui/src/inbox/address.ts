/** Reads and writes the filter of the ticket list in the inbox's URL. Pure. */
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

function oneOf<T extends string>(values: readonly T[], value: unknown, fallback: T): T {
  return values.includes(value as T) ? (value as T) : fallback
}

/** An address names only what differs from the default filter; an unknown value means the default. */
export function filterOf(search: Record<string, unknown>): Partial<Filter> {
  const filter: Filter = {
    status: oneOf(STATUSES, search.status, DEFAULT_FILTER.status),
    view: oneOf(VIEWS, search.view, DEFAULT_FILTER.view),
    channel: oneOf(CHANNELS, search.channel, DEFAULT_FILTER.channel),
    sort: oneOf(SORTS, search.sort, DEFAULT_FILTER.sort),
  }
  return Object.fromEntries(
    Object.entries(filter).filter(([name, value]) => DEFAULT_FILTER[name as keyof Filter] !== value),
  )
}
