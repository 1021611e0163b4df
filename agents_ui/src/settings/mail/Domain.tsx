/** The domain of the From address: its DNS records, and who signs mail (DKIM). */
import { Anchor, Badge, Button, Group, Radio, Skeleton, Stack, Text, TextInput } from '@mantine/core'
import '@mantine/core/styles/Badge.layer.css'
import '@mantine/core/styles/Radio.layer.css'
import { modals } from '@mantine/modals'
import {
  IconAlertTriangleFilled,
  IconCircleCheckFilled,
  IconHelpCircleFilled,
  IconKey,
  IconPlus,
  IconRefresh,
} from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import i18n from 'i18next'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { DkimKeyOut, MailDomainOut, RecordOut, RecordsOut } from '../../generated/delivery'
import { api } from '../../kernel/api'
import { useCan } from '../../kernel/session'
import { shortDay } from '../../kernel/time'
import { toast, toastError } from '../../ui/toasts'
import { SaveBar, useEditing } from '../editing'
import { CodeBox, Section } from '../Section'
import frame from '../Settings.module.css'
import classes from './Mail.module.css'

export const DOMAIN = '/api/mail/domain'
const RECORDS = '/api/mail/records'

const PICTURES = {
  ok: IconCircleCheckFilled,
  missing: IconAlertTriangleFilled,
  wrong: IconAlertTriangleFilled,
  unknown: IconHelpCircleFilled,
}

export function Domain({ saved }: { saved: MailDomainOut }) {
  const { t } = useTranslation()
  if (!saved.domain)
    return (
      <Section title={t('settings.mail.records')}>
        <Text c="dimmed">{t('settings.mail.noDomain')}</Text>
      </Section>
    )
  return (
    <>
      <Records domain={saved.domain} />
      <Signing saved={saved} />
    </>
  )
}

function Records({ domain }: { domain: string }) {
  const { t } = useTranslation()
  const { data, isFetching, isError, refetch } = useQuery({
    queryKey: ['settings', RECORDS],
    queryFn: () => api.get<RecordsOut>(RECORDS),
    staleTime: 0,
  })
  return (
    <Section
      title={t('settings.mail.records')}
      text={t('settings.mail.recordsText', { domain })}
      action={
        <Button
          variant="default"
          leftSection={<IconRefresh size={16} stroke={1.7} />}
          loading={isFetching}
          onClick={() => void refetch()}
        >
          {t('settings.mail.lookUp')}
        </Button>
      }
    >
      {isError && <Text c="red">{t('settings.loadFailed')}</Text>}
      {!data && !isError && <Skeleton height={120} aria-hidden />}
      {data && (
        <ul className={classes.records} aria-live="polite">
          {data.records.map((record) => (
            <RecordRow key={record.kind} record={record} />
          ))}
        </ul>
      )}
    </Section>
  )
}

function RecordRow({ record }: { record: RecordOut }) {
  const { t } = useTranslation()
  const { kind, state, code, name, wanted, found } = record
  const Picture = PICTURES[state]
  return (
    <li data-state={state}>
      <Picture size={18} aria-hidden />
      <div className={classes.record}>
        <Text fw={500}>
          {kind.toUpperCase()} <span className="sr-only">{t(`settings.mail.recordStates.${state}`)}</span>
        </Text>
        <Text size="sm" c="dimmed">
          {t(`settings.mail.recordCodes.${code as 'spf_ok'}`)}
        </Text>
        {found.map((value) => (
          <Text key={value} size="sm" className={classes.found}>
            <bdi dir="ltr">{value}</bdi>
          </Text>
        ))}
        {wanted && <Wanted name={name} value={wanted} />}
      </div>
    </li>
  )
}

/** A TXT record to publish, with its name and value to copy. */
function Wanted({ name, value }: { name: string; value: string }) {
  const { t } = useTranslation()
  return (
    <div className={classes.wanted}>
      <Text size="sm">{t('settings.mail.publish')}</Text>
      <CodeBox text={name} label={t('settings.mail.recordName', { name })} />
      <CodeBox text={value} label={t('settings.mail.recordValue', { name })} />
    </div>
  )
}

interface Values {
  signing: MailDomainOut['signing']
  relay_selector: string
  version: string
}

function valuesOf({ signing, relay_selector, version }: MailDomainOut): Values {
  return { signing, relay_selector, version }
}

