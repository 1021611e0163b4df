/** The pages that single-use links open. The token is in the fragment, so that no server log contains it. */
import { Button, Loader, TextInput } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Form, useServerForm } from '../ui/serverForm'
import { explain } from '../ui/toasts'
import { api } from '../kernel/api'
import type { UsedLink } from '../generated/accounts'
import { AuthPage } from './AuthPage'
import classes from './AuthPage.module.css'
import { NewPassword } from '../ui/NewPassword'
import { signedIn } from '../kernel/session'

/** Takes the token out of the address bar and asks the server what the link is for. Only once, because a link can be used only once. */
function useLink(): { token: string; used: UsedLink | null; error: unknown } {
  const [token] = useState(() => location.hash.slice(1))
  const [used, setUsed] = useState<UsedLink | null>(null)
  const [error, setError] = useState<unknown>(null)
  const hasAsked = useRef(false)
  useEffect(() => {
    if (hasAsked.current) return
    hasAsked.current = true
    history.replaceState(history.state, '', location.pathname)
    api.post<UsedLink>('/api/links/use', { token }).then(setUsed, setError)
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
  const isSignIn = used?.purpose === 'signin'
  useEffect(() => {
    if (isSignIn) void signedIn().then(() => navigate({ to: '/inbox', replace: true }))
  }, [isSignIn, navigate])
  return <Checking error={error ?? (used && !isSignIn ? new Error('a link of another kind') : null)} />
}

function Finish({ purpose }: { purpose: 'invite' | 'reset' }) {
  const { token, used, error: linkError } = useLink()
  if (!used || used.purpose === 'signin') return <Checking error={linkError} />
  return <FinishForm purpose={purpose} token={token} used={used} />
}

interface FinishFormProps {
  purpose: 'invite' | 'reset'
  token: string
  used: UsedLink
}

function FinishForm({ purpose, token, used }: FinishFormProps) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const invited = purpose === 'invite'
  const form = useServerForm({
    saved: { name: used.name ?? '', password: '' },
    send: ({ name, password }) =>
      api.post('/api/links/finish', { token, password, ...(invited && { name }) }),
    onSaved: () => void signedIn().then(() => navigate({ to: '/inbox', replace: true })),
    asksBeforeLeaving: false,
  })
  return (
    <AuthPage
      title={invited ? t('auth.invited') : t('auth.resetTitle')}
      text={invited ? t('auth.invitedText') : t('auth.resetText')}
      error={form.problem}
    >
      <Form form={form} className={classes.form} problemShownElsewhere>
        <TextInput
          label={t('auth.email')}
          value={used.email ?? ''}
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
            {...form.text('name')}
          />
        )}
        <NewPassword
          label={invited ? t('auth.password') : t('auth.newPassword')}
          value={form.values.password}
          error={form.errors.password}
          onChange={(password) => form.change({ password })}
          autoFocus={!invited}
        />
        <Button type="submit" loading={form.busy} fullWidth mt={4}>
          {invited ? t('auth.join') : t('auth.savePassword')}
        </Button>
      </Form>
    </AuthPage>
  )
}

export function AcceptInvite() {
  return <Finish purpose="invite" />
}

export function ResetPassword() {
  return <Finish purpose="reset" />
}
