import { TextInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { MailSenderOut } from '../../generated/delivery'
import { SaveBar, useEditing } from '../editing'
import { Section } from '../Section'
import frame from '../Settings.module.css'

export const SENDER = '/api/mail/sender'

/** The addresses that mail is sent from. */
export function SenderForm({ saved }: { saved: MailSenderOut }) {
  const { t } = useTranslation()
  const form = useEditing(SENDER, saved)
  const address = (field: 'from_address' | 'reply_to' | 'return_path') => ({
    ...form.text(field),
    type: 'email',
    inputMode: 'email' as const,
    autoComplete: 'off',
    spellCheck: false,
    maxLength: 254,
  })
  return (
    <>
      <Section title={t('settings.mail.sender')} text={t('settings.mail.senderText')}>
        <div className={frame.stack}>
          <TextInput
            label={t('settings.mail.from')}
            description={t('settings.mail.fromText')}
            placeholder="support@shop.example"
            {...address('from_address')}
          />
          <TextInput label={t('settings.mail.fromName')} maxLength={80} {...form.text('from_name')} />
          <TextInput
            label={t('settings.mail.replyTo')}
            description={t('settings.mail.replyToText')}
            {...address('reply_to')}
          />
          <TextInput
            label={t('settings.mail.returnPath')}
            description={t('settings.mail.returnPathText')}
            placeholder="bounces@shop.example"
            {...address('return_path')}
          />
        </div>
      </Section>
      <SaveBar form={form} />
    </>
  )
}
