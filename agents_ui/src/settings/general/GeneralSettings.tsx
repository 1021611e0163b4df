/** Settings → General: settings of the whole account. */
import { Button, Select, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { VersionedAccount } from '../../generated/accounts'
import { loadSession } from '../../kernel/session'
import { clockIn, useNow } from '../../kernel/time'
import { SaveBar, useEditing, useSettings } from '../editing'
import { PageHead, Section } from '../Section'
import frame from '../Settings.module.css'

const PATH = '/api/settings/account'

export function GeneralSettings() {
  const { t } = useTranslation()
  const { data, placeholder } = useSettings<VersionedAccount>(PATH)
  return (
    <div className={frame.page}>
      <PageHead title={t('pages.general')} text={t('settings.general.text')} />
      {data ? <TimeZone saved={data} /> : placeholder}
    </div>
  )
}

function TimeZone({ saved }: { saved: VersionedAccount }) {
  const { t } = useTranslation()
  const form = useEditing(PATH, saved, (answer: VersionedAccount) => {
    void loadSession()
    return answer
  })
  const { values, change, errors } = form
  const now = useNow()
  const browserZone = new Intl.DateTimeFormat().resolvedOptions().timeZone
  const time = clockIn(values.time_zone || 'UTC', now)
  return (
    <>
      <Section title={t('settings.general.zone')} text={t('settings.general.zoneText')}>
        <div className={frame.stack}>
          <Select
            aria-label={t('settings.general.zone')}
            placeholder={t('settings.general.noZone')}
            value={values.time_zone || null}
            error={errors.time_zone}
            searchable
            limit={200}
            nothingFoundMessage={t('settings.general.notFound')}
            onChange={(time_zone) => change({ time_zone: time_zone ?? '' })}
            data={zones(values.time_zone, browserZone)}
            maw={360}
          />
          {time && (
            <Text size="sm" c="dimmed">
              {t('settings.general.timeThere', { time })}
            </Text>
          )}
          {browserZone && browserZone !== values.time_zone && (
            <div>
              <Button variant="default" size="compact-md" onClick={() => change({ time_zone: browserZone })}>
                {t('settings.general.useMine', { zone: browserZone.replaceAll('_', ' ') })}
              </Button>
            </div>
          )}
        </div>
      </Section>
      <SaveBar form={form} />
    </>
  )
}

function zones(chosen: string, browserZone: string): { value: string; label: string }[] {
  const names = new Set(['UTC', ...Intl.supportedValuesOf('timeZone'), browserZone, chosen].filter(Boolean))
  return [...names].sort().map((value) => ({ value, label: value.replaceAll('_', ' ') }))
}
