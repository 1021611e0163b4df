/** What became of every row, the rows to correct, what to do next, and undo. */
import { Alert, Button, Group, List, Stack, Text, Title } from '@mantine/core'
import '../../ui/formStyles'
import '@mantine/core/styles/List.layer.css'
import { modals } from '@mantine/modals'
import { IconDownload } from '@tabler/icons-react'
import i18n from 'i18next'
import { useTranslation } from 'react-i18next'
import type { ImportOut } from '../../generated/imports'
import { api } from '../../kernel/api'
import { useSession } from '../../kernel/session'
import { exactTime } from '../../kernel/time'
import { CsvDownload } from '../../ui/CsvDownload'
import { JobProgress } from '../../ui/JobProgress'
import { Counts } from './Counts'
import { type One, path, useChange } from './data'
import { number } from './words'

export function ResultStep({ item }: { item: ImportOut }) {
  const { t } = useTranslation()
  const mayUndo = useSession((state) => state.capabilities).includes('import_consent')
  const undo = useChange(item.id, () => api.post<One>(path(item.id, '/undo')))
  const counts = item.counts
  const problems = (counts.refused ?? 0) + (counts.skipped ?? 0) + (counts.duplicate ?? 0)
  const faulty = Object.keys(counts).some((name) => name.startsWith('cell:'))
  const handled = problems + (counts.new ?? 0) + (counts.updated ?? 0) + (counts.unchanged ?? 0)
  const ask = () =>
    modals.openConfirmModal({
      title: i18n.t('imports.result.undo'),
      children: <Text>{i18n.t('imports.result.undoText')}</Text>,
      labels: { confirm: i18n.t('imports.result.undo'), cancel: i18n.t('common.cancel') },
      confirmProps: { color: 'red' },
      onConfirm: () => undo.mutate(undefined),
    })
  return (
    <Stack gap="lg">
      {item.state === 'undoing' && (
        <JobProgress
          label={t('imports.result.undoing')}
          done={item.progress?.done ?? 0}
          total={item.progress?.total ?? 1}
        />
      )}
      {item.state === 'undone' && (
        <Alert color="gray" title={t('imports.result.undone', { time: exactTime(item.undone_at ?? '') })}>
          {t('imports.result.hidden', {
            count: counts['undone:hidden'] ?? 0,
            number: number(counts['undone:hidden'] ?? 0),
          })}{' '}
          {(counts['undone:kept'] ?? 0) > 0 &&
            t('imports.result.kept', {
              count: counts['undone:kept'],
              number: number(counts['undone:kept'] ?? 0),
            })}
        </Alert>
      )}
      {item.state === 'cancelled' && (
        <Alert color="yellow">
          {t('imports.result.cancelled', { count: item.rows - handled, number: number(item.rows - handled) })}
        </Alert>
      )}
      <Text>{t('imports.result.rows', { count: handled, number: number(handled) })}</Text>
      <Counts counts={counts} />
      <Group>
        {(problems > 0 || faulty) && (
          <Button
            component="a"
            href={path(item.id, '/problems.csv')}
            download
            leftSection={<IconDownload size={16} />}
          >
            {t('imports.result.problems')}
          </Button>
        )}
        <CsvDownload href={path(item.id, '/verdicts.csv')} />
        {mayUndo && ['done', 'cancelled'].includes(item.state) && (
          <Button variant="default" color="red" onClick={ask} loading={undo.isPending}>
            {t('imports.result.undo')}
          </Button>
        )}
      </Group>
      {item.kind === 'contacts' && item.state === 'done' && (
        <div>
          <Title order={3} size="h5" mb={4}>
            {t('imports.result.next')}
          </Title>
          <List size="sm">
            <List.Item>{t('imports.result.nextSuppressions')}</List.Item>
            <List.Item>{t('imports.result.nextEngaged')}</List.Item>
            <List.Item>{t('imports.result.nextFlows')}</List.Item>
          </List>
        </div>
      )}
    </Stack>
  )
}
