import { Button } from '@mantine/core'
import { IconArrowBackUp, IconMessageOff, IconNotes, IconSettings } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { useCan } from '../accounts/session'
import type { TicketOut } from '../generated/protocol'
import { oneLine } from '../kernel/text'
import { useSmsFacts } from '../sms/writing'
import { undoClose } from './actions'
import type { Bar } from './barred'
import classes from './Composer.module.css'

interface BarredProps {
  ticket: TicketOut
  reason: Bar
  /** What was being written: it is kept for when they can be answered again. */
  draft: string
  onNote: () => void
  children?: ReactNode
}

/** In place of the box: why, and the way out. */
export function Barred({ ticket, reason, draft, onNote, children }: BarredProps) {
  const { t } = useTranslation()
  const channels = useCan('channels')
  const word = useSmsFacts(ticket)?.keyword
  const wayOut = explainWayOut()

  function explainWayOut() {
    if (reason === 'ended' || reason === 'closing') return ''
    if (word && (reason === 'not_subscribed' || reason === 'taken_off'))
      return t(`inbox.wayOutWord.${reason}`, { word })
    return t(`inbox.wayOut.${reason}`)
  }

  return (
    <div className={classes.dock}>
      {children}
      <div className={classes.barred} role="status">
        <IconMessageOff size={20} stroke={1.6} aria-hidden />
        <span>
          {t(`inbox.barred.${reason}`)}
          {wayOut && <span className={classes.wayOut}>{wayOut}</span>}
          {draft.trim() && (
            <span className={classes.kept}>{t('sms.draftKept', { text: oneLine(draft, 120) })}</span>
          )}
        </span>
        {reason === 'closing' && (
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconArrowBackUp size={15} />}
            onClick={() => void undoClose(ticket)}
          >
            {t('common.undo')}
          </Button>
        )}
        {reason === 'no_sender' && channels && (
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconSettings size={15} />}
            renderRoot={(props) => <Link to="/settings/sms" {...props} />}
          >
            {t('settings.sms.title')}
          </Button>
        )}
        {reason !== 'closing' && (
          <Button size="compact-sm" variant="default" leftSection={<IconNotes size={15} />} onClick={onNote}>
            {t('inbox.addNote')}
          </Button>
        )}
      </div>
    </div>
  )
}
