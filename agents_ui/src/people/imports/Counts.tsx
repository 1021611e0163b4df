/** The counts of a rehearsal or a result: rows by verdict, reasons, cells, and consents. */
import { Stack, Text, Title } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { ImportRow } from '../../generated/imports'
import { useOptions } from './data'
import classes from './Imports.module.css'
import { fieldName, number, purposeName, reason } from './words'

const VERDICTS = ['new', 'updated', 'unchanged', 'duplicate', 'skipped', 'refused'] as const

export function Counts({ counts }: { counts: Record<string, number> }) {
  const { t } = useTranslation()
  const options = useOptions().data
  const list = (prefix: string) =>
    Object.entries(counts)
      .filter(([name]) => name.startsWith(prefix))
      .sort(([, a], [, b]) => b - a)
  const reasons = [...list('refused:'), ...list('skipped:')]
  const cells = list('cell:')
  const consents = list('consent:')
  const stops = list('stop:')
  return (
    <Stack gap="md">
      <ul className={classes.counts}>
        {VERDICTS.filter((verdict) => counts[verdict]).map((verdict) => (
          <li key={verdict} className={classes.count}>
            <span className={classes.figure}>{number(counts[verdict]!)}</span>
            {t(`imports.verdicts.${verdict}`)}
          </li>
        ))}
      </ul>
      <Lines
        title={t('imports.counts.reasons')}
        rows={reasons.map(([name, n]) => [reason(name.split(':')[1]!), n])}
      />
      <Lines
        title={t('imports.counts.cells')}
        rows={cells.map(([name, n]) => [reason(name.split(':')[1]!), n])}
      />
      <Lines
        title={t('imports.counts.consents')}
        rows={consents.map(([name, n]) => {
          const [, ...parts] = name.split(':')
          const status = parts.pop()!
          const kept = status.startsWith('kept_')
          return [
            t(kept ? 'imports.counts.kept' : `imports.statuses.${status as 'subscribed'}`, {
              consent: purposeName(parts.join(':'), options),
            }),
            n,
          ]
        })}
      />
      <Lines
        title={t('imports.counts.stops')}
        rows={stops.map(([name, n]) => [t(`imports.stops.${name.split(':')[1] as 'new'}`), n])}
      />
    </Stack>
  )
}

function Lines({ title, rows }: { title: string; rows: [string, number][] }) {
  if (rows.length === 0) return null
  return (
    <div>
      <Title order={3} size="h5" mb={4}>
        {title}
      </Title>
      {rows.map(([text, n]) => (
        <Text key={text} size="sm">
          {number(n)} · {text}
        </Text>
      ))}
    </div>
  )
}

/** Some rows of each verdict, field by field. */
export function Samples({ samples, headers }: { samples: Record<string, ImportRow[]>; headers: string[] }) {
  const { t } = useTranslation()
  const rows = [
    ...new Map(
      Object.values(samples)
        .flat()
        .map((row) => [row.n, row]),
    ).values(),
  ].sort((a, b) => a.n - b.n)
  return (
    <div>
      <Title order={3} size="h5" mb={8}>
        {t('imports.rehearsal.samples')}
      </Title>
      <ul className={classes.samplesList}>
        {rows.slice(0, 30).map((row) => (
          <li key={row.n} className={classes.sample}>
            <Text size="sm" fw={500}>
              {t('imports.rehearsal.row', {
                line: row.line,
                verdict: t(`imports.verdicts.${row.verdict}`),
                who: row.who,
              })}
              {row.reason && row.cells.every(([, code]) => code !== row.reason) && ` · ${reason(row.reason)}`}
            </Text>
            {row.verdict === 'updated' &&
              Object.entries(row.changes).map(([field, [before, after]]) => (
                <div key={field}>
                  {fieldName(field)}: {shown(before)} → {shown(after)}
                </div>
              ))}
            {row.cells.map(([column, code, value], place) => (
              <div key={place}>
                {headers[column as number] ?? ''} {value ? `“${value}”` : ''} {reason(String(code))}
              </div>
            ))}
          </li>
        ))}
      </ul>
    </div>
  )
}

function shown(value: unknown): string {
  if (value === null || value === undefined || value === '') return '–'
  return Array.isArray(value) ? value.join(', ') : String(value)
}
