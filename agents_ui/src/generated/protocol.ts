/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

export type VisitorIn = Hello | Say | Typing | Seen | End | Introduce | Moved | Ping
export type AgentIn = Hello | Open | Leave | Typing | Seen | Ping
export type Out =
  Ready | EntryFrame | TicketFrame | Counts | PresenceFrame | TypingFrame | Refused | Reset | Bye | Pong

/**
 * Who wrote an entry. `name` is as it was when written.
 */
export interface Author {
  id: number | null
  name: string
  type: 'visitor' | 'contact' | 'agent' | 'system'
}
/**
 * Where a visitor's client stands: the thread's public token and the last public seq it holds.
 */
export interface Bookmark {
  after: number
  thread: string
}
/**
 * The server is about to close; reconnect after `after` seconds (plus jitter), or not at all if null.
 */
export interface Bye {
  after: number | null
  code: string
  type: 'bye'
}
export interface ContactBrief {
  email: string | null
  id: number
  name: string
  phone: string | null
  phone_shown: string | null
  verified: boolean
}
/**
 * Badge numbers for the rail (INB-34).
 */
export interface Counts {
  open: number
  type: 'counts'
  unread: number
}
/**
 * Visitor: end this chat (INB-24).
 */
export interface End {
  id: string
  type: 'end'
}
/**
 * One timeline entry. `thread` is the id (agents) or the public token (visitors).
 */
export interface EntryFrame {
  entry: EntryOut
  thread: number | string
  type: 'entry'
}
/**
 * One row of a thread's timeline (DESIGN 5).
 *
 * `seq` is dense: per thread for agents, per thread and public for visitors. `ref` points to the
 * earlier seq that this entry changes (`seen`: everything up to it; the others: that one).
 * `data` by kind: message {origin: chat|welcome|sms|auto|keyword|opt_in, files?: [File], and of SMS outbound?: id,
 * segments?, mms?, keyword?: stop|start|help|confirm|subscribe, media_hidden?: how many files are not shown};
 * status {to: open|closed|snoozed, by: visitor|agent|system|contact}, for agents also {to: closing|kept_open}: a held
 * close began or was called off, which no screen need draw; assigned {user: id|null, user_name};
 * contact {email?, name?, signed_in?}; seen {by: visitor|agent}; delivery {state: accepted|sent|delivered|undelivered|
 * failed|unknown|skipped, outbound, code?, words?, can_retry?}; consent {purpose, status, method, paused?};
 * media {files: [File]}: the message's files, fetched from the carrier meanwhile.
 */
export interface EntryOut {
  at: string
  author: Author
  data: {
    [k: string]: unknown
  }
  key: string | null
  kind:
    | 'message'
    | 'note'
    | 'status'
    | 'assigned'
    | 'seen'
    | 'contact'
    | 'delivery'
    | 'consent'
    | 'media'
    | 'redacted'
  ref: number | null
  seq: number
  text: string
}
/**
 * An attachment as it stands in an entry. Fetch it from `/files/{token}` with the same credentials.
 */
export interface File {
  height: number | null
  name: string
  size: number
  token: string
  type: string
  width: number | null
}
/**
 * First frame on every socket, within 10 s. Agents need only `version`.
 */
export interface Hello {
  bookmark?: Bookmark | null
  identity?: string | null
  page?: Page | null
  token?: string | null
  type: 'hello'
  version: number
}
/**
 * What the widget tells about the page it stands on; shown to agents as inert text.
 */
export interface Page {
  locale?: string
  referrer?: string
  time_zone?: string
  title?: string
  url?: string
}
/**
 * Visitor: an unverified name or e-mail; it identifies nobody (IDN-1).
 */
export interface Introduce {
  email?: string | null
  id: string
  name?: string | null
  type: 'introduce'
}
/**
 * Agent: stop following a thread.
 */
export interface Leave {
  thread: number
  type: 'leave'
}
/**
 * Visitor: the host page changed.
 */
