/** Suppresses e-mail addresses, typed or pasted, one in each line. */
import { Button, Group, Stack, Text, Textarea, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { SuppressedNow } from '../../generated/contact_data'
import { api } from '../../kernel/api'
import { oneLine } from '../../kernel/text'
import { Form, useServerForm } from '../../ui/serverForm'
import classes from './Suppressed.module.css'

export interface SuppressFormProps {
  onAdded: () => void
  onClose: () => void
}

const MOST_LINES = 5_000

export function SuppressForm({ onAdded, onClose }: SuppressFormProps) {
  const { t } = useTranslation()
  const [result, setResult] = useState<SuppressedNow | null>(null)
  const form = useServerForm({
    saved: { lines: '', reason: '' },
    send: ({ lines, reason }) =>
      api.post<SuppressedNow>('/api/suppressions', { lines: lines.split('\n'), reason }),
    onSaved: (answer) => {
      setResult(answer)
      onAdded()
    },
    asksBeforeLeaving: false,
  })
  if (result) return <Result result={result} onClose={onClose} />
  const lines = form.values.lines.split('\n')
  const count = lines.filter((line) => line.trim()).length
  const tooMany = lines.length > MOST_LINES
  return (
    <Form form={form}>
      <Stack>
        <Text size="sm">{t('contacts.suppressed.addText')}</Text>
        <Textarea
          label={t('contacts.suppressed.addresses')}
          description={t('contacts.suppressed.addressesText')}
          {...form.text('lines')}
          {...(tooMany && { error: t('contacts.suppressed.tooMany', { most: MOST_LINES }) })}
          autosize
          minRows={5}
          maxRows={14}
          spellCheck={false}
          data-autofocus
        />
        <TextInput
          label={t('contacts.suppressed.why')}
          placeholder={t('contacts.suppressed.whyExample')}
          {...form.text('reason')}
          maxLength={500}
        />
        <Group justify="flex-end">
          <Button type="submit" loading={form.busy} disabled={count === 0 || tooMany}>
            {t('contacts.suppressed.suppress', { count })}
          </Button>
        </Group>
      </Stack>
    </Form>
  )
}

function Result({ result, onClose }: { result: SuppressedNow; onClose: () => void }) {
  const { t } = useTranslation()
  const refused = result.lines.filter((line) => line.result === 'refused')
  return (
    <Stack>
      <Text role="status">
        {t('contacts.suppressed.added', { count: result.added })}
        {result.known > 0 && ` ${t('contacts.suppressed.known', { count: result.known })}`}
      </Text>
      {refused.length > 0 && (
        <div>
          <Text size="sm" fw={550} mb={4}>
            {t('contacts.suppressed.refused', { count: refused.length })}
          </Text>
          <ul className={`${classes.refused} thin-scroll`}>
            {refused.slice(0, 100).map(({ line, text }) => (
              <li key={line}>
                {t('contacts.suppressed.line', { line })} <bdi>{oneLine(text, 60)}</bdi>
              </li>
            ))}
          </ul>
        </div>
      )}
      <Group justify="flex-end">
        <Button onClick={onClose} data-autofocus autoFocus>
          {t('common.close')}
        </Button>
      </Group>
    </Stack>
  )
}
