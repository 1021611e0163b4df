/** A contact's consents, and their history: who, when, from where, and what the customer was told. */
import { Button, Skeleton } from '@mantine/core'
import { IconCircleCheck, IconCircleDashed, IconCircleX, IconPlayerPause } from '@tabler/icons-react'
import i18n from 'i18next'
import { useId, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { ConsentOut, ContactConsents, LedgerLine } from '../../generated/consent'
import { oneLine } from '../../kernel/text'
import { exactTime, shortDay } from '../../kernel/time'
import { methodName, purposeName, statusName } from '../../messaging'
import { useConsents } from './data'
import classes from './Profile.module.css'
import { Section } from './Sections'

const PICTURES = {
  subscribed: IconCircleCheck,
  unsubscribed: IconCircleX,
  never_subscribed: IconCircleDashed,
}

export function Consents({ contact }: { contact: number }) {
  const { t } = useTranslation()
  const { data } = useConsents(contact)
  const [open, setOpen] = useState(false)
  const id = useId()
  return (
    <Section title={t('contacts.profile.consents')}>
      {!data && <Skeleton height={12} width="60%" my={8} />}
      {data?.consents.map((consent) => (
        <Status key={consent.purpose} consent={consent} />
      ))}
      {data && data.history.length > 0 && (
        <Button
          size="compact-sm"
          variant="default"
          mt={10}
          aria-expanded={open}
          aria-controls={id}
          onClick={() => setOpen(!open)}
        >
          {t(open ? 'contacts.profile.hideHistory' : 'contacts.profile.history')}
        </Button>
      )}
      <div id={id}>{open && data && <History consents={data} />}</div>
    </Section>
  )
}

function Status({ consent }: { consent: ConsentOut }) {
  const { t } = useTranslation()
  const paused = consent.paused_at !== null && consent.status === 'subscribed'
  const Mark = paused ? IconPlayerPause : PICTURES[consent.status]
  return (
    <div className={classes.line} data-status={paused ? 'paused' : consent.status}>
      <Mark size={17} stroke={1.7} aria-hidden className={classes.mark} />
      <span className={classes.value}>
        <bdi>{purposeName(consent.purpose, consent.name ?? '')}</bdi>
        <span
          className={classes.sub}
          title={consent.happened_at ? exactTime(consent.happened_at) : undefined}
        >
          {[
            paused ? t('sms.pausedShort') : statusName(consent.status),
            consent.happened_at && shortDay(consent.happened_at),
            consent.method && methodName(consent.method),
            consent.required && t('contacts.profile.required'),
          ]
            .filter(Boolean)
            .join(' · ')}
        </span>
      </span>
    </div>
  )
}

function History({ consents }: { consents: ContactConsents }) {
  const { t } = useTranslation()
  const names = new Map(consents.consents.map(({ purpose, name }) => [purpose, name ?? '']))
  return (
    <ol className={classes.history} aria-label={t('contacts.profile.history')}>
      {consents.history.map((line) => (
        <li key={line.n}>
          <strong>
            <bdi>{purposeName(line.purpose, names.get(line.purpose))}</bdi>
          </strong>{' '}
          {wordOf(line.status)}
          <span className={classes.sub}>
            <time dateTime={line.happened_at} title={exactTime(line.happened_at)}>
              {shortDay(line.happened_at)}
            </time>
            {` · ${methodName(line.method)}`}
            {line.who && ` · ${oneLine(line.who, 80)}`}
            {line.source && !line.source.startsWith('user:') && ` · ${oneLine(line.source, 80)}`}
          </span>
          {line.reason && <span className={classes.sub}>{oneLine(line.reason, 500)}</span>}
          {line.wording && (
            <q className={classes.wording} lang={line.language || undefined}>
              {oneLine(line.wording, 500)}
            </q>
          )}
          {!line.applied && <span className={classes.sub}>{t('contacts.profile.notApplied')}</span>}
        </li>
      ))}
    </ol>
  )
}

const OTHER = ['paused', 'resumed', 'erased'] as const

function wordOf(status: LedgerLine['status']): string {
  const other = OTHER.find((one) => one === status)
  return other ? i18n.t(`contacts.profile.ledger.${other}`) : statusName(status)
}
