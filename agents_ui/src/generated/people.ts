/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

/**
 * `search`: the beginning of a name or an e-mail address, or digits of a number. `hidden`: also contacts without any
 * address. `filter`: a tree of conditions, as segments have it.
 */
export interface CountBody {
  filter?: {
    [k: string]: unknown
  } | null
  hidden?: boolean
  search?: string
}
export interface DecisionBody {
  purpose: string
  status: 'subscribed' | 'unsubscribed'
}
/**
 * A missing field is not changed, an empty text removes it. `properties`: values by key, null removes one. `reason`:
 * needed with consents, how the agent knows of them.
 */
export interface EditBody {
  consents?: DecisionBody[]
  crm_id?: string | null
  email?: string | null
  language?: string | null
  name?: string | null
  phone?: string | null
  properties?: {
    [k: string]: unknown
  }
  reason?: string
}
export interface MembershipOut {
  id: number
  joined_at: string
  name: string
}
/**
 * `after`: the cursor of the next page; null on the last one. `as_of`: when the page was read.
 */
export interface People {
  after: string | null
  as_of: string
  people: PersonRow[]
}
export interface PeopleCount {
  count: number
}
/**
 * `consents`: status by purpose; a missing purpose was never asked. `properties`: values by the property's id.
 */
export interface PersonRow {
  blocked: boolean
  consents: {
    [k: string]: string
  }
  country: string
  created_at: string
  date_added: string | null
  email: string | null
  id: number
  language: string
  last_active: string | null
  last_click: string | null
  last_open: string | null
  name: string
  phone: string | null
  phone_shown: string | null
  properties: {
    [k: string]: unknown
  }
  verified: boolean
}
export interface PersonSuppression {
  address: string
  at: string
  channel: string
  detail: string
  reason: string
}
export interface PersonTicket {
  assignee: number | null
  channel: string
  id: number
  last_message_at: string
  preview: string
  status: 'open' | 'snoozed' | 'closed'
  unread: boolean
}
/**
 * `from_event`: the page begins with the event that was asked for.
 */
export interface PersonTimeline {
  after: string | null
  from_event: boolean
  items: TimelineItem[]
}
/**
 * The contact that remains of its merges. `tickets`: the newest 20, none for roles that may not open the inbox.
 */
export interface Profile {
  addresses: ProfileAddress[]
  blocked_at: string | null
  country: string
  created_at: string
  date_added: string | null
  email: string | null
  first_active: string | null
  guid: string
  id: number
  language: string
  last_active: string | null
  last_click: string | null
  last_open: string | null
  lists: MembershipOut[]
  name: string
  phone: string | null
  phone_shown: string | null
  properties: PropertyValueOut[]
  segments: MembershipOut[]
  suppressed: PersonSuppression[]
  tickets: PersonTicket[]
  time_zone: string
  verified: boolean
}
export interface ProfileAddress {
  kind: 'external' | 'shop' | 'crm' | 'email' | 'phone' | 'peer'
  shown: string
  value: string
  verified: boolean
}
/**
 * `value`: a text, a number as decimal text, true or false, a time, or a list of texts. Null: the contact has none.
 */
export interface PropertyValueOut {
  id: number
  key: string
  name: string
  type: 'text' | 'number' | 'boolean' | 'date' | 'list'
  value: string | boolean | string[] | null
}
/**
 * `properties`: the ids of properties that the rows are to have.
 */
export interface TableBody {
  after?: string
  descending?: boolean
  filter?: {
    [k: string]: unknown
  } | null
  hidden?: boolean
  limit?: number
  properties?: number[]
  search?: string
  sort?: 'created' | 'name' | 'email' | 'added' | 'opened' | 'clicked'
}
export interface TimelineAuthor {
  name: string
  type: string
}
/**
 * `kind`: an event's metric, "note", "merged" or "separated". `written` and `ticket` only for roles of the inbox.
 */
export interface TimelineItem {
  at: string
  currency: string | null
  data: {
    [k: string]: unknown
  }
  event: number | null
  key: string
  kind: string
  source: string
  ticket: number | null
  value: string | null
  written: WrittenOut | null
}
/**
 * `hidden`: the author is blocked, so the team sees nothing of it.
 */
export interface WrittenOut {
  author: TimelineAuthor
  files: number
  hidden: boolean
  text: string
}
