/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */
import type { PropertyType } from './contacts'

export const PRESET_NAMES = ['sms_subscribers', 'email_subscribers', 'engaged', 'inactive'] as const
export type PresetName = (typeof PRESET_NAMES)[number]

/**
 * `segment`: the segment that the filter is for. `window`: chosen at random by each builder; its newer request takes the
 * place of an older one that is still counting, which gets 409 `superseded`.
 */
export interface AudienceBody {
  filter: {
    [k: string]: unknown
  }
  segment?: number | null
  window?: string
}
/**
 * `line`: its number, from 1.
 */
export interface BadPostalLine {
  line: number
  message: string
}
/**
 * `value` None: the property has a value.
 */
export interface BooleanIs {
  kind: 'boolean'
  negate: boolean
  property: number
  value: boolean | null
}
/**
 * Whether the consent gate lets such a message pass, quiet hours aside.
 */
export interface CanReceive {
  channel: 'sms' | 'email'
  kind: 'channel'
  negate: boolean
  purpose: 'marketing' | 'transactional'
}
/**
 * `changes_at`: when the clock alone changes it; null: never.
 */
export interface ConditionWhy {
  changes_at: string | null
  holds: boolean
}
/**
 * `name` null: a built-in purpose.
 */
export interface ConsentOption {
  name: string | null
  purpose: string
}
/**
 * `matching` of all `people`. `beyond_days`: as in a segment.
 */
export interface CountOut {
  beyond_days: number | null
  matching: number
  people: number
}
/**
 * How many postal codes of a country the table has.
 */
export interface CountryCodes {
  codes: number
  country: string
}
/**
 * What the data of an event must have. Texts compare exactly; a number never equals a text.
 */
export interface DataCondition {
  key: string
  op: 'is' | 'contains' | 'at_least' | 'at_most'
  value: string | number
}
/**
 * A date property: one that the team defined, a fixed one (-1 to -3), `CREATED` or `ADDED`.
 *
 * `within_last`: later than `days` × 24 h ago and not in the future, so exactly `days` ago does not count (AMB-15).
 * `before_last`: at least `days` × 24 h ago. `within_next`: in the future and at most `days` × 24 h ahead. `before`, `since`:
 * earlier than `at`; at `at` or later. `set`: has a date.
 */
export interface DateIs {
  at: string | null
  days: number | null
  kind: 'date'
  negate: boolean
  op: 'within_last' | 'before_last' | 'within_next' | 'before' | 'since' | 'set'
  property: number
}
/**
 * How often the person did something, within the last `days`, or from `since` until before `until`, or ever.
 *
 * `at_most` 0 times: has not done it. `min_value`, `max_value`: of money, in the currency's unit.
 */
export interface DidEvent {
  currency: string | null
  data: DataCondition[]
  days: number | null
  kind: 'event'
  max_value: number | null
  metric: string
  min_value: number | null
  negate: boolean
  op: 'at_least' | 'at_most' | 'exactly'
  since: string | null
  times: number
  until: string | null
}
/**
 * What a filter may ask for. `metrics`: names of events that exist. `regions`: groups of countries. `postal_codes`:
 * whether the owner uploaded a table, without which no filter may ask for a distance.
 */
export interface FilterOptions {
  consents: ConsentOption[]
  lists: SegmentName[]
  metrics: string[]
  postal_codes: boolean
  presets: Preset[]
  properties: PropertyOut[]
  regions: {
    [k: string]: string[]
  }
  segments: SegmentName[]
}
/**
 * Conditions inside a group are joined by OR, groups by AND (AMB-24). No groups: everybody.
 */
export interface FilterTree {
  groups: (
    | InList
    | InSegment
    | DidEvent
    | CanReceive
    | HasConsent
    | IsSuppressed
    | TextIs
    | NumberIs
    | BooleanIs
    | DateIs
    | ListHas
    | LivesIn
    | LivesNear
    | InSample
  )[][]
}
export interface Funnel {
  steps: FunnelStep[]
}
/**
 * `left`: who matches this group and all groups before it. `alone`: who matches each of its conditions, of all.
 */
export interface FunnelStep {
  alone: number[]
  left: number
}
/**
 * A list or segment that a contact is in, since `joined_at`.
 */
export interface GroupOut {
  id: number
  joined_at: string
  name: string
}
export interface GroupWhy {
  conditions: ConditionWhy[]
  holds: boolean
}
export interface GroupsOfContact {
  lists: GroupOut[]
  segments: GroupOut[]
}
/**
 * `purpose`: a built-in one, or "consent:<id>" of a consent that the owner defined.
 */
export interface HasConsent {
  kind: 'consent'
  negate: boolean
  purpose: string
  status: 'subscribed' | 'unsubscribed' | 'never_subscribed'
}
export interface InList {
  kind: 'list'
  list: number
  negate: boolean
}
/**
 * A random share of all people, always the same for the same `salt`. `percent`: with at most two decimals.
 */
export interface InSample {
  kind: 'sample'
  negate: boolean
  percent: number
  salt: number
}
/**
 * Members by the other segment's filter as it is now, not by its last refresh.
 */
