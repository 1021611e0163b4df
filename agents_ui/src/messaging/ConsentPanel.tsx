/** A contact's consents with date and source, and recording a consent or an opt-out by hand. */
import { Button } from '@mantine/core'
import { modals } from '@mantine/modals'
import {
  IconCircleCheck,
  IconCircleDashed,
  IconCircleX,
  IconMessageOff,
  IconPlayerPause,
  IconWritingSign,
} from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import i18n from 'i18next'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { useCan } from '../kernel/session'
import { useCommands } from '../ui/commands'
import { toast } from '../ui/toasts'
import { api } from '../kernel/api'
import type { ConsentOut, ContactConsents } from '../generated/consent'
import { exactTime, shortDay } from '../kernel/time'
import { lazyPart } from '../ui/lazyPart'
import type { ConsentEntry, ConsentEntryFormProps } from './ConsentEntryForm'
import classes from './ConsentPanel.module.css'
import { methodName, purposeName, statusName } from './consentWords'

const ConsentEntryForm = lazyPart<ConsentEntryFormProps>(
  async () => (await import('./ConsentEntryForm')).ConsentEntryForm,
)

const PICTURES = {
  subscribed: IconCircleCheck,
  unsubscribed: IconCircleX,
  never_subscribed: IconCircleDashed,
}

/** A contact's consents, kept live; `show` replaces them with the answer to a change. */
function useConsents(contact: number, enabled = true) {
  const queries = useQueryClient()
  const { data } = useQuery({
    queryKey: ['consents', contact],
    queryFn: () => api.get<ContactConsents>(`/api/contacts/${contact}/consents`),
    staleTime: 15_000,
    enabled,
  })
  return { data, show: (fresh: ContactConsents) => queries.setQueryData(['consents', contact], fresh) }
}

export interface ConsentPanelProps {
  contact: number
}

export function ConsentPanel({ contact }: ConsentPanelProps) {
  const { t } = useTranslation()
  const may = useCan('consent_withdraw')
  const mayRecord = useCan('consent_grant')
  const { data, show } = useConsents(contact)
  const open = data ? repliable(data) : []
  useCommands(() => [
    mayRecord &&
      data &&
      open.length > 0 && {
        id: 'consent',
        label: t('sms.recordMore'),
        icon: IconWritingSign,
        run: () => askRecord(contact, open, show),
      },
    may &&
      data &&
      textsOf(data).length > 0 && {
        id: 'opt out',
        label: t('sms.optOut'),
        icon: IconMessageOff,
        run: () => askOptOut(contact, textsOf(data), show),
      },
  ])
  if (!data) return null
  const texts = textsOf(data)
  return (
    <section className={classes.section}>
      <h3 className={classes.heading}>{t('sms.subscriptions')}</h3>
      {data.consents.map((consent) => (
        <Row key={consent.purpose} consent={consent}>
          {mayRecord && recordable(consent, data) && (
            <Button
              size="compact-xs"
              variant="subtle"
              className={classes.record}
              aria-label={t('sms.recordOf', { what: purposeName(consent.purpose, consent.name ?? '') })}
              onClick={() => askRecord(contact, [consent], show)}
            >
              {t('sms.record')}
            </Button>
          )}
        </Row>
      ))}
      {may && texts.length > 0 && (
        <Button size="compact-sm" variant="default" mt={10} onClick={() => askOptOut(contact, texts, show)}>
          {t('sms.optOut')}
        </Button>
      )}
    </section>
  )
}

/** Either purpose allows a reply; the narrower one is offered first. */
const FOR_REPLIES = ['sms_transactional', 'sms_marketing']

const repliable = (data: ContactConsents) =>
  FOR_REPLIES.flatMap((purpose) =>
    data.consents.filter((consent) => consent.purpose === purpose && recordable(consent, data)),
  )

const textsOf = (data: ContactConsents) =>
  data.consents.filter((consent) => consent.channel === 'sms' && consent.status === 'subscribed')

