/** The notifications that the bell opens. Opening the list marks them as seen. */
import {
  IconAlarm,
  IconBellCheck,
  IconClockExclamation,
  IconMessageCirclePlus,
  IconRotateClockwise,
  IconUserCheck,
  type Icon,
} from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { NotificationOut, Notifications } from '../generated/notifications'
import { api } from '../kernel/api'
import { oneLine } from '../kernel/text'
import { ago, exactTime, useNow } from '../kernel/time'
import { toastError } from '../ui/toasts'
import classes from './NotificationList.module.css'

const ICONS: Record<NotificationOut['kind'], Icon> = {
  opened: IconMessageCirclePlus,
  reopened: IconRotateClockwise,
  snooze_ended: IconAlarm,
  assigned: IconUserCheck,
  unread: IconClockExclamation,
}

interface NotificationListProps {
  list: Notifications
  onClose: () => void
}

export function NotificationList({ list, onClose }: NotificationListProps) {
  const { t } = useTranslation()
  const newest = list.unseen > 0 ? list.notifications[0]?.at : undefined
  // Notifications that were new when the list was opened stay marked as new while it is open.
  const [seenBefore] = useState(
    () => new Set(list.notifications.filter((one) => one.seen).map((one) => one.id)),
  )
  useEffect(() => {
    if (newest) void api.post('/api/notifications/seen', { until: newest }).catch(toastError)
  }, [newest])
  return (
    <div className={classes.frame}>
      <div className={classes.head}>
        <h2 className={classes.title}>{t('notices.title')}</h2>
        <Link to="/settings/account" className={classes.wishes} onClick={onClose}>
          {t('notices.wishes')}
        </Link>
      </div>
      {list.notifications.length === 0 ? (
        <div className={classes.empty}>
          <IconBellCheck size={28} stroke={1.5} aria-hidden />
          <strong>{t('notices.empty')}</strong>
          <span>{t('notices.emptyText')}</span>
        </div>
      ) : (
        <ul className={classes.list}>
          {list.notifications.map((one) => (
            <li key={one.id}>
              <Row notification={one} fresh={!seenBefore.has(one.id)} onClose={onClose} />
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

interface RowProps {
  notification: NotificationOut
  fresh: boolean
  onClose: () => void
}

function Row({ notification, fresh, onClose }: RowProps) {
  const { t } = useTranslation()
  const now = useNow()
  const { kind, count, ticket, at } = notification
  const Picture = ICONS[kind]
  const name = oneLine(notification.name, 60) || t('notices.nobody')
  const words = count === 1 ? t(`notices.${kind}`, { name }) : t(`notices.many.${kind}`, { count })
  return (
    <Link to="/inbox/$ticket" params={{ ticket: String(ticket) }} className={classes.row} onClick={onClose}>
      <Picture size={18} stroke={1.7} aria-hidden />
      <span className={classes.words} dir="auto">
        {words}
        <span className={classes.sub}>
          {count === 1 ? t(`channels.${notification.channel}`) : t('notices.newest', { name })} ·{' '}
          <time dateTime={at} title={exactTime(at)}>
            {ago(at, now)}
          </time>
        </span>
      </span>
      {fresh && (
        <span className={classes.dot}>
          <span className="sr-only">{t('notices.new')}</span>
        </span>
      )}
    </Link>
  )
}
