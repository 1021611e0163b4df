/** Entries that nobody typed: folded cards for automatic messages, grey lines for changes. */
import { IconChevronDown, IconMessageBolt } from '@tabler/icons-react'
import { memo, type ReactNode, useId, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { EntryOut, File } from '../../generated/protocol'
import { oneLine } from '../../kernel/text'
import { clock, exactTime, untilTime } from '../../kernel/time'
import { Attachments } from './Attachments'
import { useUserName } from '../../live/people'
import classes from './SystemEntry.module.css'
import { RichText } from './RichText'
import type { Line } from './threadRows'
import { explainDelivery, SmsTick, Trouble, hasTrouble, consentWords, type Delivery } from '../../messaging'

const ORIGINS = ['welcome', 'auto', 'keyword', 'flow', 'campaign', 'out_of_hours', 'opt_in'] as const

/** A campaign's text gets its entry when the carrier has accepted it, and a delivery entry only at its end. */
const ACCEPTED: Delivery = { state: 'sent', outbound: 0, code: null, words: '', again: false, seq: 0 }

interface AutomaticCardProps {
  entry: EntryOut
  delivery: Delivery | null
}

export const AutomaticCard = memo(function AutomaticCard({ entry, delivery: reported }: AutomaticCardProps) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const id = useId()
  const files = (entry.data.files as File[] | undefined) ?? []
  const sms = entry.data.outbound !== undefined
  const origin = ORIGINS.find((name) => name === entry.data.origin) ?? 'auto'
  const delivery = reported ?? (origin === 'campaign' ? ACCEPTED : null)
  const name =
    origin === 'campaign' && typeof entry.data.name === 'string' ? oneLine(entry.data.name, 60) : ''
  return (
    <div className={classes.card}>
      <button
        type="button"
        className={classes.fold}
        onClick={() => setOpen(!open)}
        aria-expanded={open}
        aria-controls={id}
        title={exactTime(entry.at)}
      >
        <IconMessageBolt size={15} stroke={1.7} aria-hidden />
        <span className={classes.origin}>
          {t(`inbox.origins.${origin}`)}
          {name && (
            <>
              {': '}
              <bdi>{name}</bdi>
            </>
          )}
        </span>
        {!open && (
          <span className={classes.peek}>
            <bdi>{oneLine(entry.text, 140)}</bdi>
          </span>
        )}
        {sms && (
          <span className={classes.outcome} data-failed={hasTrouble(delivery) || undefined}>
            {delivery && hasTrouble(delivery) ? (
              <span title={explainDelivery(delivery)}>{t('sms.notDelivered')}</span>
            ) : (
              <SmsTick delivery={delivery} />
            )}
          </span>
        )}
        <time dateTime={entry.at}>{clock(entry.at)}</time>
        <IconChevronDown size={14} className={classes.arrow} aria-hidden />
      </button>
      <div id={id} hidden={!open} className={classes.full}>
        {open && (
          <>
            {files.length > 0 && <Attachments files={files} />}
            <RichText text={entry.text} />
            {delivery && hasTrouble(delivery) && <Trouble delivery={delivery} />}
          </>
        )}
      </div>
    </div>
  )
})

export const ChangeLine = memo(function ChangeLine({ line }: { line: Line }) {
  const { entry } = line
  const words = useLineText(line)
  return (
    <div className={classes.line} title={exactTime(entry.at)}>
      {words} <time dateTime={entry.at}>{clock(entry.at)}</time>
    </div>
  )
})

function useLineText({ entry, purposes, names }: Line): ReactNode {
  const { t } = useTranslation()
  const agent = oneLine(entry.author.name, 60) || t('people.someone')
  const user = typeof entry.data.user === 'number' ? entry.data.user : null
  const currentName = useUserName(user)
  const { to, by, email, name, until, was } = entry.data
  if (entry.kind === 'assigned') {
    if (user === null) return t('inbox.lines.unassigned', { agent })
    if (user === entry.author.id) return t('inbox.lines.took', { agent })
    const stored = typeof entry.data.user_name === 'string' ? oneLine(entry.data.user_name, 60) : ''
    return t('inbox.lines.assigned', { agent, name: stored || currentName })
  }
  if (entry.kind === 'consent')
    return consentWords(entry.data, purposes, names, entry.author.type === 'agent' ? agent : '')
  if (entry.kind === 'contact') {
    for (const change of ['merged', 'separated'] as const) {
      const other = entry.data[change]
      if (typeof other === 'string')
        return t(`inbox.lines.${change}`, { agent, name: oneLine(other, 80) || t('people.nameless') })
    }
    const details = [name, email]
      .filter((part) => typeof part === 'string' && part)
      .map((part) => oneLine(part as string, 120))
    const text = details.join(', ')
    if (entry.author.type === 'agent')
      return text ? t('inbox.lines.named', { agent, text }) : t('inbox.lines.unnamed', { agent })
    if (!entry.data.signed_in) return t('inbox.lines.contact', { text })
    return text ? t('inbox.lines.signedInAs', { text }) : t('inbox.lines.signedIn')
  }
  const actor = by === 'visitor' ? 'visitor' : by === 'agent' || by === 'contact' ? by : 'system'
  if (to === 'closed') return t(`inbox.lines.closed.${actor}`, { agent })
  if (to === 'snoozed')
    return typeof until === 'string'
      ? t('inbox.lines.snoozedUntil', { agent, time: untilTime(until, Date.parse(entry.at)) })
      : t('inbox.lines.snoozed', { agent })
  if (was === 'snoozed') return t(`inbox.lines.woken.${by === 'agent' ? 'agent' : 'system'}`, { agent })
  return t(`inbox.lines.opened.${actor}`, { agent })
}
