import { Button, Loader, Skeleton } from '@mantine/core'
import { IconArrowDown, IconCloudOff } from '@tabler/icons-react'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Empty } from '../frame/Problem'
import type { TicketOut } from '../generated/protocol'
import { oneLine } from '../kernel/text'
import { dayName, useNow } from '../kernel/time'
import { useLive } from '../live/store'
import { BubbleView } from './Bubble'
import { useJumpTo } from './jump'
import type { Sending } from './outbox'
import { contactName } from './people'
import { rowsOf } from './rows'
import { GreyLine, QuietCard } from './Quiet'
import { useThreadScroll } from './scroll'
import classes from './Thread.module.css'
import { fetchNewest, fetchOlder, useThread } from './threads'
import { deliveries, fetched, redacted, seenByVisitor } from './timeline'

interface ThreadProps {
  ticket: TicketOut
  pending: readonly Sending[]
  onEdit: (item: Sending) => void
}

const dayOf = (at: string) => new Date(at).toDateString()

export function Thread({ ticket, pending, onEdit }: ThreadProps) {
  const { t } = useTranslation()
  const { timeline, phase, paging } = useThread(ticket.thread)
  const now = useNow()
  const rows = useMemo(() => {
    if (!timeline) return []
    const seenUpTo = Math.max(ticket.visitor_seen, seenByVisitor(timeline))
    return rowsOf(timeline.entries, pending, {
      seenUpTo,
      redacted: redacted(timeline),
      deliveries: deliveries(timeline),
      fetched: fetched(timeline),
      dayOf,
    })
  }, [timeline, pending, ticket.visitor_seen])
  const box = useRef<HTMLDivElement>(null)
  const { below, toBottom } = useThreadScroll(box, rows, () => void fetchOlder(ticket.thread))
  useJumpTo(ticket.thread, box, rows)

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
          <Bones />
        ) : (
          <div className={classes.flow}>
            <div className={classes.start}>{paging && <Loader />}</div>
            {rows.map((row) => {
              if (row.kind === 'day')
                return (
                  <div
                    key={row.key}
                    className={classes.day}
                    role="separator"
                    aria-label={dayName(row.at, now)}
                  >
                    <span>{dayName(row.at, now)}</span>
                  </div>
                )
              if (row.kind === 'line') return <GreyLine key={row.key} line={row} />
              if (row.kind === 'card')
                return <QuietCard key={row.key} entry={row.entry} delivery={row.delivery} />
              return (
                <BubbleView
                  key={row.key}
                  row={row}
                  contact={ticket.contact}
                  channel={ticket.channel}
                  onEdit={onEdit}
                />
              )
            })}
            <TypingDots ticket={ticket} />
          </div>
        )}
      </div>
      {below > 0 && (
        <Button
          className={classes.below}
          size="compact-sm"
          radius="xl"
          leftSection={<IconArrowDown size={14} />}
          onClick={toBottom}
        >
          {t('inbox.newMessages', { count: below })}
        </Button>
      )}
      <Announcer ticket={ticket} />
    </div>
  )
}

function TypingDots({ ticket }: { ticket: TicketOut }) {
  const { t } = useTranslation()
  const typing = useLive((state) => state.typing[ticket.thread])
  return typing?.map(({ author }) => {
    const agent = author.type === 'agent'
    const name = agent ? oneLine(author.name, 60) : contactName(ticket.contact)
    return (
      <div
        key={`${author.type} ${author.id}`}
        className={classes.typing}
        data-side={agent ? 'us' : 'them'}
        role="status"
      >
        <span className={classes.dots} aria-hidden>
          <i />
          <i />
          <i />
        </span>
        <span className={agent ? classes.typist : 'sr-only'}>{t('inbox.typing', { name })}</span>
      </div>
    )
  })
}

/** Reads out what the visitor writes while the thread is open; what was there before is left to the reader. */
function Announcer({ ticket }: { ticket: TicketOut }) {
  const { t } = useTranslation()
  const { timeline } = useThread(ticket.thread)
  const [words, setWords] = useState('')
  const heard = useRef<number | null>(null)
  useEffect(() => {
    if (!timeline) return
    const from = heard.current
    heard.current = timeline.last
    const entry = timeline.entries.at(-1)
    if (
      from === null ||
      !entry ||
      entry.seq <= from ||
      entry.kind !== 'message' ||
      // What the machine answered is no news to somebody who listens to customers.
      (entry.author.type !== 'visitor' && entry.author.type !== 'contact')
    )
      return
    setWords(t('inbox.announce', { name: contactName(ticket.contact), text: oneLine(entry.text, 500) }))
  }, [timeline, ticket.contact, t])
  return (
    <div className="sr-only" aria-live="polite">
      {words}
    </div>
  )
}

function Bones() {
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
