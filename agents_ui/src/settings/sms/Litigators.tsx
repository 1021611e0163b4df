/** Known litigators: the owner's list, and whether it is applied (CON-8). */
import { ActionIcon, Button, FileButton, Group, Text, Textarea, TextInput } from '@mantine/core'
import { modals } from '@mantine/modals'
import { IconSearch, IconTrash, IconUpload } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import i18n from 'i18next'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { ListedNow, Litigators } from '../../generated/delivery'
import { Form, useServerForm } from '../../ui/serverForm'
import { explainCode, toast, toastError } from '../../ui/toasts'
import { api } from '../../kernel/api'
import { useSettings } from '../editing'
import { Section, SwitchRow } from '../Section'
import { inSlices, MOST_REFUSED } from './listSlices'
import classes from './Sms.module.css'

const PATH = '/api/sms/litigators'
const MOST_BYTES = 20_000_000

type Outcome = Pick<ListedNow, 'added' | 'known' | 'refused'>

export function LitigatorsSection() {
  const { data, placeholder } = useSettings<Litigators>(PATH)
  return data ? <Numbers list={data} /> : placeholder
}

function Numbers({ list }: { list: Litigators }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const form = useServerForm({
    saved: { lines: '' },
    send: ({ lines }) => add(lines),
    savedBy: () => ({ lines: '' }),
    asksBeforeLeaving: false,
  })
  const [find, setFind] = useState('')
  const [busy, setBusy] = useState(false)
  const [outcome, setOutcome] = useState<Outcome | null>(null)
  const digits = find.replace(/\D/g, '')
  const found = useQuery({
    queryKey: ['settings', PATH, 'find', digits, list.count],
    queryFn: () => api.get<Litigators>(`${PATH}?find=${digits}`),
    enabled: digits !== '',
  })
  const shown = digits ? (found.data?.numbers ?? []) : list.numbers

  async function change(act: () => Promise<Litigators>) {
    setBusy(true)
    try {
      const { on, count, numbers, version } = await act()
      queries.setQueryData(['settings', PATH], { on, count, numbers, version })
    } catch (error) {
      toastError(error)
      void queries.invalidateQueries({ queryKey: ['settings', PATH] })
    } finally {
      setBusy(false)
    }
  }

  const add = (lines: string) =>
    change(async () => {
      const sum: Outcome = { added: 0, known: 0, refused: [] }
      let latest: Litigators = list
      for (const slice of inSlices(lines)) {
        const response = await api.post<ListedNow>(PATH, { lines: slice.lines })
        latest = response
        sum.added += response.added
        sum.known += response.known
        sum.refused.push(
          ...response.refused.map((refusal) => ({ ...refusal, line: refusal.line + slice.before })),
        )
        setOutcome({ ...sum })
      }
      return latest
    })

  async function upload(file: File | null) {
    if (!file) return
    if (file.size > MOST_BYTES) toast(t('settings.sms.litigators.tooLarge'))
    else await add(await file.text())
  }

  const clear = () =>
    modals.openConfirmModal({
      title: i18n.t('settings.sms.litigators.clear'),
      children: <Text>{i18n.t('settings.sms.litigators.clearText')}</Text>,
      labels: { confirm: i18n.t('settings.sms.litigators.clear'), cancel: i18n.t('common.cancel') },
      confirmProps: { color: 'red' },
      onConfirm: () => void change(() => api.delete<Litigators>(PATH)),
    })

  return (
    <Section title={t('settings.sms.litigators.title')} text={t('settings.sms.litigators.text')}>
      <SwitchRow
        label={t('settings.sms.litigators.on')}
        text={t('settings.sms.litigators.onText')}
        checked={list.on}
        disabled={busy}
        onChange={(on) => void change(() => api.put<Litigators>(PATH, { on, version: list.version }))}
      />
      <Form form={form}>
        <Textarea
          mt="md"
          label={t('settings.sms.litigators.add')}
          description={t('settings.sms.litigators.addText')}
          placeholder={'+1 202 555 0143\n(202) 555-0144'}
          {...form.text('lines')}
          autosize
          minRows={3}
          maxRows={10}
          spellCheck={false}
          dir="ltr"
        />
        <Group mt="xs" gap="xs">
          <Button type="submit" loading={busy} disabled={!form.values.lines.trim()}>
            {t('settings.sms.litigators.addButton')}
          </Button>
          <FileButton accept=".txt,.csv,text/plain,text/csv" onChange={(file) => void upload(file)}>
            {(props) => (
              <Button {...props} variant="default" disabled={busy} leftSection={<IconUpload size={16} />}>
                {t('settings.sms.litigators.upload')}
              </Button>
            )}
          </FileButton>
        </Group>
      </Form>
      {outcome && <SearchResult outcome={outcome} />}
      <Group mt="lg" justify="space-between">
        <Text fw={500}>{t('settings.sms.litigators.count', { count: list.count })}</Text>
        {list.count > 0 && (
          <Button variant="subtle" color="red" size="compact-sm" disabled={busy} onClick={clear}>
            {t('settings.sms.litigators.clear')}
          </Button>
        )}
      </Group>
      {list.count > list.numbers.length && (
        <TextInput
          mt="xs"
          aria-label={t('settings.sms.litigators.find')}
          placeholder={t('settings.sms.litigators.find')}
          leftSection={<IconSearch size={16} />}
          inputMode="tel"
          value={find}
          onChange={(event) => setFind(event.currentTarget.value)}
        />
      )}
      {shown.map((number) => (
        <div key={number} className={classes.word}>
          <Text className={classes.code} flex={1} dir="ltr">
            {number}
          </Text>
          <ActionIcon
            variant="subtle"
            color="gray"
            disabled={busy}
            aria-label={t('settings.sms.litigators.remove', { number })}
            onClick={() => void change(() => api.delete<Litigators>(`${PATH}/${number.slice(1)}`))}
          >
            <IconTrash size={16} />
          </ActionIcon>
        </div>
      ))}
    </Section>
  )
}

function SearchResult({ outcome }: { outcome: Outcome }) {
  const { t } = useTranslation()
  const { added, known, refused } = outcome
  return (
    <div role="status">
      <Text mt="sm">
        {t('settings.sms.litigators.added', { count: added })}
        {known > 0 && ` ${t('settings.sms.litigators.known', { count: known })}`}
        {refused.length > 0 && ` ${t('settings.sms.litigators.refused', { count: refused.length })}`}
      </Text>
      {refused.slice(0, MOST_REFUSED).map(({ line, text, code }) => (
        <Text key={line} size="sm" c="red">
          {t('settings.sms.litigators.line', { line })} <bdi>{text}</bdi>:{' '}
          {i18n.exists(`settings.sms.badNumbers.${code}`)
            ? t(`settings.sms.badNumbers.${code as 'invalid'}`)
            : explainCode('invalid')}
        </Text>
      ))}
      {refused.length > MOST_REFUSED && <Text size="sm">…</Text>}
    </div>
  )
}
