import { Skeleton, Text } from '@mantine/core'
import { IconCircleCheck } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../../kernel/api'
import type { Install } from '../../generated/webchat'
import { oneLine } from '../../kernel/text'
import { ago, exactTime, useNow } from '../../kernel/time'
import { CodeBox, Section } from '../Section'
import classes from './WidgetSettings.module.css'

const LOOK_MS = 5_000

/** The snippet to paste, and whether the widget was seen on the site, polled while the page is open. */
export function InstallSection({ sites }: { sites: readonly string[] }) {
  const { t } = useTranslation()
  const now = useNow()
  const { data } = useQuery({
    queryKey: ['settings', 'widget', 'install', sites],
    queryFn: () => api.get<Install>('/api/settings/widget/install'),
    refetchInterval: LOOK_MS,
    placeholderData: (before) => before,
  })
  return (
    <Section title={t('settings.widget.install')} text={t('settings.widget.installText')}>
      {data ? (
        <CodeBox text={data.snippet} label={t('settings.widget.snippet')} />
      ) : (
        <Skeleton height={58} radius="md" />
      )}
      <div aria-live="polite">
        {data?.seen.length === 0 && (
          <div className={classes.seen}>
            <span className={classes.pulse} />
            <Text c="dimmed">{t('settings.widget.notSeen')}</Text>
          </div>
        )}
        {data?.seen.map((place) => (
          <div key={place.origin} className={classes.seen}>
            <IconCircleCheck size={19} stroke={1.8} color="var(--tl-online-text)" aria-hidden />
            <div>
              <Text fw={500}>{t('settings.widget.seen', { origin: oneLine(place.origin, 120) })}</Text>
              <Text size="sm" c="dimmed" title={exactTime(place.last_seen)}>
                {/* Browsers send only the origin to another site. */}
                {place.page !== '' && place.page !== `${place.origin}/` && `${oneLine(place.page, 160)} · `}
                {ago(place.last_seen, now)}
              </Text>
            </div>
          </div>
        ))}
      </div>
    </Section>
  )
}
