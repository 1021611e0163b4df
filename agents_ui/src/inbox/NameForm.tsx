/** Who somebody is, as an agent knows it: a number that texts gets a name (SPEC ROL-8, IDN-1). */
import { Button, Group, Stack, TextInput } from '@mantine/core'
import { modals } from '@mantine/modals'
import i18n from 'i18next'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { explain, toast } from '../frame/toasts'
import type { ContactBrief } from '../generated/protocol'
import { api, ApiError } from '../kernel/api'

export function askName(contact: ContactBrief): void {
  const id = modals.open({
    title: i18n.t('inbox.editContact'),
    children: (
      <NameForm
        contact={contact}
        onDone={() => {
          modals.close(id)
          toast(i18n.t('common.saved'))
        }}
      />
    ),
  })
}

function NameForm({ contact, onDone }: { contact: ContactBrief; onDone: () => void }) {
  const { t } = useTranslation()
  const [name, setName] = useState(contact.name)
  const [email, setEmail] = useState(contact.email ?? '')
  const [error, setError] = useState<{ name?: string; email?: string }>({})
  const [busy, setBusy] = useState(false)
  // Only what was changed: what a visitor typed does not become known by being looked at.
  const changes = {
    ...(name.trim() !== contact.name && { name: name.trim() }),
    ...(email.trim() !== (contact.email ?? '') && { email: email.trim() }),
  }

  async function save(event: FormEvent) {
    event.preventDefault()
    setBusy(true)
    try {
      await api.put(`/api/contacts/${contact.id}`, changes)
      onDone()
    } catch (problem) {
      const field = problem instanceof ApiError && problem.code === 'invalid' ? problem.field : null
      if (field === 'email') setError({ email: t('inbox.badEmail') })
      else setError({ name: field === 'name' ? t('inbox.badName') : explain(problem) })
      setBusy(false)
    }
  }

  return (
    <form onSubmit={(event) => void save(event)} noValidate>
      <Stack>
        <TextInput
          label={t('inbox.contactName')}
          value={name}
          error={error.name}
          maxLength={80}
          autoComplete="off"
          dir="auto"
          data-autofocus
          onChange={(event) => {
            setName(event.currentTarget.value)
            setError({})
          }}
        />
        <TextInput
          label={t('inbox.email')}
          description={t('inbox.contactEmailText')}
          type="email"
          value={email}
          error={error.email}
          maxLength={254}
          autoComplete="off"
          onChange={(event) => {
            setEmail(event.currentTarget.value)
            setError({})
          }}
        />
        <Group justify="flex-end">
          <Button type="submit" loading={busy} disabled={Object.keys(changes).length === 0}>
            {t('common.save')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
