import '@mantine/core/styles/Radio.layer.css'
import { Radio, Stack, Switch, Textarea } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { useCan } from '../../kernel/session'
import type { Keywords } from '../../generated/consent'
import type { VersionedInbox } from '../../generated/inbox'
import { type Editing, useSettings } from '../editing'
import { Section, SwitchRow } from '../Section'
import { Hours } from './Hours'
import { Welcome } from './Welcome'
import frame from '../Settings.module.css'
import { TextCost } from '../../messaging'

export function Inbound(editing: Editing<VersionedInbox>) {
  const channels = useCan('channels')
  return (
    <>
      <AutoResponse {...editing} />
      <Media {...editing} />
      <Welcome {...editing} />
      {channels && <Hours />}
    </>
  )
}

/** SET-5..7: sent for a text without a keyword. */
function AutoResponse({ values, change, errors }: Editing<VersionedInbox>) {
  const { t } = useTranslation()
  return (
    <Section
      title={t('settings.inbox.auto')}
      text={t('settings.inbox.autoText')}
      action={
        <Switch
          checked={values.auto_response_on}
          onChange={(event) => change({ auto_response_on: event.currentTarget.checked })}
          aria-label={t('settings.inbox.auto')}
        />
      }
    >
      <Stack gap="md">
        <div>
          <Textarea
            label={t('settings.inbox.autoWords')}
            placeholder={t('settings.inbox.autoExample')}
            value={values.auto_response}
            error={errors.auto_response}
            disabled={!values.auto_response_on}
            onChange={(event) => change({ auto_response: event.currentTarget.value })}
            autosize
            minRows={2}
            maxRows={8}
            maxLength={1600}
            dir="auto"
          />
          <TextCost text={values.auto_response} />
        </div>
        <Radio.Group
          label={t('settings.inbox.autoTo')}
          value={values.auto_response_to}
          onChange={(to) => change({ auto_response_to: to as VersionedInbox['auto_response_to'] })}
        >
          <Stack gap={10} mt={8}>
            <Radio
              value="non_consented"
              disabled={!values.auto_response_on}
              label={t('settings.inbox.toOthers')}
              description={t('settings.inbox.toOthersText')}
            />
            <Radio value="all" disabled={!values.auto_response_on} label={t('settings.inbox.toAll')} />
          </Stack>
        </Radio.Group>
        {values.auto_response_on && <HowToOptOut text={values.auto_response} />}
        {values.auto_response_on && values.auto_response_to === 'all' && (
          <p className={frame.warn} role="status">
            <IconAlertTriangle size={16} stroke={1.7} aria-hidden />
            {t('settings.inbox.toAllWarning')}
          </p>
        )}
      </Stack>
    </Section>
  )
}

/** SET-6: if only the bare keyword opts out, the text must name it. */
function HowToOptOut({ text }: { text: string }) {
  return useCan('channels') && !/\bstop\b/i.test(text) ? <WhereWordsCount /> : null
}

function WhereWordsCount() {
  const { t } = useTranslation()
  const { data } = useSettings<Keywords>('/api/sms/keywords')
  if (data?.mode !== 'exact') return null
  return (
    <p className={frame.warn} role="status">
      <IconAlertTriangle size={16} stroke={1.7} aria-hidden />
      {t('settings.inbox.sayStop')}
    </p>
  )
}

/** AMB-6: one switch for each channel. */
function Media({ values, change }: Editing<VersionedInbox>) {
  const { t } = useTranslation()
  const channels = useCan('channels')
  const media = values.show_media
  return (
    <Section title={t('settings.inbox.media')} text={t('settings.inbox.mediaText')}>
      <SwitchRow
        label={t('channels.sms')}
        text={t('settings.inbox.mediaSms')}
        checked={media.sms}
        onChange={(sms) => change({ show_media: { ...media, sms } })}
      />
      <SwitchRow
        label={t('channels.webchat')}
        text={t('settings.inbox.mediaChat')}
        locked={channels ? undefined : t('settings.inbox.mediaChatLocked')}
        checked={media.webchat}
        onChange={(webchat) => change({ show_media: { ...media, webchat } })}
      />
    </Section>
  )
}
