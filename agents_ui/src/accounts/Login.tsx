import { Button, PasswordInput, Text } from '@mantine/core'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { Form, useServerForm } from '../ui/serverForm'
import { api, ApiError } from '../kernel/api'
import { AuthPage } from './AuthPage'
import { EmailField } from './EmailField'
import classes from './AuthPage.module.css'
import { signedIn, useSession } from '../kernel/session'

export function Login() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const { next } = useSearch({ from: '/login' })
  const linksByMail = useSession((state) => state.links_by_mail)
  const ended = useSession((state) => state.ended)
  const form = useServerForm({
    saved: { email: '', password: '' },
    send: (values) => api.post('/api/login', values),
    onSaved: () => void signedIn().then(() => navigate({ href: next ?? '/', replace: true })),
    asksBeforeLeaving: false,
  })
  const wait = form.error instanceof ApiError ? form.error.retryAfterS : null
  const error = wait ? t('auth.waitSeconds', { count: Math.ceil(wait) }) : form.problem

  return (
    <AuthPage title={t('auth.signIn')} text={ended && t('auth.draftsKept')} error={error}>
      <Form form={form} className={classes.form} problemShownElsewhere>
        <EmailField form={form} />
        <PasswordInput
          label={t('auth.password')}
          autoComplete="current-password"
          required
          withAsterisk={false}
          {...form.text('password')}
        />
        <Button type="submit" loading={form.busy} fullWidth mt={4}>
          {t('auth.signIn')}
        </Button>
        {linksByMail ? (
          <Link to="/forgot" className={classes.link}>
            {t('auth.forgotLink')}
          </Link>
        ) : (
          <Text size="sm" c="dimmed">
            {t('auth.forgot')}
          </Text>
        )}
      </Form>
    </AuthPage>
  )
}
