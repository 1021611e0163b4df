/** The whole mail: its layout in a frame without scripts that loads nothing from the network, or its text. */
import { Button, SegmentedControl, Skeleton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { SentMail } from '../../generated/delivery'
import { api, ApiError } from '../../kernel/api'
import { type Delivery, Trouble, hasTrouble } from '../../messaging'
import classes from './OpenedMail.module.css'

export interface OpenedMailProps {
  outbound: number
  subject: string
  delivery: Delivery | null
}

export function OpenedMail({ outbound, subject, delivery }: OpenedMailProps) {
  const { t } = useTranslation()
  const [view, setView] = useState('layout')
  const path = `/api/outbound/${outbound}/mail`
  // Each attempt to send composes the mail again, so the key contains the delivery's sequence.
  const mail = useQuery({
    queryKey: ['mail', outbound, delivery?.seq ?? 0],
    queryFn: () => api.get<SentMail>(path),
  })
  return (
    <>
      {delivery && hasTrouble(delivery) && <Trouble delivery={delivery} />}
      {mail.data ? (
        <>
          {mail.data.has_html && (
            <SegmentedControl
              size="xs"
              value={view}
              onChange={setView}
              data={[
                { value: 'layout', label: t('mail.layout') },
                { value: 'text', label: t('mail.text') },
              ]}
            />
          )}
          {mail.data.has_html && view === 'layout' ? (
            <iframe className={classes.frame} title={subject} src={`${path}.html`} sandbox="" />
          ) : (
            <div className={classes.text} dir="auto">
              {mail.data.text}
            </div>
          )}
        </>
      ) : mail.error ? (
        <p role="alert" className={classes.missing}>
          {mail.error instanceof ApiError && mail.error.status === 404 ? (
            t('mail.missing')
          ) : (
            <>
              {t('mail.failed')}{' '}
              <Button size="compact-xs" variant="subtle" onClick={() => void mail.refetch()}>
                {t('common.tryAgain')}
              </Button>
            </>
          )}
        </p>
      ) : (
        <Skeleton height={160} aria-label={t('common.loading')} />
      )}
    </>
  )
}
