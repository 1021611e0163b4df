/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

export const SENDER_KINDS = ['long_code', 'toll_free', 'short_code', 'alphanumeric'] as const
export type SenderKind = (typeof SENDER_KINDS)[number]

export interface Again {
  outbound: number
}
/**
 * `outbound`: the mail that the report is about; null if it names none. `suppressed`: its address gets no more mail.
 */
export interface BounceOut {
  outbound: number | null
  outcome: 'hard' | 'soft' | 'delayed' | 'delivered' | 'other'
  suppressed: boolean
}
export interface Credits {
  by: SpentOn[]
  left: number | null
  month: string
  plan: number | null
  used: number
}
export interface DecideBody {
  outcome: 'sent' | 'not_sent'
}
/**
 * `name` and `value` are the DNS record to publish.
 */
export interface DkimKeyOut {
  active: boolean
  created_at: string
  name: string
  selector: string
  value: string
}
export interface ListedNow {
  added: number
  count: number
  known: number
  numbers: string[]
  on: boolean
  refused: RefusedLine[]
  version: string
}
export interface Litigators {
  count: number
  numbers: string[]
  on: boolean
  version: string
}
/**
 * `country`: for numbers without a +.
 */
export interface LitigatorsBody {
  country?: string
  lines: string[]
}
export interface MailDomainBody {
  relay_selector: string
  signing: 'relay' | 'own'
  version?: string | null
}
/**
 * `signing`: own: Threadline signs mail with the active key; relay: the mail server signs, or nobody.
 */
export interface MailDomainOut {
  dkim_keys: DkimKeyOut[]
  domain: string
  relay_selector: string
  signing: 'relay' | 'own'
  version: string
}
export interface MailSenderBody {
  from_address: string
  from_name: string
  reply_to: string
  return_path: string
  version?: string | null
}
export interface MailSenderOut {
  from_address: string
  from_name: string
  reply_to: string
  return_path: string
  version: string
}
/**
 * A password that is null stays as it is; "" deletes it.
 */
export interface MailServerBody {
  host: string
  mail_on: boolean
  password?: string | null
  port: number
  security: 'starttls' | 'tls' | 'plain'
  user: string
  version?: string | null
}
export interface MailServerOut {
  host: string
  mail_on: boolean
  password: Secret
  port: number
  security: 'starttls' | 'tls' | 'plain'
  stopped: string
  user: string
  version: string
}
export interface OneOutbound {
  outbound: OutboundOut
}
export interface OneSender {
  sender: SenderOut
}
export interface OutboundOut {
  attempts: number
  body: string
  channel: string
  contact: number | null
  created_at: string
  detail: string
  dispatched_at: string | null
  id: number
  kind: string
  mms: boolean
  reason: string
  recipient: string
  segments: number
  sender: string | null
  seq: number | null
  state: string
  thread: number | null
}
export interface Outbounds {
  outbound: OutboundOut[]
}
/**
 * Credits per segment and per MMS. None: no MMS (AMB-13).
 */
export interface PriceInput {
  mms?: number | null
  sms: number
}
/**
 * Credits per segment and per MMS. None: no MMS (AMB-13).
 */
export interface Price {
  mms: number | null
  sms: number
}
/**
 * A check of one DNS record. `wanted`: the exact value to publish; empty if there is nothing to publish.
 */
export interface RecordOut {
  code: string
  found: string[]
  kind: 'spf' | 'dkim' | 'dmarc'
  name: string
  state: 'ok' | 'missing' | 'wrong' | 'unknown'
  wanted: string
}
export interface RecordsOut {
  records: RecordOut[]
}
export interface RefusedLine {
  code: string
  line: number
  reason: string
  text: string
}
/**
 * Whether a write-only secret is set.
 */
export interface Secret {
  set: boolean
}
export interface SenderBody {
  address: string
  countries?: string[] | null
  country: string
  enabled?: boolean
  inbound?: boolean | null
  kind: SenderKind
  mms?: boolean | null
  rate?: number | null
  start?: boolean
}
/**
 * `version`: of the sender that the change is based on.
 */
export interface SenderChange {
  address: string
  countries?: string[] | null
  country: string
  enabled?: boolean
  inbound?: boolean | null
  kind: SenderKind
  mms?: boolean | null
  rate?: number | null
  start?: boolean
  version?: string | null
}
export interface SenderOut {
  address: string
  countries: string[]
  country: string
  enabled: boolean
  id: number
  inbound: boolean
  kind: SenderKind
  mms: boolean
  rate: number
  shown: string
  stopped: string | null
  version: string
}
export interface Senders {
  senders: SenderOut[]
}
/**
 * A mail to a contact, without the links that sign somebody in. `has_html`: `mail.html` has it with its layout.
 */
export interface SentMail {
  has_html: boolean
  recipient: string
  subject: string
  text: string
}
/**
 * A secret that is null stays as it is; "" deletes it.
 */
export interface SmsBody {
  account_sid: string
  api_key?: string
  api_secret?: string | null
  auth_token?: string | null
  messaging_service?: string
  monthly_credits?: number | null
  on: boolean
  paused_countries?: string[] | null
  prices?: {
    [k: string]: PriceInput
  }
  secondary_token?: string | null
  shared_keys?: {
    [k: string]: string | null
  } | null
  version?: string | null
}
export interface SmsOut {
  account_sid: string
  api_key: string
  api_secret: Secret
  auth_token: Secret
  list_prices: {
    [k: string]: Price
  }
  messaging_service: string
  monthly_credits: number | null
  on: boolean
  paused_countries: {
    [k: string]: string
  }
  prices: {
    [k: string]: Price
  }
  prices_checked_on: string
  secondary_token: Secret
  shared_keys: string[]
  version: string
  webhooks: Webhooks
}
export interface SpentOn {
  country: string
  credits: number
  kind: string
  messages: number
}
/**
 * `version`: of the switch that the change is based on.
 */
export interface SwitchBody {
  on: boolean
  version?: string | null
}
export interface TestMailBody {
  language?: 'en' | 'ko' | 'pl' | 'ru'
}
/**
 * `state`: a state of `OutboundOut`. `detail`: what the mail server answered.
 */
export interface TestMailOut {
  detail: string
  outbound: number
  reason: string
  recipient: string
  state: string
}
/**
 * URLs to enter at the provider. Status reports need none: each message has its own callback URL.
 */
export interface Webhooks {
  sms: string
}
