import { ActionIcon, Button, Tooltip } from '@mantine/core'
import { IconClockPause, IconSunrise } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { TicketOut } from '../../generated/protocol'
import { useCommands } from '../../ui/commands'
import { keyCaps, useShortcut } from '../../ui/shortcuts'
import { toastError } from '../../ui/toasts'
import { loadDesk } from '../desk/loadDesk'
import { SnoozeMenu } from '../desk/parts'
import classes from './Header.module.css'

/** Snoozes the ticket until a chosen time, or wakes it. */
export function SnoozeButton({ ticket, onNext }: { ticket: TicketOut; onNext: () => () => void }) {
  const { t } = useTranslation()
  const [opened, setOpened] = useState(false)
  const snoozed = ticket.status === 'snoozed'
  const open = () => setOpened(true)
  const snooze = (until: string) => {
    const back = onNext()
    void loadDesk().then(({ snoozeTicket }) => snoozeTicket(ticket, until, back), toastError)
  }
  const wake = () => loadDesk().then(({ wakeTicket }) => wakeTicket(ticket), toastError)
  useShortcut('snooze', open)
  useCommands(() => [
    { id: 'snooze', label: t('inbox.snooze'), icon: IconClockPause, keys: 's', run: open },
    snoozed && { id: 'wake', label: t('inbox.wake'), icon: IconSunrise, run: () => void wake() },
  ])
  return (
    <>
      {snoozed && (
        <Button
          size="compact-md"
          variant="default"
          className={classes.close}
          leftSection={<IconSunrise size={16} />}
          onClick={() => void wake()}
          aria-label={t('inbox.wake')}
        >
          <span className={classes.closeLabel}>{t('inbox.wake')}</span>
        </Button>
      )}
      <span className={classes.snooze}>
        <Tooltip label={`${t('inbox.snoozeHint')} · ${keyCaps('s')[0]}`} disabled={opened}>
          <ActionIcon
            onClick={() => setOpened(!opened)}
            aria-label={t('inbox.snooze')}
            aria-haspopup="dialog"
            aria-expanded={opened}
          >
            <IconClockPause size={19} stroke={1.7} />
          </ActionIcon>
        </Tooltip>
        {opened && <SnoozeMenu onClose={() => setOpened(false)} onPick={snooze} />}
      </span>
    </>
  )
}
