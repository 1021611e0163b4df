import { Progress, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { Credits } from '../../generated/delivery'
import { countryName } from '../../kernel/names'
import { locale } from '../../kernel/time'
import { useSettings } from '../editing'
import { Section } from '../Section'
import classes from './Sms.module.css'

const KINDS_WITH_A_TEXT = ['reply', 'auto_reply'] as const

/** Credits used this month, by country and kind (CAM-41..44). */
export function CreditsSection() {
  const { t } = useTranslation()
  const { data, placeholder } = useSettings<Credits>('/api/sms/credits')
  if (!data) return placeholder
  const { plan: monthlyCredits } = data
  const numberFormat = new Intl.NumberFormat(locale())
  const monthFormat = new Intl.DateTimeFormat(locale(), { month: 'long', year: 'numeric', timeZone: 'UTC' })
  const used = monthlyCredits ? Math.min(100, (data.used / monthlyCredits) * 100) : 0
  return (
    <Section
      title={t('settings.sms.credits')}
      text={t('settings.sms.creditsText', {
        month: monthFormat.format(Date.parse(`${data.month}-01T00:00:00Z`)),
      })}
    >
      <div className={classes.figures}>
        <div>
          <div className={classes.figure}>{numberFormat.format(data.used)}</div>
          {t('settings.sms.used')}
        </div>
        {data.left !== null && monthlyCredits !== null && (
          <div>
            <div className={classes.figure}>{numberFormat.format(data.left)}</div>
            {t('settings.sms.leftOver')}{' '}
            {t('settings.sms.ofPlan', { plan: numberFormat.format(monthlyCredits) })}
          </div>
        )}
      </div>
      {monthlyCredits !== null ? (
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
                <td>
                  {t(`settings.sms.sent.${KINDS_WITH_A_TEXT.find((kind) => kind === row.kind) ?? 'other'}`)}
                </td>
                <td>{countryName(row.country) || '–'}</td>
                <td>{numberFormat.format(row.messages)}</td>
                <td>{numberFormat.format(row.credits)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Section>
  )
}
