import { Button, Group, Select, Stack, Switch, Text, Textarea, TextInput } from '@mantine/core'
import i18n from 'i18next'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { explain } from '../frame/toasts'
import { api, ApiError } from '../kernel/api'
import { CONSENT_CHANNELS, type ConsentChannel, type ConsentKind } from '../kernel/contract'

interface ConsentFormProps {
  /** Null: a new one. */
  kind: ConsentKind | null
  onDone: () => void
}

export function ConsentForm({ kind, onDone }: ConsentFormProps) {
  const { t } = useTranslation()
  const [name, setName] = useState(kind?.name ?? '')
  const [description, setDescription] = useState(kind?.description ?? '')
  const [channel, setChannel] = useState<ConsentChannel>(kind?.channel ?? 'general')
  const [required, setRequired] = useState(kind?.required ?? false)
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)

  async function save(event: FormEvent) {
    event.preventDefault()
    setBusy(true)
    const body = { name: name.trim(), description: description.trim(), channel, required }
    try {
      await (kind ? api.put(`/api/consents/${kind.id}`, body) : api.post('/api/consents', body))
      onDone()
    } catch (problem) {
      setError(inWords(problem))
      setBusy(false)
    }
  }

  return (
    <form onSubmit={(event) => void save(event)}>
      <Stack>
        <TextInput
          label={t('settings.consents.name')}
          description={t('settings.consents.nameText')}
          value={name}
          error={error}
          maxLength={80}
          required
          withAsterisk={false}
          data-autofocus
          dir="auto"
          onChange={(event) => {
            setName(event.currentTarget.value)
            setError(null)
          }}
        />
        <Textarea
          label={t('settings.consents.description')}
          description={t('settings.consents.descriptionText')}
          value={description}
          maxLength={500}
          autosize
          minRows={2}
          dir="auto"
          onChange={(event) => setDescription(event.currentTarget.value)}
        />
        <Select
          label={t('settings.consents.channel')}
          value={channel}
          onChange={(value) => value && setChannel(value as ConsentChannel)}
          data={CONSENT_CHANNELS.map((value) => ({ value, label: t(`settings.consents.channels.${value}`) }))}
          allowDeselect={false}
        />
        <Switch
          label={t('settings.consents.required')}
          description={t('settings.consents.requiredText')}
          checked={required}
          onChange={(event) => setRequired(event.currentTarget.checked)}
        />
        {required && !kind?.required && !kind?.given && (
          <Text size="sm" c="var(--tl-warn-text)" role="status">
            {t('settings.consents.requiredNow')}
          </Text>
        )}
        <Group justify="flex-end">
          <Button type="submit" loading={busy} disabled={!name.trim()}>
            {t('common.save')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

function inWords(problem: unknown): string {
  const code = problem instanceof ApiError ? problem.code : ''
  if (code === 'name_taken') return i18n.t('settings.consents.nameTaken')
  if (code === 'too_many') return i18n.t('settings.consents.tooMany')
  if (code === 'invalid') return i18n.t('settings.consents.badName')
  return explain(problem)
}
