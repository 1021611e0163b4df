import { Button, Group, PasswordInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'

interface SecretInputProps {
  label: string
  description?: string
  /** Null: the stored secret stays; "": it is deleted. */
  value: string | null
  error: string | undefined
  /** Whether a secret is stored. */
  set: boolean
  locked: boolean
  maxLength?: number
  onChange: (value: string | null) => void
}

/** The input of a write-only secret. */
export function SecretInput(props: SecretInputProps) {
  const { t } = useTranslation()
  const { label, description, value, error, set, locked, maxLength = 200, onChange } = props
  const forgotten = value === ''
  return (
    <Group align="flex-end" gap={8} wrap="nowrap">
      <PasswordInput
        flex={1}
        label={label}
        description={description}
        value={value ?? ''}
        error={error}
        disabled={locked}
        placeholder={forgotten ? t('settings.sms.willForget') : set ? t('settings.sms.secretSet') : undefined}
        maxLength={maxLength}
        autoComplete="off"
        onChange={(event) => onChange(event.currentTarget.value || null)}
      />
      {set && !locked && (
        <Button
          variant="default"
          onClick={() => onChange(forgotten ? null : '')}
          aria-label={`${forgotten ? t('common.undo') : t('settings.sms.forget')}: ${label}`}
        >
          {forgotten ? t('common.undo') : t('settings.sms.forget')}
        </Button>
      )}
    </Group>
  )
}
