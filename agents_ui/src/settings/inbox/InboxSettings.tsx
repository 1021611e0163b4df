/** What holds for everybody who answers (SPEC 2.6). A channel that does not have a setting is not offered it (SET-1). */
import '@mantine/core/styles/Tabs.css'
import { Tabs } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { InboxSettings as Values } from '../../kernel/contract'
import { SaveBar, useEditing, useSettings } from '../editing'
import { PageHead } from '../Section'
import frame from '../Settings.module.css'
import { General } from './General'
import { Inbound } from './Inbound'

const PATH = '/api/inbox/settings'

export function InboxSettings() {
  const { t } = useTranslation()
  const { data, waiting } = useSettings<Values>(PATH)
  return (
    <div className={frame.page}>
      <PageHead title={t('settings.inbox.title')} text={t('settings.inbox.text')} />
      {data ? <Form saved={data} /> : waiting}
    </div>
  )
}

function Form({ saved }: { saved: Values }) {
  const { t } = useTranslation()
  const form = useEditing(PATH, saved)
  return (
    <>
      <Tabs defaultValue="general" keepMounted={false}>
        <Tabs.List mb="md" className={frame.tabs}>
          <Tabs.Tab value="general">{t('settings.inbox.general')}</Tabs.Tab>
          <Tabs.Tab value="inbound">{t('settings.inbox.inbound')}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="general">
          <General {...form} />
        </Tabs.Panel>
        <Tabs.Panel value="inbound">
          <Inbound {...form} />
        </Tabs.Panel>
      </Tabs>
      <SaveBar form={form} />
    </>
  )
}
