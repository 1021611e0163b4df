import { Button } from '@mantine/core'
import { IconArrowBackUp, IconMessageOff, IconNotes, IconSettings } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { useCan } from '../../kernel/session'
import type { TicketOut } from '../../generated/protocol'
import { oneLine } from '../../kernel/text'
import { undoClose } from '../data/actions'
import type { Bar } from './replyBarred'
import classes from './Composer.module.css'
import { RecordConsent } from '../../messaging'
import { useSmsFacts } from '../data/useTicketById'

export interface BarredProps {
  ticket: TicketOut
  reason: Bar
  /** The draft: it is kept until a reply is possible again. */
  draft: string
  onNote: () => void
  children?: ReactNode
}

/** In place of the composer: why no reply is possible, and what to do. */
export function Barred({ ticket, reason, draft, onNote, children }: BarredProps) {
  const { t } = useTranslation()
  const channels = useCan('channels')
  const mayRecord = useCan('consent_grant')
  const word = useSmsFacts(ticket)?.keyword
  const remedy = explainRemedy()

  function explainRemedy() {
    if (reason === 'ended' || reason === 'closing') return ''
    if (reason === 'not_subscribed' || reason === 'taken_off') {
      if (mayRecord)
        return t(`inbox.wayOutYours.${reason}`) + (word ? ` ${t('inbox.wayOutText', { word })}` : '')
      if (word) return t(`inbox.wayOutWord.${reason}`, { word })
    }
    return t(`inbox.wayOut.${reason}`)
  }

  return (
    <div className={classes.dock}>
      {children}
      <div className={classes.barred} role="status">
        <IconMessageOff size={20} stroke={1.6} aria-hidden />
        <span>
          <span className={classes.why}>{t(`inbox.barred.${reason}`)}</span>
          {remedy && <span className={classes.remedy}>{remedy}</span>}
          {draft.trim() && (
            <span className={classes.kept}>{t('sms.draftKept', { text: oneLine(draft, 120) })}</span>
          )}
        </span>
        <div className={classes.ways}>
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
              {t('pages.sms')}
            </Button>
          )}
          {(reason === 'not_subscribed' || reason === 'taken_off') && (
            <RecordConsent contact={ticket.contact.id} />
          )}
          {reason !== 'closing' && (
            <Button
              size="compact-sm"
              variant="default"
              leftSection={<IconNotes size={15} />}
              onClick={onNote}
            >
              {t('inbox.addNote')}
            </Button>
          )}
        </div>
      </div>
    </div>
  )
}
