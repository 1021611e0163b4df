/**
 * Details and consents of a contact, with every defined consent at the bottom (CIM-40, CIM-41). Nothing changes before Save, which
 * saves all of it or nothing; a change of consents needs a reason.
 */
import { Button, Checkbox, Group, Stack, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { ConsentOut, ContactConsents } from '../../generated/consent'
import type { EditBody, Profile } from '../../generated/people'
import { api } from '../../kernel/api'
import { useCan } from '../../kernel/session'
import { purposeName } from '../../messaging'
import { Failed } from '../../ui/Problem'
import { Form, useServerForm } from '../../ui/serverForm'
import { useConsents } from './data'
import classes from './Profile.module.css'
import { PropertyField, sentValue, typedValue } from './PropertyField'

export interface EditFormProps {
  profile: Profile
  onDone: () => void
}

/** The dialog opens with the consents as they are now, so that a tick means a change. */
export function EditForm(props: EditFormProps) {
  const { data, isError, refetch } = useConsents(props.profile.id)
  if (!data) return isError ? <Failed onAgain={() => void refetch()} /> : null
  return <LoadedForm {...props} consents={data} />
}

const REFUSED_BY_CUSTOMER = new Set(['keyword', 'request', 'gateway'])

function LoadedForm({ profile, consents, onDone }: EditFormProps & { consents: ContactConsents }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const mayGrant = useCan('consent_grant')
  const saved = {
    name: profile.name,
    email: profile.email ?? '',
    phone: profile.phone ?? '',
    properties: Object.fromEntries(
      profile.properties.map((property) => [property.key, typedValue(property)]),
    ) as Record<string, string>,
    consents: Object.fromEntries(
      consents.consents.map(({ purpose, status }) => [purpose, status === 'subscribed']),
    ) as Record<string, boolean>,
    reason: '',
  }

  const decisions = (values: typeof saved) =>
    consents.consents
      .filter(({ purpose }) => values.consents[purpose] !== saved.consents[purpose])
      .map(({ purpose }) => ({
        purpose,
        status: values.consents[purpose] ? ('subscribed' as const) : ('unsubscribed' as const),
      }))

  const form = useServerForm({
    saved,
    send: (values) => {
      const properties = Object.fromEntries(
        profile.properties
          .filter(({ key }) => values.properties[key] !== saved.properties[key])
          .map(({ key, type }) => [key, sentValue(type, values.properties[key] ?? '')]),
      )
      const body: EditBody = { consents: decisions(values), reason: values.reason, properties }
      // Only changed fields: saving the form must not confirm a name that only the visitor claimed.
      if (values.name.trim() !== saved.name) body.name = values.name
      if (values.email.trim() !== saved.email) body.email = values.email
      if (values.phone.trim() !== saved.phone) body.phone = values.phone
      return api.put<Profile>(`/api/people/${profile.id}`, body)
    },
    onSaved: () => {
      void queries.invalidateQueries()
      onDone()
    },
    asksBeforeLeaving: false,
    words: {
      bad_email: t('contacts.edit.badEmail'),
      unreadable: t('contacts.edit.badName'),
      long: t('contacts.edit.badName'),
      reason_needed: t('contacts.edit.reasonNeeded'),
      opted_out: t('contacts.edit.optedOut'),
    },
  })
  const changed = decisions(form.values)
  return (
    <Form form={form}>
      <Stack>
        <TextInput
          label={t('contacts.columns.name')}
          {...form.text('name')}
          disabled={profile.verified}
          description={profile.verified ? t('contacts.edit.verified') : undefined}
          maxLength={80}
          dir="auto"
          data-autofocus={!profile.verified || undefined}
        />
        <TextInput
          label={t('contacts.columns.email')}
          {...form.text('email')}
          disabled={profile.verified}
          maxLength={254}
          inputMode="email"
          autoComplete="off"
        />
        <TextInput
          label={t('contacts.columns.phone')}
          {...form.text('phone')}
          placeholder="+1 202 555 0150"
          maxLength={60}
          inputMode="tel"
          autoComplete="off"
        />
        {profile.properties.map((property) => (
          <PropertyField
            key={property.id}
            property={property}
            value={form.values.properties[property.key] ?? ''}
            onChange={(value) =>
              form.change({ properties: { ...form.values.properties, [property.key]: value } })
            }
            error={form.errors[`properties.${property.key}`]}
          />
        ))}
        <fieldset className={classes.fieldset}>
          <legend className={classes.legend}>{t('contacts.edit.consents')}</legend>
          {consents.consents.map((consent) => (
            <ConsentTick
              key={consent.purpose}
              consent={consent}
              checked={form.values.consents[consent.purpose] === true}
              onChange={(checked) =>
                form.change({ consents: { ...form.values.consents, [consent.purpose]: checked } })
              }
              barred={barred(consent, consents, mayGrant)}
            />
          ))}
        </fieldset>
        {changed.length > 0 && (
          <TextInput
            label={t('contacts.edit.reason')}
            description={t('contacts.edit.reasonText')}
            placeholder={t('contacts.edit.reasonExample')}
            {...form.text('reason')}
            maxLength={500}
            required
            withAsterisk={false}
          />
        )}
        <Group justify="flex-end">
          <Button
            type="submit"
            loading={form.busy}
            disabled={!form.changed || (changed.length > 0 && !form.values.reason.trim())}
          >
            {t('common.save')}
          </Button>
        </Group>
      </Stack>
    </Form>
  )
}

type Bar = 'optedOut' | 'noNumber' | 'onlyWithdraw' | null

/** Why an unticked consent cannot be ticked. */
function barred(consent: ConsentOut, { phone }: ContactConsents, mayGrant: boolean): Bar {
  if (consent.status === 'subscribed') return null
  if (!mayGrant) return 'onlyWithdraw'
  if (consent.status === 'unsubscribed' && REFUSED_BY_CUSTOMER.has(consent.method ?? '')) return 'optedOut'
  return consent.channel === 'sms' && phone === null ? 'noNumber' : null
}

interface ConsentTickProps {
  consent: ConsentOut
  checked: boolean
  onChange: (checked: boolean) => void
  barred: Bar
}

function ConsentTick({ consent, checked, onChange, barred: bar }: ConsentTickProps) {
  const { t } = useTranslation()
  const words = [consent.required && t('contacts.edit.required'), bar && t(`contacts.edit.bars.${bar}`)]
  return (
    <Checkbox
      label={<bdi>{purposeName(consent.purpose, consent.name ?? '')}</bdi>}
      description={words.filter(Boolean).join(' ') || undefined}
      checked={checked}
      disabled={bar !== null}
      onChange={(event) => onChange(event.currentTarget.checked)}
    />
  )
}
