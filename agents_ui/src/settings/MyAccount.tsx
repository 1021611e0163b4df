import '@mantine/core/styles/Radio.layer.css'
import { Badge, Button, Group, PasswordInput, Radio, Select, Stack, Text, TextInput } from '@mantine/core'
import { IconDeviceDesktop, IconDeviceMobile } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { NewPassword, SHORTEST_PASSWORD } from '../ui/NewPassword'
import { setMe, useCan, useMe } from '../kernel/session'
import { keyCaps } from '../ui/shortcuts'
import { Form, useServerForm } from '../ui/serverForm'
import { toast, toastError } from '../ui/toasts'
import { chooseLanguage, type Language, LANGUAGES } from '../i18n'
import { ring, showNotification } from '../ui/alert'
import { api } from '../kernel/api'
import type { Sessions, SignedIn } from '../generated/accounts'
import { type Prefs, setPrefs, usePrefs } from '../kernel/prefs'
import { length, oneLine } from '../kernel/text'
import { ago, exactTime, useNow } from '../kernel/time'
import { browserOf, isPhone } from './browser'
import { PageHead, Section, SwitchRow } from './Section'
import { withTexts } from '../ui/area'
import { lazyPart } from '../ui/lazyPart'
import classes from './Settings.module.css'

const NotificationWishes = lazyPart(
  withTexts(['notices'], async () => (await import('./NotificationWishes')).NotificationWishes),
)

export function MyAccount() {
  const { t } = useTranslation()
  const mayAnswer = useCan('inbox')
  return (
    <div className={classes.page}>
      <PageHead title={t('pages.account')} text={useMe().email} />
      <Profile />
      <Preferences />
      {mayAnswer && <NotificationWishes />}
      <Password />
      <Sessions />
    </div>
  )
}

function Profile() {
  const { t } = useTranslation()
  const me = useMe()
  const form = useServerForm({
    saved: { name: me.name },
    send: (values) => api.patch<SignedIn>('/api/me', values),
    savedBy: ({ user }) => ({ name: user.name }),
    onSaved: ({ user }) => {
      setMe(user)
      toast(t('common.saved'))
    },
  })

  return (
    <Section title={t('settings.account.profile')}>
      <Form form={form}>
        <Stack align="flex-start">
          <TextInput
            w="100%"
            maw={360}
            label={t('auth.name')}
            description={t('auth.nameHint')}
            {...form.text('name')}
            maxLength={80}
            required
            withAsterisk={false}
            autoComplete="name"
          />
          <Button type="submit" loading={form.busy} disabled={!form.changed}>
            {t('common.save')}
          </Button>
        </Stack>
      </Form>
    </Section>
  )
}

function Preferences() {
  const { t, i18n } = useTranslation()
  const { sendWith, singleKeys, density } = usePrefs()
  const mod = keyCaps('mod+Enter').join(' + ')
  return (
    <Section title={t('settings.account.preferences')} text={t('settings.account.thisBrowser')}>
      <Stack gap="lg">
        <Select
          maw={240}
          label={t('frame.language')}
          value={i18n.language}
          onChange={(language) => language && chooseLanguage(language as Language)}
          data={Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }))}
        />
        <Radio.Group
          label={t('settings.account.density')}
          description={t('settings.account.densityText')}
          value={density}
          onChange={(value) => setPrefs({ density: value as Prefs['density'] })}
        >
          <Group gap="lg" mt={8}>
            <Radio value="comfortable" label={t('settings.account.comfortable')} />
            <Radio value="compact" label={t('settings.account.compact')} />
          </Group>
        </Radio.Group>
        <Alerts />
        <Radio.Group
          label={t('settings.account.sendWith')}
          value={sendWith}
          onChange={(value) => setPrefs({ sendWith: value as Prefs['sendWith'] })}
        >
          <Stack gap={10} mt={8}>
            <Radio value="enter" label={t('settings.account.enter')} />
            <Radio value="mod-enter" label={t('settings.account.modEnter', { keys: mod })} />
          </Stack>
        </Radio.Group>
        <SwitchRow
          label={t('shortcuts.singleKeys')}
          text={t('shortcuts.singleKeysText')}
          checked={singleKeys}
          onChange={(on) => setPrefs({ singleKeys: on })}
        />
      </Stack>
    </Section>
  )
}