function Signing({ saved }: { saved: MailDomainOut }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const form = useEditing<Values, MailDomainOut>(DOMAIN, valuesOf(saved), valuesOf)
  const { values, change, errors } = form
  const locked = !useCan('secrets')
  const [busy, setBusy] = useState('')

  /** Runs a change of the keys and shows the changed domain. */
  async function run(name: string, request: () => Promise<MailDomainOut>) {
    setBusy(name)
    try {
      queries.setQueryData(['settings', DOMAIN], await request())
      void queries.invalidateQueries({ queryKey: ['settings', RECORDS] })
      toast(t('common.saved'))
    } catch (error) {
      toastError(error)
    } finally {
      setBusy('')
    }
  }

  const keys = `${DOMAIN}/keys`
  return (
    <Section title={t('settings.mail.signing')} text={t('settings.mail.signingText')}>
      <Radio.Group
        aria-label={t('settings.mail.signing')}
        value={values.signing}
        error={errors.signing}
        onChange={(signing) => change({ signing: signing as Values['signing'] })}
      >
        <Stack gap={10}>
          <Radio
            value="relay"
            disabled={locked}
            label={t('settings.mail.signings.relay')}
            description={t('settings.mail.signingTexts.relay')}
          />
          <Radio
            value="own"
            disabled={locked || !saved.dkim_keys.some(({ active }) => active || saved.signing === 'own')}
            label={t('settings.mail.signings.own')}
            description={t('settings.mail.signingTexts.own')}
          />
        </Stack>
      </Radio.Group>
      {values.signing === 'relay' && (
        <TextInput
          mt="md"
          maw={320}
          label={t('settings.mail.selector')}
          description={t('settings.mail.selectorText')}
          placeholder="s1"
          maxLength={63}
          spellCheck={false}
          autoComplete="off"
          disabled={locked}
          {...form.text('relay_selector')}
        />
      )}
      <ul className={classes.keys}>
        {saved.dkim_keys.map((key) => (
          <KeyRow
            key={key.selector}
            dkimKey={key}
            locked={locked}
            busy={busy === key.selector}
            onUse={() =>
              void run(key.selector, () => api.post<MailDomainOut>(`${keys}/${key.selector}/use`, {}))
            }
            onRemove={() =>
              askRemoval(
                key.selector,
                () => void run(key.selector, () => api.delete<MailDomainOut>(`${keys}/${key.selector}`)),
              )
            }
          />
        ))}
      </ul>
      {!locked && (
        <Button
          mt="md"
          variant="default"
          leftSection={<IconPlus size={16} />}
          loading={busy === 'new'}
          onClick={() => void run('new', () => api.post<MailDomainOut>(keys, {}))}
        >
          {t('settings.mail.newKey')}
        </Button>
      )}
      <SaveBar form={form} />
    </Section>
  )
}

interface KeyRowProps {
  dkimKey: DkimKeyOut
  locked: boolean
  busy: boolean
  onUse: () => void
  onRemove: () => void
}

function KeyRow({ dkimKey, locked, busy, onUse, onRemove }: KeyRowProps) {
  const { t } = useTranslation()
  const { selector, active, created_at, name, value } = dkimKey
  const [open, setOpen] = useState(!active)
  return (
    <li>
      <Group gap={10} wrap="wrap">
        <IconKey size={18} stroke={1.6} aria-hidden />
        <Text fw={500}>{selector}</Text>
        {active && <Badge variant="light">{t('settings.mail.keyActive')}</Badge>}
        <Text size="sm" c="dimmed">
          {shortDay(created_at)}
        </Text>
        {active && (
          <Anchor component="button" size="sm" onClick={() => setOpen(!open)} aria-expanded={open}>
            {t('settings.mail.showRecord')}
          </Anchor>
        )}
        {!active && !locked && (
          <Group gap={8} ml="auto">
            <Button size="compact-md" loading={busy} onClick={onUse}>
              {t('settings.mail.useKey')}
            </Button>
            <Button size="compact-md" variant="default" onClick={onRemove}>
              {t('settings.mail.removeKey')}
            </Button>
          </Group>
        )}
      </Group>
      {open && <Wanted name={name} value={value} />}
      {!active && (
        <Text size="sm" c="dimmed" mt={6} className={frame.sub ?? ''}>
          {t('settings.mail.keyUnused')}
        </Text>
      )}
    </li>
  )
}

function askRemoval(selector: string, onConfirm: () => void): void {
  modals.openConfirmModal({
    title: i18n.t('settings.mail.removeTitle', { selector }),
    children: <Text>{i18n.t('settings.mail.removeText')}</Text>,
    labels: { confirm: i18n.t('settings.mail.removeKey'), cancel: i18n.t('common.cancel') },
    confirmProps: { color: 'red' },
    onConfirm,
  })
}
