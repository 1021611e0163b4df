import { Button, Group, Select, Stack, Text, TextInput } from '@mantine/core'
import { modals } from '@mantine/modals'
import i18n from 'i18next'
import { useTranslation } from 'react-i18next'
import { Form, useServerForm } from '../ui/serverForm'
import { api } from '../kernel/api'
import { GIVEN_ROLES } from '../kernel/roles'
import type { Invited, Role } from '../generated/accounts'
import { exactTime } from '../kernel/time'
import { CodeBox } from './Section'

/** Shows a single-use link, once, to be copied and sent. */
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
        onDone={({ invite, url, mailed }) => {
          modals.close(id)
          onInvited()
          openLink(
            i18n.t('settings.team.inviteLink'),
            i18n.t(mailed ? 'settings.team.inviteMailedText' : 'settings.team.inviteLinkText', {
              email: invite.email,
            }),
            url,
            invite.expires_at,
          )
        }}
      />
    ),
  })
}

function InviteForm({ onDone }: { onDone: (made: Invited) => void }) {
  const { t } = useTranslation()
  const form = useServerForm({
    saved: { email: '', role: 'support' as Role },
    send: (values) => api.post<Invited>('/api/invites', values),
    onSaved: onDone,
    asksBeforeLeaving: false,
  })
  const { role } = form.values

  return (
    <Form form={form}>
      <Stack>
        <TextInput
          label={t('auth.email')}
          type="email"
          required
          withAsterisk={false}
          data-autofocus
          {...form.text('email')}
        />
        <Select
          label={t('settings.team.role')}
          description={t(`roleTexts.${role as 'support'}`)}
          inputWrapperOrder={['label', 'input', 'description']}
          value={role}
          error={form.errors.role}
          onChange={(value) => value && form.change({ role: value as Role })}
          data={GIVEN_ROLES.map((name) => ({ value: name, label: t(`roles.${name}`) }))}
        />
        <Group justify="flex-end">
          <Button type="submit" loading={form.busy}>
            {t('settings.team.makeInvite')}
          </Button>
        </Group>
      </Stack>
    </Form>
  )
}
