/** Whether they may be written to, for what, since when and how; taking them off by hand. */
import { Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { modals } from '@mantine/modals'
import { IconCircleCheck, IconCircleDashed, IconCircleX, IconPlayerPause } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import i18n from 'i18next'
import { type FormEvent, useEffect, useState } from 'react'
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
  const texts = data.consents.filter((one) => one.channel === 'sms' && one.status === 'subscribed')
  return (
    <section className={details.section}>
      <h3 className={details.heading}>{t('sms.subscriptions')}</h3>
      {data.consents.map((one) => (
        <Row key={one.purpose} consent={one} />
      ))}
      {may && texts.length > 0 && (
        <Button
          size="compact-sm"
          variant="default"
          mt={10}
          onClick={() => askOptOut(contact, texts, (fresh) => queries.setQueryData(key, fresh))}
        >
          {t('sms.optOut')}
        </Button>
      )}
    </section>
  )
}

function Row({ consent }: { consent: Consent }) {
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
    </div>
  )
}

function askOptOut(contact: number, texts: Consent[], onDone: (fresh: ContactConsents) => void): void {
  const id = modals.open({
    title: i18n.t('sms.optOutTitle'),
    children: (
      <OptOut
        contact={contact}
        texts={texts}
        onDone={(fresh) => {
          modals.close(id)
          onDone(fresh)
          toast(i18n.t('sms.optedOut'))
        }}
      />
    ),
  })
}

function OptOut({
  contact,
  texts,
  onDone,
}: {
  contact: number
  texts: Consent[]
  onDone: (fresh: ContactConsents) => void
}) {
  const { t } = useTranslation()
  const [reason, setReason] = useState('')
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)

  async function optOut(event: FormEvent) {
    event.preventDefault()
    setBusy(true)
    try {
      let fresh: ContactConsents | null = null
      for (const { purpose } of texts)
        fresh = await api.post<ContactConsents>(`/api/contacts/${contact}/consents`, {
          purpose,
          status: 'unsubscribed',
          reason: reason.trim(),
        })
      if (fresh) onDone(fresh)
    } catch (problem) {
      setError(explain(problem))
      setBusy(false)
    }
  }

  return (
    <form onSubmit={(event) => void optOut(event)}>
      <Stack>
        <Text>
          {t('sms.optOutText', {
            what: texts.map((one) => purposeName(one.purpose, one.name ?? '')).join(', '),
          })}
        </Text>
        <TextInput
          label={t('sms.reason')}
          placeholder={t('sms.reasonExample')}
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
          <Button type="submit" color="red" loading={busy} disabled={!reason.trim()}>
            {t('sms.optOut')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
