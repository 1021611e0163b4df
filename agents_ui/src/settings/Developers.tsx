/** API keys for the owner's programs: created, shown once, revoked. */
import '@mantine/core/styles/Checkbox.layer.css'
import { Button, Checkbox, Group, Skeleton, Stack, Text, TextInput } from '@mantine/core'
import { modals } from '@mantine/modals'
import { IconKey, IconPlus } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import i18n from 'i18next'
import { useTranslation } from 'react-i18next'
import type { ApiKeyOut, ApiKeys, NewApiKey } from '../generated/accounts'
import { api } from '../kernel/api'
import { oneLine } from '../kernel/text'
import { exactTime } from '../kernel/time'
import { Empty } from '../ui/Problem'
import { Form, useServerForm } from '../ui/serverForm'
import { toast, toastError } from '../ui/toasts'
import { useSettings } from './editing'
import { CodeBox, PageHead, Section } from './Section'
import classes from './Settings.module.css'

const PATH = '/api/keys'
/** The scopes that at least one call of the API requires. */
const SCOPES = [
  'contacts_see',
  'contacts_edit',
  'consent_withdraw',
  'consent_grant',
  'channels',
  'suppress',
] as const
type Scope = (typeof SCOPES)[number]

const isKnown = (scope: string): scope is Scope => (SCOPES as readonly string[]).includes(scope)

export function Developers() {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { data, placeholder } = useSettings<ApiKeys>(PATH)
  const reload = () => void queries.invalidateQueries({ queryKey: ['settings', PATH] })
  const create = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => openForm(reload)}>
      {t('settings.developers.create')}
    </Button>
  )
  return (
    <div className={classes.page}>
      <PageHead
        title={t('pages.developers')}
        text={t('settings.developers.text')}
        action={data && data.keys.length > 0 ? create : undefined}
      />
      <Section title={t('settings.developers.keys')} text={t('settings.developers.keysText')}>
        {!data && (placeholder ?? <KeysSkeleton />)}
        {data?.keys.length === 0 && (
          <Empty
            icon={IconKey}
            level={3}
            title={t('settings.developers.none')}
            text={t('settings.developers.noneText')}
            action={create}
          />
        )}
        {data?.keys.map((key) => (
          <KeyRow key={key.id} apiKey={key} onRevoked={reload} />
        ))}
      </Section>
    </div>
  )
}

function KeyRow({ apiKey, onRevoked }: { apiKey: ApiKeyOut; onRevoked: () => void }) {
  const { t } = useTranslation()
  const name = oneLine(apiKey.name, 80)
  const scopes = apiKey.scopes.map((scope) =>
    isKnown(scope) ? t(`settings.developers.scopes.${scope}`) : scope,
  )
  return (
    <div className={classes.row}>
      <IconKey size={20} stroke={1.6} aria-hidden />
      <span className={classes.rowText}>
        <Text component="span" fw={500} dir="auto">
          {name}
        </Text>
        <span className={classes.sub}>{scopes.join(' · ')}</span>
        <span className={classes.sub}>
          {t('settings.developers.made', {
            name: oneLine(apiKey.created_by, 80),
            time: exactTime(apiKey.created_at),
          })}{' '}
          · <span dir="ltr">tl_…{apiKey.hint}</span>
        </span>
        <span className={classes.sub}>
          {apiKey.used_at
            ? t('settings.developers.used', { time: exactTime(apiKey.used_at) })
            : t('settings.developers.unused')}
        </span>
      </span>
      <Button
        variant="default"
        size="compact-md"
        aria-label={t('settings.developers.revokeWhat', { name })}
        onClick={() => askRevocation(apiKey, name, onRevoked)}
      >
        {t('settings.developers.revoke')}
      </Button>
    </div>
  )
}

function openForm(onCreated: () => void): void {
  const id = modals.open({
    title: i18n.t('settings.developers.create'),
    children: (
      <KeyForm
        onDone={(secret) => {
          modals.close(id)
          onCreated()
          showSecret(secret)
        }}
      />
    ),
  })
}

function KeyForm({ onDone }: { onDone: (secret: string) => void }) {
  const { t } = useTranslation()
  const form = useServerForm({
    saved: { name: '', scopes: [] as string[] },
    send: (values) => api.post<NewApiKey>(PATH, values),
    onSaved: ({ secret }) => onDone(secret),
    asksBeforeLeaving: false,
  })
  const { name, scopes } = form.values

  return (
    <Form form={form}>
      <Stack>
        <TextInput
          label={t('settings.developers.name')}
          description={t('settings.developers.nameText')}
          maxLength={80}
          data-autofocus
          {...form.text('name')}
        />
        <Checkbox.Group
          label={t('settings.developers.mayDo')}
          value={scopes}
          error={form.errors.scopes}
          onChange={(chosen) => form.change({ scopes: withNeeded(chosen, scopes) })}
        >
          <Stack gap={8} mt={6}>
            {SCOPES.map((scope) => (
              <Checkbox key={scope} value={scope} label={t(`settings.developers.scopes.${scope}`)} />
            ))}
          </Stack>
        </Checkbox.Group>
        <Group justify="flex-end">
          <Button type="submit" loading={form.busy} disabled={name.trim() === '' || scopes.length === 0}>
            {t('settings.developers.create')}
          </Button>
        </Group>
      </Stack>
    </Form>
  )
}

/** Whoever records consent must be able to record a refusal, too: the server asks for both. */
function withNeeded(chosen: string[], before: readonly string[]): string[] {
  const added = chosen.find((scope) => !before.includes(scope))
  if (added === 'consent_grant' && !chosen.includes('consent_withdraw'))
    return [...chosen, 'consent_withdraw']
  if (!chosen.includes('consent_withdraw')) return chosen.filter((scope) => scope !== 'consent_grant')
  return chosen
}

/** Shown once: the server keeps only a hash. */
function showSecret(secret: string): void {
  const id = modals.open({
    title: i18n.t('settings.developers.copyNow'),
    size: 'lg',
    closeOnClickOutside: false,
    children: (
      <Stack gap="sm">
        <Text>{i18n.t('settings.developers.copyText')}</Text>
        <CodeBox text={secret} label={i18n.t('settings.developers.secret')} />
        <Button fullWidth onClick={() => modals.close(id)}>
          {i18n.t('settings.developers.stored')}
        </Button>
      </Stack>
    ),
  })
}

function askRevocation(key: ApiKeyOut, name: string, onRevoked: () => void): void {
  modals.openConfirmModal({
    title: i18n.t('settings.developers.revokeTitle', { name }),
    children: <Text>{i18n.t('settings.developers.revokeText')}</Text>,
    labels: { confirm: i18n.t('settings.developers.revoke'), cancel: i18n.t('common.cancel') },
    confirmProps: { color: 'red' },
    onConfirm: () => void revoke(key.id, onRevoked),
  })
}

async function revoke(key: number, onRevoked: () => void): Promise<void> {
  try {
    await api.delete(`${PATH}/${key}`)
    toast(i18n.t('settings.developers.revoked'))
  } catch (problem) {
    toastError(problem)
  }
  onRevoked()
}

function KeysSkeleton() {
  return (
    <div aria-hidden>
      {[55, 70, 40].map((width) => (
        <Skeleton key={width} height={13} width={`${width}%`} my={18} />
      ))}
    </div>
  )
}
