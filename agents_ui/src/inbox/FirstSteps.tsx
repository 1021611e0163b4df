/** What an owner sets up first; gone when everything is done. The widget's step waits for the first visit to the site. */
import { Button, Text } from '@mantine/core'
import { IconCircleCheckFilled, IconCircleDashed } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Findings, FirstStep, FirstSteps as Steps } from '../generated/operations'
import { api } from '../kernel/api'
import { setPrefs } from '../kernel/prefs'
import { useSession } from '../kernel/session'
import { oneLine } from '../kernel/text'
import { toastError } from '../ui/toasts'
import classes from './FirstSteps.module.css'

const WATCH_MS = 5_000
/** By step: its page, the right that the page needs, and the path of its test. */
const PLACES = {
  widget: { to: '/settings/widget', capability: 'channels', test: null },
  sms: { to: '/settings/sms', capability: 'channels', test: '/api/sms/test' },
  mail: { to: '/settings/mail', capability: 'channels', test: '/api/mail/test' },
  hours: { to: '/settings/inbox', capability: 'channels', test: null },
  auto_response: { to: '/settings/inbox', capability: 'channels', test: null },
  team: { to: '/settings/team', capability: 'users', test: null },
} as const

export function FirstSteps() {
  const { t } = useTranslation()
  const capabilities = useSession((state) => state.capabilities)
  const { data } = useQuery({
    queryKey: ['first-steps'],
    queryFn: () => api.get<Steps>('/api/first-steps'),
    refetchInterval: ({ state }) => (state.data?.steps.some((step) => !step.done) ? WATCH_MS : false),
  })
  const steps = data?.steps.filter((step) => capabilities.includes(PLACES[step.id].capability)) ?? []
  if (steps.every((step) => step.done)) return null
  return (
    <section className={classes.card} aria-labelledby="first-steps">
      <h2 className={classes.title} id="first-steps">
        {t('steps.title')}
      </h2>
      <Text c="dimmed">{t('steps.text')}</Text>
      <ul className={classes.list}>
        {steps.map((step) => (
          <Step key={step.id} step={step} />
        ))}
      </ul>
      <Button variant="subtle" size="compact-sm" onClick={() => setPrefs({ hideSteps: true })}>
        {t('steps.hide')}
      </Button>
    </section>
  )
}

function Step({ step }: { step: FirstStep }) {
  const { t } = useTranslation()
  const { to, test } = PLACES[step.id]
  const [busy, setBusy] = useState(false)
  const [result, setResult] = useState('')

  async function run(path: string) {
    setBusy(true)
    try {
      const { findings } = await api.post<Findings>(path)
      const bad = findings.find(({ state }) => state !== 'ok')
      setResult(bad ? `${bad.message} ${bad.advice}` : t('steps.works'))
    } catch (error) {
      toastError(error)
    } finally {
      setBusy(false)
    }
  }

  const text = step.about
    ? t('steps.widgetSeen', { site: oneLine(step.about, 80) })
    : t(`steps.${step.id}Text`)
  return (
    <li className={classes.step} data-done={step.done || undefined}>
      {step.done ? (
        <IconCircleCheckFilled size={20} aria-hidden />
      ) : (
        <IconCircleDashed size={20} stroke={1.7} aria-hidden />
      )}
      <span className={classes.words}>
        <Link to={to}>{t(`steps.${step.id}`)}</Link>
        {step.done && <span className="sr-only"> ({t('steps.done')})</span>}
        <span className={classes.text} aria-live="polite">
          {result || text}
        </span>
      </span>
      {test && (
        <Button
          size="compact-sm"
          variant="default"
          loading={busy}
          onClick={() => void run(test)}
          aria-label={`${t('steps.test')}: ${t(`steps.${step.id}`)}`}
        >
          {t('steps.test')}
        </Button>
      )}
    </li>
  )
}
