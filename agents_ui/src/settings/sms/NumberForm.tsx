import '@mantine/core/styles/Pill.css'
import '@mantine/core/styles/PillsInput.css'
import '@mantine/core/styles/NumberInput.css'
import { Button, Group, MultiSelect, NumberInput, Select, Stack, Switch, TextInput } from '@mantine/core'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { explain } from '../../frame/toasts'
import { api, ApiError } from '../../kernel/api'
import { type Sender, SENDER_KINDS, type SenderKind } from '../../kernel/contract'
import { countryName } from '../../kernel/names'

interface NumberFormProps {
  /** Null: a new one. */
  sender: Sender | null
  countries: readonly string[]
  onDone: () => void
}

/** A new one can do what its kind can at home; afterwards each thing can be changed. */
export function NumberForm({ sender, countries, onDone }: NumberFormProps) {
  const { t } = useTranslation()
  const [address, setAddress] = useState(sender?.address ?? '')
  const [kind, setKind] = useState<SenderKind | null>(sender?.kind ?? null)
  const [country, setCountry] = useState<string | null>(sender?.country ?? null)
  const [can, setCan] = useState(
    sender && { countries: sender.countries, mms: sender.mms, inbound: sender.inbound, rate: sender.rate, enabled: sender.enabled }, // prettier-ignore
  )
  const [error, setError] = useState<Record<string, string>>({})
  const [busy, setBusy] = useState(false)
  const guess = guessed(address)
  const chosen = { kind: kind ?? guess.kind, country: country ?? guess.country }
  const places = [
    ...new Set([...countries, ...(chosen.country ? [chosen.country] : []), ...(can?.countries ?? [])]),
  ]
    .map((code) => ({ value: code, label: countryName(code) }))
    .toSorted((a, b) => a.label.localeCompare(b.label))

  async function save(event: FormEvent) {
    event.preventDefault()
    setBusy(true)
    const body = { address: address.replace(/[\s()-]/g, ''), ...chosen, ...can }
    if (chosen.kind === 'alphanumeric') body.address = address.trim()
    try {
      await (sender ? api.put(`/api/sms/senders/${sender.id}`, body) : api.post('/api/sms/senders', body))
      onDone()
    } catch (problem) {
      const field = problem instanceof ApiError ? problem.field : null
      setError({ [field?.split('.')[0] ?? 'address']: explain(problem) })
      setBusy(false)
    }
  }

  return (
    <form onSubmit={(event) => void save(event)}>
      <Stack>
        <TextInput
          label={t('settings.sms.address')}
          placeholder="+1 888 555 0199"
          value={address}
          error={error.address}
          readOnly={sender !== null}
          maxLength={20}
          data-autofocus
          onChange={(event) => {
            setAddress(event.currentTarget.value)
            setError({})
          }}
        />
        <Group grow align="flex-start">
          <Select
            label={t('settings.sms.kind')}
            value={chosen.kind}
            error={error.kind}
            onChange={(value) => value && setKind(value as SenderKind)}
            data={SENDER_KINDS.map((value) => ({ value, label: t(`settings.sms.senderKinds.${value}`) }))}
          />
          <Select
            label={t('settings.sms.home')}
            searchable
            value={chosen.country}
            error={error.country}
            onChange={(value) => value && setCountry(value)}
            data={places}
          />
        </Group>
        {can && (
          <>
            <MultiSelect
              label={t('settings.sms.serves')}
              searchable
              value={can.countries}
              error={error.countries}
              onChange={(codes) => setCan({ ...can, countries: codes })}
              data={places}
            />
            <NumberInput
              label={t('settings.sms.rateLabel')}
              value={can.rate}
              error={error.rate}
              min={1}
              max={10_000}
              allowDecimal={false}
              maw={160}
              onChange={(rate) => typeof rate === 'number' && setCan({ ...can, rate })}
            />
            {(['mms', 'inbound', 'enabled'] as const).map((name) => (
              <Switch
                key={name}
                label={t(
                  `settings.sms.${({ mms: 'canMms', inbound: 'canInbound', enabled: 'enabled' } as const)[name]}`,
                )}
                checked={can[name]}
                onChange={(event) => setCan({ ...can, [name]: event.currentTarget.checked })}
              />
            ))}
          </>
        )}
        <Group justify="flex-end">
          <Button type="submit" loading={busy} disabled={!address.trim() || !chosen.country}>
            {t('common.save')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

const CODES: readonly (readonly [string, string])[] = [
  ['+353', 'IE'], ['+352', 'LU'], ['+351', 'PT'], ['+358', 'FI'], ['+61', 'AU'], ['+64', 'NZ'], ['+44', 'GB'],
  ['+49', 'DE'], ['+31', 'NL'], ['+33', 'FR'], ['+32', 'BE'], ['+43', 'AT'], ['+34', 'ES'], ['+41', 'CH'],
  ['+45', 'DK'], ['+46', 'SE'], ['+47', 'NO'], ['+39', 'IT'], ['+48', 'PL'], ['+36', 'HU'], ['+1', 'US'],
] // prettier-ignore

/** From what is typed; whoever knows better chooses. */
function guessed(typed: string): { kind: SenderKind; country: string | null } {
  const address = typed.replace(/[\s()-]/g, '')
  const country = CODES.find(([code]) => address.startsWith(code))?.[1] ?? null
  if (/\p{L}/u.test(address)) return { kind: 'alphanumeric', country: null }
  if (/^\d{3,8}$/.test(address)) return { kind: 'short_code', country: 'US' }
  return { kind: /^\+18(00|33|44|55|66|77|88)/.test(address) ? 'toll_free' : 'long_code', country }
}
