import { Anchor } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { useCan } from '../../kernel/session'
import type { VersionedWidget as Values } from '../../generated/webchat'
import { SaveBar, useEditing, useSettings } from '../editing'
import { PageHead, Section } from '../Section'
import frame from '../Settings.module.css'
import { IdentitySection } from './Identity'
import { InstallSection } from './Install'
import { LegalSection, LookSection, VisitorsSection } from './Look'
import { Preview } from './Preview'
import { SitesSection } from './Sites'
import classes from './WidgetSettings.module.css'

const PATH = '/api/settings/widget'

export function WidgetSettings() {
  const { t } = useTranslation()
  const { data, placeholder } = useSettings<Values>(PATH)
  return (
    <div className={`${frame.page} ${frame.wide}`}>
      <PageHead title={t('pages.widget')} text={t('settings.widget.text')} />
      {data ? <Form saved={data} /> : placeholder}
    </div>
  )
}

function Form({ saved }: { saved: Values }) {
  const secrets = useCan('secrets')
  const form = useEditing(PATH, saved)
  return (
    <div className={classes.columns}>
      <div>
        <InstallSection sites={saved.sites} />
        <SitesSection {...form} />
        <LookSection {...form} />
        <ElsewhereSection />
        <VisitorsSection {...form} />
        <LegalSection {...form} />
        {secrets && <IdentitySection />}
      </div>
      <Preview values={form.values} />
      <SaveBar form={form} />
    </div>
  )
}

/** The welcome message and the business hours are settings of the inbox. */
function ElsewhereSection() {
  const { t } = useTranslation()
  return (
    <Section title={t('settings.widget.messages')} text={t('settings.widget.messagesText')}>
      <Anchor renderRoot={(props) => <Link to="/settings/inbox" hash="inbound" {...props} />}>
        {t('settings.widget.messagesLink')}
      </Anchor>
    </Section>
  )
}
