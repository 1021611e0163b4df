import { Button, Skeleton } from '@mantine/core'
import { IconArrowDown, IconCloudOff } from '@tabler/icons-react'
import { memo, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Empty } from '../../ui/Problem'
import { withTexts } from '../../ui/area'
import { lazyPart } from '../../ui/lazyPart'
import type { TicketOut } from '../../generated/protocol'
import { oneLine } from '../../kernel/text'
import { dayName, useNow } from '../../kernel/time'
import { useLive } from '../../live/store'
import { BubbleView } from './Bubble'
import type { Sending } from '../data/outbox'
import { ticketName } from '../../live/people'
import { type Row, rowKeeper, rowsOf } from './threadRows'
import { ChangeLine, AutomaticCard } from './SystemEntry'
import type { MailCardProps } from './MailCard'
import { useThreadWindow } from './useThreadWindow'
import classes from './Thread.module.css'
import {
  fetchNewest,
  fillHole,
  jumped,
  type LoadedMails,
  useMails,
  useThread,
  useThreads,
} from '../data/threads'
import {
  deliveries,
  fetched,
  isLoaded,
  endIsLoaded,
  holes,
  redacted,
  seenByVisitor,
  type Timeline,
} from '../data/timeline'

interface ThreadProps {
  ticket: TicketOut
  pending: readonly Sending[]
  onEdit: (item: Sending) => void
}

/** Loaded after the thread: most contacts get no mail. */
const loadMailCard = withTexts(['mail'], () => import('./MailCard'))
const MailCard = lazyPart<MailCardProps>(async () => (await loadMailCard()).MailCard, {
  soon: true,
  waiting: <Skeleton height={56} radius="md" mt={14} />,
})

const dayOf = (at: string) => new Date(at).toDateString()

export function Thread({ ticket, pending, onEdit }: ThreadProps) {
  const { t } = useTranslation()
  const { timeline, phase } = useThread(ticket.thread)
  const mails = useMails(ticket.thread)
  const rows = useRows(timeline, mails, pending, ticket.visitor_seen)
  const box = useRef<HTMLDivElement>(null)
  const endLoaded = timeline !== null && endIsLoaded(timeline)
  const { shown, atEnd, far, goToEnd, goTo } = useThreadWindow(
    box,
    rows,
    endLoaded,
    (hole, from) => void fillHole(hole.thread ?? ticket.thread, hole, from),
  )
  const highlightedKey = useJump(ticket.thread, timeline, rows, goTo)
  const below = useNewBelow(rows, timeline, atEnd)
  useScrollToOwnMessage(pending, goToEnd)

  if (!timeline && phase === 'failed') {
    return (
      <div className={classes.scroll}>
        <Empty
          icon={IconCloudOff}
          title={t('inbox.threadFailed')}
          text={t('inbox.threadFailedText')}
          action={
            <Button variant="default" onClick={() => void fetchNewest(ticket.thread)}>
              {t('common.tryAgain')}
            </Button>
          }
        />
      </div>
    )
  }

  return (
    <div className={classes.frame}>
      <div
        ref={box}
        className={`${classes.scroll} thin-scroll`}
        role="log"
        aria-live="off"
        aria-label={t('inbox.messages')}
        // Focusable, so that it can be scrolled by keyboard.
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
      >
        {!timeline ? (
          <ThreadSkeleton />
        ) : (
          <div className={classes.flow}>
            <div className={classes.start} />
            <div
              data-rows
              className={classes.rows}
              style={{ paddingBlock: `${shown.above}px ${shown.below}px` }}
            >
              <Rows
                rows={rows}
                start={shown.start}
                end={shown.end}
                highlightedKey={highlightedKey}
                contact={ticketName(ticket)}
                channel={ticket.channel}
                onEdit={onEdit}
              />
            </div>
            <TypingDots ticket={ticket} />
          </div>
        )}
      </div>
      {!atEnd && (below > 0 || far || !endLoaded) && (
        <Button
          className={classes.below}
          size="compact-sm"
          radius="xl"
          leftSection={<IconArrowDown size={14} />}
          onClick={goToEnd}
        >
          {below > 0 ? t('inbox.newMessages', { count: below }) : t('inbox.newest')}
        </Button>
      )}
      <Announcer ticket={ticket} />
    </div>
  )
}

/** Scrolls from a search hit to its message; returns the key of the highlighted row. */
function useJump(
  thread: number,
  timeline: Timeline | null,
  rows: readonly Row[],
  goTo: (key: string) => void,
): string | null {
  const jump = useThreads((state) => (state.jump?.thread === thread ? state.jump : null))
  useLayoutEffect(() => {
    if (!jump || !timeline || !isLoaded(timeline, jump.seq)) return
    // An entry without its own row is shown in an earlier row.
    const row = rows.findLast(
      (candidate) => 'entry' in candidate && candidate.entry !== null && candidate.entry.seq <= jump.seq,
    )
    if (row) goTo(row.key)
    jumped(row?.key ?? null)
  }, [jump, timeline, rows, goTo])
  return useThreads((state) => state.highlighted)
}

/** How many messages arrived since the reader left the end. */
function useNewBelow(rows: readonly Row[], timeline: Timeline | null, atEnd: boolean): number {
  const last = timeline?.last ?? 0
  const [lastSeqAtEnd, setLastSeqAtEnd] = useState(last)
  const [wasAtEnd, setWasAtEnd] = useState(atEnd)
  if (wasAtEnd !== atEnd) {
    setWasAtEnd(atEnd)
    setLastSeqAtEnd(last)
  }
  if (atEnd) return 0
  let count = 0
  for (let at = rows.length - 1; at >= 0; at--) {
    const row = rows[at]!
    if (!('entry' in row) || row.entry === null) continue
    if (row.entry.seq <= lastSeqAtEnd) break
    if (row.kind !== 'line') count++
  }
  return count
}

