import { ActionIcon, Button, Text, TextInput } from '@mantine/core'
import { IconTrash, IconWorld } from '@tabler/icons-react'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Section } from '../Section'
import frame from '../Settings.module.css'
import { originOf } from './sites'
import type { Editing } from './WidgetSettings'

export function SitesSection({ values, change, errors }: Editing) {
  const { t } = useTranslation()
  const [typed, setTyped] = useState('')
  const [error, setError] = useState<string | null>(null)

  function add(event: FormEvent) {
    event.preventDefault()
    const origin = originOf(typed)
    if (!origin) {
      setError(t('settings.widget.siteWrong'))
      return
    }
    if (!values.sites.includes(origin)) change({ sites: [...values.sites, origin] })
    setTyped('')
    setError(null)
  }

  return (
    <Section title={t('settings.widget.sites')} text={t('settings.widget.sitesText')}>
      {values.sites.length === 0 && (
        <Text c="dimmed" mb="sm">
          {t('settings.widget.noSites')}
        </Text>
      )}
      {values.sites.map((site) => (
        <div key={site} className={frame.row}>
          <IconWorld size={18} stroke={1.6} aria-hidden />
          <span className={frame.rowText} dir="ltr">
            {site}
          </span>
          <ActionIcon
            onClick={() => change({ sites: values.sites.filter((other) => other !== site) })}
            aria-label={t('settings.widget.removeSite', { site })}
          >
            <IconTrash size={17} stroke={1.6} />
          </ActionIcon>
        </div>
      ))}
      <form onSubmit={add} style={{ display: 'flex', gap: 8, alignItems: 'flex-start', marginTop: 8 }}>
        <TextInput
          flex={1}
          value={typed}
          onChange={(event) => {
            setTyped(event.currentTarget.value)
            setError(null)
          }}
          placeholder="https://www.example.com"
          aria-label={t('settings.widget.addSite')}
          error={error ?? errors.sites}
          inputMode="url"
        />
        <Button type="submit" variant="default">
          {t('settings.add')}
        </Button>
      </form>
    </Section>
  )
}
