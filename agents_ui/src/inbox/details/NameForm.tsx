/** The form in which an agent records a contact's name and e-mail address (ROL-8, IDN-1). */
import { Button, Group, Stack, TextInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Form, useServerForm } from '../../ui/serverForm'
import type { ContactBrief } from '../../generated/protocol'
import { api } from '../../kernel/api'

export interface NameFormProps {
  contact: ContactBrief
  onDone: () => void
}

export function NameForm({ contact, onDone }: NameFormProps) {
  const { t } = useTranslation()
  const saved = { name: contact.name, email: contact.email ?? '' }
  const form = useServerForm({
    saved,
    // Only changed fields: saving the form must not confirm a name that only the visitor claimed.
    send: ({ name, email }) =>
      api.put(`/api/contacts/${contact.id}`, {
        ...(name.trim() !== saved.name && { name }),
        ...(email.trim() !== saved.email && { email }),
      }),
    onSaved: onDone,
    asksBeforeLeaving: false,
    words: { bad_email: t('inbox.badEmail'), unreadable: t('inbox.badName'), long: t('inbox.badName') },
  })

  return (
    <Form form={form}>
      <Stack>
        <TextInput
          label={t('inbox.contactName')}
          {...form.text('name')}
          maxLength={80}
          autoComplete="off"
          dir="auto"
          data-autofocus
          autoFocus
        />
        <TextInput
          label={t('inbox.email')}
          description={t('inbox.contactEmailText')}
          type="email"
          {...form.text('email')}
          maxLength={254}
          autoComplete="off"
        />
        <Group justify="flex-end">
          <Button type="submit" loading={form.busy} disabled={!form.changed}>
            {t('common.save')}
          </Button>
        </Group>
      </Stack>
    </Form>
  )
}
