/** What the columns mean, whom the rows mean, and what the import does with them. */
import {
  Alert,
  Button,
  Checkbox,
  Group,
  Radio,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  TextInput,
  Title,
} from '@mantine/core'
import '../../ui/formStyles'
import '@mantine/core/styles/Checkbox.layer.css'
import '@mantine/core/styles/Radio.layer.css'
import '@mantine/core/styles/SimpleGrid.layer.css'
import i18n, { type ParseKeys } from 'i18next'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type {
  Column,
  ImportColumn,
  ImportedFile,
  ImportOptions,
  ImportOut,
  Mapping,
} from '../../generated/imports'
import { countryName } from '../../kernel/names'
import { api } from '../../kernel/api'
import { type Draft, type One, path, saveMapping, saysConsent, useChange, useOptions } from './data'
import classes from './Imports.module.css'
import { useGo } from './useGo'
import { meaningOf, purposeName, SOURCES, withMeaning } from './words'

export function MatchStep({ item }: { item: ImportOut }) {
  const options = useOptions().data
  if (!options || !item.mapping || !item.described) return null
  return <Matching item={item} options={options} saved={item.mapping as Draft} />
}

/** Starts the rehearsal of a saved import. */
export const rehearse = (item: ImportOut) =>
  api.post<One>(path(item.id, '/rehearse'), { version: item.version })

interface Props {
  item: ImportOut
  options: ImportOptions
  saved: Draft
}

function Matching({ item, options, saved }: Props) {
  const { t } = useTranslation()
  const go = useGo(item.id)
  const [draft, setDraft] = useState(saved)
  const change = (part: Partial<Draft>) => setDraft((now) => ({ ...now, ...part }))
  const save = useChange(
    item.id,
    async (mapping: Mapping) => {
      const answer = await saveMapping(item, mapping)
      const asks = item.kind === 'contacts' && !saysConsent(mapping)
      return asks ? answer : rehearse(answer.import)
    },
    (now) => go(now.state === 'read' ? 'consent' : 'rehearsal'),
  )
  const columns = item.described?.columns ?? []
  const setColumn = (place: number, column: Column) =>
    change({ columns: draft.columns.map((one, n) => (n === place ? column : one)) })
  return (
    <Stack gap="lg">
      {item.sender && (
        <Alert color="indigo">
          {t('imports.match.recognised', { sender: SOURCES[item.sender] ?? item.sender })}
        </Alert>
      )}
      {item.kind === 'contacts' && <What draft={draft} options={options} change={change} />}
      <Title order={3} size="h4">
        {t('imports.match.columns')}
      </Title>
      <ul className={classes.columns}>
        {columns.map((described, place) => (
          <ColumnRow
            key={place}
            kind={item.kind}
            described={described}
            column={draft.columns[place]!}
            options={options}
            clears={draft.replace_empty}
            onChange={(column) => setColumn(place, column)}
          />
        ))}
      </ul>
      <FileStates files={item.described?.files ?? []} kind={item.kind} draft={draft} change={change} />
      <Group>
        <Button onClick={() => save.mutate(draft)} loading={save.isPending}>
          {t('imports.next')}
        </Button>
      </Group>
    </Stack>
  )
}

interface WhatProps {
  draft: Draft
  options: ImportOptions
  change: (part: Partial<Draft>) => void
}

