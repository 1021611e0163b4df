/** The contact's events, newest first, with a filter by kind. Each event can be opened to show its details. */
import { Button, NativeSelect } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import i18n from 'i18next'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { EventOut, Events } from '../../generated/events'
import { api } from '../../kernel/api'
import { oneLine } from '../../kernel/text'
import { exactTime, shortTime, useNow } from '../../kernel/time'
import { methodName, purposeName } from '../../messaging'
import classes from './Details.module.css'

const METRICS = [
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
  'list_joined',
  'list_left',
  'segment_entered',
  'segment_left',
] as const
const PAGE = 20

export interface ActivityProps {
  contact: number
  /** The contact's tickets by thread, for links to messages. */
  tickets: ReadonlyMap<number, number>
}

export function Activity({ contact, tickets }: ActivityProps) {
  const { t } = useTranslation()
  const [metric, setMetric] = useState('')
  const pages = useInfiniteQuery({
    queryKey: ['activity', contact, metric],
    queryFn: ({ pageParam }) => {
      const query = new URLSearchParams({ limit: String(PAGE), metric, after: pageParam })
      return api.get<Events>(`/api/contacts/${contact}/events?${query}`)
    },
    initialPageParam: '',
    getNextPageParam: (page) => page.after ?? undefined,
    staleTime: 15_000,
  })
  const events = pages.data?.pages.flatMap((page) => page.events) ?? []
  return (
    <section className={classes.section}>
      <div className={classes.activityHead}>
        <h3 className={classes.heading}>{t('activity.title')}</h3>
        <NativeSelect
          size="xs"
          aria-label={t('activity.filter')}
          value={metric}
          onChange={(event) => setMetric(event.currentTarget.value)}
          data={[
            { value: '', label: t('activity.all') },
            ...METRICS.map((value) => ({ value, label: t(`activity.metrics.${value}`) })),
          ]}
        />
      </div>
      {pages.isSuccess && events.length === 0 && (
        <p className={classes.none}>{t(metric ? 'activity.noneOf' : 'activity.none')}</p>
      )}
      {events.map((event) => (
        <Event key={event.id} event={event} tickets={tickets} />
      ))}
      {pages.hasNextPage && (
        <Button
          size="compact-sm"
          variant="default"
          mt={8}
          loading={pages.isFetchingNextPage}
          onClick={() => void pages.fetchNextPage()}
        >
          {t('activity.more')}
        </Button>
      )}
    </section>
  )
}

function Event({ event, tickets }: { event: EventOut; tickets: ActivityProps['tickets'] }) {
  const { t } = useTranslation()
  const now = useNow()
  const facts = factsOf(event)
  const place = placeOf(event, tickets)
  const words = eventSummary(event)
  return (
    <details className={classes.other}>
      <summary className={classes.otherText}>
        <bdi>{metricName(event.metric)}</bdi>{' '}
        <span className={classes.label}>
          {words && `${words} · `}
          <time dateTime={event.happened_at} title={exactTime(event.happened_at)}>
            {shortTime(event.happened_at, now)}
          </time>
        </span>
      </summary>
      <dl className={classes.eventFacts}>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt className={classes.label}>{name}</dt>
            <dd dir="auto">{value}</dd>
          </div>
        ))}
      </dl>
      {place && (
        <Link
          to="/inbox/$ticket"
          params={{ ticket: String(place.ticket) }}
          hash={place.seq === null ? '' : String(place.seq)}
          search
        >
          {t('activity.open')}
        </Link>
      )}
    </details>
  )
}

/** An event that a program defined is shown under its own name. */
function metricName(metric: string): string {
  const known = METRICS.find((one) => one === metric)
  return known ? i18n.t(`activity.metrics.${known}`) : oneLine(metric.replaceAll('_', ' '), 60)
}

const SOURCES = ['sms', 'webchat', 'email', 'consent', 'link', 'shopify'] as const

function sourceName(source: string): string {
  const known = SOURCES.find((one) => one === source)
  return known ? i18n.t(`activity.sources.${known}`) : ''
}

function money(event: EventOut): string {
  if (event.value === null || event.currency === null) return event.value ?? ''
  try {
    return new Intl.NumberFormat(i18n.language, { style: 'currency', currency: event.currency }).format(
      Number(event.value),
    )
  } catch {
    return `${event.value} ${event.currency}`
  }
}

const eventSummary = ({ data, source, ...event }: EventOut): string =>
  typeof data.purpose === 'string'
    ? purposeName(data.purpose)
    : typeof data.name === 'string'
      ? [oneLine(data.name, 30), money({ data, source, ...event })].filter(Boolean).join(' · ')
      : sourceName(source)

/** Ids, which only programs read. */
const HIDDEN = new Set(['thread', 'seq', 'outbound', 'ticket', 'link', 'order', 'cart', 'refund'])
const FIELDS_WITH_A_TEXT = ['name', 'reason', 'purpose', 'method'] as const

function factsOf(event: EventOut): [string, string][] {
  const facts: [string, string][] = [[i18n.t('activity.fields.at'), exactTime(event.happened_at)]]
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

function placeOf(
  { data }: EventOut,
  tickets: ActivityProps['tickets'],
): { ticket: number; seq: number | null } | null {
  if (typeof data.ticket === 'number') return { ticket: data.ticket, seq: null }
  const ticket = typeof data.thread === 'number' ? tickets.get(data.thread) : undefined
  return ticket === undefined ? null : { ticket, seq: typeof data.seq === 'number' ? data.seq : null }
}
