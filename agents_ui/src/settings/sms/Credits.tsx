import { Progress, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { Credits } from '../../generated/delivery'
import { countryName } from '../../kernel/names'
import { locale } from '../../kernel/time'
import { useSettings } from '../editing'
import { Section } from '../Section'
import classes from './Sms.module.css'

const KINDS = ['reply', 'auto_reply'] as const

/** Credits used this month, by country and kind (CAM-41..44). */
export function CreditsSection() {
  const { t } = useTranslation()
  const { data, waiting } = useSettings<Credits>('/api/sms/credits')
  if (!data) return waiting
  const number = new Intl.NumberFormat(locale())
  const month = new Intl.DateTimeFormat(locale(), { month: 'long', year: 'numeric', timeZone: 'UTC' })
  const used = data.plan ? Math.min(100, (data.used / data.plan) * 100) : 0
  return (
    <Section
      title={t('settings.sms.credits')}
      text={t('settings.sms.creditsText', { month: month.format(Date.parse(`${data.month}-01T00:00:00Z`)) })}
    >
      <div className={classes.figures}>
        <div>
          <div className={classes.figure}>{number.format(data.used)}</div>
          {t('settings.sms.used')}
        </div>
        {data.left !== null && data.plan !== null && (
          <div>
            <div className={classes.figure}>{number.format(data.left)}</div>
            {t('settings.sms.leftOver')} {t('settings.sms.ofPlan', { plan: number.format(data.plan) })}
          </div>
        )}
      </div>
      {data.plan !== null ? (
        <Progress
          value={used}
          color={used >= 90 ? 'red' : 'indigo'}
          mt="md"
          aria-label={t('settings.sms.credits')}
        />
      ) : (
        <Text c="dimmed" size="sm" mt="sm">
          {t('settings.sms.noPlan')}
        </Text>
      )}
      {data.by.length === 0 ? (
        <Text c="dimmed" mt="md">
          {t('settings.sms.nothingSent')}
        </Text>
      ) : (
        <table className={classes.table}>
          <thead>
            <tr>
              <th>{t('settings.sms.what')}</th>
              <th>{t('sms.country')}</th>
              <th>{t('settings.sms.messages')}</th>
              <th>{t('settings.sms.credits')}</th>
            </tr>
          </thead>
          <tbody>
            {data.by.map((row) => (
              <tr key={`${row.kind} ${row.country}`}>
                <td>{t(`settings.sms.sent.${KINDS.find((kind) => kind === row.kind) ?? 'other'}`)}</td>
                <td>{countryName(row.country) || '–'}</td>
                <td>{number.format(row.messages)}</td>
                <td>{number.format(row.credits)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Section>
  )
}