/** Scrolls to the end when the agent's own message is sent. */
function useScrollToOwnMessage(pending: readonly Sending[], goToEnd: () => void): void {
  const newest = pending.at(-1)?.key
  const lastKey = useRef(newest)
  useLayoutEffect(() => {
    if (newest !== undefined && newest !== lastKey.current) goToEnd()
    lastKey.current = newest
  }, [newest, goToEnd])
}

const NO_ROWS: readonly Row[] = []

function useRows(
  timeline: Timeline | null,
  mails: readonly LoadedMails[],
  pending: readonly Sending[],
  visitorSeen: number,
): readonly Row[] {
  const [keepEqualRows] = useState(rowKeeper)
  return useMemo(() => {
    if (!timeline) return NO_ROWS
    const newRows = rowsOf(timeline.entries, pending, {
      seenUpTo: Math.max(visitorSeen, seenByVisitor(timeline)),
      redacted: redacted(timeline),
      deliveries: deliveries(timeline),
      fetched: fetched(timeline),
      holes: holes(timeline),
      mails,
      dayOf,
    })
    return keepEqualRows(newRows)
  }, [timeline, mails, pending, visitorSeen, keepEqualRows])
}

interface RowsProps {
  rows: readonly Row[]
  /** Index of the first rendered row, and of the first row after the last. */
  start: number
  end: number
  /** The key of the row that is highlighted after a jump. */
  highlightedKey: string | null
  /** The contact's name. */
  contact: string
  channel: TicketOut['channel']
  onEdit: (item: Sending) => void
}

/** A component of its own: the thread is rendered for every frame of its ticket, and most frames change no row. */
const Rows = memo(function Rows({ rows, start, end, highlightedKey, contact, channel, onEdit }: RowsProps) {
  return rows.slice(start, end).map((row) => (
    <div
      key={row.key}
      data-key={row.key}
      data-found={row.key === highlightedKey || undefined}
      data-hole={row.kind === 'hole' || undefined}
      // Rows that disappear with others cannot be the anchor of the scroll.
      data-passing={row.kind === 'hole' || row.kind === 'day' || undefined}
      className={classes.row}
    >
      {row.kind === 'hole' ? (
        <HoleRow />
      ) : row.kind === 'day' ? (
        <DayLine at={row.at} />
      ) : row.kind === 'line' ? (
        <ChangeLine line={row} />
      ) : row.kind === 'mail' ? (
        <MailCard mail={row.mail} delivery={row.delivery} />
      ) : row.kind === 'card' ? (
        <AutomaticCard entry={row.entry} delivery={row.delivery} />
      ) : (
        <BubbleView row={row} contact={contact} channel={channel} onEdit={onEdit} />
      )}
    </div>
  ))
})

/** A placeholder for messages that are being loaded. */
const HoleRow = memo(function HoleRow() {
  const { t } = useTranslation()
  return (
    <div className={classes.hole} role="status" aria-label={t('common.loading')}>
      <Skeleton height={38} width="52%" radius="lg" />
      <Skeleton height={38} width="38%" radius="lg" ml="auto" />
    </div>
  )
})

const DayLine = memo(function DayLine({ at }: { at: string }) {
  const name = dayName(at, useNow())
  return (
    <div className={classes.day} role="separator" aria-label={name}>
      <span>{name}</span>
    </div>
  )
})

/** The customer's typing dots; colleagues who type are shown above the composer (`Viewers`). */
function TypingDots({ ticket }: { ticket: TicketOut }) {
  const { t } = useTranslation()
  const typing = useLive((state) => state.typing[ticket.thread])
  return (
    typing?.some(({ author }) => author.type !== 'agent') && (
      <div className={classes.typing} role="status">
        <span className={classes.dots} aria-hidden>
          <i />
          <i />
          <i />
        </span>
        <span className="sr-only">{t('inbox.typing', { name: ticketName(ticket) })}</span>
      </div>
    )
  )
}

/** Announces new messages of the customer to screen readers while the thread is open. */
function Announcer({ ticket }: { ticket: TicketOut }) {
  const { t } = useTranslation()
  const { timeline } = useThread(ticket.thread)
  const [words, setWords] = useState('')
  const name = ticketName(ticket)
  const lastSeq = useRef<number | null>(null)
  useEffect(() => {
    if (!timeline) return
    const previousSeq = lastSeq.current
    lastSeq.current = timeline.last
    const entry = timeline.entries.at(-1)
    if (
      previousSeq === null ||
      !entry ||
      entry.seq <= previousSeq ||
      entry.kind !== 'message' ||
      // Automatic replies are not announced.
      (entry.author.type !== 'visitor' && entry.author.type !== 'contact')
    )
      return
    setWords(t('inbox.announce', { name, text: oneLine(entry.text, 500) }))
  }, [timeline, name, t])
  return (
    <div className="sr-only" aria-live="polite">
      {words}
    </div>
  )
}

function ThreadSkeleton() {
  const { t } = useTranslation()
  const widths = [46, 62, 34, 52, 40]
  return (
    <div className={classes.flow} aria-busy role="status" aria-label={t('common.loading')}>
      {widths.map((width, index) => (
        <Skeleton
          key={width}
          height={index % 2 ? 56 : 38}
          width={`${width}%`}
          radius="lg"
          mt="lg"
          ml={index % 2 ? 'auto' : 0}
        />
      ))}
    </div>
  )
}
