/** Countries that the carrier refused (21408); nothing is sent there until an admin resumes it. */
import { Button } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { toast, toastError } from '../../ui/toasts'
import { api } from '../../kernel/api'
import type { SmsOut } from '../../generated/delivery'
import { countryName } from '../../kernel/names'
import { Section } from '../Section'
import frame from '../Settings.module.css'
import { PATH, valuesOf } from './SmsAccount'

export function PausedCountries({ account }: { account: SmsOut }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [busy, setBusy] = useState('')
  const paused = Object.entries(account.paused_countries)
  if (paused.length === 0) return null

  async function resume(code: string) {
    setBusy(code)
    try {
      const stillPaused = paused.map(([otherCode]) => otherCode).filter((otherCode) => otherCode !== code)
      const saved = await api.put<SmsOut>(PATH, { ...valuesOf(account), paused_countries: stillPaused })
      queries.setQueryData(['settings', PATH], saved)
      toast(t('common.saved'))
    } catch (error) {
      toastError(error)
    } finally {
      setBusy('')
    }
  }

  return (
    <Section title={t('settings.sms.pausedCountries')} text={t('settings.sms.pausedCountriesText')}>
      {paused.map(([code, why]) => (
        <div key={code} className={frame.row}>
          <IconAlertTriangle size={20} stroke={1.6} aria-hidden />
          <span className={frame.rowText}>
            <span>{countryName(code)}</span>
            <span className={frame.sub}>{why}</span>
          </span>
          <Button
            variant="default"
            loading={busy === code}
            aria-label={`${t('settings.sms.sendAgainThere')}: ${countryName(code)}`}
            onClick={() => void resume(code)}
          >
            {t('settings.sms.sendAgainThere')}
          </Button>
        </div>
      ))}
    </Section>
  )
}
