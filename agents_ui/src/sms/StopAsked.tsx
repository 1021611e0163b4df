import { Button } from '@mantine/core'
import { IconHandStop } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { TicketOut } from '../generated/protocol'
import { answerStop } from '../inbox/actions'
import classes from './Writing.module.css'

/** They asked to stop in their own words; whether it was meant so is one tap of a person (AMB-1). */
export function StopAsked({ ticket }: { ticket: TicketOut }) {
  const { t } = useTranslation()
  const [busy, setBusy] = useState(false)

  async function answer(confirm: boolean) {
    setBusy(true)
    await answerStop(ticket, confirm)
    setBusy(false)
  }

  return (
    <div className={classes.asked} role="alert">
      <IconHandStop size={18} stroke={1.7} aria-hidden />
      <span>{t('sms.stopAsked')}</span>
      <div className={classes.answers}>
        <Button size="compact-sm" color="red" disabled={busy} onClick={() => void answer(true)}>
          {t('sms.stopTexts')}
        </Button>
        <Button size="compact-sm" variant="default" disabled={busy} onClick={() => void answer(false)}>
          {t('sms.keep')}
        </Button>
      </div>
    </div>
  )
}
