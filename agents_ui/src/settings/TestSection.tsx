import { Button, Text } from '@mantine/core'
import {
  IconAlertTriangleFilled,
  IconCircleCheckFilled,
  IconPlugConnected,
  IconSquareRoundedXFilled,
} from '@tabler/icons-react'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { toastError } from '../ui/toasts'
import { api } from '../kernel/api'
import type { Finding, Findings } from '../generated/operations'
import { Section } from './Section'
import classes from './TestSection.module.css'

const PICTURES = {
  ok: IconCircleCheckFilled,
  warn: IconAlertTriangleFilled,
  fail: IconSquareRoundedXFilled,
}

interface TestProps {
  /** The API path that runs the test and returns findings. */
  path: string
  title: string
  text: string
  unsaved: boolean
  children?: ReactNode
}

/** Tests the saved settings and shows the same findings as `threadline doctor`. */
export function TestSection({ path, title, text, unsaved, children }: TestProps) {
  const { t } = useTranslation()
  const [findings, setFindings] = useState<Finding[] | null>(null)
  const [busy, setBusy] = useState(false)

  async function test() {
    setBusy(true)
    try {
      setFindings((await api.post<Findings>(path)).findings)
    } catch (error) {
      toastError(error)
    } finally {
      setBusy(false)
    }
  }

  return (
    <Section
      title={title}
      text={text}
      action={
        <Button
          variant="default"
          leftSection={<IconPlugConnected size={16} stroke={1.7} />}
          loading={busy}
          disabled={unsaved}
          onClick={() => void test()}
        >
          {title}
        </Button>
      }
    >
      {unsaved && (
        <Text size="sm" c="dimmed">
          {t('settings.sms.saveFirst')}
        </Text>
      )}
      {findings && <FindingsList findings={findings} />}
      {children}
    </Section>
  )
}

function FindingsList({ findings }: { findings: readonly Finding[] }) {
  const { t } = useTranslation()
  return (
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
  )
}
