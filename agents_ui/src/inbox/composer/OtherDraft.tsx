import { Button } from '@mantine/core'
import { IconDevices } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { oneLine } from '../../kernel/text'
import { writingClasses as sms } from '../../messaging'
import { keepMyDraft, takeOtherDraft } from '../data/drafts'

export interface OtherDraftProps {
  ticket: number
  text: string
  onDone: () => void
}

/** Two devices changed the draft at the same time: the agent chooses. */
export function OtherDraft({ ticket, text, onDone }: OtherDraftProps) {
  const { t } = useTranslation()
  const decide = (how: (ticket: number) => void) => () => {
    how(ticket)
    onDone()
  }
  return (
    <div className={sms.strip} role="status">
      <IconDevices size={16} stroke={1.7} aria-hidden />
      <span className={sms.words} dir="auto">
        {t('inbox.otherDraft', { text: oneLine(text, 120) })}
      </span>
      <Button size="compact-xs" variant="light" onClick={decide(takeOtherDraft)}>
        {t('inbox.useOtherDraft')}
      </Button>
      <Button size="compact-xs" variant="subtle" onClick={decide(keepMyDraft)}>
        {t('inbox.keepMyDraft')}
      </Button>
    </div>
  )
}
