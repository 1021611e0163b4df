import { Button } from '@mantine/core'
import { IconHandStop, IconMessage } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { TicketOut } from '../../generated/protocol'
import { useCommands } from '../../ui/commands'
import { answerStop } from '../data/actions'
import { writingClasses as classes } from '../../messaging'

/** The customer seems to ask to stop in their own words; an agent decides with one tap (AMB-1). */
export function StopAsked({ ticket }: { ticket: TicketOut }) {
  const { t } = useTranslation()
  const [busy, setBusy] = useState(false)

  async function answer(confirm: boolean) {
    setBusy(true)
    await answerStop(ticket, confirm)
    setBusy(false)
  }

  useCommands(() => [
    { id: 'stop', label: t('sms.stopTexts'), icon: IconHandStop, run: () => void answer(true) },
    { id: 'keep', label: t('sms.keep'), icon: IconMessage, run: () => void answer(false) },
  ])
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
