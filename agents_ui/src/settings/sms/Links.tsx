import { Button, TextInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { VersionedLinks } from '../../generated/links'
import { Form } from '../../ui/serverForm'
import { ConflictDialog } from '../ConflictDialog'
import { useEditing, useSettings } from '../editing'
import { Section } from '../Section'
import classes from './Sms.module.css'

const PATH = '/api/links/settings'

/** The domain of short links (CAM-26). */
export function LinksSection() {
  const { data } = useSettings<VersionedLinks>(PATH)
  return data ? <Domain saved={data} /> : null
}

function Domain({ saved }: { saved: VersionedLinks }) {
  const { t } = useTranslation()
  const form = useEditing(PATH, saved)

  return (
    <Section title={t('settings.sms.links')} text={t('settings.sms.linksText')}>
      <Form form={form} className={classes.add} problemShownElsewhere>
        <TextInput
          flex={1}
          maw={360}
          aria-label={t('settings.sms.domain')}
          description={t('settings.sms.domainEmpty')}
          inputWrapperOrder={['input', 'error', 'description']}
          placeholder="go.example.com"
          {...form.text('domain')}
          inputMode="url"
        />
        <Button type="submit" variant="default" loading={form.busy} disabled={!form.changed}>
          {t('common.save')}
        </Button>
      </Form>
      {form.conflict && <ConflictDialog form={form} conflict={form.conflict} />}
    </Section>
  )
}
