/** What the HTTP API answers, beside the frames (PROTOCOL.md 3). */
import type { ContactBrief, EntryOut, TicketOut } from '../generated/protocol'

export const ROLES = ['owner', 'admin', 'manager', 'analyst', 'coordinator', 'creator', 'support'] as const
export type Role = (typeof ROLES)[number]

/** Nobody makes a second owner (ROL-2). */
export const GIVEN_ROLES = ROLES.filter((role) => role !== 'owner')

export interface User {
  id: number
  name: string
  email?: string | null
  role: Role
  disabled: boolean
  away: boolean
  online: boolean
  created_at: string
}

export interface Session {
  setup_needed: boolean
  user: User | null
  capabilities: string[]
}

export interface SessionRow {
  id: number | string
  current: boolean
  created_at: string
  seen_at: string
  user_agent: string
  address: string
}

export interface Invite {
  id: number
  email: string
  role: Role
  expires_at: string
}

export interface TicketPage {
  tickets: TicketOut[]
  cursor: string | null
  counts: { unread: number; open: number }
}

export interface EntryPage {
  entries: EntryOut[]
  last_seq: number
  more: boolean
}

/** What writing to somebody by SMS takes. */
export interface SmsFacts {
  /** Theirs, as the carrier names it, and ours. */
  peer: string
  sender: string | null
  sender_shown: string | null
  /** ISO 3166, "" where the number tells none. */
  country: string
  /** Who else has this number (AMB-33). */
  others: ContactBrief[]
  paused: boolean
  suppressed: string | null
  /** Credits of a segment; of an MMS, null where none can be sent. */
  price: { sms: number; mms: number | null }
  /** A word that subscribes whoever texts it (KEY-10); null while there is none. */
  keyword: string | null
  /** What every short link begins with; null while links stay as they are. */
  link_start: string | null
}

export interface Details {
  contact: ContactBrief
  created_at: string
  page_url: string | null
  page_title: string | null
  referrer: string | null
  browser: string | null
  os: string | null
  device: string | null
  locale: string | null
  time_zone: string | null
  first_seen: string | null
  last_seen: string | null
  online: boolean
  maybe: ContactBrief[]
  /** Of an SMS ticket. */
  sms?: SmsFacts | null
  other_tickets: TicketOut[]
}

export interface DraftRow {
  ticket: number
  text: string
  mode: 'reply' | 'note'
  at: string
}

export interface Found {
  contacts: ContactBrief[]
  tickets: TicketOut[]
}

/** One thing that was said, found by its words. */
export interface Hit {
  ticket: TicketOut
  seq: number
  kind: string
  author: { type: string; name: string }
  at: string
  snippet: { text: string; hit: boolean }[]
}

export interface WidgetSettings {
  brand: string
  color: string
  position: 'right' | 'left'
  language: string
  welcome_on: boolean
  welcome: string
  ask_email: boolean
  privacy_url: string
  terms_url: string
  visitor_files: boolean
  signed_in_only: boolean
  sites: string[]
}

export interface Install {
  snippet: string
  base_url: string
  seen: { origin: string; page: string; first_seen: string; last_seen: string }[]
}

export interface Identity {
  secret: string
  previous_valid_until: string | null
}

export interface Finding {
  area: string
  state: 'ok' | 'warn' | 'fail'
  message: string
  advice: string
}

export interface Diagnosis {
  worst: Finding['state']
  version: string
  checked_at: string
  findings: Finding[]
}

export interface DeadJob {
  id: number
  kind: string
  attempts: number
  error: string | null
  created_at: string
  failed_at: string
}

export interface AuditLine {
  id: number
  at: string
  who: { id: number; name: string } | null
  action: string
  target: string
  whom: { id: number; name: string } | null
  /** As they are called now; `ticket` is their newest. */
  contact: (Omit<ContactBrief, 'verified'> & { ticket: number | null }) | null
  detail: Record<string, unknown>
  address: string
}

export interface AuditPage {
  lines: AuditLine[]
  before: number | null
}

export interface InboxSettings {
  shorten_links: boolean
  auto_response_on: boolean
  auto_response: string
  auto_response_to: 'non_consented' | 'all'
  show_media: { sms: boolean; webchat: boolean }
  unread_badge: boolean
}

export type KeywordMode = 'smart' | 'contains' | 'exact'

export interface SubscribeKeyword {
  word: string
  opt_in: 'single' | 'double'
  text: string
}

export interface KeywordText {
  country: string
  language: string
  kind: string
  text: string
}

export interface Keywords {
  mode: KeywordMode
  brand: string
  help_contact: string
  gateway: 'default' | 'advanced' | 'off'
  subscribe: SubscribeKeyword[]
  texts: KeywordText[]
  countries: { country: string; languages: string[]; editable: string[] }[]
  defaults: { language: string; texts: Record<string, string> }[]
}

export interface Consent {
  purpose: string
  name: string | null
  channel: string
  required: boolean
  status: 'subscribed' | 'unsubscribed' | 'never_subscribed'
  method: string | null
  source: string | null
  happened_at: string | null
  recorded_at: string | null
  paused_at: string | null
}

export const CONSENT_CHANNELS = ['general', 'email', 'sms'] as const
export type ConsentChannel = (typeof CONSENT_CHANNELS)[number]

/** A consent of the owner's own. `given`: how many people say yes to it now. */
export interface ConsentKind {
  id: number
  purpose: string
  name: string
  description: string
  channel: ConsentChannel
  required: boolean
  given: number
}

export interface ContactConsents {
  contact: number
  phone: string | null
  suppressed: { reason: string; at: string } | null
  barred: string | null
  consents: Consent[]
}

export interface Price {
  sms: number
  mms: number | null
}

export interface SmsAccount {
  on: boolean
  account_sid: string
  auth_token: { set: boolean }
  secondary_token: { set: boolean }
  shared_keys: string[]
  api_key: string
  api_secret: { set: boolean }
  messaging_service: string
  monthly_credits: number | null
  prices: Record<string, Price>
  list_prices: Record<string, Price>
  prices_checked_on: string
  paused_countries: Record<string, string>
  webhooks: { sms: string }
}

export const SENDER_KINDS = ['long_code', 'toll_free', 'short_code', 'alphanumeric'] as const
export type SenderKind = (typeof SENDER_KINDS)[number]

export interface Sender {
  id: number
  address: string
  /** As people read it. */
  shown: string
  kind: SenderKind
  country: string
  countries: string[]
  mms: boolean
  inbound: boolean
  rate: number
  enabled: boolean
  stopped: string | null
}

export interface Credits {
  /** 2026-11 */
  month: string
  used: number
  plan: number | null
  left: number | null
  by: { kind: string; country: string; messages: number; credits: number }[]
}
