import '@mantine/core/styles/Combobox.layer.css'
import { Button, Group, Select, Stack, Text, TextInput } from '@mantine/core'
import i18n from 'i18next'
import { useState } from 'react'
import { api } from '../kernel/api'
import type { ContactConsents } from '../generated/consent'
import { Form, useServerForm, WrongInput } from '../ui/serverForm'
import { explain } from '../ui/toasts'

/** One opt-out or consent that an agent is about to record. */
export interface ConsentEntry {
  contact: number
  purposes: string[]
  /** Names by purpose. */
  names: Readonly<Record<string, string>>
  /** If given, the agent chooses one of these purposes. */
  choice?: { value: string; label: string }[]
  status: 'subscribed' | 'unsubscribed'
  text: string
  label: string
  example: string
  button: string
}

export interface ConsentEntryFormProps extends ConsentEntry {
  onPart: (latest: ContactConsents) => void
  onDone: (latest: ContactConsents) => void
}

export function ConsentEntryForm({
  contact,
  purposes,
  choice = [],
  status,
  text,
  label,
  example,
  button,
  names,
  onPart,
  onDone,
}: ConsentEntryFormProps) {
  const [chosen, setChosen] = useState(purposes)
  const form = useServerForm({
    saved: { reason: '' },
    send: write,
    onSaved: onDone,
    asksBeforeLeaving: false,
  })

  async function write({ reason }: { reason: string }): Promise<ContactConsents> {
    let latest: ContactConsents | null = null
    const remaining = [...chosen]
    try {
      while (remaining.length > 0) {
        const body = { purpose: remaining[0], status, reason }
        latest = await api.post<ContactConsents>(`/api/contacts/${contact}/consents`, body)
        remaining.shift()
      }
      return latest!
    } catch (problem) {
      if (!latest) throw problem
      // Purposes that were recorded stay recorded; only the others are tried again.
      onPart(latest)
      const namesOf = (purposesToName: string[]) =>
        purposesToName.map((purpose) => names[purpose] ?? purpose).join(', ')
      const done = namesOf(chosen.filter((purpose) => !remaining.includes(purpose)))
      setChosen(remaining)
      throw new WrongInput({
        reason: i18n.t('sms.partly', { done, left: namesOf(remaining), why: explain(problem) }),
      })
    }
  }

  return (
    <Form form={form}>
      <Stack>
        <Text>{text}</Text>
        {choice.length > 1 && (
          <Select
            label={i18n.t('sms.agreedTo')}
            data={choice}
            value={chosen[0] ?? null}
            allowDeselect={false}
            onChange={(purpose) => purpose && setChosen([purpose])}
          />
        )}
        <TextInput
          label={label}
          placeholder={example}
          {...form.text('reason')}
          maxLength={500}
          required
          withAsterisk={false}
          data-autofocus
          autoFocus
        />
        <Group justify="flex-end">
          <Button
            type="submit"
            {...(status === 'unsubscribed' && { color: 'red' })}
            loading={form.busy}
            disabled={!form.values.reason.trim()}
          >
            {button}
          </Button>
        </Group>
      </Stack>
    </Form>
  )
}
