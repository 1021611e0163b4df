/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */
import type { Price } from './delivery'
import type { ContactBrief, EntryOut, TicketOut } from './protocol'
import type { ShowMedia, ShowMediaInput, TicketMail, TicketMailInput } from './sms'

export interface AssignBody {
  key: string
  user?: number | null
}
export interface Badge {
  open: number
  unread: number
}
export interface BlockedPeople {
  people: BlockedPerson[]
}
export interface BlockedPerson {
  blocked_at: string
  contact: ContactBrief
}
export interface BulkBody {
  action: 'close' | 'undo_close' | 'reopen' | 'snooze' | 'wake' | 'assign' | 'read' | 'unread'
  key: string
  tickets: ChosenTicket[]
  until?: string | null
  user?: number | null
}
/**
 * An action on all tickets of a list, or its undo: `done` of `total` tickets, with their results.
 */
export interface BulkProgress {
  action: string
  done: number
  id: number
  results: CodeCount[]
  state: 'running' | 'done' | 'undoing' | 'undone'
  total: number
}
/**
 * `code`: `done`, `unchanged` if the ticket already was so, or why it could not be changed.
 */
export interface BulkResult {
  code: string
  ticket: number
}
export interface BulkResults {
  results: BulkResult[]
}
export interface ChosenTicket {
  id: number
  seq?: number
}
/**
 * How many tickets had this result; codes as in `BulkResult`.
 */
export interface CodeCount {
  code: string
  count: number
}
export interface Colleague {
  id: number
  name: string
}
export interface Details {
  browser: string
  contact: ContactBrief
  created_at: string
  device: string
  episodes: Episode[]
  first_seen: string | null
  follow_up: FollowUp | null
  last_seen: string | null
  locale: string
  maybe: ContactBrief[]
  merged: boolean
  online: boolean
  os: string
  other_tickets: TicketOut[]
  page_title: string
  page_url: string
  referrer: string
  sms: SmsDetails | null
  time_zone: string
}
export interface Draft {
  at: string
  mode: 'reply' | 'note'
  rev: number
  text: string
  ticket: number
}
export interface DraftBody {
  mode?: 'reply' | 'note'
  rev: number
  text: string
}
export interface Drafts {
  drafts: Draft[]
}
/**
 * All entries from `first` to `last` except read marks, and later entries that refer to them.
 */
export interface EntryPage {
  entries: EntryOut[]
  first: number
  last: number
  last_seq: number
  more: boolean
  more_after: boolean
}
/**
 * A period in which the ticket was open. `assignee`: the assignee when it closed.
 */
export interface Episode {
  assignee: Colleague | null
  closed_at: string | null
  closed_by: Person | null
  first_reply_at: string | null
  first_reply_by: Colleague | null
  opened_at: string
  opened_by: Person
}
/**
 * A list of tickets. `waiting`: only tickets whose customer waits for an answer.
 */
export interface FilterBody {
  channel?: '' | 'webchat' | 'sms'
  status?: 'open' | 'snoozed' | 'closed'
  view?: 'all' | 'mine' | 'unassigned'
  waiting?: boolean
}
/**
 * The follow-up mail of a chat whose visitor left. `state`: `no_address`: there is no support address or mail server;
 * `no_email`: the visitor's address is unknown; `ready`: a reply would be mailed `minutes` later; `waiting`: a reply is
 * mailed at `at`; `sending`; `sent` at `at`; `failed`, `words` says why; `unknown`: perhaps sent at `at`. `to`: the
 * masked address.
 */
export interface FollowUp {
  at: string | null
  minutes: number
  state: 'no_address' | 'no_email' | 'ready' | 'waiting' | 'sending' | 'sent' | 'failed' | 'unknown'
  to: string
  words: string
}
export interface Found {
  contacts: ContactBrief[]
  tickets: TicketOut[]
}
export interface Hit {
  at: string
  author: Speaker
  kind: string
  seq: number
  snippet: Piece[]
  ticket: TicketOut
}
/**
 * `version`: of the settings that the change is based on.
 */
