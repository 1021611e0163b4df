import '@mantine/core/styles/Pill.layer.css'
import '@mantine/core/styles/PillsInput.layer.css'
import '@mantine/core/styles/NumberInput.layer.css'
import { Button, Group, MultiSelect, NumberInput, Select, Stack, Switch, TextInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Form, useServerForm } from '../../ui/serverForm'
import { api } from '../../kernel/api'
import { type SenderOut, SENDER_KINDS, type SenderKind } from '../../generated/delivery'
import { ConflictDialog } from '../ConflictDialog'
import { countryName } from '../../kernel/names'

interface NumberFormProps {
  /** The number to edit; null to add one. */
  sender: SenderOut | null
  countries: readonly string[]
  onDone: () => void
}

/** Defaults for a new number by its kind and country; each can be changed. */
export function NumberForm({ sender, countries, onDone }: NumberFormProps) {
  const { t } = useTranslation()
  const form = useServerForm({
    saved: {
      address: sender?.address ?? '',
      kind: (sender?.kind ?? null) as SenderKind | null,
      country: (sender?.country ?? null) as string | null,
      countries: sender?.countries ?? null,
      mms: sender?.mms ?? null,
      inbound: sender?.inbound ?? null,
      rate: sender?.rate ?? null,
      enabled: sender?.enabled ?? true,
      version: sender?.version ?? '',
    },
    send: (values) => {
      const body = { ...values, ...chosenOf(values), address: values.address.replace(/[\s()-]/g, '') }
      if (body.kind === 'alphanumeric') body.address = values.address.trim()
      return sender ? api.put(`/api/sms/senders/${sender.id}`, body) : api.post('/api/sms/senders', body)
    },
    onSaved: onDone,
    asksBeforeLeaving: false,
  })
  const { address } = form.values
  const existing = sender && form.values
  const error = form.errors
  const chosen = chosenOf(form.values)
  const places = [
    ...new Set([...countries, ...(chosen.country ? [chosen.country] : []), ...(existing?.countries ?? [])]),
  ]
    .map((code) => ({ value: code, label: countryName(code) }))
    .toSorted((a, b) => a.label.localeCompare(b.label))

  return (
    <Form form={form}>
      <Stack>
        <TextInput
          label={t('settings.sms.address')}
          placeholder="+1 888 555 0199"
          {...form.text('address')}
          readOnly={sender !== null}
          maxLength={20}
          data-autofocus
        />
        <Group grow align="flex-start">
          <Select
            label={t('settings.sms.kind')}
            value={chosen.kind}
            error={error.kind}
            onChange={(value) => value && form.change({ kind: value as SenderKind })}
            data={SENDER_KINDS.map((value) => ({ value, label: t(`settings.sms.senderKinds.${value}`) }))}
          />
          <Select
            label={t('settings.sms.home')}
            searchable
            value={chosen.country}
            error={error.country}
            onChange={(value) => value && form.change({ country: value })}
            data={places}
          />
        </Group>
        {existing && (
          <>
            <MultiSelect
              label={t('settings.sms.serves')}
              searchable
              value={existing.countries ?? []}
              error={error.countries}
              onChange={(codes) => form.change({ countries: codes })}
              data={places}
            />
            <NumberInput
              label={t('settings.sms.rateLabel')}
              value={existing.rate ?? ''}
              error={error.rate}
              min={1}
              max={10_000}
              allowDecimal={false}
              maw={160}
              onChange={(rate) => typeof rate === 'number' && form.change({ rate })}
            />
            {(['mms', 'inbound', 'enabled'] as const).map((name) => (
              <Switch
                key={name}
                label={t(
                  `settings.sms.${({ mms: 'canMms', inbound: 'canInbound', enabled: 'enabled' } as const)[name]}`,
                )}
                checked={existing[name] ?? false}
                onChange={(event) => form.change({ [name]: event.currentTarget.checked })}
              />
            ))}
          </>
        )}
        {form.conflict && <ConflictDialog form={form} conflict={form.conflict} />}
        <Group justify="flex-end">
          <Button type="submit" loading={form.busy} disabled={!address.trim() || !chosen.country}>
            {t('common.save')}
          </Button>
        </Group>
      </Stack>
    </Form>
  )
}

const CODES: readonly (readonly [string, string])[] = [
  ['+353', 'IE'], ['+352', 'LU'], ['+351', 'PT'], ['+358', 'FI'], ['+61', 'AU'], ['+64', 'NZ'], ['+44', 'GB'],
  ['+49', 'DE'], ['+31', 'NL'], ['+33', 'FR'], ['+32', 'BE'], ['+43', 'AT'], ['+34', 'ES'], ['+41', 'CH'],
  ['+45', 'DK'], ['+46', 'SE'], ['+47', 'NO'], ['+39', 'IT'], ['+48', 'PL'], ['+36', 'HU'], ['+1', 'US'],
] // prettier-ignore

interface Typed {
  address: string
  kind: SenderKind | null
  country: string | null
}

function chosenOf({ address, kind, country }: Typed) {
  const guess = guessed(address)
  return { kind: kind ?? guess.kind, country: country ?? guess.country }
}

/** Guesses kind and country from the typed number; the user can change both. */
function guessed(typed: string): { kind: SenderKind; country: string | null } {
  const address = typed.replace(/[\s()-]/g, '')
  const country = CODES.find(([code]) => address.startsWith(code))?.[1] ?? null
  if (/\p{L}/u.test(address)) return { kind: 'alphanumeric', country: null }
  if (/^\d{3,8}$/.test(address)) return { kind: 'short_code', country: 'US' }
  return { kind: /^\+18(00|33|44|55|66|77|88)/.test(address) ? 'toll_free' : 'long_code', country }
}
