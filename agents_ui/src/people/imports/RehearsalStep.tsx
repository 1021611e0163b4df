/** What would happen to each row. Nothing is written before the import is started from here. */
import { Alert, Button, Checkbox, Group, Stack, Text } from '@mantine/core'
import '../../ui/formStyles'
import '@mantine/core/styles/Checkbox.layer.css'
import { useTranslation } from 'react-i18next'
import type { ImportOut } from '../../generated/imports'
import { api } from '../../kernel/api'
import { CsvDownload } from '../../ui/CsvDownload'
import { JobProgress } from '../../ui/JobProgress'
import { explainCode } from '../../ui/toasts'
import { Counts, Samples } from './Counts'
import { type Draft, type One, path, saveMapping, useChange } from './data'
import { rehearse } from './MatchStep'
import { useGo } from './useGo'
import { number } from './words'

export function RehearsalStep({ item }: { item: ImportOut }) {
  const { t } = useTranslation()
  const go = useGo(item.id)
  const again = useChange(item.id, () => rehearse(item))
  const cancel = useChange(item.id, () => api.post<One>(path(item.id, '/cancel')))
  const run = useChange(
    item.id,
    () => api.post<One>(path(item.id, '/run'), { version: item.version }),
    () => go('run'),
  )
  const leaveOut = useChange(item.id, async (leave_out: Draft['leave_out']) =>
    rehearse((await saveMapping(item, { ...(item.mapping as Draft), leave_out })).import),
  )
  if (item.state === 'rehearsing')
    return (
      <Stack gap="lg">
        <JobProgress
          label={t('imports.rehearsal.working')}
          done={item.progress?.done ?? 0}
          total={item.progress?.total ?? 1}
        />
        <Group>
          <Button variant="default" onClick={() => cancel.mutate(undefined)}>
            {t('common.cancel')}
          </Button>
        </Group>
      </Stack>
    )
  const { rehearsal } = item
  if (!rehearsal)
    return (
      <Stack gap="lg">
        {item.problem && <Alert color="red">{explainCode(item.problem.code)}</Alert>}
        <Group>
          <Button onClick={() => again.mutate(undefined)} loading={again.isPending}>
            {t('imports.rehearsal.begin')}
          </Button>
        </Group>
      </Stack>
    )
  const left = (item.mapping as Draft).leave_out
  const writes =
    (rehearsal.counts.new ?? 0) + (rehearsal.counts.updated ?? 0) + (rehearsal.counts.unchanged ?? 0)
  return (
    <Stack gap="lg">
      <Alert color="indigo">{t('imports.rehearsal.nothing')}</Alert>
      <Counts counts={rehearsal.counts} />
      {rehearsal.cleared > 0 && (
        <Text>
          {t('imports.rehearsal.cleared', { count: rehearsal.cleared, number: number(rehearsal.cleared) })}
        </Text>
      )}
      {item.kind === 'contacts' && (
        <Stack gap="xs">
          <Checkbox
            label={t('imports.rehearsal.leaveRoles')}
            checked={left.includes('role')}
            disabled={leaveOut.isPending}
            onChange={() => leaveOut.mutate(toggled(left, 'role'))}
          />
          <Checkbox
            label={t('imports.rehearsal.leaveInactive')}
            checked={left.includes('inactive')}
            disabled={leaveOut.isPending}
            onChange={() => leaveOut.mutate(toggled(left, 'inactive'))}
          />
          <Text size="sm" c="dimmed">
            {t('imports.rehearsal.flows')}
          </Text>
        </Stack>
      )}
      <Samples
        samples={rehearsal.samples}
        headers={item.described?.columns.map(({ header }) => header) ?? []}
      />
      <Group>
        <Button onClick={() => run.mutate(undefined)} loading={run.isPending} disabled={writes === 0}>
          {t('imports.rehearsal.run', { count: writes, number: number(writes) })}
        </Button>
        <CsvDownload href={path(item.id, '/verdicts.csv')} />
      </Group>
    </Stack>
  )
}

function toggled(now: Draft['leave_out'], one: Draft['leave_out'][number]): Draft['leave_out'] {
  return now.includes(one) ? now.filter((other) => other !== one) : [...now, one]
}