export interface InboxBody {
  auto_response?: string
  auto_response_on?: boolean
  auto_response_to?: 'non_consented' | 'all'
  follow_up_minutes?: number
  quick_replies_webchat?: boolean
  shorten_links?: boolean
  show_media?: ShowMediaInput
  support_from?: string
  support_name?: string
  support_reply_to?: string
  ticket_mail?: TicketMailInput
  unread_badge?: boolean
  version?: string | null
  welcome?: string
  welcome_away?: string
  welcome_on?: boolean
}
/**
 * The draft after a write. `kept` false: the write was based on an older revision, and this is the newer draft.
 */
export interface KeptDraft {
  draft: Draft
  kept: boolean
}
export interface Keyed {
  key: string
}
/**
 * The mail threads of a contact: one for each of the contacts that were merged.
 */
export interface MailThreads {
  threads: number[]
}
/**
 * `as_of`: when the agent saw the list; tickets with a newer message are not changed. `except_`: tickets to leave out.
 */
export interface MatchingBody {
  action: 'close' | 'reopen' | 'snooze' | 'assign' | 'read'
  as_of: string
  except?: number[]
  filter: FilterBody
  key: string
  until?: string | null
  user?: number | null
}
export interface NoteBody {
  draft?: number | null
  files?: string[]
  key: string
  reopen?: boolean
  text: string
}
export interface OneQuickReply {
  quick_reply: VersionedReply
}
export interface OneTicket {
  ticket: TicketOut
}
export interface OptOutBody {
  confirm: boolean
  key: string
}
/**
 * The author of an action: an agent with id and name, or the customer or the system without them.
 */
export interface Person {
  id: number | null
  name: string | null
  type: 'visitor' | 'contact' | 'agent' | 'system'
}
export interface Piece {
  hit: boolean
  text: string
}
/**
 * `brand`: what the variable of this name is filled with. `webchat`: whether web chat offers quick replies, too.
 */
export interface QuickReplies {
  brand: string
  quick_replies: VersionedReply[]
  webchat: boolean
}
/**
 * `shortcut`: what agents type after "/"; unique without regard to case.
 */
export interface QuickReply {
  shortcut: string
  text: string
}
export interface ReadBody {
  rev?: number | null
  seq: number
}
export interface ReplyBody {
  draft?: number | null
  files?: string[]
  key: string
  reopen?: boolean
  text: string
}
/**
 * `version`: of the quick reply that the change is based on.
 */
export interface ReplyChange {
  shortcut: string
  text: string
  version?: string | null
}
export interface SearchHits {
  after: string | null
  hits: Hit[]
}
/**
 * The panel of an SMS thread. `others`: contacts with the same number, possible duplicates (AMB-33).
 */
export interface SmsDetails {
  country: string
  keyword: string | null
  link_start: string | null
  others: ContactBrief[]
  paused: boolean
  peer: string
  price: Price
  sender: string | null
  sender_shown: string | null
  sms_marketing: string
  sms_transactional: string
  suppressed: string | null
}
/**
 * `until`: later, tomorrow or week; a time with an offset; or a time on the clocks of the account's zone, such as
 * 2026-12-01T09:00.
 */
export interface SnoozeBody {
  key: string
  until: string
}
/**
 * `time_zone`: the account's, on whose clocks the times are.
 */
export interface SnoozeTimes {
  later: string
  time_zone: string
  tomorrow: string
  week: string
}
export interface Speaker {
  name: string
  type: 'visitor' | 'contact' | 'agent' | 'system' | 'flow' | 'import' | 'api_key'
}
export interface TicketAndDetails {
  details: Details
  ticket: TicketOut
}
/**
 * `as_of`: when they were counted.
 */
export interface TicketCount {
  as_of: string
  count: number
}
export interface TicketPage {
  after: string | null
  before: string | null
  counts: Badge
  tickets: TicketOut[]
}
export interface VersionedInbox {
  auto_response: string
  auto_response_on: boolean
  auto_response_to: 'non_consented' | 'all'
  follow_up_minutes: number
  free_mail: string[]
  quick_replies_webchat: boolean
  shorten_links: boolean
  show_media: ShowMedia
  support_from: string
  support_name: string
  support_reply_to: string
  ticket_mail: TicketMail
  unread_badge: boolean
  version: string
  welcome: string
  welcome_away: string
  welcome_on: boolean
}
export interface VersionedReply {
  id: number
  shortcut: string
  text: string
  version: string
}
export interface WakeBody {
  key: string
}
export interface Written {
  entry: EntryOut
  ticket: TicketOut
}
