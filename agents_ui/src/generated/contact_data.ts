/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */
import type { Contact } from './contacts'

export interface ConfirmBody {
  token: string
}
/**
 * Each entry is checked on its own, so that a bad one does not affect the others.
 */
export interface ContactsBody {
  contacts: unknown[]
}
export interface EnteredContacts {
  created: number
  refused: number
  results: EntryResult[]
  updated: number
}
export interface EntryError {
  code: string
  field: string
  message: string
}
/**
 * `index`: place in the list, from 0. With an `error` nothing of the entry is stored. `others`: other contacts with the
 * same e-mail address or number.
 */
export interface EntryResult {
  consents: StatementResult[]
  contact: number | null
  created: boolean
  error: EntryError | null
  index: number
  lists: ListResult[]
  others: number[]
}
export interface EraseBody {
  confirm: string
}
/**
 * `confirm`: what the user must type. `contacts`: how many merged contacts are erased together. `remains`: what stays:
 * rows of the consent ledger without personal fields, hashes that keep the addresses suppressed, costs, the line of the audit
 * log, an empty row of the contact, and backups. `ledger_rows`, `numbers`, `emails`: how many.
 */
export interface ErasurePreview {
  confirm: string
  contact: number
  contacts: number
  emails: number
  ledger_rows: number
  numbers: number
  remains: ('ledger' | 'suppression' | 'credits' | 'audit' | 'empty_contact' | 'backups')[]
  removes: RemovedData
}
/**
 * A missing field is not changed, an empty text removes it.
 */
export interface IdentityBody {
  crm_id?: string | null
  email?: string | null
  language?: string | null
  name?: string | null
  phone?: string | null
}
export interface LiftBody {
  address: string
  channel: 'sms' | 'email'
  reason: string
}
/**
 * What became of one pasted line. `known`: the address was suppressed before. `repeated`: an earlier line has it.
 */
export interface LineResult {
  line: number
  result: 'added' | 'known' | 'repeated' | 'refused'
  text: string
}
/**
 * `asked`: the list has double opt-in, and the person joins by pressing the button of a mail. `no_email`: they cannot be
 * asked.
 */
export interface ListResult {
  list: number
  result: 'joined' | 'already' | 'asked' | 'no_email'
}
/**
 * `agreed`: the person agreed to marketing mail; then `reason` says how the user knows. `list`: a list to join.
 */
export interface QuickAddBody {
  agreed?: boolean
  email: string
  list?: number | null
  name?: string
  reason?: string
}
/**
 * `created` false: the person was a contact before. `list`: what became of the list; null: none was chosen.
 */
export interface QuickAdded {
  contact: Contact
  created: boolean
  list: ('joined' | 'already' | 'asked' | 'no_email') | null
}
/**
 * How much of each kind an erasure removes. `sent`: mails and texts to the person.
 */
export interface RemovedData {
  addresses: number
  conversations: number
  events: number
  files: number
  messages: number
  orders: number
  properties: number
  sent: number
  visitors: number
}
/**
 * The consents as they should be; those left out are not changed. `reason`: how the user knows.
 */
export interface SaveConsentsBody {
  consents: WantedConsent[]
  reason: string
}
/**
 * `status`: the consent's status now. `reason`: why the statement changed nothing; "recorded_before": it is a repetition.
 */
export interface StatementResult {
  applied: boolean
  purpose: string
  reason: ('older' | 'opted_out' | 'litigator' | 'same' | 'recorded_before') | null
  status: string | null
}
/**
 * `lines`: e-mail addresses as pasted, one in each line. `reason`: why, kept with each address.
 */
export interface SuppressBody {
  lines: string[]
  reason?: string
}
/**
 * `by`: the user who suppressed it. `contact`: who has the address now. `liftable`: false if only the owner of the number
 * can lift it, by texting START.
 */
export interface SuppressedAddress {
  address: string
  at: string
  by: string | null
  channel: 'sms' | 'email'
  contact: SuppressedPerson | null
  detail: string
  liftable: boolean
  reason: 'stop' | 'gateway' | 'agent' | 'deactivated' | 'invalid' | 'landline' | 'dead' | 'soft_bounces'
  source: string
}
/**
 * `count`: how many match, counted up to 10,000.
 */
export interface SuppressedAddresses {
  after: string | null
  before: string | null
  count: number
  suppressions: SuppressedAddress[]
}
export interface SuppressedNow {
  added: number
  known: number
  lines: LineResult[]
  refused: number
}
export interface SuppressedPerson {
  id: number
  name: string
}
export interface WantedConsent {
  purpose: string
  status: 'subscribed' | 'unsubscribed'
}
