import '@mantine/core/styles/Radio.css'
import { Badge, Button, PasswordInput, Radio, Select, Stack, Switch, Text, TextInput } from '@mantine/core'
import { IconDeviceDesktop, IconDeviceMobile } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { NewPassword, SHORTEST_PASSWORD } from '../accounts/NewPassword'
import { setMe, useMe } from '../accounts/session'
import { keyCaps } from '../frame/shortcuts'
import { explain, toast, toastError } from '../frame/toasts'
import { chooseLanguage, type Language, LANGUAGES } from '../i18n'
import { chime } from '../inbox/alerts'
import { api } from '../kernel/api'
import type { SessionRow, User } from '../kernel/contract'
import { type Prefs, setPrefs, usePrefs } from '../kernel/prefs'
import { length, oneLine } from '../kernel/text'
import { ago, exactTime, useNow } from '../kernel/time'
import { browserOf, isPhone } from './browser'
import { PageHead, Section } from './Section'
import classes from './Settings.module.css'

export function Account() {
  const { t } = useTranslation()
  return (
    <div className={classes.page}>
      <PageHead title={t('settings.account.title')} text={useMe().email} />
      <Profile />
      <Preferences />
      <Password />
      <Sessions />
    </div>
  )
}

function Profile() {
  const { t } = useTranslation()
  const me = useMe()
  const [name, setName] = useState(me.name)
  const [error, setError] = useState<string | null>(null)

  async function save(event: FormEvent) {
    event.preventDefault()
    try {
      const { user } = await api.patch<{ user: User }>('/api/me', { name: name.trim() })
      setMe(user)
      setName(user.name)
      setError(null)
      toast(t('common.saved'))
    } catch (problem) {
      setError(explain(problem))
    }
  }

  return (
    <Section title={t('settings.account.profile')}>
      <form onSubmit={(event) => void save(event)}>
        <Stack align="flex-start">
          <TextInput
            w="100%"
            maw={360}
            label={t('auth.name')}
            description={t('auth.nameHint')}
            value={name}
            error={error}
            maxLength={80}
            required
            withAsterisk={false}
            autoComplete="name"
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Button type="submit" disabled={name.trim() === me.name || !name.trim()}>
            {t('common.save')}
          </Button>
        </Stack>
      </form>
    </Section>
  )
}

function Preferences() {
  const { t, i18n } = useTranslation()
  const sendWith = usePrefs((prefs) => prefs.sendWith)
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
      </Stack>
    </Section>
  )
}

/** Asked for only when somebody wants them: a page that asks unasked is refused for ever. */
function Alerts() {
  const { t } = useTranslation()
  const { sound, notify } = usePrefs()
  const possible = 'Notification' in window
  const [blocked, setBlocked] = useState(possible && Notification.permission === 'denied')

  async function setNotify(wanted: boolean) {
    const allowed = wanted && (await Notification.requestPermission()) === 'granted'
    setBlocked(wanted && !allowed)
    setPrefs({ notify: allowed })
  }

  return (
    <Stack gap={12}>
      <Switch
        label={t('settings.account.sound')}
        description={t('settings.account.alertsHint')}
        checked={sound}
        onChange={(event) => {
          setPrefs({ sound: event.currentTarget.checked })
          if (event.currentTarget.checked) chime()
        }}
      />
      {possible && (
        <Switch
          label={t('settings.account.notify')}
          description={t('settings.account.alertsHint')}
          error={blocked && t('settings.account.notifyBlocked')}
          checked={notify && !blocked}
          onChange={(event) => void setNotify(event.currentTarget.checked)}
        />
      )}
    </Stack>
  )
}

function Password() {
  const { t } = useTranslation()
  const me = useMe()
  const queries = useQueryClient()
  const [current, setCurrent] = useState('')
  const [password, setPassword] = useState('')
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)

  async function change(event: FormEvent) {
    event.preventDefault()
    setBusy(true)
    try {
      await api.post('/api/password', { current, password })
      setCurrent('')
      setPassword('')
      setError(null)
      toast(t('settings.account.passwordChanged'))
      await queries.invalidateQueries({ queryKey: ['sessions'] })
    } catch (problem) {
      setError(explain(problem))
    } finally {
      setBusy(false)
    }
  }

  return (
    <Section title={t('settings.account.password')} text={t('settings.account.passwordText')}>
      <form onSubmit={(event) => void change(event)}>
        <Stack maw={360}>
          {/* For password managers. */}
          <input type="text" name="username" autoComplete="username" value={me.email ?? ''} readOnly hidden />
          <PasswordInput
            label={t('settings.account.current')}
            autoComplete="current-password"
            value={current}
            required
            withAsterisk={false}
            error={error}
            onChange={(event) => setCurrent(event.currentTarget.value)}
          />
          <NewPassword label={t('auth.newPassword')} value={password} onChange={setPassword} />
          <div>
            <Button type="submit" loading={busy} disabled={!current || length(password) < SHORTEST_PASSWORD}>
              {t('settings.account.changePassword')}
            </Button>
          </div>
        </Stack>
      </form>
    </Section>
  )
}

function Sessions() {
  const { t } = useTranslation()
  const now = useNow()
  const queries = useQueryClient()
  const { data } = useQuery({
    queryKey: ['sessions'],
    queryFn: () => api.get<{ sessions: SessionRow[] }>('/api/sessions'),
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
