/** Where one-time links lead. The token stands behind `#`, so no server log ever holds it. */
import { Button, Loader, TextInput } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { explain } from '../frame/toasts'
import { api } from '../kernel/api'
import type { User } from '../kernel/contract'
import { AuthPage } from './AuthPage'
import classes from './AuthPage.module.css'
import { NewPassword } from './NewPassword'
import { signedIn } from './session'

type Used =
  { purpose: 'signin'; user: User } | { purpose: 'invite' | 'reset'; email: string; name?: string | null }

/** Takes the token out of the address bar and asks what it is good for. Once: a link is spent by its use. */
function useLink(): { token: string; used: Used | null; error: unknown } {
  const [token] = useState(() => location.hash.slice(1))
  const [used, setUsed] = useState<Used | null>(null)
  const [error, setError] = useState<unknown>(null)
  const asked = useRef(false)
  useEffect(() => {
    if (asked.current) return
    asked.current = true
    history.replaceState(history.state, '', location.pathname)
    api.post<Used>('/api/links/use', { token }).then(setUsed, setError)
  }, [token])
  return { token, used, error }
}

function Checking({ error }: { error: unknown }) {
  const { t } = useTranslation()
  if (!error) {
    return (
      <AuthPage title={t('auth.checkingLink')}>
        <Loader mt="lg" />
      </AuthPage>
    )
  }
  return (
    <AuthPage title={t('auth.linkFailed')} text={t('auth.linkFailedText')} error={explain(error)}>
      <Button component="a" href="/login" mt="lg" variant="default">
        {t('auth.toSignIn')}
      </Button>
    </AuthPage>
  )
}

export function SignIn() {
  const navigate = useNavigate()
  const { used, error } = useLink()
  const right = used?.purpose === 'signin'
  useEffect(() => {
    if (right) void signedIn().then(() => navigate({ to: '/inbox', replace: true }))
  }, [right, navigate])
  return <Checking error={error ?? (used && !right ? new Error('a link of another kind') : null)} />
}

function Finish({ purpose }: { purpose: 'invite' | 'reset' }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const { token, used, error: linkError } = useLink()
  const [name, setName] = useState<string | null>(null)
  const [password, setPassword] = useState('')
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)

  if (!used || used.purpose === 'signin') return <Checking error={linkError} />
  const shownName = name ?? used.name ?? ''

  async function finish(event: FormEvent) {
    event.preventDefault()
    setBusy(true)
    setError(null)
    try {
      const more = purpose === 'invite' ? { name: shownName.trim() } : {}
      await api.post('/api/links/finish', { token, password, ...more })
      await signedIn()
      await navigate({ to: '/inbox', replace: true })
    } catch (problem) {
      setError(explain(problem))
      setBusy(false)
    }
  }

  const invited = purpose === 'invite'
  return (
    <AuthPage
      title={invited ? t('auth.invited') : t('auth.resetTitle')}
      text={invited ? t('auth.invitedText') : t('auth.resetText')}
      error={error}
    >
      <form className={classes.form} onSubmit={(event) => void finish(event)}>
        <TextInput
          label={t('auth.email')}
          value={used.email}
          readOnly
          autoComplete="username"
          variant="filled"
        />
        {invited && (
          <TextInput
            label={t('auth.name')}
            description={t('auth.nameHint')}
            autoComplete="name"
            required
            withAsterisk={false}
            autoFocus
            maxLength={80}
            value={shownName}
            onChange={(event) => setName(event.currentTarget.value)}
          />
        )}
        <NewPassword
          label={invited ? t('auth.password') : t('auth.newPassword')}
          value={password}
          onChange={setPassword}
          autoFocus={!invited}
        />
        <Button type="submit" loading={busy} fullWidth mt={4}>
          {invited ? t('auth.join') : t('auth.savePassword')}
        </Button>
      </form>
    </AuthPage>
  )
}

export function AcceptInvite() {
  return <Finish purpose="invite" />
}

export function ResetPassword() {
  return <Finish purpose="reset" />
}
