import { Button, Tooltip } from '@mantine/core'
import { IconAlertCircle, IconCheck, IconChecks, IconClock, IconLock } from '@tabler/icons-react'
import { memo } from 'react'
import { useTranslation } from 'react-i18next'
import { explainCode } from '../../ui/toasts'
import type { TicketOut } from '../../generated/protocol'
import { isBlank, oneLine } from '../../kernel/text'
import { clock, exactTime } from '../../kernel/time'
import { Received } from './Received'
import { Attachments } from './Attachments'
import classes from './Bubble.module.css'
import { type Sending, WAITED } from '../data/outbox'
import { type Bubble, isKeyword } from './threadRows'
import { RichText } from './RichText'
import { sendAgain } from '../data/sending'
import { explainSms, SmsTick, Trouble, hasTrouble } from '../../messaging'

interface BubbleProps {
  row: Bubble
  /** The contact's name. */
  contact: string
  channel: TicketOut['channel']
  onEdit: (item: Sending) => void
}

export const BubbleView = memo(function BubbleView({ row, contact, channel, onEdit }: BubbleProps) {
  const { t } = useTranslation()
  const { entry, sending } = row
  const text = entry?.text ?? sending?.text ?? ''
  const sms = channel === 'sms'
  const hidden = Number(entry?.data.media_hidden ?? 0)
  const mms = sms && row.side === 'us' && !row.note && (entry?.data.mms === true || row.files.length > 0)
  const keyword = isKeyword(entry)
  const author = row.side === 'them' ? contact : oneLine(entry?.author.name ?? '', 60)
  return (
    <div
      className={classes.row}
      data-side={row.side}
      data-note={row.note || undefined}
      data-first={row.first || undefined}
      data-last={row.last || undefined}
      data-state={sending?.state}
    >
      {row.first && (row.side === 'us' ? author !== '' : false) && (
        <div className={classes.author} dir="auto">
          {author}
        </div>
      )}
      <div className={classes.bubble} title={exactTime(row.at)}>
        <span className="sr-only">{row.side === 'us' && sending ? t('inbox.you') : author}: </span>
        {row.note && row.first && (
          <span className={classes.noteMark}>
            <IconLock size={12} aria-hidden /> {t('inbox.noteMark')}
          </span>
        )}
        {row.redacted ? (
          <em className={classes.gone}>{t('inbox.redacted')}</em>
        ) : (
          <>
            {sms && row.side === 'them' ? (
              <Received files={row.files} hidden={hidden} at={row.at} />
            ) : (
              row.files.length > 0 && <Attachments files={row.files} />
            )}
            {text && <RichText text={text} />}
            {row.files.length === 0 && hidden === 0 && isBlank(text) && (
              <em className={classes.gone}>
                {sms && row.side === 'them' ? t('sms.emptyText') : t('inbox.noText')}
              </em>
            )}
          </>
        )}
      </div>
      {sending?.problem ? (
        <Problem item={sending} sms={sms} onEdit={onEdit} />
      ) : row.delivery && hasTrouble(row.delivery) ? (
        <Trouble delivery={row.delivery} />
      ) : (
        row.last && (
          <div className={classes.meta}>
            <time dateTime={row.at}>{clock(row.at)}</time>
            {mms && <span>MMS</span>}
            {keyword && <span>{t('sms.keyword')}</span>}
            {row.side === 'us' &&
              !row.note &&
              (sms ? <SmsTick delivery={row.delivery} /> : <Tick row={row} />)}
            {row.note && sending && sending.state !== 'sent' && (
              <IconClock size={13} aria-label={t('inbox.sending')} />
            )}
          </div>
        )
      )}
    </div>
  )
})

/** sending → sent → seen (INB-57): an icon and a word. */
function Tick({ row }: { row: Bubble }) {
  const { t } = useTranslation()
  const state = row.seen ? 'seen' : row.sending && row.sending.state !== 'sent' ? 'sending' : 'sent'
  const Mark = { seen: IconChecks, sending: IconClock, sent: IconCheck }[state]
  return (
    <Tooltip label={t(`inbox.ticks.${state}`)}>
      <span className={classes.tick} data-tick={state}>
        <Mark size={state === 'sending' ? 13 : 15} stroke={2} aria-hidden />
        {state === 'sent' ? (
          <span className="sr-only">{t('inbox.ticks.sent')}</span>
        ) : (
          t(`inbox.ticks.${state}`)
        )}
      </span>
    </Tooltip>
  )
}

function Problem({ item, sms, onEdit }: { item: Sending; sms: boolean; onEdit: (item: Sending) => void }) {
  const { t } = useTranslation()
  return (
    <div className={classes.problem} role="alert">
      <IconAlertCircle size={15} aria-hidden />
      <span>
        {t('inbox.notSent')} {(sms ? explainSms : explainCode)(item.problem!.code)}
      </span>
      <Button size="compact-xs" variant="subtle" color="red" onClick={() => sendAgain(item.key)}>
        {item.problem!.code === WAITED ? t('inbox.sendNow') : t('common.sendAgain')}
      </Button>
      <Button size="compact-xs" variant="subtle" color="gray" onClick={() => onEdit(item)}>
        {t('inbox.edit')}
      </Button>
    </div>
  )
}
