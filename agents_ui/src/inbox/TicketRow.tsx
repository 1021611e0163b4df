import { IconClock, IconClockPause } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { memo } from 'react'
import { useTranslation } from 'react-i18next'
import { Face } from '../frame/Face'
import type { TicketOut } from '../generated/protocol'
import { oneLine } from '../kernel/text'
import { exactTime, lasting, shortTime } from '../kernel/time'
import { contactName, useUser } from './people'
import classes from './TicketRow.module.css'

interface TicketRowProps {
  ticket: TicketOut
  selected: boolean
  mine: boolean
  now: number
  onFocus: () => void
}

export const TicketRow = memo(function TicketRow({ ticket, selected, mine, now, onFocus }: TicketRowProps) {
  const { t } = useTranslation()
  const assignee = useUser(ticket.assignee)
  const name = contactName(ticket.contact)
  const preview = oneLine(ticket.preview, 160) || t('inbox.noText')
  return (
    <Link
      to="/inbox/$ticket"
      params={{ ticket: String(ticket.id) }}
      search
      className={classes.row}
      data-id={ticket.id}
      data-selected={selected || undefined}
      data-unread={ticket.unread || undefined}
      aria-current={selected ? 'true' : undefined}
      onFocus={onFocus}
      preload={false}
    >
      {ticket.unread && (
        <span className={classes.dot}>
          <span className="sr-only">{t('inbox.unread')}</span>
        </span>
      )}
      <Face name={ticket.contact.name} id={ticket.contact.id} channel={ticket.channel} presence={undefined} />
      <span className={classes.body}>
        <span className={classes.line}>
          <span className={classes.name} dir="auto">
            {name}
          </span>
          <span className="sr-only">{t(`inbox.channels.${ticket.channel}`)}</span>
          <time
            className={classes.time}
            dateTime={ticket.last_message_at}
            title={exactTime(ticket.last_message_at)}
          >
            {shortTime(ticket.last_message_at, now)}
          </time>
        </span>
        <span className={classes.preview}>
          {ticket.preview_by === 'agent' && <span className={classes.by}>{t('inbox.team')} </span>}
          <bdi>{preview}</bdi>
        </span>
        <span className={classes.line}>
          <span className={classes.assignee}>
            {assignee ? (
              <>
                <Face name={assignee.name} id={assignee.id} size={16} team />
                {mine ? t('inbox.me') : oneLine(assignee.name, 40)}
              </>
            ) : (
              t('inbox.unassigned')
            )}
          </span>
          {ticket.status === 'snoozed' && ticket.snoozed_until ? (
            <span className={classes.waiting} title={exactTime(ticket.snoozed_until)}>
              <IconClockPause size={13} aria-hidden />
              {shortTime(ticket.snoozed_until, now)}
            </span>
          ) : (
            ticket.status === 'open' &&
            ticket.waiting_since &&
            now - Date.parse(ticket.waiting_since) >= 60_000 && (
              <span className={classes.waiting} title={exactTime(ticket.waiting_since)}>
                <IconClock size={13} aria-hidden />
                {t('inbox.waiting', { time: lasting(ticket.waiting_since, now) })}
              </span>
            )
          )}
        </span>
      </span>
    </Link>
  )
})
