import { Button, Text } from '@mantine/core'
import {
  IconAlertTriangleFilled,
  IconCircleCheckFilled,
  IconPlugConnected,
  IconSquareRoundedXFilled,
} from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { toastError } from '../../frame/toasts'
import { api } from '../../kernel/api'
import type { Finding } from '../../kernel/contract'
import { Section } from '../Section'
import classes from './Sms.module.css'

const PICTURES = {
  ok: IconCircleCheckFilled,
  warn: IconAlertTriangleFilled,
  fail: IconSquareRoundedXFilled,
}

/** Does it work? The same findings as `threadline doctor`. */
export function TestSection({ unsaved }: { unsaved: boolean }) {
  const { t } = useTranslation()
  const [findings, setFindings] = useState<Finding[] | null>(null)
  const [busy, setBusy] = useState(false)

  async function test() {
    setBusy(true)
    try {
      setFindings((await api.post<{ findings: Finding[] }>('/api/sms/test')).findings)
    } catch (error) {
      toastError(error)
    } finally {
      setBusy(false)
    }
  }

  return (
    <Section
      title={t('settings.sms.test')}
      text={t('settings.sms.testText')}
      action={
        <Button
          variant="default"
          leftSection={<IconPlugConnected size={16} stroke={1.7} />}
          loading={busy}
          disabled={unsaved}
          onClick={() => void test()}
        >
          {t('settings.sms.test')}
        </Button>
      }
    >
      {unsaved && (
        <Text size="sm" c="dimmed">
          {t('settings.sms.saveFirst')}
        </Text>
      )}
      {findings && (
        <ul className={classes.findings} aria-live="polite">
          {findings.map(({ area, state, message, advice }) => {
            const Picture = PICTURES[state]
            return (
              <li key={area + message} data-state={state}>
                <Picture size={18} aria-hidden />
                <span>
                  <span className="sr-only">{t(`system.states.${state}`)}: </span>
                  {message}
                  {advice && <span className={classes.advice}>{advice}</span>}
                </span>
              </li>
            )
          })}
        </ul>
      )}
    </Section>
  )
}
