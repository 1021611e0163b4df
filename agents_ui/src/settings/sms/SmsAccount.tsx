/** The account at the provider. Its secrets are write-only. */
import { Text, TextInput } from '@mantine/core'
import { IconLock } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { useCan } from '../../kernel/session'
import type { Price, SmsOut } from '../../generated/delivery'
import { SaveBar, useEditing } from '../editing'
import { CodeBox, Section, SwitchRow } from '../Section'
import frame from '../Settings.module.css'
import { type Keys, SharedKeys } from './SharedKeys'
import { SecretInput } from '../SecretInput'
import { TestSection } from '../TestSection'

export const PATH = '/api/sms/settings'

/** A secret: null keeps the stored one, "" deletes it. */
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
  version: string
}

type SecretName = 'auth_token' | 'secondary_token' | 'api_secret'

/** The form's initial values: the saved account, with null (keep) for each secret. */
export function valuesOf(account: SmsOut): Values {
  const { on, account_sid, api_key, messaging_service, monthly_credits, prices, version } = account
  const keptSecrets = { auth_token: null, secondary_token: null, shared_keys: null, api_secret: null }
  return { on, account_sid, api_key, messaging_service, monthly_credits, prices, version, ...keptSecrets }
}

export function SmsAccountForm({ account }: { account: SmsOut }) {
  const { t } = useTranslation()
  const form = useEditing(PATH, valuesOf(account), valuesOf)
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
  const secret = (name: SecretName) => ({
    set: account[name].set,
    locked: !secrets,
    value: values[name],
    error: errors[name],
    onChange: (value: string | null) => change({ [name]: value }),
  })
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
          <SecretInput label={t('settings.sms.authToken')} {...secret('auth_token')} />
          <SecretInput
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
            <SecretInput label={t('settings.sms.apiSecret')} {...secret('api_secret')} />
          )}
          <TextInput
            label={t('settings.sms.messagingService')}
            description={t('settings.sms.messagingServiceText')}
            placeholder="MG…"
            maxLength={34}
            {...field('messaging_service')}
          />
          <div>
            <Text size="sm" fw="var(--mantine-font-weight-medium)">
              {t('settings.sms.webhook')}
            </Text>
            <Text size="sm" c="dimmed" mb={6}>
              {t('settings.sms.webhookText')}
            </Text>
            <CodeBox text={account.webhooks.sms} label={t('settings.sms.webhook')} />
          </div>
        </div>
      </Section>
      <TestSection
        path="/api/sms/test"
        title={t('settings.sms.test')}
        text={t('settings.sms.testText')}
        unsaved={form.changed}
      />
      <SaveBar form={form} />
    </>
  )
}
