/** Settings → SMS: account, numbers, keywords, credits. */
import '@mantine/core/styles/Tabs.layer.css'
import { Anchor, Tabs, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import type { Keywords } from '../../generated/consent'
import type { SmsOut } from '../../generated/delivery'
import { SaveBar, useEditing, useSettings } from '../editing'
import { PageHead, Section } from '../Section'
import frame from '../Settings.module.css'
import { SmsAccountForm, PATH as ACCOUNT } from './SmsAccount'
import { AnswersSection } from './Answers'
import { CreditsSection } from './Credits'
import { ReadingSection, SubscribeSection } from './Keywords'
import { LinksSection } from './Links'
import { LitigatorsSection } from './Litigators'
import { NumbersSection } from './Numbers'
import { PausedCountries } from './PausedCountries'
import { PlanForm } from './Prices'

const KEYWORDS = '/api/sms/keywords'
const TABS = ['account', 'numbers', 'keywords', 'credits'] as const

export function SmsSettings() {
  const { t } = useTranslation()
  const account = useSettings<SmsOut>(ACCOUNT)
  const keywords = useSettings<Keywords>(KEYWORDS)
  return (
    <div className={frame.page}>
      <PageHead title={t('pages.sms')} text={t('settings.sms.text')} />
      <Tabs defaultValue="account">
        <Tabs.List mb="md" className={frame.tabs}>
          {TABS.map((tab) => (
            <Tabs.Tab key={tab} value={tab}>
              {t(tab === 'account' ? 'settings.sms.accountTab' : `settings.sms.${tab}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="account">
          {account.data ? <SmsAccountForm account={account.data} /> : account.placeholder}
          <LinksSection />
        </Tabs.Panel>
        <Tabs.Panel value="numbers">
          {account.data && (
            <>
              <PausedCountries account={account.data} />
              <NumbersSection prices={account.data} />
            </>
          )}
          <LitigatorsSection />
        </Tabs.Panel>
        <Tabs.Panel value="keywords">
          {keywords.data ? <KeywordsForm saved={keywords.data} /> : keywords.placeholder}
        </Tabs.Panel>
        <Tabs.Panel value="credits">
          <CreditsSection />
          {account.data && <PlanForm account={account.data} />}
        </Tabs.Panel>
      </Tabs>
    </div>
  )
}

function KeywordsForm({ saved }: { saved: Keywords }) {
  const { t } = useTranslation()
  const form = useEditing(KEYWORDS, saved)
  return (
    <>
      <ReadingSection {...form} />
      <SubscribeSection {...form} />
      <AnswersSection {...form} />
      <Section title={t('settings.inbox.auto')}>
        <Text c="dimmed">
          {t('settings.sms.autoResponse')}{' '}
          <Anchor renderRoot={(props) => <Link to="/settings/inbox" {...props} />}>
            {t('pages.inbox')} → {t('settings.inbox.inbound')}
          </Anchor>
        </Text>
      </Section>
      <SaveBar form={form} />
    </>
  )
}