export interface InSegment {
  kind: 'segment'
  negate: boolean
  segment: number
}
/**
 * Whether nothing is sent to the person's number or e-mail address. `reasons` (): any.
 */
export interface IsSuppressed {
  channel: 'sms' | 'email'
  kind: 'suppressed'
  negate: boolean
  reasons: string[]
}
/**
 * A missing field is not changed.
 */
export interface ListChange {
  double_opt_in?: boolean | null
  name?: string | null
}
/**
 * A list property that has any of `values`.
 */
export interface ListHas {
  kind: 'items'
  negate: boolean
  op: 'has' | 'set'
  property: number
  values: string[]
}
export interface ListMembersBody {
  contacts: number[]
}
/**
 * `used_by`: segments that ask for it.
 */
export interface ListOut {
  created_at: string
  double_opt_in: boolean
  id: number
  members: number
  name: string
  used_by: SegmentName[]
}
/**
 * `limit`: how many lists and segments an account may have together; `used`: how many it has.
 */
export interface Lists {
  limit: number
  lists: ListOut[]
  used: number
}
/**
 * The country of the phone number. `regions`: groups of countries (`places.REGIONS`).
 */
export interface LivesIn {
  countries: string[]
  kind: 'place'
  negate: boolean
  regions: string[]
}
/**
 * Within `km` of a postal code. `property`: the text property with the person's postal code in the same country.
 */
export interface LivesNear {
  code: string
  country: string
  kind: 'distance'
  km: number
  negate: boolean
  property: number
}
/**
 * `joined_at`: since when the person is in the list or segment.
 */
export interface MemberOut {
  country: string
  email: string | null
  id: number
  joined_at: string
  name: string
  phone: string | null
}
/**
 * `after`: the cursor of the next page; null on the last one.
 */
export interface Members {
  after: string | null
  members: MemberOut[]
}
/**
 * `changed`: how many people joined or left.
 */
export interface MembersChanged {
  changed: number
}
export interface NewList {
  double_opt_in?: boolean
  name: string
}
export interface NumberIs {
  kind: 'number'
  negate: boolean
  op: 'equals' | 'more_than' | 'less_than' | 'at_least' | 'at_most' | 'set'
  property: number
  value: number | null
}
export interface OneList {
  list: ListOut
}
export interface OneProperty {
  property: PropertyOut
}
export interface OneSegment {
  segment: SegmentOut
}
export interface PostalCodes {
  countries: CountryCodes[]
}
export interface PostalCodesAdded {
  bad: BadPostalLine[]
  stored: number
}
/**
 * Lines of a file: country, code, latitude, longitude.
 */
export interface PostalCodesBody {
  lines: string[]
}
export interface Preset {
  filter: FilterTree
  name: PresetName
}
/**
 * `limit`: how many properties of its own an account may have.
 */
export interface Properties {
  limit: number
  properties: PropertyOut[]
}
/**
 * `key` null: made from the name.
 */
export interface PropertyBody {
  key?: string | null
  name: string
  type: PropertyType
}
export interface PropertyChange {
  name: string
}
/**
 * `fixed`: every account has it; it cannot be renamed or deleted. `used_by`: segments that ask for it.
 */
export interface PropertyOut {
  fixed: boolean
  id: number
  key: string
  name: string
  type: PropertyType
  used_by: SegmentName[]
}
/**
 * `invented`: whether the people are examples.
 */
export interface Sample {
  invented: boolean
  people: SamplePerson[]
}
/**
 * `id` null: an invented person, for roles that see no contacts.
 */
export interface SamplePerson {
  country: string
  email: string | null
  id: number | null
  name: string
  phone: string | null
}
export interface SegmentBody {
  filter: {
    [k: string]: unknown
  }
  name: string
}
/**
 * A missing field is not changed. `version`: of the segment that the change is based on.
 */
export interface SegmentChange {
  filter?: {
    [k: string]: unknown
  } | null
  name?: string | null
  version?: string | null
}
export interface SegmentName {
  id: number
  name: string
}
/**
 * `members`: as of `refreshed_at`. `filled` false: its members are found for the first time. `stale`: they are being
 * found again. `changes_at`: when the clock changes a membership next. `beyond_days`: it asks for events older than these
 * days, which are deleted; null: it does not. `used_by`: segments that ask for it.
 */
export interface SegmentOut {
  beyond_days: number | null
  changes_at: string | null
  created_at: string
  filled: boolean
  filter: FilterTree
  id: number
  members: number
  name: string
  refreshed_at: string | null
  stale: boolean
  used_by: SegmentName[]
  version: string
}
export interface Segments {
  limit: number
  segments: SegmentOut[]
  used: number
}
/**
 * Texts compare without case and accents. `values`: any of them.
 */
export interface TextIs {
  kind: 'text'
  negate: boolean
  op: 'is' | 'contains' | 'starts_with' | 'set'
  property: number
  values: string[]
}
/**
 * Why a person is in a segment, or not. `contact`: of a merged contact, the one that remains. `member`: as stored, which
 * follows `matches` within seconds.
 */
export interface WhyOut {
  changes_at: string | null
  contact: number
  groups: GroupWhy[]
  matches: boolean
  member: boolean
}
