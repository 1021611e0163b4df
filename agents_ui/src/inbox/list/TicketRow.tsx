import { UnstyledButton } from '@mantine/core'
import { IconCheck, IconClock, IconClockPause } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { memo } from 'react'
import { useTranslation } from 'react-i18next'
import { Face } from '../../ui/Face'
import type { TicketOut } from '../../generated/protocol'
import { oneLine } from '../../kernel/text'
import { exactTime, duration, shortTime, untilTime } from '../../kernel/time'
import { useSession } from '../../kernel/session'
import { useDrafts } from '../data/drafts'
import { ticketName, useUser } from '../../live/people'
import classes from './TicketRow.module.css'

interface TicketRowProps {
  ticket: TicketOut
  selected: boolean
  mine: boolean
  now: number
  onFocus: (ticket: number) => void
  chosen: boolean
  onChoose: (ticket: number, range: boolean) => void
}

/** A row of the ticket list, two lines high. */
export const TicketRow = memo(function TicketRow({
  ticket,
  selected,
  mine,
  now,
  onFocus,
  chosen,
  onChoose,
}: TicketRowProps) {
  const { t } = useTranslation()
  const assignee = useUser(ticket.assignee)
  return (
    <>
      <Link
        to="/inbox/$ticket"
        params={{ ticket: String(ticket.id) }}
        search
        className={classes.row}
        data-id={ticket.id}
        data-selected={selected || chosen || undefined}
        data-unread={ticket.unread || undefined}
        aria-current={selected ? 'true' : undefined}
        onFocus={() => onFocus(ticket.id)}
        preload={false}
      >
        {ticket.unread && (
          <span className={classes.dot}>
            <span className="sr-only">{t('inbox.unread')}</span>
          </span>
        )}
        <span className={classes.face}>
          <Face
            name={ticket.contact.name}
            id={ticket.contact.id}
            channel={ticket.channel}
            size="var(--tl-row-face)"
          />
        </span>
        <span className={classes.body}>
          <span className={classes.line}>
            <span className={classes.name} dir="auto">
              {ticketName(ticket)}
            </span>
            <span className="sr-only">{t(`channels.${ticket.channel}`)}</span>
            <When ticket={ticket} now={now} />
          </span>
          <span className={classes.line}>
            <Preview ticket={ticket} selected={selected} />
            {assignee && (
              <span className={classes.assignee} title={oneLine(assignee.name, 80)}>
                <Face name={assignee.name} id={assignee.id} size={18} team />
                <span className="sr-only">
                  {t('inbox.assignedTo', { name: mine ? t('people.me') : oneLine(assignee.name, 80) })}
                </span>
              </span>
            )}
          </span>
        </span>
      </Link>
      <UnstyledButton
        className={classes.check}
        role="checkbox"
        aria-checked={chosen}
        aria-label={t('inbox.bulk.choose', { name: ticketName(ticket) })}
        onClick={(event) => onChoose(ticket.id, event.shiftKey)}
        onFocus={() => onFocus(ticket.id)}
        tabIndex={-1}
      >
        <span className={classes.mark} data-state={chosen ? 'on' : undefined}>
          {chosen && <IconCheck size={13} stroke={3} aria-hidden />}
        </span>
      </UnstyledButton>
    </>
  )
})

const WORTH_SAYING_MS = 60_000

/** Until when the ticket is snoozed, that its snooze ended for you, how long the customer waits, else the age of the last message. */
function When({ ticket, now }: { ticket: TicketOut; now: number }) {
  const { t } = useTranslation()
  const me = useSession((session) => session.user?.id)
  const { status, snoozed_until: until, waiting_since: since, last_message_at: at } = ticket
  if (status === 'snoozed' && until)
    return (
      <time className={classes.time} dateTime={until} title={exactTime(until)}>
        <IconClockPause size={13} aria-hidden /> {t('inbox.until', { time: untilTime(until, now) })}
      </time>
    )
  if (ticket.woken_for !== null && ticket.woken_for === me)
    return (
      <span className={`${classes.time} ${classes.waiting}`}>
        <IconClockPause size={13} aria-hidden /> {t('inbox.snoozeEnded')}
      </span>
    )
  if (status === 'open' && since && now - Date.parse(since) >= WORTH_SAYING_MS)
    return (
      <time className={`${classes.time} ${classes.waiting}`} dateTime={since} title={exactTime(since)}>
        <IconClock size={13} aria-hidden />
        <span className={classes.inWords} data-short={duration(since, now)}>
          {t('inbox.waiting', { time: duration(since, now) })}
        </span>
      </time>
    )
  return (
    <time className={classes.time} dateTime={at} title={exactTime(at)}>
      {shortTime(at, now)}
    </time>
  )
}

/**
 * The last message, or the beginning of our draft; not the draft if the message is unread or the ticket is open, where the
 * composer shows it.
 */
function Preview({ ticket, selected }: { ticket: TicketOut; selected: boolean }) {
  const { t } = useTranslation()
  const draft = useDrafts((state) =>
    selected || ticket.unread ? '' : (state.byTicket[ticket.id]?.text.trim() ?? ''),
  )
  return (
    <span className={classes.preview}>
      {draft ? (
        <span className={classes.draft}>{t('inbox.draft')} </span>
      ) : (
        ticket.preview_by === 'agent' && <span className={classes.by}>{t('inbox.team')} </span>
      )}
      <bdi>{oneLine(draft || ticket.preview, 160) || t('inbox.noText')}</bdi>
    </span>
  )
}