/** Asks for permission only on the user's click: browsers punish pages that ask unprompted. */
function Alerts() {
  const { t } = useTranslation()
  const { sound, notify } = usePrefs()
  const possible = 'Notification' in window
  const [trouble, setTrouble] = useState<'blocked' | 'impossible' | null>(
    possible && Notification.permission === 'denied' ? 'blocked' : null,
  )

  /** Shows a sample: only that proves that notifications work (Chrome on Android claims support and throws). */
  async function setNotify(wanted: boolean) {
    if (!wanted) {
      setTrouble(null)
      setPrefs({ notify: false })
      return
    }
    const allowed = (await Notification.requestPermission()) === 'granted'
    const shown =
      allowed && showNotification('Threadline', { body: t('settings.account.notifySample'), tag: 'sample' })
    setTrouble(shown ? null : allowed ? 'impossible' : 'blocked')
    setPrefs({ notify: Boolean(shown) })
  }

  return (
    <div>
      <SwitchRow
        label={t('settings.account.sound')}
        text={t('settings.account.alertsHint')}
        checked={sound}
        onChange={(on) => {
          setPrefs({ sound: on })
          if (on) void ring()
        }}
      />
      {possible && (
        <SwitchRow
          label={t('settings.account.notify')}
          text={t('settings.account.alertsHint')}
          error={
            trouble === 'blocked'
              ? t('settings.account.notifyBlocked')
              : trouble && t('settings.account.notifyImpossible')
          }
          checked={notify && !trouble}
          onChange={(on) => void setNotify(on)}
        />
      )}
    </div>
  )
}

function Password() {
  const { t } = useTranslation()
  const me = useMe()
  const queries = useQueryClient()
  const form = useServerForm({
    saved: { current: '', password: '' },
    send: (values) => api.post('/api/password', values),
    savedBy: () => ({ current: '', password: '' }),
    onSaved: () => {
      toast(t('settings.account.passwordChanged'))
      void queries.invalidateQueries({ queryKey: ['sessions'] })
    },
    asksBeforeLeaving: false,
  })
  const { current, password } = form.values

  return (
    <Section title={t('settings.account.password')} text={t('settings.account.passwordText')}>
      <Form form={form}>
        <Stack maw={360}>
          {/* For password managers. */}
          <input type="text" name="username" autoComplete="username" value={me.email ?? ''} readOnly hidden />
          <PasswordInput
            label={t('settings.account.current')}
            autoComplete="current-password"
            {...form.text('current')}
            required
            withAsterisk={false}
          />
          <NewPassword
            label={t('auth.newPassword')}
            value={password}
            error={form.errors.password}
            onChange={(next) => form.change({ password: next })}
          />
          <div>
            <Button
              type="submit"
              loading={form.busy}
              disabled={!current || length(password) < SHORTEST_PASSWORD}
            >
              {t('settings.account.changePassword')}
            </Button>
          </div>
        </Stack>
      </Form>
    </Section>
  )
}

function Sessions() {
  const { t } = useTranslation()
  const now = useNow()
  const queries = useQueryClient()
  const { data } = useQuery({
    queryKey: ['sessions'],
    queryFn: () => api.get<Sessions>('/api/sessions'),
  })

  async function end(path: string) {
    try {
      await api.delete(path)
      await queries.invalidateQueries({ queryKey: ['sessions'] })
    } catch (error) {
      toastError(error)
    }
  }

  const sessions = data?.sessions ?? []
  return (
    <Section
      title={t('settings.account.sessions')}
      text={t('settings.account.sessionsText')}
      action={
        sessions.length > 1 && (
          <Button variant="default" onClick={() => void end('/api/sessions')}>
            {t('settings.account.endOthers')}
          </Button>
        )
      }
    >
      {sessions.map((session) => (
        <div key={session.id} className={classes.row}>
          {isPhone(session.user_agent) ? (
            <IconDeviceMobile size={22} stroke={1.5} aria-hidden />
          ) : (
            <IconDeviceDesktop size={22} stroke={1.5} aria-hidden />
          )}
          <span className={classes.rowText}>
            <Text component="span" fw={500} title={oneLine(session.user_agent, 300)}>
              {browserOf(session.user_agent) || t('settings.account.unknownBrowser')}
            </Text>
            <span className={classes.sub} title={exactTime(session.seen_at)}>
              {session.address} · {t('settings.account.lastUsed', { time: ago(session.seen_at, now) })}
            </span>
          </span>
          {session.current ? (
            <Badge variant="light" color="green" tt="none" fw={500}>
              {t('settings.account.thisOne')}
            </Badge>
          ) : (
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => void end(`/api/sessions/${session.id}`)}
            >
              {t('settings.account.end')}
            </Button>
          )}
        </div>
      ))}
    </Section>
  )
}
