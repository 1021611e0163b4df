/** Conditions of a filter as the builder edits them. Pure. */
import type {
  BooleanIs,
  CanReceive,
  DateIs,
  DidEvent,
  FilterOptions,
  FilterTree,
  HasConsent,
  InList,
  InSample,
  InSegment,
  IsSuppressed,
  ListHas,
  LivesIn,
  LivesNear,
  NumberIs,
  PropertyOut,
  TextIs,
} from '../../generated/audiences'

export type Condition =
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
export type Groups = readonly (readonly Condition[])[]

export const groupsOf = (tree: FilterTree): Groups => tree.groups as Groups
export const treeOf = (groups: Groups) => ({ groups: groups.filter((group) => group.length > 0) })

/** Dates that Threadline computes: when the contact was created, and `date_added`, else created. */
export const CREATED = -4
export const ADDED = -5

/** What the first field of a condition chooses: a kind, or a property. */
export type What = string
export const propertyOf = (what: What): number | null =>
  what.startsWith('property:') ? Number(what.slice('property:'.length)) : null

export function whatOf(condition: Condition): What {
  return 'property' in condition && condition.kind !== 'distance'
    ? `property:${condition.property}`
    : (condition.kind ?? '')
}

const EVENT = {
  kind: 'event',
  negate: false,
  op: 'at_least',
  times: 1,
  days: 30,
  since: null,
  until: null,
  min_value: null,
  max_value: null,
  currency: null,
} as const

/** A new condition of this kind, with the usual values. */
export function newCondition(what: What, options: FilterOptions): Condition {
  const property = propertyOf(what)
  if (property !== null) return ofProperty(property, options.properties)
  switch (what) {
    case 'list':
      return { kind: 'list', negate: false, list: options.lists[0]?.id ?? 0 }
    case 'segment':
      return { kind: 'segment', negate: false, segment: options.segments[0]?.id ?? 0 }
    case 'event':
      return {
        ...EVENT,
        data: [],
        metric: options.metrics[0] ?? '',
      }
    case 'channel':
      return { kind: 'channel', negate: false, channel: 'email', purpose: 'marketing' }
    case 'suppressed':
      return { kind: 'suppressed', negate: false, channel: 'email', reasons: [] }
    case 'place':
      return { kind: 'place', negate: false, countries: [], regions: [] }
    case 'distance':
      return {
        kind: 'distance',
        negate: false,
        property: options.properties.find(({ type }) => type === 'text')?.id ?? 0,
        country: 'US',
        code: '',
        km: 50,
      }
    case 'sample':
      return { kind: 'sample', negate: false, percent: 10, salt: 0 }
    default:
      return { kind: 'consent', negate: false, purpose: 'email_marketing', status: 'subscribed' }
  }
}

function ofProperty(property: number, properties: readonly PropertyOut[]): Condition {
  switch (properties.find(({ id }) => id === property)?.type ?? 'date') {
    case 'text':
      return { kind: 'text', negate: false, property, op: 'is', values: [] }
    case 'number':
      return { kind: 'number', negate: false, property, op: 'at_least', value: 1 }
    case 'boolean':
      return { kind: 'boolean', negate: false, property, value: true }
    case 'list':
      return { kind: 'items', negate: false, property, op: 'has', values: [] }
    default:
      return { kind: 'date', negate: false, property, op: 'within_last', days: 120, at: null }
  }
}

/** Whether everything is entered that the server needs. */
export function isComplete(condition: Condition): boolean {
  switch (condition.kind) {
    case 'list':
      return condition.list > 0
    case 'segment':
      return condition.segment > 0
    case 'event':
      return (
        condition.metric !== '' &&
        (condition.data ?? []).every(({ key, value }) => key !== '' && value !== '')
      )
    case 'text':
    case 'items':
      return condition.op === 'set' || (condition.values?.length ?? 0) > 0
    case 'number':
      return condition.op === 'set' || typeof condition.value === 'number'
    case 'date':
      return ['before', 'since'].includes(condition.op)
        ? Boolean(condition.at)
        : condition.op === 'set' || (condition.days ?? 0) > 0
    case 'place':
      return (condition.countries?.length ?? 0) + (condition.regions?.length ?? 0) > 0
    case 'distance':
      return condition.property > 0 && condition.code.trim() !== '' && condition.km > 0
    case 'sample':
      return condition.percent >= 0.01 && condition.percent <= 99.99
    default:
      return true
  }
}

export const areComplete = (groups: Groups) =>
  groups.every((group) => group.length > 0 && group.every(isComplete))

/** Replaces one condition; null removes it, and its group with the last one. */
export function withCondition(groups: Groups, g: number, c: number, next: Condition | null): Groups {
  return groups
    .map((group, place) =>
      place === g
        ? group.flatMap((one, index) => (index === c ? (next === null ? [] : [next]) : [one]))
        : group,
    )
    .filter((group) => group.length > 0)
}

export const withAdded = (groups: Groups, g: number, condition: Condition): Groups =>
  g < groups.length
    ? groups.map((group, place) => (place === g ? [...group, condition] : group))
    : [...groups, [condition]]
