import { TextInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { ServerForm } from '../ui/serverForm'

/** The address that somebody signs in with. */
export function EmailField<T extends { email: string }>({ form }: { form: ServerForm<T> }) {
  const { t } = useTranslation()
  return (
    <TextInput
      label={t('auth.email')}
      type="email"
      autoComplete="username"
      required
      withAsterisk={false}
      autoFocus
      {...form.text('email' as Extract<keyof T, string>)}
    />
  )
}