export interface Moved {
  page: Page
  type: 'page'
}
/**
 * Agent: follow a thread from `after` (the last seq held; 0 sends nothing but a `reset` if far behind).
 *
 * `looking`: before somebody's eyes; false for a window in the background, of which colleagues are told nothing.
 */
export interface Open {
  after: number
  looking?: boolean
  thread: number
  type: 'open'
}
/**
 * Every 20 s from every client; a socket that is silent for 40 s is closed.
 */
export interface Ping {
  type: 'ping'
}
export interface Pong {
  type: 'pong'
}
/**
 * Agents: is the thread's visitor there (`thread`), is a colleague there (`user`), or does a colleague look at
 * a thread that one has open (both; named again every 20 s, forgotten after 45). Visitors: is somebody of the team
 * there.
 */
export interface PresenceFrame {
  online: boolean
  thread: number | null
  type: 'presence'
  user: number | null
}
/**
 * Answer to `hello`. For visitors: the token to keep, and the thread they stand in, if any.
 *
 * `thread` null = nothing is stored yet. `ended` = that chat is closed, the next `say` starts a new one.
 */
export interface Ready {
  config: WidgetConfig | null
  ended: boolean
  known_email: boolean
  last_seq: number
  now: string
  online: boolean
  team_seen: number
  thread: string | null
  token: string | null
  type: 'ready'
  user: number | null
  version: number
}
/**
 * What the widget needs to draw itself.
 */
export interface WidgetConfig {
  ask_email: boolean
  brand: string
  color: string
  language: string
  position: 'right' | 'left'
  privacy_url: string
  signed_in_only: boolean
  terms_url: string
  visitor_files: boolean
  welcome: string
}
/**
 * A frame was not accepted; the connection and the draft stay. `id` is the frame's key where it had one.
 */
export interface Refused {
  code: string
  id: string | null
  message: string
  retry_after: number | null
  type: 'refused'
}
/**
 * Too far behind or an unknown bookmark: drop what you hold of this thread and fetch it again.
 *
 * Visitors get the newest entries right after it; agents ask HTTP for the newest page and `open` again.
 */
export interface Reset {
  thread: number | string | null
  type: 'reset'
}
/**
 * Visitor: one message. `id` is the client's key: repeating it is safe, changing its body is a conflict.
 */
export interface Say {
  files?: string[]
  id: string
  text: string
  type: 'say'
}
/**
 * Read up to and with `seq` (visitor: public seq; agents name the thread).
 */
export interface Seen {
  seq: number
  thread?: number | null
  type: 'seen'
}
export interface TicketFrame {
  ticket: TicketOut
  type: 'ticket'
}
/**
 * A ticket's current summary: state, not delta. Keep the one with the highest `rev`.
 */
export interface TicketOut {
  assignee: number | null
  barred:
    | (
        | 'not_subscribed'
        | 'opted_out'
        | 'taken_off'
        | 'unreachable'
        | 'deactivated'
        | 'litigator'
        | 'no_sender'
      )
    | null
  channel: 'webchat' | 'sms'
  closed_at: string | null
  closing_at: string | null
  contact: ContactBrief
  id: number
  last_message_at: string
  last_seq: number
  online: boolean
  opened_at: string
  peer: string | null
  preview: string
  preview_by: 'visitor' | 'contact' | 'agent' | 'system'
  rev: number
  sender: string | null
  snoozed_until: string | null
  status: 'open' | 'snoozed' | 'closed'
  stop_asked: boolean
  thread: number
  unread: boolean
  visitor_seen: number
  waiting_since: string | null
}
/**
 * Someone is typing (agents name the thread). Coalesced to one in 3 s, never stored.
 */
export interface Typing {
  thread?: number | null
  type: 'typing'
}
/**
 * Show typing dots for 5 s. To visitors without the agent's id.
 */
export interface TypingFrame {
  author: Author
  thread: number | string
  type: 'typing'
}
