import { ActionIcon, Button, Text, TextInput } from '@mantine/core'
import { IconTrash, IconWorld } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { Section } from '../Section'
import frame from '../Settings.module.css'
import { Form, useServerForm, WrongInput } from '../../ui/serverForm'
import classes from './WidgetSettings.module.css'
import { originOf } from './siteOrigin'
import type { WidgetEditing } from './widgetEditing'

export function SitesSection({ values, change, errors }: WidgetEditing) {
  const { t } = useTranslation()
  const form = useServerForm({
    saved: { site: '' },
    send: async ({ site }) => {
      const origin = originOf(site)
      if (!origin) throw new WrongInput({ site: t('settings.widget.siteWrong') })
      return origin
    },
    savedBy: () => ({ site: '' }),
    onSaved: (origin) => {
      if (!values.sites.includes(origin)) change({ sites: [...values.sites, origin] })
    },
    asksBeforeLeaving: false,
  })

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
      <Form form={form} className={classes.add}>
        <TextInput
          flex={1}
          {...form.text('site')}
          placeholder="https://www.example.com"
          aria-label={t('settings.widget.addSite')}
          error={form.errors.site ?? errors.sites}
          inputMode="url"
        />
        <Button type="submit" variant="default">
          {t('settings.add')}
        </Button>
      </Form>
    </Section>
  )
}