function What({ draft, options, change }: WhatProps) {
  const { t } = useTranslation()
  const list = draft.target == null ? 'none' : draft.target.id != null ? String(draft.target.id) : 'new'
  return (
    <>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Select
          label={t('imports.match.list')}
          allowDeselect={false}
          value={list}
          onChange={(value) =>
            change({
              target:
                value === 'none' || !value
                  ? null
                  : value === 'new'
                    ? { id: null, name: '' }
                    : { id: Number(value), name: '' },
            })
          }
          data={[
            { value: 'none', label: t('imports.match.noList') },
            { value: 'new', label: t('imports.match.newList') },
            ...options.lists.map(({ id, name }) => ({ value: String(id), label: name })),
          ]}
        />
        {list === 'new' && (
          <TextInput
            label={t('imports.match.listName')}
            value={draft.target?.name ?? ''}
            maxLength={80}
            onChange={({ currentTarget: { value } }) => change({ target: { id: null, name: value } })}
          />
        )}
        <Select
          label={t('imports.match.identifier')}
          description={t('imports.match.identifierText')}
          allowDeselect={false}
          value={draft.identifier}
          onChange={(value) => value && change({ identifier: value as Draft['identifier'] })}
          data={(['email', 'phone', 'crm'] as const).map((one) => ({
            value: one,
            label: t(`imports.fields.${one}`),
          }))}
        />
        <Select
          label={t('imports.match.country')}
          description={t('imports.match.countryText')}
          searchable
          clearable
          value={draft.country || null}
          onChange={(value) => change({ country: value ?? '' })}
          data={options.countries.map((code) => ({ value: code, label: countryName(code) }))}
        />
      </SimpleGrid>
      <Radio.Group
        label={t('imports.match.type')}
        value={draft.type}
        onChange={(value) => change({ type: value as Draft['type'] })}
      >
        <Stack gap="xs" mt="xs">
          {(['add_update', 'add', 'update'] as const).map((one) => (
            <Radio
              key={one}
              value={one}
              label={t(`imports.match.types.${one}`)}
              description={t(`imports.match.typeTexts.${one}`)}
            />
          ))}
        </Stack>
      </Radio.Group>
      <Radio.Group
        label={t('imports.match.duplicates')}
        value={draft.duplicates}
        onChange={(value) => change({ duplicates: value as Draft['duplicates'] })}
      >
        <Stack gap="xs" mt="xs">
          <Radio value="first" label={t('imports.match.first')} />
          <Radio value="all" label={t('imports.match.all')} />
        </Stack>
      </Radio.Group>
      <Switch
        label={t('imports.match.replace')}
        description={t('imports.match.replaceText')}
        checked={draft.replace_empty}
        onChange={({ currentTarget: { checked } }) => change({ replace_empty: checked })}
      />
    </>
  )
}

interface ColumnProps {
  kind: ImportOut['kind']
  described: ImportColumn
  column: Column
  options: ImportOptions
  clears: boolean
  onChange: (column: Column) => void
}

function ColumnRow({ kind, described, column, options, clears, onChange }: ColumnProps) {
  const { t } = useTranslation()
  const isDate = ['date_added', 'last_open', 'last_click', 'at', 'in_at', 'out_at'].includes(column.to)
  const holdsDates = isDate || (column.to === 'property' && column.type === 'date')
  const meanings = kind === 'suppressions' ? suppressionMeanings(i18n.t) : contactMeanings(i18n.t, options)
  return (
    <li className={classes.column}>
      <div>
        <div className={classes.header}>{described.header}</div>
        <div className={classes.samples} dir="auto">
          {described.samples.join(' · ') || t('imports.match.empty')}
        </div>
      </div>
      <Stack gap="xs">
        <Select
          aria-label={t('imports.match.meaning', { header: described.header })}
          allowDeselect={false}
          searchable
          value={meaningOf(column)}
          onChange={(value) => value && onChange(withMeaning(column, value, options, described.header))}
          data={meanings}
        />
        {described.same_as !== null && column.to === 'skip' && (
          <Text size="sm" c="orange">
            {t('imports.match.sameHeader')}
          </Text>
        )}
        {column.to === 'property' && !column.key && (
          <SimpleGrid cols={2}>
            <TextInput
              aria-label={t('imports.match.propertyName', { header: described.header })}
              value={column.name}
              maxLength={80}
              onChange={({ currentTarget: { value } }) => onChange({ ...column, name: value })}
            />
            <Select
              aria-label={t('imports.match.propertyType', { header: described.header })}
              allowDeselect={false}
              value={column.type}
              onChange={(value) => value && onChange({ ...column, type: value as Column['type'] })}
              data={(['text', 'number', 'boolean', 'date', 'list', 'tags'] as const).map((one) => ({
                value: one,
                label: t(`imports.types.${one}`),
              }))}
            />
          </SimpleGrid>
        )}
        {column.to === 'consent' && (
          <Select
            aria-label={t('imports.match.words', { header: described.header })}
            allowDeselect={false}
            value={column.words}
            onChange={(value) => value && onChange({ ...column, words: value as Column['words'] })}
            data={(['status', 'flags', 'accepts', 'opt_out'] as const).map((one) => ({
              value: one,
              label: t(`imports.words.${one}`),
            }))}
          />
        )}
        {holdsDates && described.asks_order && (
          <Radio.Group
            label={t('imports.match.order')}
            value={column.day_first ? 'day' : 'month'}
            onChange={(value) => onChange({ ...column, day_first: value === 'day' })}
          >
            <Group mt={4}>
              <Radio value="month" label={t('imports.match.monthFirst')} />
              <Radio value="day" label={t('imports.match.dayFirst')} />
            </Group>
          </Radio.Group>
        )}
        {holdsDates && described.unreadable_dates > 0 && (
          <Text size="sm" c="orange">
            {t('imports.match.badDates', { count: described.unreadable_dates })}
          </Text>
        )}
        {clears && column.to === 'property' && (
          <Checkbox
            label={t('imports.match.clear')}
            checked={column.clear}
            onChange={({ currentTarget: { checked } }) => onChange({ ...column, clear: checked })}
          />
        )}
      </Stack>
    </li>
  )
}

