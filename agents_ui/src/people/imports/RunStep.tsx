/** The progress of the import. The page may be left: the server goes on. */
import { Button, Group, Stack, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { ImportOut } from '../../generated/imports'
import { api } from '../../kernel/api'
import { JobProgress } from '../../ui/JobProgress'
import { type One, path, useChange } from './data'
import { number } from './words'

export function RunStep({ item }: { item: ImportOut }) {
  const { t } = useTranslation()
  const cancel = useChange(item.id, () => api.post<One>(path(item.id, '/cancel')))
  const progress = item.progress
  const left = progress?.seconds_left
  return (
    <Stack gap="lg">
      <JobProgress label={t('imports.run.working')} done={progress?.done ?? 0} total={progress?.total ?? 1} />
      <Text c="dimmed">
        {progress && progress.done > 0
          ? t('imports.run.rate', {
              rate: number(Math.round(progress.rate)),
              minutes: number(Math.max(1, Math.ceil((left ?? 0) / 60))),
            })
          : t('imports.run.begins')}
      </Text>
      <Text>{t('imports.run.leave')}</Text>
      <Group>
        <Button variant="default" onClick={() => cancel.mutate(undefined)} loading={cancel.isPending}>
          {t('imports.run.cancel')}
        </Button>
      </Group>
    </Stack>
  )
}
