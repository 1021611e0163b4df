import { Button, Text } from '@mantine/core'
import { IconMailForward } from '@tabler/icons-react'
import i18n from 'i18next'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { TestMailOut } from '../../generated/delivery'
import { api } from '../../kernel/api'
import { toastError } from '../../ui/toasts'
import classes from './Mail.module.css'

const LANGUAGES = ['en', 'ko', 'pl', 'ru']
const SENT = ['accepted', 'sent', 'delivered']
const ENDED = ['failed', 'skipped', 'undelivered', 'unknown']

/** Sends a test mail to the user's own address and shows the outcome. */
export function TestMail({ disabled }: { disabled: boolean }) {
  const { t } = useTranslation()
  const [result, setResult] = useState<TestMailOut | null>(null)
  const [busy, setBusy] = useState(false)

  async function send() {
    setBusy(true)
    setResult(null)
    try {
      const language = LANGUAGES.includes(i18n.language) ? i18n.language : 'en'
      setResult(await api.post<TestMailOut>('/api/mail/test-mail', { language }))
    } catch (error) {
      toastError(error)
    } finally {
      setBusy(false)
    }
  }

  const outcome =
    result && (SENT.includes(result.state) ? 'sent' : ENDED.includes(result.state) ? 'failed' : 'waits')
  return (
    <div className={classes.test}>
      <Button
        variant="default"
        leftSection={<IconMailForward size={16} stroke={1.7} />}
        loading={busy}
        disabled={disabled}
        onClick={() => void send()}
      >
        {t('settings.mail.sendTest')}
      </Button>
      <div aria-live="polite">
        {result && outcome && (
          <Text size="sm" c={outcome === 'failed' ? 'red' : 'dimmed'}>
            {t(`settings.mail.testResults.${outcome}`, { address: result.recipient })}{' '}
            <bdi dir="ltr">{result.detail}</bdi>
          </Text>
        )}
      </div>
    </div>
  )
}
