/** The fields of a condition. */
import '@mantine/core/styles/Pill.layer.css'
import '@mantine/core/styles/PillsInput.layer.css'
import { MultiSelect, NativeSelect, TagsInput, TextInput } from '@mantine/core'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import type { FilterOptions, LivesIn } from '../../generated/audiences'
import { countryName } from '../../kernel/names'
import { oneLine } from '../../kernel/text'
import classes from './Segments.module.css'

interface ChoiceProps {
  label: string
  value: string
  choices: readonly (readonly [string, string])[]
  onChange: (value: string) => void
}

/** One of several words. A stored value that is not offered stays as it is. */
export function Choice({ label, value, choices, onChange }: ChoiceProps) {
  const known = choices.some(([one]) => one === value)
  return (
    <NativeSelect
      aria-label={label}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      data={[...(known ? [] : [[value, value] as const]), ...choices].map(([one, words]) => ({
        value: one,
        label: words,
      }))}
    />
  )
}

export function Channel({
  value,
  onChange,
}: {
  value: string
  onChange: (channel: 'sms' | 'email') => void
}) {
  const { t } = useTranslation()
  return (
    <Choice
      label={t('contacts.suppressed.channel')}
      value={value}
      choices={[
        ['email', t('contacts.columns.email')],
        ['sms', t('channels.sms')],
      ]}
      onChange={(channel) => onChange(channel as 'sms' | 'email')}
    />
  )
}

interface NamedProps {
  label: string
  value: number
  named: readonly { id: number; name: string }[]
  /** Shown if there is nothing to choose. */
  none: string
  onChange: (id: number) => void
}

export function Named({ label, value, named, none, onChange }: NamedProps) {
  const { t } = useTranslation()
  if (named.length === 0) return <span className={classes.hint}>{none}</span>
  const known = named.some(({ id }) => id === value)
  return (
    <NativeSelect
      aria-label={label}
      value={String(value)}
      onChange={(event) => onChange(Number(event.currentTarget.value))}
      data={[
        ...(known ? [] : [{ value: String(value), label: t('contacts.builder.choose') }]),
        ...named.map(({ id, name }) => ({ value: String(id), label: oneLine(name, 80) })),
      ]}
    />
  )
}

interface AmountProps {
  label: string
  value: number | null
  unit?: string
  onChange: (value: number | null) => void
}

export function Amount({ label, value, unit, onChange }: AmountProps) {
  return (
    <span className={classes.amount}>
      <TextInput
        type="number"
        aria-label={label}
        className={classes.tiny}
        value={value ?? ''}
        step="any"
        onChange={(event) => {
          const number = Number(event.currentTarget.value)
          onChange(event.currentTarget.value === '' || Number.isNaN(number) ? null : number)
        }}
      />
      {unit && <span aria-hidden>{unit}</span>}
    </span>
  )
}

export function Words({
  values = [],
  onChange,
}: {
  values?: readonly string[] | undefined
  onChange: (values: string[]) => void
}) {
  const { t } = useTranslation()
  return (
    <TagsInput
      className={classes.wide}
      aria-label={t('contacts.builder.values')}
      placeholder={values.length === 0 ? t('contacts.builder.valuesText') : ''}
      value={[...values]}
      onChange={onChange}
      maxTags={100}
      acceptValueOnBlur
    />
  )
}

export function Places({
  condition,
  options,
  onChange,
}: {
  condition: LivesIn
  options: FilterOptions
  onChange: (condition: LivesIn) => void
}) {
  const { t } = useTranslation()
  const data = useMemo(() => {
    const codes = [...new Set(Object.values(options.regions).flat())]
    const countries = codes
      .map((value) => ({ value, label: countryName(value) }))
      .toSorted((a, b) => a.label.localeCompare(b.label))
    return [
      {
        group: t('contacts.builder.regions'),
        items: Object.keys(options.regions).map((value) => ({
          value: `region:${value}`,
          label: t(`contacts.builder.region.${value as 'eu'}`),
        })),
      },
      { group: t('contacts.builder.countries'), items: countries },
    ]
  }, [options.regions, t])
  const { countries = [], regions = [] } = condition
  return (
    <MultiSelect
      className={classes.wide}
      aria-label={t('contacts.builder.places')}
      placeholder={countries.length + regions.length === 0 ? t('contacts.builder.places') : ''}
      searchable
      data={data}
      value={[...regions.map((region) => `region:${region}`), ...countries]}
      onChange={(chosen) =>
        onChange({
          ...condition,
          regions: chosen
            .filter((one) => one.startsWith('region:'))
            .map((one) => one.slice('region:'.length)),
          countries: chosen.filter((one) => !one.startsWith('region:')),
        })
      }
    />
  )
}
