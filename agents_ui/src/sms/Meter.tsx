import { useTranslation } from 'react-i18next'
import { locale } from '../kernel/time'
import { MAX_TEXT } from './segments'
import classes from './Writing.module.css'
import type { Writing } from './writing'

/** "142 / 160 · 1 segment · 1 credit", by the server's own rules. */
export function Meter({ writing, id }: { writing: Writing; id: string }) {
  const { t } = useTranslation()
  const { cost, mms, chars, over, credits } = writing
  const number = new Intl.NumberFormat(locale())
  const parts =
    mms || over > 0
      ? [mms ? 'MMS' : '', `${number.format(chars)} / ${number.format(MAX_TEXT)}`]
      : [
          `${number.format(cost.units)} / ${number.format(cost.units + cost.left)}`,
          t('sms.segments', { count: cost.segments }),
        ]
  if (credits !== null) parts.push(t('sms.credits', { count: credits }))
  return (
    <span id={id} className={classes.meter} data-over={over > 0 || undefined}>
      {parts.filter(Boolean).join(' · ')}
    </span>
  )
}
