/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

export const CONSENT_CHANNELS = ['general', 'email', 'sms'] as const
export type ConsentChannel = (typeof CONSENT_CHANNELS)[number]
export const KEYWORD_MODES = ['smart', 'contains', 'exact'] as const
export type KeywordMode = (typeof KEYWORD_MODES)[number]

export interface ConsentBody {
  happened_at?: string | null
  purpose: string
  reason: string
  status: 'subscribed' | 'unsubscribed'
}
/**
 * `version`: of the definition that the change is based on.
 */
export interface ConsentChange {
  channel?: ConsentChannel
  description?: string
  name: string
  required?: boolean
  version?: string | null
}
/**
 * `required`: marketing and transactional messages on its channel need this consent (CIM-5).
 */
export interface ConsentDefinition {
  channel?: ConsentChannel
  description?: string
  name: string
  required?: boolean
}
export interface ConsentOut {
  channel: string
  happened_at: string | null
  method: string | null
  name: string | null
  paused_at: string | null
  purpose: string
  recorded_at: string | null
  required: boolean
  source: string | null
  status: 'subscribed' | 'unsubscribed' | 'never_subscribed'
}
export interface ContactConsents {
  barred: string | null
  consents: ConsentOut[]
  contact: number
  history: LedgerLine[]
  phone: string | null
  suppressed: SuppressedOut | null
}
/**
 * `given`: how many contacts are subscribed now.
 */
export interface CountedConsent {
  channel: ConsentChannel
  description: string
  given: number
  id: number
  name: string
  purpose: string
  required: boolean
  version: string
}
export interface CountryOut {
  country: string
  editable: string[]
  languages: string[]
}
export interface Evidence {
  basis: {
    [k: string]: unknown
  }
  chain: {
    [k: string]: unknown
  }
  complete: boolean
  contact: {
    [k: string]: unknown
  }
  ledger: {
    [k: string]: unknown
  }[]
  message: {
    [k: string]: unknown
  }
}
/**
 * `version`: of the settings that the change is based on.
 */
export interface KeywordBody {
  brand?: string
  gateway?: 'default' | 'advanced' | 'off'
  help_contact?: string
  mode?: KeywordMode
  subscribe?: SubscribeKeywordInput[]
  texts?: KeywordText[]
  version?: string | null
}
export interface KeywordCheck {
  code: string | null
  ok: boolean
  reason: string | null
  word: string | null
}
/**
 * The owner's reply to one keyword in one country and language, in place of the default (KEY-7, KEY-8).
 */
export interface KeywordText {
  country: string
  kind: 'stop' | 'start' | 'help' | 'confirm_ask' | 'confirmed' | 'subscribed'
  language: string
  text: string
}
export interface Keywords {
  brand: string
  countries: CountryOut[]
  defaults: LanguageOut[]
  gateway: 'default' | 'advanced' | 'off'
  help_contact: string
  mode: KeywordMode
  subscribe: SubscribeKeyword[]
  texts: KeywordText[]
  version: string
}
export interface Kinds {
  consents: CountedConsent[]
}
export interface LanguageOut {
  language: string
  texts: {
    [k: string]: string
  }
}
export interface LedgerLine {
  address: string
  applied: boolean
  before: string
  happened_at: string
  language: string
  method: string
  n: number
  purpose: string
  reason: string
  recorded_at: string
  source: string
  status: string
  who: string | null
  wording: string
}
export interface OneKind {
  consent: VersionedConsent
}
/**
 * A shop's own keyword (KEY-10). `text`: its reply; empty: the default reply. `list`: the list that people join with it;
 * the keyword's `opt_in` counts and not the list's (CON-10).
 */
export interface SubscribeKeywordInput {
  list?: number | null
  opt_in?: 'single' | 'double'
  text?: string
  word: string
}
/**
 * A shop's own keyword (KEY-10). `text`: its reply; empty: the default reply. `list`: the list that people join with it;
 * the keyword's `opt_in` counts and not the list's (CON-10).
 */
export interface SubscribeKeyword {
  list: number | null
  opt_in: 'single' | 'double'
  text: string
  word: string
}
export interface SuppressedOut {
  at: string
  reason: string
}
export interface VersionedConsent {
  channel: ConsentChannel
  description: string
  id: number
  name: string
  purpose: string
  required: boolean
  version: string
}
export interface WordBody {
  word: string
}
