/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

/**
 * `index`: place in the list, from 0.
 */
export interface BadEventOut {
  code: string
  field: string
  index: number
  message: string
}
export interface EventOut {
  currency: string | null
  data: {
    [k: string]: unknown
  }
  happened_at: string
  id: number
  metric: string
  source: string
  value: string | null
}
/**
 * `after`: the cursor of the next page; null on the last one.
 */
export interface Events {
  after: string | null
  events: EventOut[]
}
/**
 * Each event is checked on its own, so that a bad one does not affect the others.
 */
export interface EventsBody {
  events: unknown[]
}
export interface Retention {
  events_days: number | null
  reports_days: number | null
  version: string
}
export interface RetentionBody {
  events_days?: number | null
  reports_days?: number | null
  version?: string | null
}
/**
 * Other contacts with the same e-mail address or phone number as the `contact` that got the event.
 */
export interface Shared {
  contact: number
  index: number
  others: number[]
}
/**
 * `stored`: new events. `repeated`: events whose key was stored before.
 */
export interface StoredEvents {
  errors: BadEventOut[]
  repeated: number
  shared: Shared[]
  stored: number
}
