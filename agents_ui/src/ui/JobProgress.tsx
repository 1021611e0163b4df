/** The progress of a long job of the server. */
import { Progress, Text } from '@mantine/core'
import '@mantine/core/styles/Progress.layer.css'
import { useTranslation } from 'react-i18next'
import type { JobProgress as Done } from '../generated/operations'
import { locale } from '../kernel/time'

const number = (value: number) => value.toLocaleString(locale())

export function JobProgress({ label, done, total }: Pick<Done, 'done' | 'total'> & { label: string }) {
  const { t } = useTranslation()
  const part = total === 0 ? 1 : Math.min(1, done / total)
  const percent = part.toLocaleString(locale(), { style: 'percent' })
  return (
    <div>
      <Text fw={500}>{label}</Text>
      <Progress.Root my={8}>
        <Progress.Section value={part * 100} aria-label={label} />
      </Progress.Root>
      <Text size="sm" c="dimmed">
        {t('common.progress', { percent, done: number(done), total: number(total) })}
      </Text>
    </div>
  )
}
