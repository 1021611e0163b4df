import { Button, Stack, Text, Title } from '@mantine/core'
import { IconCloudOff, IconMoodPuzzled, type Icon } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { loadSession } from '../kernel/session'
import classes from './Problem.module.css'

interface EmptyProps {
  icon: Icon
  title: string
  text?: ReactNode
  action?: ReactNode
  level?: 1 | 2 | 3
}

/** An icon, a sentence and one action. */
export function Empty({ icon: Picture, title, text, action, level = 2 }: EmptyProps) {
  return (
    <Stack align="center" justify="center" gap={6} className={classes.empty}>
      <span className={classes.picture} aria-hidden>
        <Picture size={26} stroke={1.5} />
      </span>
      <Title order={level} size="h3" ta="center">
        {title}
      </Title>
      {text && (
        <Text c="dimmed" size="sm" ta="center" maw={320}>
          {text}
        </Text>
      )}
      {action && <div className={classes.action}>{action}</div>}
    </Stack>
  )
}

export function Unreachable() {
  return (
    <main className={classes.page}>
      <Failed level={1} onAgain={() => void loadSession()} />
    </main>
  )
}

/** In place of content that could not be fetched. */
export function Failed({ onAgain, level = 2 }: { onAgain: () => void; level?: 1 | 2 }) {
  const { t } = useTranslation()
  return (
    <Empty
      icon={IconCloudOff}
      level={level}
      title={t('problem.unreachable')}
      text={t('problem.unreachableText')}
      action={<Button onClick={onAgain}>{t('common.tryAgain')}</Button>}
    />
  )
}

/** In place of a part that failed to render; drafts are not lost. */
export function Broken({ reset, level = 2 }: { reset: () => void; level?: 1 | 2 }) {
  const { t } = useTranslation()
  return (
    <Empty
      icon={IconMoodPuzzled}
      level={level}
      title={t('problem.broken')}
      text={t('problem.brokenText')}
      action={<Button onClick={reset}>{t('common.tryAgain')}</Button>}
    />
  )
}

export function BrokenPage({ reset }: { reset: () => void }) {
  return (
    <main className={classes.page}>
      <Broken level={1} reset={reset} />
    </main>
  )
}

export function Missing() {
  const { t } = useTranslation()
  return (
    <main className={classes.page}>
      <Empty
        icon={IconMoodPuzzled}
        level={1}
        title={t('problem.missing')}
        action={
          <Button component="a" href="/">
            {t('problem.toStart')}
          </Button>
        }
      />
    </main>
  )
}
