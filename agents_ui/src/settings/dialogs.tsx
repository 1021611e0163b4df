import { Button, Group, Select, Stack, Text, TextInput } from '@mantine/core'
import { modals } from '@mantine/modals'
import i18n from 'i18next'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { explain } from '../frame/toasts'
import { api } from '../kernel/api'
import { GIVEN_ROLES, type Invite, type Role } from '../kernel/contract'
import { exactTime } from '../kernel/time'
import { CodeBox } from './Section'

/** A link that is shown once: copy it, send it yourself. */
export function openLink(title: string, text: string, url: string, expires: string): void {
  modals.open({
    title,
    size: 'lg',
    children: (
      <Stack gap="sm">
        <Text>{text}</Text>
        <CodeBox text={url} label={title} />
        <Text size="sm" c="dimmed">
          {i18n.t('settings.team.linkOnce', { time: exactTime(expires) })}
        </Text>
      </Stack>
    ),
  })
}

export function openInvite(onInvited: () => void): void {
  const id = modals.open({
    title: i18n.t('settings.team.invite'),
    children: (
      <InviteForm
        onDone={({ invite, url }) => {
          modals.close(id)
          onInvited()
          openLink(
            i18n.t('settings.team.inviteLink'),
            i18n.t('settings.team.inviteLinkText', { email: invite.email }),
            url,
            invite.expires_at,
          )
        }}
      />
    ),
  })
}

interface Made {
  invite: Invite
  url: string
}

function InviteForm({ onDone }: { onDone: (made: Made) => void }) {
  const { t } = useTranslation()
  const [email, setEmail] = useState('')
  const [role, setRole] = useState<Role>('support')
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)

  async function invite(event: FormEvent) {
    event.preventDefault()
    setBusy(true)
    try {
      onDone(await api.post<Made>('/api/invites', { email: email.trim(), role }))
    } catch (problem) {
      setError(explain(problem))
      setBusy(false)
    }
  }

  return (
    <form onSubmit={(event) => void invite(event)}>
      <Stack>
        <TextInput
          label={t('auth.email')}
          type="email"
          required
          withAsterisk={false}
          data-autofocus
          value={email}
          error={error}
          onChange={(event) => {
            setEmail(event.currentTarget.value)
            setError(null)
          }}
        />
        <Select
          label={t('settings.team.role')}
          description={t(`settings.roleTexts.${role as 'support'}`)}
          inputWrapperOrder={['label', 'input', 'description']}
          value={role}
          onChange={(value) => value && setRole(value as Role)}
          data={GIVEN_ROLES.map((name) => ({ value: name, label: t(`settings.roles.${name}`) }))}
        />
        <Group justify="flex-end">
          <Button type="submit" loading={busy}>
            {t('settings.team.makeInvite')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
