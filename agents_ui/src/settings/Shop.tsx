/** Settings → Shop: the connected Shopify shop, its write-only secrets, and what has arrived from it. */
import { List, Text, TextInput } from '@mantine/core'
import '@mantine/core/styles/List.layer.css'
import { IconAlertTriangle } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import type { ShopOut } from '../generated/shop'
import { exactTime } from '../kernel/time'
import { SaveBar, useEditing, useSettings } from './editing'
import { SecretInput } from './SecretInput'
import { CodeBox, PageHead, Section } from './Section'
import frame from './Settings.module.css'
import { TestSection } from './TestSection'

const PATH = '/api/shop'

interface Values {
  shop_domain: string
  /** Null keeps the stored secret, "" deletes it. */
  webhook_secret: string | null
  admin_token: string | null
  version: string
}

function valuesOf({ shop_domain, version }: ShopOut): Values {
  return { shop_domain, version, webhook_secret: null, admin_token: null }
}

export function Shop() {
  const { t } = useTranslation()
  const { data, placeholder } = useSettings<ShopOut>(PATH)
  return (
    <div className={frame.page}>
      <PageHead title={t('pages.shop')} text={t('settings.shop.text')} />
      {data ? <ShopForm shop={data} /> : placeholder}
    </div>
  )
}

function ShopForm({ shop }: { shop: ShopOut }) {
  const { t } = useTranslation()
  const form = useEditing(PATH, valuesOf(shop), valuesOf)
  const { values, change, errors } = form
  return (
    <>
      {shop.removed_at && <Removed at={shop.removed_at} />}
      <Section title={t('settings.shop.connection')} text={t('settings.shop.connectionText')}>
        <div className={frame.stack}>
          <TextInput
            label={t('settings.shop.domain')}
            placeholder="fern-kettle.myshopify.com"
            maxLength={300}
            autoComplete="off"
            spellCheck={false}
            inputMode="url"
            dir="ltr"
            {...form.text('shop_domain')}
          />
          <SecretInput
            label={t('settings.shop.secret')}
            description={t('settings.shop.secretText')}
            value={values.webhook_secret}
            error={errors.webhook_secret}
            set={shop.webhook_secret.set}
            locked={false}
            onChange={(webhook_secret) => change({ webhook_secret })}
          />
          <SecretInput
            label={t('settings.shop.token')}
            description={t('settings.shop.tokenText')}
            value={values.admin_token}
            error={errors.admin_token}
            set={shop.admin_token.set}
            locked={false}
            onChange={(admin_token) => change({ admin_token })}
          />
        </div>
      </Section>
      <Section title={t('settings.shop.webhooks')} text={t('settings.shop.webhooksText')}>
        <CodeBox text={shop.webhook_url} label={t('settings.shop.address')} />
        <List size="sm" mt="sm" aria-label={t('settings.shop.topics')}>
          {shop.topics.map((topic) => (
            <List.Item key={topic}>
              <bdi dir="ltr">{topic}</bdi>
            </List.Item>
          ))}
        </List>
        {shop.shop_domain && <Arrived shop={shop} />}
      </Section>
      <TestSection
        path="/api/shop/test"
        title={t('settings.shop.test')}
        text={t('settings.shop.testText')}
        unsaved={form.changed}
      />
      <SaveBar form={form} />
    </>
  )
}

function Removed({ at }: { at: string }) {
  const { t } = useTranslation()
  return (
    <div className={frame.warn} role="alert">
      <IconAlertTriangle size={18} aria-hidden />
      <span>{t('settings.shop.removed', { time: exactTime(at) })}</span>
    </div>
  )
}

function Arrived({ shop }: { shop: ShopOut }) {
  const { t } = useTranslation()
  const { last_webhook: last, knows_since: since, fetched_at: fetched } = shop
  return (
    <div style={{ marginTop: 12 }}>
      <Text size="sm">
        {last
          ? t('settings.shop.last', { time: exactTime(last.at), topic: last.topic })
          : t('settings.shop.none')}
      </Text>
      {since && <Text size="sm">{t('settings.shop.since', { time: exactTime(since) })}</Text>}
      {fetched && (
        <Text size="sm">
          {t('settings.shop.fetched', { count: shop.fetched_orders, time: exactTime(fetched) })}
        </Text>
      )}
      {shop.fetch_error && (
        <div className={frame.warn} role="alert">
          <IconAlertTriangle size={18} aria-hidden />
          <bdi dir="ltr">{shop.fetch_error}</bdi>
        </div>
      )}
    </div>
  )
}
