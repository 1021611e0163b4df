/** Named SHA-256 keys that webhooks are signed with besides the account's tokens. Write-only. */
import { Button, PasswordInput, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import classes from './Sms.module.css'

/** By name: null keeps the stored key, a text replaces it; a missing name deletes it. */
export type Keys = Record<string, string | null>

interface SharedKeysProps {
  saved: readonly string[]
  /** The edited keys; null if nothing was changed. */
  keys: Keys | null
  locked: boolean
  error: string | undefined
  onChange: (keys: Keys) => void
}

const MOST = 5

export function SharedKeys({ saved, keys, locked, error, onChange }: SharedKeysProps) {
  const { t } = useTranslation()
  const [name, setName] = useState('')
  const [key, setKey] = useState('')
  const keyByName = keys ?? Object.fromEntries(saved.map((keyName) => [keyName, null]))
  const names = Object.keys(keyByName)
  const ready = name.trim() !== '' && key !== '' && (names.length < MOST || name.trim() in keyByName)

  function add() {
    onChange({ ...keyByName, [name.trim()]: key })
    setName('')
    setKey('')
  }

  if (locked && names.length === 0) return null
  return (
    <div role="group" aria-label={t('settings.sms.sharedKeys')}>
      <Text size="sm" fw="var(--mantine-font-weight-medium)">
        {t('settings.sms.sharedKeys')}
      </Text>
      <Text size="sm" c="dimmed">
        {t('settings.sms.sharedKeysText')}
      </Text>
      {names.map((keyName) => (
        <div key={keyName} className={classes.word}>
          <span className={classes.code} dir="ltr">
            {keyName}
          </span>
          <Text size="sm" c="dimmed" flex={1}>
            {keyByName[keyName] === null ? t('settings.sms.keySet') : t('settings.sms.keyNew')}
          </Text>
          {!locked && (
            <Button
              variant="default"
              size="compact-md"
              aria-label={`${t('settings.sms.forget')}: ${keyName}`}
              onClick={() =>
                onChange(
                  Object.fromEntries(
                    Object.entries(keyByName).filter(([otherName]) => otherName !== keyName),
                  ),
                )
              }
            >
              {t('settings.sms.forget')}
            </Button>
          )}
        </div>
      ))}
      {!locked && names.length < MOST && (
        <div className={`${classes.add} ${classes.pair}`}>
          <TextInput
            aria-label={t('settings.sms.keyName')}
            placeholder={t('settings.sms.keyName')}
            value={name}
            maxLength={64}
            spellCheck={false}
            autoComplete="off"
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <PasswordInput
            aria-label={t('settings.sms.key')}
            placeholder={t('settings.sms.key')}
            value={key}
            error={error}
            maxLength={200}
            autoComplete="off"
            onChange={(event) => setKey(event.currentTarget.value)}
          />
          <Button variant="default" disabled={!ready} onClick={add}>
            {t('settings.sms.addKey')}
          </Button>
        </div>
      )}
    </div>
  )
}
