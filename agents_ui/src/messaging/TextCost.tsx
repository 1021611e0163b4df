import { useTranslation } from 'react-i18next'
import { cost } from '../../../widget/shared/segments'
import classes from './Writing.module.css'

/** The cost of a stored text for each time it is sent. */
export function TextCost({ text }: { text: string }) {
  const { t } = useTranslation()
  const textCost = cost(text)
  return (
    <div className={classes.cost}>
      {textCost.units} / {textCost.units + textCost.left} · {t('sms.segments', { count: textCost.segments })}
      {textCost.special.length > 0 && ` · ${t('sms.special')}: ${textCost.special.slice(0, 12).join(' ')}`}
    </div>
  )
}
