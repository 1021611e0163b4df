/** Adds one person by e-mail address. Adding is no consent: that needs a tick of its own, and how we know (IMP-43, CON-3). */
import { Button, Checkbox, Group, Stack, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { QuickAdded } from '../../generated/contact_data'
import { api } from '../../kernel/api'
import { useCan } from '../../kernel/session'
import { Form, useServerForm } from '../../ui/serverForm'
import { toast } from '../../ui/toasts'

export interface AddFormProps {
  onDone: (contact: number) => void
}

export function AddForm({ onDone }: AddFormProps) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const mayGrant = useCan('consent_grant')
  const form = useServerForm({
    saved: { email: '', name: '', agreed: false, reason: '' },
    send: (values) => api.post<QuickAdded>('/api/contacts/quick', values),
    onSaved: ({ contact, created }) => {
      void queries.invalidateQueries({ queryKey: ['people'] })
      void queries.invalidateQueries({ queryKey: ['consents', contact.id] })
      toast(t(created ? 'contacts.add.done' : 'contacts.add.known'))
      onDone(contact.id)
    },
    asksBeforeLeaving: false,
    words: { bad_email: t('contacts.add.badEmail'), bad_name: t('contacts.edit.badName') },
  })
  const { email, agreed, reason } = form.values
  return (
    <Form form={form}>
      <Stack>
        <TextInput
          label={t('contacts.columns.email')}
          {...form.text('email')}
          inputMode="email"
          autoComplete="off"
          maxLength={254}
          required
          withAsterisk={false}
          data-autofocus
        />
        <TextInput
          label={t('contacts.columns.name')}
          description={t('contacts.add.nameText')}
          {...form.text('name')}
          maxLength={80}
          autoComplete="off"
          dir="auto"
        />
        {mayGrant && (
          <Checkbox
            label={t('contacts.add.agreed')}
            description={t('contacts.add.agreedText')}
            checked={agreed}
            onChange={(event) => form.change({ agreed: event.currentTarget.checked })}
          />
        )}
        {agreed && (
          <TextInput
            label={t('contacts.add.how')}
            placeholder={t('contacts.add.howExample')}
            {...form.text('reason')}
            maxLength={500}
            required
            withAsterisk={false}
          />
        )}
        <Group justify="flex-end">
          <Button type="submit" loading={form.busy} disabled={!email.trim() || (agreed && !reason.trim())}>
            {t('contacts.add.add')}
          </Button>
        </Group>
      </Stack>
    </Form>
  )
}
