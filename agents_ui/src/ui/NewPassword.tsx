import './formStyles'
import { PasswordInput, Progress, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { length } from '../kernel/text'

export const SHORTEST_PASSWORD = 15

interface NewPasswordProps {
  value: string
  onChange: (value: string) => void
  label: string
  error?: string | null | undefined
  autoFocus?: boolean
}

/** The only rule for a password is its length, so the meter shows the length. */
export function NewPassword({ value, onChange, label, error, autoFocus }: NewPasswordProps) {
  const { t } = useTranslation()
  const chars = length(value)
  const share = Math.min(100, (chars / 20) * 100)
  const colour = chars < SHORTEST_PASSWORD ? 'amber' : 'green'
  return (
    <div>
      <PasswordInput
        label={label}
        autoComplete="new-password"
        value={value}
        onChange={(event) => onChange(event.currentTarget.value)}
        required
        withAsterisk={false}
        error={error}
        data-autofocus={autoFocus}
        autoFocus={autoFocus ?? false}
      />
      <Progress value={share} color={colour} size={3} mt={8} aria-hidden />
      <Text size="xs" c="dimmed" mt={6}>
        {chars >= SHORTEST_PASSWORD
          ? t('auth.passwordGood')
          : t('auth.passwordRule', { count: SHORTEST_PASSWORD })}
      </Text>
    </div>
  )
}
