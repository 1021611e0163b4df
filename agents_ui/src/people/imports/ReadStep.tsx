/** How the file is read, beside its first rows: a wrong encoding or separator is visible at once. */
import { Alert, Button, Group, SimpleGrid, Select, Stack, Switch, Text, TextInput } from '@mantine/core'
import '../../ui/formStyles'
import '@mantine/core/styles/SimpleGrid.layer.css'
import { useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import type { Described, ImportOut, Reading } from '../../generated/imports'
import { saveReading, useChange } from './data'
import classes from './Imports.module.css'
import { useGo } from './useGo'
import { number, reason } from './words'

const ENCODINGS: Record<string, string> = {
  'utf-8': 'UTF-8',
  'utf-16-le': 'UTF-16 LE',
  'utf-16-be': 'UTF-16 BE',
  cp949: 'CP949 (한국어)',
  shift_jis: 'Shift-JIS (日本語)',
  gb18030: 'GB18030 (中文)',
  cp1250: 'Windows-1250 (polski, čeština)',
  cp1251: 'Windows-1251 (русский)',
  cp1252: 'Windows-1252 (Western)',
}
const SEPARATORS = [',', ';', '\t', '|'] as const

export function ReadStep({ item }: { item: ImportOut }) {
  const { t } = useTranslation()
  const go = useGo(item.id)
  const save = useChange(item.id, (reading: Reading) => saveReading(item, reading))
  const confirm = useChange(
    item.id,
    () => saveReading(item, { ...item.reading, confirmed: true }),
    () => go('match'),
  )
  const { described } = item
  // The server was stopped while it read the file: it reads it again.
  const asked = useRef(false)
  const { mutate } = save
  useEffect(() => {
    if (item.state === 'reading' && !described && !asked.current) {
      asked.current = true
      mutate(item.reading)
    }
  }, [item.state, item.reading, described, mutate])
  if (!described) return <Text>{t('imports.read.reading')}</Text>
  const [file] = described.files
  const change = (part: Partial<Reading>) => save.mutate({ ...item.reading, ...part, confirmed: false })
  const texts = described.files.some(({ kind }) => kind === 'text')
  const unusual = described.files.find(
    ({ kind, separator }) => kind === 'text' && ![',', '\t'].includes(separator),
  )
  return (
    <Stack gap="lg">
      <Text>
        {t('imports.read.found', {
          count: described.rows,
          number: number(described.rows),
          columns: described.columns.length,
        })}
      </Text>
      {file && !file.certain && <Alert color="yellow">{t('imports.read.guessed')}</Alert>}
      {unusual && (
        <Alert color="yellow">{t('imports.read.separated', { separator: unusual.separator })}</Alert>
      )}
      {file && file.skipped > 0 && (
        <Text size="sm">{t('imports.read.skipped', { count: file.skipped })}</Text>
      )}
      {file && (
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          {texts && (
            <>
              <Select
                label={t('imports.read.encoding')}
                allowDeselect={false}
                value={item.reading.encoding ?? file.encoding}
                onChange={(encoding) => change({ encoding })}
                data={Object.entries(ENCODINGS).map(([value, label]) => ({ value, label }))}
              />
              <Select
                label={t('imports.read.separator')}
                allowDeselect={false}
                value={file.separator}
                onChange={(separator) => change({ separator })}
                data={[
                  { value: ',', label: t('imports.read.separators.comma') },
                  { value: ';', label: t('imports.read.separators.semicolon') },
                  { value: '\t', label: t('imports.read.separators.tab') },
                  { value: '|', label: t('imports.read.separators.bar') },
                  ...(SEPARATORS.includes(file.separator as ',')
                    ? []
                    : [{ value: file.separator, label: file.separator }]),
                ]}
              />
              <TextInput
                label={t('imports.read.quote')}
                key={item.reading.quote ?? '"'}
                defaultValue={item.reading.quote ?? '"'}
                maxLength={1}
                onBlur={({ currentTarget: { value } }) =>
                  value !== (item.reading.quote ?? '"') && change({ quote: value })
                }
              />
            </>
          )}
          {file.sheets.length > 0 && described.files.length === 1 && (
            <Select
              label={t('imports.read.sheet')}
              allowDeselect={false}
              value={file.sheet}
              onChange={(sheet) => change({ sheet })}
              data={file.sheets.map(({ name, hidden }) => ({
                value: name,
                label: hidden ? t('imports.read.hidden', { name }) : name,
              }))}
            />
          )}
        </SimpleGrid>
      )}
      {file && (
        <Switch
          label={t('imports.read.headers')}
          checked={file.has_headers}
          onChange={({ currentTarget: { checked } }) => change({ headers: checked })}
        />
      )}
      <Preview described={described} />
      <Group>
        <Button onClick={() => confirm.mutate(undefined)} loading={confirm.isPending || save.isPending}>
          {t('imports.read.right')}
        </Button>
      </Group>
    </Stack>
  )
}

function Preview({ described }: { described: Described }) {
  const { t } = useTranslation()
  return (
    <div className={classes.grid} role="region" aria-label={t('imports.read.preview')}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t('imports.read.line')}</th>
            {described.columns.map(({ header }, place) => (
              <th scope="col" key={place}>
                {header}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {described.preview.map((row, place) => (
            <tr key={place}>
              <td className={classes.line}>{row.line}</td>
              {row.broken ? (
                <td colSpan={described.columns.length}>{reason(row.broken)}</td>
              ) : (
                described.columns.map((_, column) => <td key={column}>{row.cells[column] ?? ''}</td>)
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
