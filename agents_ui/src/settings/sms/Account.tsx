/** The account at the provider. Its secrets go in and never come out again. */
import '@mantine/core/styles/NumberInput.css'
import { Button, Group, NumberInput, PasswordInput, Text, TextInput } from '@mantine/core'
import { IconLock } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { useCan } from '../../accounts/session'
import type { Price, SmsAccount } from '../../kernel/contract'
import { type Editing, SaveBar, useEditing } from '../editing'
import { CodeBox, Section, SwitchRow } from '../Section'
import frame from '../Settings.module.css'
import { type Keys, SharedKeys } from './SharedKeys'
import { TestSection } from './Test'

export const PATH = '/api/sms/settings'

/** A secret: null keeps the one there is, "" forgets it. */
interface Values {
  on: boolean
  account_sid: string
  auth_token: string | null
  secondary_token: string | null
  shared_keys: Keys | null
  api_key: string
  api_secret: string | null
  messaging_service: string
  monthly_credits: number | null
  prices: Record<string, Price>
}

type SecretName = 'auth_token' | 'secondary_token' | 'api_secret'

/** As it is saved, with every secret kept. */
export function valuesOf(account: SmsAccount): Values {
  const { on, account_sid, api_key, messaging_service, monthly_credits, prices } = account
  const kept = { auth_token: null, secondary_token: null, shared_keys: null, api_secret: null }
  return { on, account_sid, api_key, messaging_service, monthly_credits, prices, ...kept }
}

export function AccountForm({ account }: { account: SmsAccount }) {
  const { t } = useTranslation()
  const form = useEditing(PATH, valuesOf(account))
  const { values, change, errors } = form
  const secrets = useCan('secrets')
  const field = (name: 'account_sid' | 'api_key' | 'messaging_service') => ({
    value: values[name],
    error: errors[name],
    spellCheck: false,
    autoComplete: 'off',
    onChange: (event: { currentTarget: { value: string } }) =>
      change({ [name]: event.currentTarget.value.trim() }),
  })
  const secret = (name: SecretName) => ({ name, set: account[name].set, locked: !secrets, ...form })
  return (
    <>
      <Section title={t('settings.sms.account')} text={t('settings.sms.accountText')}>
        <SwitchRow
          label={t('settings.sms.on')}
          text={t('settings.sms.onText')}
          checked={values.on}
          onChange={(on) => change({ on })}
        />
        <div className={frame.stack} style={{ marginTop: 12 }}>
          {!secrets && (
            <Text size="sm" c="dimmed">
              <IconLock size={14} aria-hidden /> {t('settings.sms.adminsOnly')}
            </Text>
          )}
          <TextInput
            label={t('settings.sms.accountSid')}
            placeholder="AC…"
            maxLength={34}
            {...field('account_sid')}
          />
          <Secret label={t('settings.sms.authToken')} {...secret('auth_token')} />
          <Secret
            label={t('settings.sms.secondaryToken')}
            description={t('settings.sms.secondaryTokenText')}
            {...secret('secondary_token')}
          />
          <SharedKeys
            saved={account.shared_keys}
            keys={values.shared_keys}
            locked={!secrets}
            error={errors.shared_keys}
            onChange={(shared_keys) => change({ shared_keys })}
          />
          <TextInput
            label={t('settings.sms.apiKey')}
            description={t('settings.sms.apiKeyText')}
            placeholder="SK…"
            maxLength={34}
            {...field('api_key')}
          />
          {(values.api_key !== '' || account.api_secret.set) && (
            <Secret label={t('settings.sms.apiSecret')} {...secret('api_secret')} />
          )}
          <TextInput
            label={t('settings.sms.messagingService')}
            description={t('settings.sms.messagingServiceText')}
            placeholder="MG…"
            maxLength={34}
            {...field('messaging_service')}
          />
          <div>
            <Text size="sm" fw={500}>
              {t('settings.sms.webhook')}
            </Text>
            <Text size="sm" c="dimmed" mb={6}>
              {t('settings.sms.webhookText')}
            </Text>
            <CodeBox text={account.webhooks.sms} label={t('settings.sms.webhook')} />
          </div>
        </div>
      </Section>
      <TestSection unsaved={form.changed} />
      <Section title={t('settings.sms.monthly')} text={t('settings.sms.monthlyText')}>
        <NumberInput
          aria-label={t('settings.sms.monthly')}
          value={values.monthly_credits ?? ''}
          error={errors.monthly_credits}
          onChange={(credits) => change({ monthly_credits: typeof credits === 'number' ? credits : null })}
          min={0}
          max={1_000_000_000}
          allowDecimal={false}
          allowNegative={false}
          thousandSeparator=" "
          hideControls
          maw={220}
        />
      </Section>
      <SaveBar form={form} />
    </>
  )
}

interface SecretProps extends Editing<Values> {
  label: string
  description?: string
  name: SecretName
  set: boolean
  locked: boolean
}

function Secret({ label, description, name, set, locked, values, change, errors }: SecretProps) {
  const { t } = useTranslation()
  const value = values[name]
  const forgotten = value === ''
  return (
    <Group align="flex-end" gap={8} wrap="nowrap">
      <PasswordInput
        flex={1}
        label={label}
        description={description}
        value={value ?? ''}
        error={errors[name]}
        disabled={locked}
        placeholder={forgotten ? t('settings.sms.willForget') : set ? t('settings.sms.secretSet') : undefined}
        maxLength={200}
        autoComplete="off"
        onChange={(event) => change({ [name]: event.currentTarget.value || null })}
      />
      {set && !locked && (
        <Button
          variant="default"
          onClick={() => change({ [name]: forgotten ? null : '' })}
          aria-label={`${forgotten ? t('common.undo') : t('settings.sms.forget')}: ${label}`}
        >
          {forgotten ? t('common.undo') : t('settings.sms.forget')}
        </Button>
      )}
    </Group>
  )
}
