import { Button, PasswordInput, Text, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { explain } from '../frame/toasts'
import { api, ApiError } from '../kernel/api'
import { AuthPage } from './AuthPage'
import classes from './AuthPage.module.css'
import { signedIn } from './session'

export function Login() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const { next } = useSearch({ from: '/login' })
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const form = useForm({ initialValues: { email: '', password: '' } })

  async function enter(values: { email: string; password: string }) {
    setBusy(true)
    setError(null)
    try {
      await api.post('/api/login', values)
      await signedIn()
      await navigate({ href: next ?? '/inbox', replace: true })
    } catch (problem) {
      const wait = problem instanceof ApiError ? problem.retryAfterS : null
      setError(wait ? t('auth.waitSeconds', { count: Math.ceil(wait) }) : explain(problem))
      setBusy(false)
    }
  }

  return (
    <AuthPage title={t('auth.signIn')} text={next && t('auth.draftsKept')} error={error}>
      <form className={classes.form} onSubmit={form.onSubmit(enter)}>
        <TextInput
          label={t('auth.email')}
          type="email"
          autoComplete="username"
          required
          withAsterisk={false}
          autoFocus
          {...form.getInputProps('email')}
        />
        <PasswordInput
          label={t('auth.password')}
          autoComplete="current-password"
          required
          withAsterisk={false}
          {...form.getInputProps('password')}
        />
        <Button type="submit" loading={busy} fullWidth mt={4}>
          {t('auth.signIn')}
        </Button>
        <Text size="sm" c="dimmed">
          {t('auth.forgot')}
        </Text>
      </form>
    </AuthPage>
  )
}