/** The button in a barred composer for roles that may record consent. */
export function RecordConsent({ contact }: ConsentPanelProps) {
  const { t } = useTranslation()
  const may = useCan('consent_grant')
  const { data, show } = useConsents(contact, may)
  if (!may || !data) return null
  const open = repliable(data)
  if (open.length === 0) return null
  return (
    <Button
      size="compact-sm"
      variant="light"
      leftSection={<IconWritingSign size={15} />}
      onClick={() => askRecord(contact, open, show)}
    >
      {t('sms.recordMore')}
    </Button>
  )
}

const REFUSED_BY_CUSTOMER = new Set(['keyword', 'request', 'gateway'])

/** Consent can be recorded, but not over the customer's own STOP, and not for SMS without a number. */
const recordable = (consent: ConsentOut, { phone }: ContactConsents) =>
  consent.status !== 'subscribed' &&
  (consent.channel !== 'sms' || phone !== null) &&
  !(consent.status === 'unsubscribed' && REFUSED_BY_CUSTOMER.has(consent.method ?? ''))

function Row({ consent, children }: { consent: ConsentOut; children?: ReactNode }) {
  const { t } = useTranslation()
  const paused = consent.paused_at !== null && consent.status === 'subscribed'
  const Mark = paused ? IconPlayerPause : PICTURES[consent.status]
  const how = consent.method ? methodName(consent.method) : ''
  return (
    <div className={classes.row} data-status={paused ? 'paused' : consent.status}>
      <Mark size={17} stroke={1.7} aria-hidden />
      <span>
        {`${purposeName(consent.purpose, consent.name ?? '')} `}
        <span
          className={classes.state}
          title={consent.happened_at ? exactTime(consent.happened_at) : undefined}
        >
          {paused ? t('sms.pausedShort') : statusName(consent.status)}
          {consent.happened_at && ` · ${shortDay(consent.happened_at)}`}
          {how && ` · ${how}`}
        </span>
      </span>
      {children}
    </div>
  )
}

const namesOf = (consents: ConsentOut[]) =>
  Object.fromEntries(
    consents.map((consent) => [consent.purpose, purposeName(consent.purpose, consent.name ?? '')]),
  )

function askOptOut(contact: number, texts: ConsentOut[], onDone: (fresh: ContactConsents) => void): void {
  const purposeNames = texts.map((consent) => purposeName(consent.purpose, consent.name ?? '')).join(', ')
  openEntryForm(i18n.t('sms.optOutTitle'), i18n.t('sms.optedOut'), onDone, {
    contact,
    purposes: texts.map((consent) => consent.purpose),
    names: namesOf(texts),
    status: 'unsubscribed',
    text: i18n.t('sms.optOutText', { what: purposeNames }),
    label: i18n.t('sms.reason'),
    example: i18n.t('sms.reasonExample'),
    button: i18n.t('sms.optOut'),
  })
}

/** If several consents are missing, the agent chooses one. */
function askRecord(contact: number, open: ConsentOut[], onDone: (fresh: ContactConsents) => void): void {
  const names = open.map((consent) => purposeName(consent.purpose, consent.name ?? ''))
  const title = names.length === 1 ? i18n.t('sms.recordOf', { what: names[0] }) : i18n.t('sms.record')
  openEntryForm(title, i18n.t('sms.recorded'), onDone, {
    contact,
    purposes: open.map((consent) => consent.purpose).slice(0, 1),
    names: namesOf(open),
    choice: open.map((consent, n) => ({ value: consent.purpose, label: names[n] ?? '' })),
    status: 'subscribed',
    text: i18n.t('sms.recordText'),
    label: i18n.t('sms.howKnown'),
    example: i18n.t('sms.howKnownExample'),
    button: i18n.t('sms.record'),
  })
}

function openEntryForm(
  title: string,
  done: string,
  onDone: (fresh: ContactConsents) => void,
  entry: ConsentEntry,
): void {
  const id = modals.open({
    title,
    children: (
      <ConsentEntryForm
        {...entry}
        onPart={onDone}
        onDone={(fresh) => {
          modals.close(id)
          onDone(fresh)
          toast(done)
        }}
      />
    ),
  })
}
