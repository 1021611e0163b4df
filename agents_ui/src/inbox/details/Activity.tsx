/** The contact's events, newest first, with a filter by kind. Each event can be opened to show its details. */
import { Button, NativeSelect } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { EventOut, Events } from '../../generated/events'
import { api } from '../../kernel/api'
import { exactTime, shortTime, useNow } from '../../kernel/time'
import { eventSummary, factsOf, METRICS, metricName } from '../../contacts/eventWords'
import classes from './Details.module.css'

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
        <Event key={event.id} contact={contact} event={event} tickets={tickets} />
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

function Event({ contact, event, tickets }: ActivityProps & { event: EventOut }) {
  const { t } = useTranslation()
  const now = useNow()
  const facts = factsOf(event, event.happened_at)
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
      <Link
        to="/contacts/$contact"
        params={{ contact: String(contact) }}
        search={{ event: event.id }}
        className={classes.eventLink}
      >
        {t('activity.profile')}
      </Link>
      {place && (
        <Link
          to="/inbox/$ticket"
          params={{ ticket: String(place.ticket) }}
          hash={place.seq === null ? '' : String(place.seq)}
          search
          className={classes.eventLink}
        >
          {t('activity.open')}
        </Link>
      )}
    </details>
  )
}

function placeOf(
  { data }: EventOut,
  tickets: ActivityProps['tickets'],
): { ticket: number; seq: number | null } | null {
  if (typeof data.ticket === 'number') return { ticket: data.ticket, seq: null }
  const ticket = typeof data.thread === 'number' ? tickets.get(data.thread) : undefined
  return ticket === undefined ? null : { ticket, seq: typeof data.seq === 'number' ? data.seq : null }
}
