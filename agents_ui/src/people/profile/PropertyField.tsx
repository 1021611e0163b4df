/** The field of one property, by its type. An empty field removes the value. */
import { Select, Textarea, TextInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { PropertyValueOut } from '../../generated/people'

/** As the form keeps it: a text; of a boolean "true", "false" or "". */
export function typedValue({ type, value }: PropertyValueOut): string {
  if (value === null) return ''
  if (Array.isArray(value)) return value.join('\n')
  const text = String(value)
  return type === 'date' ? text.replace(/T00:00:00(\.000)?Z$/, '') : text
}

/** As the server takes it; null removes the value. */
export function sentValue(type: PropertyValueOut['type'], typed: string): unknown {
  const text = typed.trim()
  if (!text) return null
  if (type === 'boolean') return text === 'true'
  if (type === 'list')
    return text
      .split('\n')
      .map((item) => item.trim())
      .filter(Boolean)
  return text
}

interface PropertyFieldProps {
  property: PropertyValueOut
  value: string
  onChange: (value: string) => void
  error: string | undefined
}

export function PropertyField({ property, value, onChange, error }: PropertyFieldProps) {
  const { t } = useTranslation()
  const { name, type } = property
  const shared = {
    label: name,
    value,
    error,
    onChange: (event: { currentTarget: { value: string } }) => onChange(event.currentTarget.value),
  }
  if (type === 'boolean')
    return (
      <Select
        label={name}
        error={error}
        value={value}
        onChange={(chosen) => onChange(chosen ?? '')}
        data={[
          { value: '', label: t('contacts.properties.unknown') },
          { value: 'true', label: t('contacts.properties.yes') },
          { value: 'false', label: t('contacts.properties.no') },
        ]}
      />
    )
  if (type === 'list')
    return (
      <Textarea {...shared} description={t('contacts.properties.listText')} autosize minRows={2} dir="auto" />
    )
  if (type === 'date')
    return <TextInput {...shared} placeholder="2026-11-21" description={t('contacts.properties.dateText')} />
  return (
    <TextInput {...shared} inputMode={type === 'number' ? 'decimal' : 'text'} maxLength={2_000} dir="auto" />
  )
}
