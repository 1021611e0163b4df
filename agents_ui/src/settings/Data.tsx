/** Settings → Data: after how many days events and carriers' reports are deleted. */
import '@mantine/core/styles/NumberInput.layer.css'
import { NumberInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { Retention } from '../generated/events'
import { SaveBar, useEditing, useSettings } from './editing'
import { PageHead, Section } from './Section'
import frame from './Settings.module.css'

const PATH = '/api/settings/retention'

export function Data() {
  const { t } = useTranslation()
  const { data, placeholder } = useSettings<Retention>(PATH)
  return (
    <div className={frame.page}>
      <PageHead title={t('pages.data')} text={t('settings.data.text')} />
      {data ? <RetentionForm retention={data} /> : placeholder}
    </div>
  )
}

function RetentionForm({ retention }: { retention: Retention }) {
  const { t } = useTranslation()
  const form = useEditing(PATH, retention)
  const { values, change, errors } = form
  const days = (field: 'events_days' | 'reports_days') => ({
    value: values[field] ?? '',
    error: errors[field],
    onChange: (entered: number | string) => change({ [field]: typeof entered === 'number' ? entered : null }),
    placeholder: t('settings.data.forever'),
    min: 30,
    max: 3650,
    clampBehavior: 'none' as const,
    allowDecimal: false,
    allowNegative: false,
    hideControls: true,
    maw: 220,
  })
  return (
    <>
      <Section title={t('settings.data.retention')} text={t('settings.data.retentionText')}>
        <div className={frame.stack}>
          <NumberInput label={t('settings.data.events')} {...days('events_days')} />
          <NumberInput label={t('settings.data.reports')} {...days('reports_days')} />
        </div>
      </Section>
      <SaveBar form={form} />
    </>
  )
}
