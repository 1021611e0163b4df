import { Button } from '@mantine/core'
import { IconArrowBackUp, IconMessageOff, IconNotes } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import type { TicketOut } from '../generated/protocol'
import { undoClose } from './actions'
import type { Bar } from './barred'
import classes from './Composer.module.css'

/** In place of the box: why, and the way out. */
export function Barred({ ticket, reason, onNote }: { ticket: TicketOut; reason: Bar; onNote: () => void }) {
  const { t } = useTranslation()
  return (
    <div className={classes.dock}>
      <div className={classes.barred}>
        <IconMessageOff size={20} stroke={1.6} aria-hidden />
        <span>{t(`inbox.barred.${reason}`)}</span>
        {reason === 'closing' ? (
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconArrowBackUp size={15} />}
            onClick={() => void undoClose(ticket)}
          >
            {t('common.undo')}
          </Button>
        ) : (
          <Button size="compact-sm" variant="default" leftSection={<IconNotes size={15} />} onClick={onNote}>
            {t('inbox.addNote')}
          </Button>
        )}
      </div>
    </div>
  )
}
