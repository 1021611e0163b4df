import { useTranslation } from 'react-i18next'
import type { VersionedInbox } from '../../generated/inbox'
import type { Editing } from '../editing'
import { Section, SwitchRow } from '../Section'

export function General({ values, change }: Editing<VersionedInbox>) {
  const { t } = useTranslation()
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
    </Section>
  )
}
