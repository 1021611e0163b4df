import { ActionIcon, Skeleton } from '@mantine/core'
import { IconX } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import type { TicketOut } from '../../generated/protocol'
import panes from '../Inbox.module.css'
import classes from './DetailsPane.module.css'

export interface DetailsProps {
  ticket: TicketOut
  onClose: () => void
}

/** The frame of the pane beside the thread. */
export function DetailsPane({ onClose, children }: { onClose: () => void; children: ReactNode }) {
  const { t } = useTranslation()
  return (
    <section className={`${panes.side} ${classes.details} thin-scroll`} aria-label={t('inbox.details')}>
      <ActionIcon className={classes.close} onClick={onClose} aria-label={t('inbox.hideDetails')}>
        <IconX size={17} stroke={1.7} />
      </ActionIcon>
      {children}
    </section>
  )
}

export function DetailsSkeleton() {
  return (
    <div className={classes.skeleton} aria-hidden>
      {[70, 90, 55, 80, 40].map((width) => (
        <Skeleton key={width} height={11} width={`${width}%`} mt={14} />
      ))}
    </div>
  )
}
