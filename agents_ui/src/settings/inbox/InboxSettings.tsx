/** Settings of the inbox for the whole team; each setting names the channels that have it (SET-1). */
import '@mantine/core/styles/Tabs.layer.css'
import { Tabs } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { VersionedInbox as Values } from '../../generated/inbox'
import { useCan } from '../../kernel/session'
import { SaveBar, useEditing, useSettings } from '../editing'
import { PageHead } from '../Section'
import frame from '../Settings.module.css'
import { Blocked } from './Blocked'
import { General } from './General'
import { Inbound } from './Inbound'
import { QuickReplies } from './QuickReplies'

const PATH = '/api/inbox/settings'
const INBOUND = ['auto_response', 'welcome', 'welcome_away']
const TABS = ['general', 'inbound', 'quick']

export function InboxSettings() {
  const { t } = useTranslation()
  const { data, placeholder } = useSettings<Values>(PATH)
  return (
    <div className={frame.page}>
      <PageHead title={t('pages.inbox')} text={t('settings.inbox.text')} />
      {data ? <Form saved={data} /> : placeholder}
    </div>
  )
}

function Form({ saved }: { saved: Values }) {
  const { t } = useTranslation()
  const mayUnblock = useCan('unblock')
  const [tab, setTab] = useState<string | null>(
    () => TABS.find((name) => `#${name}` === location.hash) ?? 'general',
  )
  const form = useEditing(PATH, saved, undefined, (fields) => {
    if (fields.some((field) => INBOUND.includes(field))) setTab('inbound')
    else if (fields.length > 0) setTab('general')
  })
  return (
    <>
      <Tabs value={tab} onChange={setTab} keepMounted={false}>
        <Tabs.List mb="md" className={frame.tabs}>
          <Tabs.Tab value="general">{t('settings.inbox.general')}</Tabs.Tab>
          <Tabs.Tab value="inbound">{t('settings.inbox.inbound')}</Tabs.Tab>
          <Tabs.Tab value="quick">{t('settings.quick.title')}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="general">
          <General {...form} />
          {mayUnblock && <Blocked />}
        </Tabs.Panel>
        {/* Stays mounted: it has a form of its own. */}
        <Tabs.Panel value="inbound" keepMounted>
          <Inbound {...form} />
        </Tabs.Panel>
        <Tabs.Panel value="quick">
          <QuickReplies {...form} />
        </Tabs.Panel>
      </Tabs>
      <SaveBar form={form} />
    </>
  )
}
