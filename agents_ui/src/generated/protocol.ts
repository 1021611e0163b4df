/* Made from the server's models by `npm run types:generate`; do not edit. */

export interface Page {
  url?: string
  title?: string
  referrer?: string
  locale?: string
  time_zone?: string
}
export interface Bookmark {
  thread: string
  after: number
}
export interface Hello {
  type: 'hello'
  version: number
  token?: string | null
  identity?: string | null
  bookmark?: Bookmark | null
  page?: Page | null
}
export interface Open {
  type: 'open'
  thread: number
  after: number
}
export interface Leave {
  type: 'leave'
  thread: number
}
export interface Say {
  type: 'say'
  id: string
  text: string
  files?: string[]
}
export interface Typing {
  type: 'typing'
  thread?: number | null
}
export interface Seen {
  type: 'seen'
  seq: number
  thread?: number | null
}
export interface End {
  type: 'end'
  id: string
}
export interface Introduce {
  type: 'introduce'
  id: string
  email?: string | null
  name?: string | null
}
export interface Moved {
  type: 'page'
  page: Page
}
export interface Ping {
  type: 'ping'
}
export type VisitorIn = Hello | Say | Typing | Seen | End | Introduce | Moved | Ping
export type AgentIn = Hello | Open | Leave | Typing | Seen | Ping

export interface File {
  token: string
  name: string
  type: string
  size: number
  width: number | null
  height: number | null
}
export interface Author {
  type: 'visitor' | 'contact' | 'agent' | 'system'
  id: number | null
  name: string
}
export type EntryKind = 'message' | 'note' | 'status' | 'assigned' | 'seen' | 'contact' | 'redacted'
export interface EntryOut {
  seq: number
  kind: EntryKind
  author: Author
  text: string
  data: { [k: string]: unknown }
  ref: number | null
  key: string | null
  at: string
}
export interface WidgetConfig {
  brand: string
  color: string
  position: 'right' | 'left'
  language: string
  welcome: string
  ask_email: boolean
  privacy_url: string
  terms_url: string
  visitor_files: boolean
  signed_in_only: boolean
}
export interface Ready {
  type: 'ready'
  version: number
  now: string
  token: string | null
  thread: string | null
  last_seq: number
  team_seen: number
  ended: boolean
  known_email: boolean
  online: boolean
  config: WidgetConfig | null
  user: number | null
}
export interface EntryFrame {
  type: 'entry'
  thread: number | string
  entry: EntryOut
}
export interface ContactBrief {
  id: number
  name: string
  email: string | null
  phone: string | null
  verified: boolean
}
export interface TicketOut {
  id: number
  thread: number
  rev: number
  channel: 'webchat' | 'sms'
  status: 'open' | 'snoozed' | 'closed'
  unread: boolean
  contact: ContactBrief
  assignee: number | null
  preview: string
  preview_by: 'visitor' | 'contact' | 'agent' | 'system'
  last_message_at: string
  waiting_since: string | null
  snoozed_until: string | null
  closing_at: string | null
  opened_at: string
  closed_at: string | null
  last_seq: number
  visitor_seen: number
  online: boolean
}
export interface TicketFrame {
  type: 'ticket'
  ticket: TicketOut
}
export interface Counts {
  type: 'counts'
  unread: number
  open: number
}
export interface PresenceFrame {
  type: 'presence'
  thread: number | null
  user: number | null
  online: boolean
}
export interface TypingFrame {
  type: 'typing'
  thread: number | string
  author: Author
}
export interface Refused {
  type: 'refused'
  code: string
  message: string
  id: string | null
  retry_after: number | null
}
export interface Reset {
  type: 'reset'
  thread: number | string | null
}
export interface Bye {
  type: 'bye'
  code: string
  after: number | null
}
export interface Pong {
  type: 'pong'
}
export type Out =
  Ready | EntryFrame | TicketFrame | Counts | PresenceFrame | TypingFrame | Refused | Reset | Bye | Pong
