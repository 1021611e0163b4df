import { Button, Group, Stack, Switch, TextInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { ListOut, OneList } from '../../generated/audiences'
import { api } from '../../kernel/api'
import { Form, useServerForm } from '../../ui/serverForm'

export interface ListFormProps {
  /** Null: a new list. */
  list: ListOut | null
  onDone: () => void
}

export function ListForm({ list, onDone }: ListFormProps) {
  const { t } = useTranslation()
  const form = useServerForm({
    saved: { name: list?.name ?? '', double_opt_in: list?.double_opt_in ?? true },
    send: (values) =>
      list ? api.put<OneList>(`/api/lists/${list.id}`, values) : api.post<OneList>('/api/lists', values),
    onSaved: onDone,
    asksBeforeLeaving: false,
    words: {
      name_taken: t('contacts.segments.nameTaken'),
      required: t('contacts.segments.nameNeeded'),
      too_many: t('contacts.segments.tooMany'),
    },
  })
  return (
    <Form form={form}>
      <Stack>
        <TextInput
          label={t('contacts.columns.name')}
          {...form.text('name')}
          maxLength={80}
          required
          withAsterisk={false}
          data-autofocus
          dir="auto"
        />
        <Switch
          label={t('contacts.lists.double')}
          description={t('contacts.lists.doubleText')}
          checked={form.values.double_opt_in}
          onChange={(event) => form.change({ double_opt_in: event.currentTarget.checked })}
        />
        <Group justify="flex-end">
          <Button type="submit" loading={form.busy} disabled={!form.values.name.trim()}>
            {t('common.save')}
          </Button>
        </Group>
      </Stack>
    </Form>
  )
}
