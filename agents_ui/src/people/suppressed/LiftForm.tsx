/** Lifts one suppression; the audit log keeps the reason. */
import { Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { LiftBody } from '../../generated/contact_data'
import { api } from '../../kernel/api'
import { oneLine } from '../../kernel/text'
import { Form, useServerForm } from '../../ui/serverForm'

export interface LiftFormProps {
  channel: LiftBody['channel']
  address: string
  onDone: () => void
}

export function LiftForm({ channel, address, onDone }: LiftFormProps) {
  const { t } = useTranslation()
  const form = useServerForm({
    saved: { reason: '' },
    send: ({ reason }) => api.post('/api/suppressions/lift', { channel, address, reason }),
    onSaved: onDone,
    asksBeforeLeaving: false,
  })
  return (
    <Form form={form}>
      <Stack>
        <Text>{t('contacts.suppressed.liftText', { address: oneLine(address, 254) })}</Text>
        <TextInput
          label={t('contacts.suppressed.liftWhy')}
          placeholder={t('contacts.suppressed.liftExample')}
          {...form.text('reason')}
          maxLength={500}
          required
          withAsterisk={false}
          data-autofocus
        />
        <Group justify="flex-end">
          <Button type="submit" loading={form.busy} disabled={!form.values.reason.trim()}>
            {t('contacts.suppressed.lift')}
          </Button>
        </Group>
      </Stack>
    </Form>
  )
}
