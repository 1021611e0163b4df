import { ActionIcon, Badge, Button, Menu, Select, Text } from '@mantine/core'
import { modals } from '@mantine/modals'
import {
  IconDots,
  IconKey,
  IconMail,
  IconUserCheck,
  IconUserOff,
  IconUserPlus,
  IconX,
} from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useMe } from '../kernel/session'
import { Face } from '../ui/Face'
import { toast, toastError } from '../ui/toasts'
import { api } from '../kernel/api'
import { GIVEN_ROLES } from '../kernel/roles'
import type { Invite, Invites, ResetLink, Role, User, Users } from '../generated/accounts'
import { oneLine } from '../kernel/text'
import { ago, exactTime, useNow } from '../kernel/time'
import { openInvite, openLink } from './dialogs'
import { PageHead, Section } from './Section'
import classes from './Settings.module.css'

export function Team() {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const users = useQuery({
    queryKey: ['users'],
    queryFn: () => api.get<Users>('/api/users'),
  })
  const invites = useQuery({
    queryKey: ['invites'],
    queryFn: () => api.get<Invites>('/api/invites'),
  })
  const refetchList = (what: 'users' | 'invites') => void queries.invalidateQueries({ queryKey: [what] })

  const pending = invites.data?.invites ?? []
  return (
    <div className={classes.page}>
      <PageHead
        title={t('pages.team')}
        text={t('settings.team.text')}
        action={
          <Button
            leftSection={<IconUserPlus size={17} />}
            onClick={() => openInvite(() => refetchList('invites'))}
          >
            {t('settings.team.invite')}
          </Button>
        }
      />
      <Section title={t('settings.team.people')}>
        {users.data?.users.map((user) => (
          <Person key={user.id} user={user} onChanged={() => refetchList('users')} />
        ))}
      </Section>
      {pending.length > 0 && (
        <Section title={t('settings.team.invites')}>
          {pending.map((invite) => (
            <Invited key={invite.id} invite={invite} onChanged={() => refetchList('invites')} />
          ))}
        </Section>
      )}
    </div>
  )
}

function Person({ user, onChanged }: { user: User; onChanged: () => void }) {
  const { t } = useTranslation()
  const me = useMe()
  // An admin cannot change the owner, and nobody can demote or disable themselves.
  const fixed = user.role === 'owner' || user.id === me.id

  async function change(changes: { role?: Role; disabled?: boolean }) {
    try {
      await api.patch(`/api/users/${user.id}`, changes)
      onChanged()
      toast(t('common.saved'))
    } catch (error) {
      toastError(error)
    }
  }

  const disable = () =>
    modals.openConfirmModal({
      title: t('settings.team.disableTitle', { name: oneLine(user.name, 60) }),
      children: <Text>{t('settings.team.disableText')}</Text>,
      labels: { confirm: t('settings.team.disable'), cancel: t('common.cancel') },
      confirmProps: { color: 'red' },
      onConfirm: () => void change({ disabled: true }),
    })

  async function resetLink() {
    try {
      const { url, expires_at } = await api.post<ResetLink>(`/api/users/${user.id}/reset-link`)
      openLink(
        t('settings.team.resetLink'),
        t('settings.team.resetLinkText', { name: oneLine(user.name, 60) }),
        url,
        expires_at,
      )
    } catch (error) {
      toastError(error)
    }
  }

  return (
    <div className={classes.row} style={user.disabled ? { opacity: 0.75 } : undefined}>
      <Face
        name={user.name}
        id={user.id}
        size={34}
        team
        presence={user.online ? (user.away ? 'away' : 'online') : undefined}
      />
      <span className={classes.rowText}>
        <Text component="span" fw={500}>
          {oneLine(user.name, 80)}
          {user.id === me.id && (
            <Text component="span" c="dimmed">
              {' '}
              ({t('people.me')})
            </Text>
          )}
        </Text>
        <span className={classes.sub}>{user.email}</span>
      </span>
      {user.disabled && (
        <Badge variant="default" tt="none" fw={500}>
          {t('settings.team.disabled')}
        </Badge>
      )}
      {fixed ? (
        <Text size="sm" c="dimmed">
          {t(`roles.${user.role}`)}
        </Text>
      ) : (
        <Select
          w={170}
          value={user.role}
          aria-label={t('settings.team.roleOf', { name: user.name })}
          onChange={(role) => role && void change({ role: role as Role })}
          data={GIVEN_ROLES.map((role) => ({ value: role, label: t(`roles.${role}`) }))}
        />
      )}
      {fixed ? (
        <span style={{ width: 32 }} />
      ) : (
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon aria-label={t('settings.team.more', { name: user.name })}>
              <IconDots size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<IconKey size={16} stroke={1.7} />} onClick={() => void resetLink()}>
              {t('settings.team.makeResetLink')}
            </Menu.Item>
            {user.disabled ? (
              <Menu.Item
                leftSection={<IconUserCheck size={16} stroke={1.7} />}
                onClick={() => void change({ disabled: false })}
              >
                {t('settings.team.enable')}
              </Menu.Item>
            ) : (
              <Menu.Item color="red" leftSection={<IconUserOff size={16} stroke={1.7} />} onClick={disable}>
                {t('settings.team.disable')}
              </Menu.Item>
            )}
          </Menu.Dropdown>
        </Menu>
      )}
    </div>
  )
}

function Invited({ invite, onChanged }: { invite: Invite; onChanged: () => void }) {
  const { t } = useTranslation()
  const now = useNow()
  async function withdraw() {
    try {
      await api.delete(`/api/invites/${invite.id}`)
      onChanged()
    } catch (error) {
      toastError(error)
    }
  }
  return (
    <div className={classes.row}>
      <IconMail size={20} stroke={1.5} aria-hidden />
      <span className={classes.rowText}>
        {oneLine(invite.email, 254)}
        <span className={classes.sub} title={exactTime(invite.expires_at)}>
          {t(`roles.${invite.role}`)} · {t('settings.team.expires', { time: ago(invite.expires_at, now) })}
        </span>
      </span>
      <ActionIcon
        onClick={() => void withdraw()}
        aria-label={t('settings.team.withdraw', { email: invite.email })}
      >
        <IconX size={17} stroke={1.7} />
      </ActionIcon>
    </div>
  )
}
