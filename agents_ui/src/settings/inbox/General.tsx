import '@mantine/core/styles/NumberInput.layer.css'
import { NumberInput, TextInput } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import type { ChangeEvent } from 'react'
import { useTranslation } from 'react-i18next'
import type { VersionedInbox } from '../../generated/inbox'
import type { Editing } from '../editing'
import { Section, SwitchRow } from '../Section'
import frame from '../Settings.module.css'

export function General(editing: Editing<VersionedInbox>) {
  return (
    <>
      <Support {...editing} />
      <Switches {...editing} />
    </>
  )
}

/** FUP-1, FUP-2: web chat only. */
function Support({ values, change, errors }: Editing<VersionedInbox>) {
  const { t } = useTranslation()
  const domain = values.support_from.split('@')[1]?.trim().toLowerCase() ?? ''
  const address = (field: 'support_from' | 'support_reply_to') => ({
    type: 'email',
    value: values[field],
    error: errors[field],
    maxLength: 254,
    autoComplete: 'off',
    onChange: (event: ChangeEvent<HTMLInputElement>) => change({ [field]: event.currentTarget.value }),
  })
  return (
    <Section
      title={`${t('settings.support.title')} · ${t('channels.webchat')}`}
      text={t('settings.support.text')}
    >
      <div className={frame.stack}>
        <TextInput
          label={t('settings.support.from')}
          description={t('settings.support.fromText')}
          placeholder="support@shop.example"
          {...address('support_from')}
        />
        {values.free_mail?.includes(domain) && (
          <p className={frame.warn} role="status">
            <IconAlertTriangle size={16} stroke={1.7} aria-hidden />
            {t('settings.support.freeMail', { domain })}
          </p>
        )}
        <TextInput
          label={t('settings.support.name')}
          description={t('settings.support.nameText')}
          value={values.support_name}
          error={errors.support_name}
          maxLength={80}
          onChange={(event) => change({ support_name: event.currentTarget.value })}
        />
        <TextInput
          label={t('settings.support.replyTo')}
          description={t('settings.support.replyToText')}
          {...address('support_reply_to')}
        />
        <NumberInput
          label={t('settings.support.minutes')}
          value={values.follow_up_minutes}
          error={errors.follow_up_minutes}
          min={1}
          max={120}
          allowDecimal={false}
          onChange={(minutes) => change({ follow_up_minutes: Number(minutes) || 3 })}
          maw={220}
        />
      </div>
    </Section>
  )
}

function Switches({ values, change }: Editing<VersionedInbox>) {
  const { t } = useTranslation()
  const mail = values.ticket_mail
  return (
    <Section title={t('settings.inbox.general')}>
      <SwitchRow
        channels={t('channels.sms')}
        label={t('settings.inbox.shorten_links')}
        text={t('settings.inbox.shorten_links_text')}
        checked={values.shorten_links}
        onChange={(shorten_links) => change({ shorten_links })}
      />
      <SwitchRow
        channels={`${t('channels.sms')} · ${t('channels.webchat')}`}
        label={t('settings.inbox.unread_badge')}
        text={t('settings.inbox.unread_badge_text')}
        checked={values.unread_badge}
        onChange={(unread_badge) => change({ unread_badge })}
      />
      <SwitchRow
        channels={t('channels.sms')}
        label={t('settings.inbox.ticketMail')}
        text={t('settings.inbox.ticketMailText')}
        checked={mail.sms}
        onChange={(sms) => change({ ticket_mail: { ...mail, sms } })}
      />
      <SwitchRow
        channels={t('channels.webchat')}
        label={t('settings.inbox.ticketMail')}
        text={t('settings.inbox.ticketMailText')}
        checked={mail.webchat}
        onChange={(webchat) => change({ ticket_mail: { ...mail, webchat } })}
      />
    </Section>
  )
}