type Choices = (
  { value: string; label: string } | { group: string; items: { value: string; label: string }[] }
)[]
type T = (key: ParseKeys, values?: Record<string, string>) => string

function contactMeanings(t: T, options: ImportOptions): Choices {
  const plain = [
    'email',
    'phone',
    'crm',
    'name',
    'first_name',
    'last_name',
    'country',
    'date_added',
    'last_open',
    'last_click',
  ] as const
  const purposes = options.consents.map(({ purpose }) => purpose)
  return [
    { value: 'skip', label: t('imports.match.skip') },
    {
      group: t('imports.match.groups.fields'),
      items: plain.map((one) => ({ value: one, label: t(`imports.fields.${one}`) })),
    },
    {
      group: t('imports.match.groups.properties'),
      items: [
        { value: 'new', label: t('imports.match.newProperty') },
        ...options.properties.map(({ key, name }) => ({ value: `property:${key}`, label: name })),
      ],
    },
    {
      group: t('imports.match.groups.consents'),
      items: purposes.map((purpose) => ({
        value: `consent:${purpose}`,
        label: purposeName(purpose, options),
      })),
    },
    ...(['at', 'in_at', 'out_at'] as const).map((to) => ({
      group: t(`imports.match.groups.${to}`),
      items: purposes.map((purpose) => ({
        value: `${to}:${purpose}`,
        label: t(`imports.match.${to}`, { consent: purposeName(purpose, options) }),
      })),
    })),
  ]
}

function suppressionMeanings(t: T): Choices {
  return [
    { value: 'skip', label: t('imports.match.skip') },
    { value: 'email', label: t('imports.fields.email') },
    { value: 'reason', label: t('imports.fields.reason') },
    { value: 'out_at:email_marketing', label: t('imports.match.when') },
  ]
}

const STATE_NAMES: Record<string, ParseKeys> = {
  '': 'imports.fileStates.none',
  subscribed: 'imports.fileStates.subscribed',
  unsubscribed: 'imports.fileStates.unsubscribed',
  bounced: 'imports.fileStates.bounced',
  never: 'imports.fileStates.never',
}

interface StatesProps {
  files: ImportedFile[]
  kind: ImportOut['kind']
  draft: Draft
  change: (part: Partial<Draft>) => void
}

/** What is true of everybody in a file: some programs export one file for each state. */
function FileStates({ files, kind, draft, change }: StatesProps) {
  const { t } = useTranslation()
  if (files.length < 2 && !draft.file_states.some(Boolean)) return null
  const states =
    kind === 'contacts'
      ? (['', 'subscribed', 'unsubscribed', 'bounced', 'never'] as const)
      : (['', 'unsubscribed', 'bounced'] as const)
  return (
    <>
      <Title order={3} size="h4">
        {t('imports.match.files')}
      </Title>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        {files.map((file, place) => (
          <Select
            key={place}
            label={file.name}
            allowDeselect={false}
            value={draft.file_states[place] ?? ''}
            onChange={(value) =>
              change({
                file_states: files.map((_, n) =>
                  n === place ? (value as Draft['file_states'][number]) : (draft.file_states[n] ?? ''),
                ),
              })
            }
            data={states.map((one) => ({ value: one, label: i18n.t(STATE_NAMES[one]!) }))}
          />
        ))}
      </SimpleGrid>
    </>
  )
}
