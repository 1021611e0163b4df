/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

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
