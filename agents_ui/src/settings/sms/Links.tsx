import { Button, TextInput } from '@mantine/core'
import { type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { useEditing, useSettings } from '../editing'
import { Section } from '../Section'
import classes from './Sms.module.css'

const PATH = '/api/links/settings'

interface LinkSettings {
  domain: string
}

/** Where short links stand (SPEC CAM-26). */
export function LinksSection() {
  const { data } = useSettings<LinkSettings>(PATH)
  return data ? <Form saved={data} /> : null
}

function Form({ saved }: { saved: LinkSettings }) {
  const { t } = useTranslation()
  const form = useEditing(PATH, saved)

  function save(event: FormEvent) {
    event.preventDefault()
    void form.save()
  }

  return (
    <Section title={t('settings.sms.links')} text={t('settings.sms.linksText')}>
      <form className={classes.add} onSubmit={save}>
        <TextInput
          flex={1}
          maw={360}
          aria-label={t('settings.sms.domain')}
          description={t('settings.sms.domainEmpty')}
          inputWrapperOrder={['input', 'error', 'description']}
          placeholder="go.example.com"
          value={form.values.domain}
          error={form.errors.domain}
          inputMode="url"
          onChange={(event) => form.change({ domain: event.currentTarget.value })}
        />
        <Button type="submit" variant="default" loading={form.busy} disabled={!form.changed}>
          {t('common.save')}
        </Button>
      </form>
    </Section>
  )
}
