/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

export type VisitorIn = Hello | Say | Typing | Seen | End | Introduce | Moved | Ping
export type AgentIn = Hello | Open | Leave | Typing | Seen | Ping
export type Out =
  | Ready
  | EntryFrame
  | TicketFrame
  | Counts
  | PresenceFrame
  | Changed
  | TypingFrame
  | Refused
  | Reset
  | Bye
  | Pong

/**
 * The author of an entry. `name` is the name at the time of writing.
 */
export interface Author {
  id?: number | null
  name: string
  type: 'visitor' | 'contact' | 'agent' | 'system' | 'flow' | 'import' | 'api_key'
}
/**
 * A visitor's position: the thread's public token and the last public seq that the client received.
 */
export interface Bookmark {
  after: number
  thread: string
}
/**
 * The server is about to close the socket. The client reconnects after `after` seconds plus jitter; if null, it
 * does not reconnect.
 */
export interface Bye {
  after: number | null
  code: string
  type: 'bye'
}
/**
 * For agents: data that HTTP responses contain has changed. `me`: your own account, perhaps your role; `team`: colleagues
 * and invitations; `tickets`: who can be answered, because our numbers changed; `notifications`: your own; `settings`:
 * those with this `name`, or perhaps any of them without one; `mails`: a contact whose thread you follow got its first
 * mail. Only roles that may read it receive it.
 */
export interface Changed {
  name:
    | (
        | 'inbox'
        | 'quick_replies'
        | 'widget'
        | 'hours'
        | 'identity'
        | 'sms'
        | 'senders'
        | 'keywords'
        | 'litigators'
        | 'links'
        | 'consents'
        | 'api_keys'
        | 'account'
        | 'mail'
        | 'dkim'
        | 'shop'
        | 'retention'
        | 'campaigns'
      )
    | null
  type: 'changed'
  what: 'me' | 'team' | 'tickets' | 'notifications' | 'mails' | 'settings'
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
 * A visitor ends the chat (INB-24).
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
 * One row of a thread's timeline.
 *
 * `seq` is dense: per thread for agents, per thread and public for visitors. `ref` points to the
 * earlier seq that this entry changes (`seen`: everything up to it; the others: that one).
 * `data` by kind: message {origin: chat|welcome|out_of_hours|sms|auto|keyword|opt_in, files?: [File], of out_of_hours
 * opens_at?: when the business hours begin again, and of SMS outbound?: id, segments?, mms?, keyword?: stop|start|help|confirm|subscribe, media_hidden?: how many files are not shown};
 * status {to: open|closed|snoozed, by: visitor|agent|system|contact}, for agents also {to: closing|kept_open}: a
 * delayed close began or was cancelled (screens need not show this), {until} of a snooze and {was: snoozed} of its end;
 * assigned {user: id|null, user_name};
 * contact {email?, name?, signed_in?}; seen {by: visitor|agent}; delivery {state: accepted|sent|delivered|undelivered|
 * failed|unknown|skipped, outbound, code?, words?, can_retry?}; consent {purpose, status, method, paused?};
 * media {files: [File]}: the message's files, fetched from the carrier meanwhile; mail {mail: kind, outbound, to,
 * line}, in a mail thread: `text` is the subject, `line` the first line of the mail.
 */
export interface EntryOut {
  at: string
  author: Author
  data: {
    [k: string]: unknown
  }
  key?: string | null
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
    | 'mail'
  ref?: number | null
  seq: number
  text: string
}
/**
 * A file of an entry. Clients fetch it from `/files/{token}` with their usual credentials.
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
 * The first frame on every socket, within 10 s. Agents need only `version`.
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
 * The page that embeds the widget, as the widget reports it; shown to agents as plain text.
 */
export interface Page {
  locale?: string
  referrer?: string
  time_zone?: string
  title?: string
  url?: string
}
/**
 * A visitor's unverified name or e-mail address, which identifies no contact (IDN-1).
 */
export interface Introduce {
  email?: string | null
  id: string
  name?: string | null
  type: 'introduce'
}
/**
 * An agent stops following a thread.
 */
export interface Leave {
  thread: number
  type: 'leave'
}
/**
 * A visitor moved to another page of the site.
 */
export interface Moved {
  page: Page
  type: 'page'
}
/**
 * An agent follows a thread from `after`, the last seq that the console has (0, or a seq too far behind, is
 * answered by a `reset`).
 *
 * `looking`: the window is in the foreground. A background window is not announced to colleagues.
 */
export interface Open {
  after: number
  looking?: boolean
  thread: number
  type: 'open'
}
/**
 * Sent by every client every 20 s; a socket that is silent for 40 s is closed.
 */
export interface Ping {
  type: 'ping'
}
export interface Pong {
  type: 'pong'
}
/**
 * For agents: the thread's visitor is online (`thread`), a colleague is online (`user`), or a colleague views a
 * thread that this agent has open (both fields; repeated every 20 s, expires after 45 s). For visitors: the team is
 * available; `opens_at` as in `ready`.
 */
export interface PresenceFrame {
  online: boolean
  opens_at?: string | null
  thread?: number | null
  type: 'presence'
  user?: number | null
}
/**
 * The answer to `hello`. For visitors: the token to keep, and their current thread.
 *
 * `thread` null: nothing is stored yet. `ended`: that chat is closed, and the next `say` begins a new one.
 */
export interface Ready {
  config: WidgetConfig | null
  ended: boolean
  known_email: boolean
  last_seq: number
  now: string
  online: boolean
  opens_at?: string | null
  team_seen: number
  thread: string | null
  token: string | null
  type: 'ready'
  user?: number | null
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
  scheme: 'visitor' | 'light' | 'dark' | 'page'
  signed_in_only: boolean
  terms_url: string
  visitor_files: boolean
  welcome: string
  welcome_away: string
}
/**
 * A frame was not accepted; the connection stays open and the draft is kept. `id` is the frame's client key, if it
 * has one.
 */
export interface Refused {
  code: string
  id?: string | null
  message: string
  retry_after?: number | null
  type: 'refused'
}
/**
 * The client is too far behind, or its bookmark is unknown: it drops the thread's entries and loads them again.
 *
 * Visitors get the newest entries right after this frame; agents load the newest page over HTTP and send `open` again.
 */
export interface Reset {
  thread: number | string | null
  type: 'reset'
}
/**
 * A visitor's message. `id` is the client key: a repeat is safe, and the same key with another text is a
 * conflict.
 */
export interface Say {
  files?: string[]
  id: string
  text: string
  type: 'say'
}
/**
 * Everything up to `seq` was read. A visitor sends the public seq; an agent names the thread.
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
 * The current summary of a ticket: its whole state, not a difference. Clients keep the one with the highest `rev`.
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
        | 'merged'
        | 'blocked'
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
  woken_for: number | null
}
/**
 * Somebody is typing; agents name the thread. Broadcast at most once in 3 s and never stored.
 */
export interface Typing {
  thread?: number | null
  type: 'typing'
}
/**
 * Clients show typing dots for 5 s. Visitors do not get the agent's id.
 */
export interface TypingFrame {
  author: Author
  thread: number | string
  type: 'typing'
}
