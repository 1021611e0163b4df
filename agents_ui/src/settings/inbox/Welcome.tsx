import { Switch, Textarea } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { VersionedInbox } from '../../generated/inbox'
import type { Editing } from '../editing'
import { Section } from '../Section'

/** SET-9: what the chat says before the first message. */
export function Welcome({ values, change, errors }: Editing<VersionedInbox>) {
  const { t } = useTranslation()
  return (
    <Section
      title={`${t('settings.widget.welcome')} · ${t('channels.webchat')}`}
      text={t('settings.widget.welcomeText')}
      action={
        <Switch
          checked={values.welcome_on}
          onChange={(event) => change({ welcome_on: event.currentTarget.checked })}
          aria-label={t('settings.widget.welcome')}
        />
      }
    >
      <Textarea
        label={t('settings.widget.welcomeMessage')}
        value={values.welcome}
        onChange={(event) => change({ welcome: event.currentTarget.value })}
        disabled={!values.welcome_on}
        error={errors.welcome}
        autosize
        minRows={2}
        maxRows={8}
        maxLength={500}
        dir="auto"
      />
      <Textarea
        mt="md"
        label={t('settings.widget.welcomeAway')}
        description={t('settings.widget.welcomeAwayText')}
        value={values.welcome_away}
        onChange={(event) => change({ welcome_away: event.currentTarget.value })}
        disabled={!values.welcome_on}
        error={errors.welcome_away}
        autosize
        minRows={2}
        maxRows={8}
        maxLength={500}
        dir="auto"
      />
    </Section>
  )
}
