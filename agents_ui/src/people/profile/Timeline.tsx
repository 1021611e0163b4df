/** Everything that happened with a contact on every channel, newest first; it can begin with one event (INB-54). */
import { Button, NativeSelect, Skeleton } from '@mantine/core'
import {
  IconAlertTriangle,
  IconArrowMerge,
  IconArrowsSplit,
  IconBan,
  IconBolt,
  IconCheck,
  IconCircleCheck,
  IconCircleX,
  IconClick,
  IconHistory,
  IconList,
  IconMailOpened,
  IconMessage,
  IconNote,
  IconSend,
  IconShoppingBag,
  IconTicket,
  type Icon,
} from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import i18n from 'i18next'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { eventSummary, factsOf, METRICS, metricName } from '../../contacts/eventWords'
import type { TimelineItem } from '../../generated/people'
import { useCan } from '../../kernel/session'
import { cut, manyLines, oneLine } from '../../kernel/text'
import { clock, dayName, exactTime, sameDay, useNow } from '../../kernel/time'
import { purposeName } from '../../messaging'
import { Empty, Failed } from '../../ui/Problem'
import { useConsents, useTimeline } from './data'
import classes from './Timeline.module.css'

const KINDS = [
  'messages',
  'receipts',
  'consents',
  'orders',
  'tickets',
  'notes',
  'lists',
  'merges',
  'other',
] as const
/** Kinds that only roles of the inbox see (ROL-3). */
const INBOX_ONLY: readonly string[] = ['tickets', 'notes']

const PICTURES: Partial<Record<string, Icon>> = {
  message_received: IconMessage,
  message_sent: IconSend,
  message_delivered: IconCheck,
  message_failed: IconAlertTriangle,
  message_bounced: IconAlertTriangle,
  message_skipped: IconBan,
  mail_opened: IconMailOpened,
  link_clicked: IconClick,
  subscribed: IconCircleCheck,
  unsubscribed: IconCircleX,
  checkout_started: IconShoppingBag,
  order_placed: IconShoppingBag,
  order_cancelled: IconShoppingBag,
  order_fulfilled: IconShoppingBag,
  order_refunded: IconShoppingBag,
  ticket_opened: IconTicket,
  ticket_closed: IconTicket,
  ticket_snoozed: IconTicket,
  snooze_ended: IconTicket,
  list_joined: IconList,
  list_left: IconList,
  segment_entered: IconList,
  segment_left: IconList,
  blocked: IconBan,
  unblocked: IconBan,
  note: IconNote,
  merged: IconArrowMerge,
  separated: IconArrowsSplit,
}

interface TimelineProps {
  contact: number
  event: number | null
}

export function Timeline({ contact, event }: TimelineProps) {
  const { t } = useTranslation()
  const inbox = useCan('inbox')
  const now = useNow()
  const [kind, setKind] = useState('')
  const pages = useTimeline(contact, kind, kind ? null : event)
  const items = pages.data?.pages.flatMap((page) => page.items) ?? []
  const fromEvent = pages.data?.pages[0]?.from_event ?? false
  const names = new Map(useConsents(contact).data?.consents.map(({ purpose, name }) => [purpose, name ?? '']))
  return (
    <section className={classes.timeline} aria-label={t('contacts.timeline.title')}>
      <header className={classes.head}>
        <h2 className={classes.title}>{t('contacts.timeline.title')}</h2>
        <NativeSelect
          size="xs"
          aria-label={t('activity.filter')}
          value={kind}
          onChange={(change) => setKind(change.currentTarget.value)}
          data={[
            { value: '', label: t('activity.all') },
            ...KINDS.filter((one) => inbox || !INBOX_ONLY.includes(one)).map((value) => ({
              value,
              label: t(`contacts.timeline.kinds.${value}`),
            })),
          ]}
        />
      </header>
      {fromEvent && (
        <Button
          size="compact-sm"
          variant="light"
          className={classes.newer}
          renderRoot={(props) => (
            <Link to="/contacts/$contact" params={{ contact: String(contact) }} search={{}} {...props} />
          )}
        >
          {t('contacts.timeline.newer')}
        </Button>
      )}
      {pages.isPending && <Bones />}
      {pages.isError && items.length === 0 && <Failed onAgain={() => void pages.refetch()} />}
      {pages.isSuccess && items.length === 0 && (
        <Empty icon={IconHistory} title={t(kind ? 'activity.noneOf' : 'activity.none')} />
      )}
      <ol className={classes.items}>
        {items.map((item, index) => {
          const before = items[index - 1]
          return (
            <li key={item.key}>
              {(!before || !sameDay(before.at, item.at)) && (
                <h3 className={classes.day}>{dayName(item.at, now)}</h3>
              )}
              <Item item={item} names={names} marked={event !== null && item.event === event} />
            </li>
          )
        })}
      </ol>
      {pages.hasNextPage && (
        <Button
          variant="default"
          className={classes.more}
          loading={pages.isFetchingNextPage}
          onClick={() => void pages.fetchNextPage()}
        >
          {t('activity.more')}
        </Button>
      )}
    </section>
  )
}

