/** Names of events and of what they say, in the reader's language. */
import i18n from 'i18next'
import { oneLine } from '../kernel/text'
import { exactTime } from '../kernel/time'
import { methodName, purposeName } from '../messaging'

/** What is read of an event. */
export interface Happened {
  source: string
  data: Readonly<Record<string, unknown>>
  value: string | null
  currency: string | null
}

export const METRICS = [
  'message_received',
  'message_sent',
  'message_delivered',
  'message_failed',
  'message_bounced',
  'message_skipped',
  'link_clicked',
  'subscribed',
  'unsubscribed',
  'order_placed',
  'order_cancelled',
  'order_fulfilled',
  'order_refunded',
  'checkout_started',
  'ticket_opened',
  'ticket_closed',
  'ticket_snoozed',
  'snooze_ended',
  'contact_changed',
  'list_joined',
  'list_left',
  'segment_entered',
  'segment_left',
] as const

/** An event that a program defined is shown under its own name. */
export function metricName(metric: string): string {
  const known = METRICS.find((one) => one === metric)
  return known ? i18n.t(`activity.metrics.${known}`) : oneLine(metric.replaceAll('_', ' '), 60)
}

const SOURCES = ['sms', 'webchat', 'email', 'consent', 'link', 'shopify'] as const

function sourceName(source: string): string {
  const known = SOURCES.find((one) => one === source)
  return known ? i18n.t(`activity.sources.${known}`) : ''
}

function money(event: Happened): string {
  if (event.value === null || event.currency === null) return event.value ?? ''
  try {
    return new Intl.NumberFormat(i18n.language, { style: 'currency', currency: event.currency }).format(
      Number(event.value),
    )
  } catch {
    return `${event.value} ${event.currency}`
  }
}

export const eventSummary = ({ data, source, ...event }: Happened): string =>
  typeof data.purpose === 'string'
    ? purposeName(data.purpose)
    : typeof data.name === 'string'
      ? [oneLine(data.name, 30), money({ data, source, ...event })].filter(Boolean).join(' · ')
      : sourceName(source)

/** Ids, which only programs read. */
const HIDDEN = new Set(['thread', 'seq', 'outbound', 'ticket', 'link', 'order', 'cart', 'refund'])
const FIELDS_WITH_A_TEXT = ['name', 'reason', 'purpose', 'method', 'url'] as const

export function factsOf(event: Happened, at: string): [string, string][] {
  const facts: [string, string][] = [[i18n.t('activity.fields.at'), exactTime(at)]]
  const source = sourceName(event.source)
  if (source) facts.push([i18n.t('activity.fields.source'), source])
  const amount = money(event)
  if (amount) facts.push([i18n.t('activity.fields.value'), amount])
  for (const [key, value] of Object.entries(event.data)) {
    if (HIDDEN.has(key) || value === null || value === '') continue
    const named = FIELDS_WITH_A_TEXT.find((one) => one === key)
    const label = named ? i18n.t(`activity.fields.${named}`) : oneLine(key.replaceAll('_', ' '), 40)
    facts.push([label, shownValue(key, value)])
  }
  return facts
}

function shownValue(key: string, value: unknown): string {
  const text = oneLine(typeof value === 'string' ? value : JSON.stringify(value), 200)
  if (key === 'purpose') return purposeName(text)
  if (key === 'method') return methodName(text)
  if (key === 'reason' && i18n.exists(`sms.codes.${text}`)) return i18n.t(`sms.codes.${text as '30003'}`)
  return text
}
