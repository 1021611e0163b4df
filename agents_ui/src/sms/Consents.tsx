/** Whether they may be written to, for what, since when and how; writing down by hand what they said. */
import { Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { modals } from '@mantine/modals'
import { IconCircleCheck, IconCircleDashed, IconCircleX, IconPlayerPause } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import i18n from 'i18next'
import { type FormEvent, type ReactNode, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useCan } from '../accounts/session'
import { explain, toast } from '../frame/toasts'
import { api } from '../kernel/api'
import type { Consent, ContactConsents } from '../kernel/contract'
import { exactTime, shortDay } from '../kernel/time'
import { follow } from '../live/store'
import details from '../inbox/Details.module.css'
import classes from './Consents.module.css'
import { methodName, purposeName, statusName } from './consents'

const PICTURES = {
  subscribed: IconCircleCheck,
  unsubscribed: IconCircleX,
  never_subscribed: IconCircleDashed,
}

export function Consents({ contact, thread }: { contact: number; thread: number }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const may = useCan('consent_withdraw')
  const mayRecord = useCan('consent_grant')
  const key = ['consents', contact]
  const { data } = useQuery({
    queryKey: key,
    queryFn: () => api.get<ContactConsents>(`/api/contacts/${contact}/consents`),
    staleTime: 15_000,
  })
  useEffect(
    () =>
      follow((frame) => {
        if (frame.type === 'entry' && frame.thread === thread && frame.entry.kind === 'consent')
          void queries.invalidateQueries({ queryKey: ['consents', contact] })
      }),
    [queries, contact, thread],
  )
  if (!data) return null
  const show = (fresh: ContactConsents) => queries.setQueryData(key, fresh)
  const texts = data.consents.filter((one) => one.channel === 'sms' && one.status === 'subscribed')
  return (
    <section className={details.section}>
      <h3 className={details.heading}>{t('sms.subscriptions')}</h3>
      {data.consents.map((one) => (
        <Row key={one.purpose} consent={one}>
          {mayRecord && recordable(one, data) && (
            <Button
              size="compact-xs"
              variant="subtle"
              className={classes.record}
              aria-label={t('sms.recordOf', { what: purposeName(one.purpose, one.name ?? '') })}
              onClick={() => askRecord(contact, one, show)}
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

const OWN_NO = new Set(['keyword', 'request', 'gateway'])

/** A yes can be written down, but not over their own STOP, and not to texts without a number. */
const recordable = (one: Consent, { phone }: ContactConsents) =>
  one.status !== 'subscribed' &&
  (one.channel !== 'sms' || phone !== null) &&
  !(one.status === 'unsubscribed' && OWN_NO.has(one.method ?? ''))

function Row({ consent, children }: { consent: Consent; children?: ReactNode }) {
  const { t } = useTranslation()
  const paused = consent.paused_at !== null && consent.status === 'subscribed'
  const Mark = paused ? IconPlayerPause : PICTURES[consent.status]
  const how = consent.method ? methodName(consent.method) : ''
  return (
    <div className={classes.row} data-status={paused ? 'paused' : consent.status}>
      <Mark size={17} stroke={1.7} aria-hidden />
      <span>
        {purposeName(consent.purpose, consent.name ?? '')}
        <span
          className={details.label}
          title={consent.happened_at ? exactTime(consent.happened_at) : undefined}
        >
          {' '}
          {paused ? t('sms.pausedShort') : statusName(consent.status)}
          {consent.happened_at && ` · ${shortDay(consent.happened_at)}`}
          {how && ` · ${how}`}
        </span>
      </span>
      {children}
    </div>
  )
}

function askOptOut(contact: number, texts: Consent[], onDone: (fresh: ContactConsents) => void): void {
  const what = texts.map((one) => purposeName(one.purpose, one.name ?? '')).join(', ')
  ask(i18n.t('sms.optOutTitle'), i18n.t('sms.optedOut'), onDone, {
    contact,
    purposes: texts.map((one) => one.purpose),
    status: 'unsubscribed',
    text: i18n.t('sms.optOutText', { what }),
    label: i18n.t('sms.reason'),
    example: i18n.t('sms.reasonExample'),
    button: i18n.t('sms.optOut'),
  })
}

function askRecord(contact: number, one: Consent, onDone: (fresh: ContactConsents) => void): void {
  const what = purposeName(one.purpose, one.name ?? '')
  ask(i18n.t('sms.recordOf', { what }), i18n.t('sms.recorded'), onDone, {
    contact,
    purposes: [one.purpose],
    status: 'subscribed',
    text: i18n.t('sms.recordText'),
    label: i18n.t('sms.howKnown'),
    example: i18n.t('sms.howKnownExample'),
    button: i18n.t('sms.record'),
  })
}

interface Entry {
  contact: number
  purposes: string[]
  status: 'subscribed' | 'unsubscribed'
  text: string
  label: string
  example: string
  button: string
}

function ask(title: string, done: string, onDone: (fresh: ContactConsents) => void, entry: Entry): void {
  const id = modals.open({
    title,
    children: (
      <ByHand
        {...entry}
        onDone={(fresh) => {
          modals.close(id)
          onDone(fresh)
          toast(done)
        }}
      />
    ),
  })
}

function ByHand({
  contact,
  purposes,
  status,
  text,
  label,
  example,
  button,
  onDone,
}: Entry & { onDone: (fresh: ContactConsents) => void }) {
  const [reason, setReason] = useState('')
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)

  async function write(event: FormEvent) {
    event.preventDefault()
    setBusy(true)
    try {
      let fresh: ContactConsents | null = null
      for (const purpose of purposes)
        fresh = await api.post<ContactConsents>(`/api/contacts/${contact}/consents`, {
          purpose,
          status,
          reason: reason.trim(),
        })
      if (fresh) onDone(fresh)
    } catch (problem) {
      setError(explain(problem))
      setBusy(false)
    }
  }

  return (
    <form onSubmit={(event) => void write(event)}>
      <Stack>
        <Text>{text}</Text>
        <TextInput
          label={label}
          placeholder={example}
          value={reason}
          error={error}
          maxLength={500}
          required
          withAsterisk={false}
          data-autofocus
          onChange={(event) => {
            setReason(event.currentTarget.value)
            setError(null)
          }}
        />
        <Group justify="flex-end">
          <Button
            type="submit"
            {...(status === 'unsubscribed' && { color: 'red' })}
            loading={busy}
            disabled={!reason.trim()}
          >
            {button}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