interface ItemProps {
  item: TimelineItem
  names: ReadonlyMap<string, string>
  /** The event that somebody came for. */
  marked: boolean
}

const LONGEST = 600

function Item({ item, names, marked }: ItemProps) {
  const { t } = useTranslation()
  const Picture = PICTURES[item.kind] ?? IconBolt
  const ref = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (marked) ref.current?.scrollIntoView({ block: 'nearest' })
  }, [marked])
  const { purpose } = item.data
  const summary =
    item.kind === 'merged' || item.kind === 'separated'
      ? typeof item.data.by === 'string' && t('contacts.timeline.by', { name: oneLine(item.data.by, 80) })
      : typeof purpose === 'string'
        ? purposeName(purpose, names.get(purpose))
        : eventSummary(item)
  const seq = typeof item.data.seq === 'number' ? String(item.data.seq) : ''
  return (
    <div ref={ref} className={classes.item} data-kind={item.kind} data-marked={marked || undefined}>
      <span className={classes.picture} aria-hidden>
        <Picture size={16} stroke={1.7} />
      </span>
      <div className={classes.text}>
        <div className={classes.line}>
          <span className={classes.what}>
            <bdi>{nameOf(item)}</bdi>
            {summary && <span className={classes.label}> · {summary}</span>}
          </span>
          <time className={classes.time} dateTime={item.at} title={exactTime(item.at)}>
            {clock(item.at)}
          </time>
        </div>
        {item.written && <Written written={item.written} />}
        <Facts item={item} />
        {item.ticket !== null && (
          <Link
            to="/inbox/$ticket"
            params={{ ticket: String(item.ticket) }}
            hash={seq}
            search={{}}
            className={classes.open}
          >
            {t('activity.open')}
          </Link>
        )}
      </div>
    </div>
  )
}

function Written({ written }: { written: NonNullable<TimelineItem['written']> }) {
  const { t } = useTranslation()
  const text = cut(manyLines(written.text), LONGEST)
  const author = written.author.type === 'agent' && oneLine(written.author.name, 80)
  if (written.hidden) return <p className={classes.hidden}>{t('contacts.timeline.hidden')}</p>
  return (
    <blockquote className={classes.body}>
      {text && (
        <p dir="auto" className={classes.said}>
          {text}
        </p>
      )}
      {(author || written.files > 0) && (
        <footer className={classes.label}>
          {[author, written.files > 0 && t('contacts.timeline.files', { count: written.files })]
            .filter(Boolean)
            .join(' · ')}
        </footer>
      )}
    </blockquote>
  )
}

/** What a program or the shop sent with an event. */
function Facts({ item }: { item: TimelineItem }) {
  const { t } = useTranslation()
  const known = METRICS.some((one) => one === item.kind) || item.event === null
  const facts = known && !item.data.reason ? [] : factsOf(item, item.at).slice(1)
  if (facts.length === 0) return null
  return (
    <details className={classes.facts}>
      <summary>{t('activity.detail')}</summary>
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt className={classes.label}>{name}</dt>
            <dd dir="auto">{value}</dd>
          </div>
        ))}
      </dl>
    </details>
  )
}

const OWN = ['note', 'merged', 'separated', 'blocked', 'unblocked', 'mail_opened'] as const

function nameOf({ kind, data }: TimelineItem): string {
  const own = OWN.find((one) => one === kind)
  if (!own) return metricName(kind)
  const name = typeof data.name === 'string' ? oneLine(data.name, 80) : ''
  return i18n.t(`contacts.timeline.own.${own}`, { name: name || i18n.t('people.nameless') })
}

function Bones() {
  const { t } = useTranslation()
  return (
    <div role="status" aria-busy aria-label={t('common.loading')}>
      {[60, 80, 45, 70, 55].map((width) => (
        <div key={width} className={classes.item}>
          <Skeleton circle height={28} />
          <Skeleton height={12} width={`${width}%`} my={8} />
        </div>
      ))}
    </div>
  )
}
