import { useTranslation } from 'react-i18next'
import { locale } from '../kernel/time'
import { MAX_TEXT } from '../../../widget/shared/segments'
import classes from './Writing.module.css'
import type { Writing } from './writing'

/** "142 / 160 · 1 segment · 1 credit", by the server's own rules. */
export function Meter({ writing, id }: { writing: Writing; id: string }) {
  const { t } = useTranslation()
  const { cost, mms, chars, over, credits } = writing
  const number = new Intl.NumberFormat(locale())
  // The message's limit if that is nearer, else the current segment's.
  const whole = mms || over > 0
  const [used, room] = whole ? [chars, MAX_TEXT] : [cost.units, cost.units + cost.left]
  const parts = [mms ? 'MMS' : '', `${number.format(used)} / ${number.format(room)}`]
  if (!mms) parts.push(t('sms.segments', { count: cost.segments }))
  if (credits !== null) parts.push(t('sms.credits', { count: credits }))
  return (
    <span id={id} className={classes.meter} data-over={over > 0 || undefined}>
      {/* Wraps between its parts. */}
      {parts
        .filter(Boolean)
        .map((part) => part.replaceAll(' ', '\u00a0'))
        .join(' · ')}
    </span>
  )
}
