import { Button, TextInput } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { explain } from '../frame/toasts'
import { api } from '../kernel/api'
import { AuthPage } from './AuthPage'
import classes from './AuthPage.module.css'
import { NewPassword } from './NewPassword'
import { signedIn } from './session'

/** First run: the owner's account. */
export function Setup() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)

  async function create(event: FormEvent) {
    event.preventDefault()
    setBusy(true)
    setError(null)
    try {
      // From another machine the server asks for the link it printed at its start.
      const token = window.location.hash.slice(1) || undefined
      await api.post('/api/setup', { name: name.trim(), email: email.trim(), password, token })
      await signedIn()
      await navigate({ to: '/settings/widget', replace: true })
    } catch (problem) {
      setError(explain(problem))
      setBusy(false)
    }
  }

  return (
    <AuthPage title={t('auth.setup')} text={t('auth.setupText')} error={error}>
      <form className={classes.form} onSubmit={(event) => void create(event)}>
        <TextInput
          label={t('auth.name')}
          description={t('auth.nameHint')}
          autoComplete="name"
          required
          withAsterisk={false}
          autoFocus
          maxLength={80}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <TextInput
          label={t('auth.email')}
          type="email"
          autoComplete="username"
          required
          withAsterisk={false}
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
        />
        <NewPassword label={t('auth.password')} value={password} onChange={setPassword} />
        <Button type="submit" loading={busy} fullWidth mt={4}>
          {t('auth.createOwner')}
        </Button>
      </form>
    </AuthPage>
  )
}
