import { useTranslation } from 'react-i18next'
import { cost } from '../../../widget/shared/segments'
import classes from './Writing.module.css'

/** What a stored text costs each time it is sent. */
export function TextCost({ text }: { text: string }) {
  const { t } = useTranslation()
  const found = cost(text)
  return (
    <div className={classes.cost}>
      {found.units} / {found.units + found.left} · {t('sms.segments', { count: found.segments })}
      {found.special.length > 0 && ` · ${t('sms.special')}: ${found.special.slice(0, 12).join(' ')}`}
    </div>
  )
}
