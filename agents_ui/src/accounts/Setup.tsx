import { Button, TextInput } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { Form, useServerForm } from '../ui/serverForm'
import { api } from '../kernel/api'
import { AuthPage } from './AuthPage'
import classes from './AuthPage.module.css'
import { NewPassword } from '../ui/NewPassword'
import { signedIn } from '../kernel/session'

/** First run: the owner's account. */
export function Setup() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const form = useServerForm({
    saved: { name: '', email: '', password: '' },
    // The server printed the token at its start.
    send: (values) =>
      api.post('/api/setup', {
        ...values,
        token: window.location.hash.slice(1) || undefined,
        time_zone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
      }),
    onSaved: () => void signedIn().then(() => navigate({ to: '/settings/widget', replace: true })),
    asksBeforeLeaving: false,
  })

  return (
    <AuthPage title={t('auth.setup')} text={t('auth.setupText')} error={form.problem}>
      <Form form={form} className={classes.form} problemShownElsewhere>
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
        <TextInput
          label={t('auth.email')}
          type="email"
          autoComplete="username"
          required
          withAsterisk={false}
          {...form.text('email')}
        />
        <NewPassword
          label={t('auth.password')}
          value={form.values.password}
          error={form.errors.password}
          onChange={(password) => form.change({ password })}
        />
        <Button type="submit" loading={form.busy} fullWidth mt={4}>
          {t('auth.createOwner')}
        </Button>
      </Form>
    </AuthPage>
  )
}
