import { Button, Group, Select, Stack, TextInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { OneProperty, PropertyOut } from '../generated/audiences'
import { api } from '../kernel/api'
import { Form, useServerForm } from '../ui/serverForm'

interface PropertyFormProps {
  /** The property to rename; null to define a new one. */
  property: PropertyOut | null
  onDone: () => void
}

const TYPES = ['text', 'number', 'boolean', 'date', 'list'] as const

export function PropertyForm({ property, onDone }: PropertyFormProps) {
  const { t } = useTranslation()
  const form = useServerForm({
    saved: { name: property?.name ?? '', type: property?.type ?? ('text' as PropertyOut['type']), key: '' },
    send: ({ name, type, key }) =>
      property
        ? api.put<OneProperty>(`/api/properties/${property.id}`, { name })
        : api.post<OneProperty>('/api/properties', { name, type, ...(key.trim() && { key: key.trim() }) }),
    onSaved: onDone,
    asksBeforeLeaving: false,
    words: { too_many: t('settings.properties.tooMany') },
  })
  return (
    <Form form={form}>
      <Stack>
        <TextInput
          label={t('settings.properties.name')}
          {...form.text('name')}
          maxLength={80}
          required
          withAsterisk={false}
          data-autofocus
          dir="auto"
        />
        {!property && (
          <>
            <Select
              label={t('settings.properties.type')}
              description={t('settings.properties.typeText')}
              value={form.values.type}
              onChange={(type) => type && form.change({ type: type as PropertyOut['type'] })}
              data={TYPES.map((value) => ({ value, label: t(`settings.properties.types.${value}`) }))}
              allowDeselect={false}
            />
            <TextInput
              label={t('settings.properties.key')}
              description={t('settings.properties.keyText')}
              {...form.text('key')}
              placeholder="favourite_colour"
              maxLength={60}
              spellCheck={false}
              autoComplete="off"
            />
          </>
        )}
        <Group justify="flex-end">
          <Button type="submit" loading={form.busy} disabled={!form.values.name.trim()}>
            {t('common.save')}
          </Button>
        </Group>
      </Stack>
    </Form>
  )
}
