/** The button that opens the notifications, with the number of new ones. */
import { Popover, UnstyledButton } from '@mantine/core'
import { IconBell } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Notifications } from '../generated/notifications'
import { api } from '../kernel/api'
import { withTexts } from '../ui/area'
import { lazyPart } from '../ui/lazyPart'
import classes from './Rail.module.css'

const NotificationList = lazyPart(
  withTexts(['messaging', 'notices'], async () => (await import('./NotificationList')).NotificationList),
)

export function Bell() {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const { data } = useQuery({
    queryKey: ['notifications', 'list'],
    queryFn: () => api.get<Notifications>('/api/notifications'),
    staleTime: 60_000,
  })
  const unseen = data?.unseen ?? 0
  return (
    <Popover opened={open} onChange={setOpen} position="top-start" width={360} trapFocus shadow="md">
      <Popover.Target>
        <UnstyledButton className={classes.place} aria-expanded={open} onClick={() => setOpen(!open)}>
          <IconBell size={19} stroke={1.7} aria-hidden />
          <span className={classes.label}>{t('frame.bell')}</span>
          {unseen > 0 && (
            <span className={classes.badge}>
              <span aria-hidden>{unseen > 99 ? '99+' : unseen}</span>
              <span className="sr-only">{t('frame.unseen', { count: unseen })}</span>
            </span>
          )}
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown p={0} maw="calc(100vw - 16px)" aria-label={t('frame.bell')}>
        {open && data && <NotificationList list={data} onClose={() => setOpen(false)} />}
      </Popover.Dropdown>
    </Popover>
  )
}
