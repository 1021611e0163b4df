/** The mail server. Its password is write-only. */
import '@mantine/core/styles/NumberInput.layer.css'
import { NumberInput, Select, Text, TextInput } from '@mantine/core'
import { IconAlertTriangle, IconLock } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import type { MailServerOut } from '../../generated/delivery'
import { useCan } from '../../kernel/session'
import { SaveBar, useEditing } from '../editing'
import { SecretInput } from '../SecretInput'
import { Section, SwitchRow } from '../Section'
import frame from '../Settings.module.css'
import { TestSection } from '../TestSection'
import { TestMail } from './TestMail'

export const SERVER = '/api/mail/server'

type Security = MailServerOut['security']
const SECURITY: readonly Security[] = ['starttls', 'tls', 'plain']
const USUAL_PORTS: Record<Security, number> = { starttls: 587, tls: 465, plain: 25 }

interface Values {
  mail_on: boolean
  host: string
  port: number
  security: Security
  user: string
  /** Null keeps the stored password, "" deletes it. */
  password: string | null
  version: string
}

function valuesOf(server: MailServerOut): Values {
  const { mail_on, host, port, security, user, version } = server
  return { mail_on, host, port, security, user, version, password: null }
}

export function ServerForm({ server }: { server: MailServerOut }) {
  const { t } = useTranslation()
  const form = useEditing(SERVER, valuesOf(server), valuesOf)
  const { values, change, errors } = form
  const locked = !useCan('secrets')

  /** Changes the encryption, and the port as well if it is the default of the previous encryption. */
  function changeSecurity(security: Security) {
    const usual = values.port === USUAL_PORTS[values.security]
    change(usual ? { security, port: USUAL_PORTS[security] } : { security })
  }

  return (
    <>
      {server.stopped && (
        <Section title={t('settings.mail.stopped')}>
          <div className={frame.warn} role="alert">
            <IconAlertTriangle size={18} aria-hidden />
            <span>
              <bdi dir="ltr">{server.stopped}</bdi> {t('settings.mail.stoppedText')}
            </span>
          </div>
        </Section>
      )}
      <Section title={t('settings.mail.server')} text={t('settings.mail.serverText')}>
        {locked && (
          <Text size="sm" c="dimmed">
            <IconLock size={14} aria-hidden /> {t('settings.mail.adminsOnly')}
          </Text>
        )}
        <SwitchRow
          label={t('settings.mail.on')}
          text={t('settings.mail.onText')}
          checked={values.mail_on}
          onChange={(mail_on) => change({ mail_on })}
          locked={locked ? '' : undefined}
        />
        {errors.mail_on && (
          <Text c="red" size="sm" role="alert">
            {errors.mail_on}
          </Text>
        )}
        <div className={frame.stack} style={{ marginTop: 12 }}>
          <TextInput
            label={t('settings.mail.host')}
            placeholder="smtp.example.com"
            maxLength={254}
            autoComplete="off"
            spellCheck={false}
            inputMode="url"
            disabled={locked}
            {...form.text('host')}
          />
          <Select
            label={t('settings.mail.security')}
            description={t(`settings.mail.securityTexts.${values.security}`)}
            inputWrapperOrder={['label', 'input', 'description', 'error']}
            value={values.security}
            error={errors.security}
            disabled={locked}
            allowDeselect={false}
            onChange={(chosen) => changeSecurity(chosen as Security)}
            data={SECURITY.map((value) => ({ value, label: t(`settings.mail.securities.${value}`) }))}
          />
          <NumberInput
            label={t('settings.mail.port')}
            value={values.port}
            error={errors.port}
            disabled={locked}
            onChange={(port) => typeof port === 'number' && change({ port })}
            min={1}
            max={65_535}
            allowDecimal={false}
            allowNegative={false}
            hideControls
            maw={140}
          />
          <TextInput
            label={t('settings.mail.user')}
            description={t('settings.mail.userText')}
            maxLength={254}
            autoComplete="off"
            spellCheck={false}
            disabled={locked}
            {...form.text('user')}
          />
          <SecretInput
            label={t('settings.mail.password')}
            value={values.password}
            error={errors.password}
            set={server.password.set}
            locked={locked}
            maxLength={1000}
            onChange={(password) => change({ password })}
          />
        </div>
      </Section>
      <TestSection
        path="/api/mail/test"
        title={t('settings.mail.test')}
        text={t('settings.mail.testText')}
        unsaved={form.changed}
      >
        <TestMail disabled={form.changed} />
      </TestSection>
      <SaveBar form={form} />
    </>
  )
}
