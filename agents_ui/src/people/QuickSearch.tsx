import { CloseButton, TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import classes from './People.module.css'

const PAUSE_MS = 200

interface QuickSearchProps {
  label: string
  value: string
  onChange: (value: string) => void
}

/** Searches while somebody types, after a short pause. */
export function QuickSearch({ label, value, onChange }: QuickSearchProps) {
  const { t } = useTranslation()
  const [typed, setTyped] = useState(value)
  const [sent, setSent] = useState(value)
  const [last, setLast] = useState(value)
  // A change that was not typed here (the search was cleared elsewhere) shows in the field, too.
  if (value !== last) {
    setLast(value)
    if (value !== sent) setTyped(value)
  }
  const send = useDebouncedCallback((text: string) => {
    setSent(text)
    onChange(text)
  }, PAUSE_MS)
  const type = (text: string) => {
    setTyped(text)
    send(text.trim())
  }
  return (
    <TextInput
      className={classes.search}
      type="search"
      aria-label={label}
      placeholder={label}
      value={typed}
      onChange={(event) => type(event.currentTarget.value)}
      leftSection={<IconSearch size={16} stroke={1.7} aria-hidden />}
      rightSection={
        typed && <CloseButton size="sm" aria-label={t('contacts.clear')} onClick={() => type('')} />
      }
      maxLength={100}
      autoComplete="off"
      spellCheck={false}
      dir="auto"
    />
  )
}
