import { Button, Group, Stack, Text, Textarea, TextInput } from '@mantine/core'
import { useRef } from 'react'
import { flushSync } from 'react-dom'
import { useTranslation } from 'react-i18next'
import type { QuickReplies } from '../../generated/inbox'
import { api } from '../../kernel/api'
import { TextCost } from '../../messaging'
import { Form, useServerForm } from '../../ui/serverForm'
import { ConflictDialog } from '../ConflictDialog'

// Customers may have no name; the agent and the brand always have one.
const VARIABLES = { first_name: true, name: true, agent_name: false, brand: false } as const
const NAMES = Object.keys(VARIABLES) as (keyof typeof VARIABLES)[]

interface QuickReplyFormProps {
  /** The quick reply to edit; null to add one. */
  reply: QuickReplies['quick_replies'][number] | null
  onDone: () => void
}

export function QuickReplyForm({ reply, onDone }: QuickReplyFormProps) {
  const { t } = useTranslation()
  const box = useRef<HTMLTextAreaElement>(null)
  const form = useServerForm({
    saved: { shortcut: reply?.shortcut ?? '', text: reply?.text ?? '', version: reply?.version ?? '' },
    send: (values) =>
      reply ? api.put(`/api/quick-replies/${reply.id}`, values) : api.post('/api/quick-replies', values),
    onSaved: onDone,
    asksBeforeLeaving: false,
  })
  const { shortcut, text } = form.values

  function insert(name: keyof typeof VARIABLES) {
    const variable = VARIABLES[name]
      ? `{{ ${name}|default("${t('settings.quick.default')}") }}`
      : `{{ ${name} }}`
    const area = box.current
    const from = area?.selectionStart ?? text.length
    const to = area?.selectionEnd ?? from
    flushSync(() => form.change({ text: text.slice(0, from) + variable + text.slice(to) }))
    area?.focus()
    area?.setSelectionRange(from + variable.length, from + variable.length)
  }

  return (
    <Form form={form}>
      <Stack>
        <TextInput
          label={t('settings.quick.shortcut')}
          description={t('settings.quick.shortcutText')}
          leftSection="/"
          {...form.text('shortcut')}
          maxLength={32}
          required
          withAsterisk={false}
          data-autofocus
          autoComplete="off"
          dir="auto"
        />
        <div>
          <Textarea
            ref={box}
            label={t('settings.quick.body')}
            {...form.text('text')}
            maxLength={1_600}
            required
            withAsterisk={false}
            autosize
            minRows={3}
            maxRows={10}
            dir="auto"
          />
          <TextCost text={text} />
        </div>
        <div role="group" aria-label={t('settings.quick.insert')}>
          <Text size="sm" fw={500} mb={6}>
            {t('settings.quick.insert')}
          </Text>
          <Group gap={6}>
            {NAMES.map((name) => (
              <Button key={name} size="compact-sm" variant="default" onClick={() => insert(name)}>
                {t(`settings.quick.variables.${name}`)}
              </Button>
            ))}
          </Group>
          <Text size="sm" c="dimmed" mt={6}>
            {t('settings.quick.variablesText')}
          </Text>
        </div>
        {form.conflict && <ConflictDialog form={form} conflict={form.conflict} />}
        <Group justify="flex-end">
          <Button type="submit" loading={form.busy} disabled={!shortcut.trim() || !text.trim()}>
            {t('common.save')}
          </Button>
        </Group>
      </Stack>
    </Form>
  )
}
