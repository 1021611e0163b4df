/** A mail to the contact, shown between the messages of a thread. A click opens the whole mail. */
import { IconChevronDown, IconMail } from '@tabler/icons-react'
import { memo, useId, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { EntryOut } from '../../generated/protocol'
import { oneLine } from '../../kernel/text'
import { clock, exactTime } from '../../kernel/time'
import { type Delivery, explainDelivery, hasTrouble } from '../../messaging'
import { lazyPart } from '../../ui/lazyPart'
import type { OpenedMailProps } from './OpenedMail'
import own from './MailCard.module.css'
import classes from './SystemEntry.module.css'

const OpenedMail = lazyPart<OpenedMailProps>(async () => (await import('./OpenedMail')).OpenedMail)

/** What a delivery state means for a mail. The server of the recipient reports a bounce after it had accepted the mail. */
const STATES = {
  accepted: 'sent',
  sent: 'sent',
  delivered: 'delivered',
  undelivered: 'bounced',
  failed: 'failed',
  unknown: 'unclear',
  skipped: 'skipped',
} as const

export interface MailCardProps {
  mail: EntryOut
  delivery: Delivery | null
}

export const MailCard = memo(function MailCard({ mail, delivery }: MailCardProps) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const id = useId()
  const state = delivery ? STATES[delivery.state] : 'queued'
  const to = oneLine(String(mail.data.to ?? ''), 254)
  return (
    <div className={classes.card} data-mail={state}>
      <button
        type="button"
        className={`${classes.fold} ${own.mail}`}
        onClick={() => setOpen(!open)}
        aria-expanded={open}
        aria-controls={id}
        title={exactTime(mail.at)}
      >
        <IconMail size={15} stroke={1.7} aria-hidden />
        <span className="sr-only">{t('mail.label')}: </span>
        <bdi className={own.subject}>{oneLine(mail.text, 140) || t('mail.noSubject')}</bdi>
        <span
          className={classes.outcome}
          data-failed={hasTrouble(delivery) || undefined}
          title={delivery && hasTrouble(delivery) ? explainDelivery(delivery) : undefined}
        >
          {t(`mail.states.${state}`)}
        </span>
        <time dateTime={mail.at}>{clock(mail.at)}</time>
        <IconChevronDown size={14} className={classes.arrow} aria-hidden />
        <span className={own.under}>
          {to && <span>{t('mail.to', { address: to })}</span>}
          {!open && <bdi>{oneLine(String(mail.data.line ?? ''), 140)}</bdi>}
        </span>
      </button>
      <div id={id} hidden={!open} className={own.opened}>
        {open && <OpenedMail outbound={Number(mail.data.outbound)} subject={mail.text} delivery={delivery} />}
      </div>
    </div>
  )
})
