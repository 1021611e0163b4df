import { Button, Group, Select, Stack, Switch, Text, Textarea, TextInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Form, useServerForm } from '../ui/serverForm'
import { ConflictDialog } from './ConflictDialog'
import { api } from '../kernel/api'
import { CONSENT_CHANNELS, type ConsentChannel, type CountedConsent } from '../generated/consent'

interface ConsentFormProps {
  /** The consent to edit; null to define a new one. */
  kind: CountedConsent | null
  onDone: () => void
}

export function ConsentForm({ kind, onDone }: ConsentFormProps) {
  const { t } = useTranslation()
  const form = useServerForm({
    saved: {
      name: kind?.name ?? '',
      description: kind?.description ?? '',
      channel: kind?.channel ?? ('general' as ConsentChannel),
      required: kind?.required ?? false,
      version: kind?.version ?? '',
    },
    send: (values) =>
      kind ? api.put(`/api/consents/${kind.id}`, values) : api.post('/api/consents', values),
    onSaved: onDone,
    asksBeforeLeaving: false,
    words: {
      name_taken: t('settings.consents.nameTaken'),
      too_many: t('settings.consents.tooMany'),
      required: t('settings.consents.badName'),
    },
  })
  const { name, channel, required } = form.values

  return (
    <Form form={form}>
      <Stack>
        <TextInput
          label={t('settings.consents.name')}
          description={t('settings.consents.nameText')}
          {...form.text('name')}
          maxLength={80}
          required
          withAsterisk={false}
          data-autofocus
          dir="auto"
        />
        <Textarea
          label={t('settings.consents.description')}
          description={t('settings.consents.descriptionText')}
          {...form.text('description')}
          maxLength={500}
          autosize
          minRows={2}
          dir="auto"
        />
        <Select
          label={t('settings.consents.channel')}
          value={channel}
          onChange={(value) => value && form.change({ channel: value as ConsentChannel })}
          data={CONSENT_CHANNELS.map((value) => ({ value, label: t(`settings.consents.channels.${value}`) }))}
          allowDeselect={false}
        />
        <Switch
          label={t('settings.consents.required')}
          description={t('settings.consents.requiredText')}
          checked={required}
          onChange={(event) => form.change({ required: event.currentTarget.checked })}
        />
        {required && !kind?.required && !kind?.given && (
          <Text size="sm" c="var(--tl-warn-text)" role="status">
            {t('settings.consents.requiredNow')}
          </Text>
        )}
        {form.conflict && <ConflictDialog form={form} conflict={form.conflict} />}
        <Group justify="flex-end">
          <Button type="submit" loading={form.busy} disabled={!name.trim()}>
            {t('common.save')}
          </Button>
        </Group>
      </Stack>
    </Form>
  )
}
