/** Settings → E-mail: the sender's addresses, the mail server, and the domain's records. */
import '@mantine/core/styles/Tabs.layer.css'
import { Tabs } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { MailDomainOut, MailSenderOut, MailServerOut } from '../../generated/delivery'
import { useSettings } from '../editing'
import { PageHead } from '../Section'
import frame from '../Settings.module.css'
import { DOMAIN, Domain } from './Domain'
import { SENDER, SenderForm } from './Sender'
import { SERVER, ServerForm } from './Server'

const TABS = ['sender', 'server', 'domain'] as const

export function MailSettings() {
  const { t } = useTranslation()
  const sender = useSettings<MailSenderOut>(SENDER)
  const domain = useSettings<MailDomainOut>(DOMAIN)
  const server = useSettings<MailServerOut>(SERVER)
  return (
    <div className={frame.page}>
      <PageHead title={t('pages.mail')} text={t('settings.mail.text')} />
      <Tabs defaultValue="sender">
        <Tabs.List mb="md" className={frame.tabs}>
          {TABS.map((tab) => (
            <Tabs.Tab key={tab} value={tab}>
              {t(`settings.mail.tabs.${tab}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="sender">
          {sender.data ? <SenderForm saved={sender.data} /> : sender.placeholder}
        </Tabs.Panel>
        <Tabs.Panel value="server">
          {server.data ? <ServerForm server={server.data} /> : server.placeholder}
        </Tabs.Panel>
        <Tabs.Panel value="domain">
          {domain.data ? <Domain saved={domain.data} /> : domain.placeholder}
        </Tabs.Panel>
      </Tabs>
    </div>
  )
}
