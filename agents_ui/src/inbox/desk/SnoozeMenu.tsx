import { Button, Popover, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { SnoozeTimes } from '../../generated/inbox'
import { api } from '../../kernel/api'
import { locale } from '../../kernel/time'
import type { SnoozeMenuProps } from './props'
import classes from './SnoozeMenu.module.css'

const CHOICES = ['later', 'tomorrow', 'week'] as const

/** "Sun, 6 Dec, 09:00" in the account's time zone. */
const shortTimeIn = (iso: string, timeZone: string) =>
  new Intl.DateTimeFormat(locale(), {
    timeZone,
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: 'numeric',
    minute: '2-digit',
  }).format(Date.parse(iso))

/** "2026-12-01T09:00" in the account's time zone. Swedish dates and times are almost those of ISO 8601. */
const localIso = (iso: string, timeZone: string) =>
  new Intl.DateTimeFormat('sv', { timeZone, dateStyle: 'short', timeStyle: 'short' })
    .format(Date.parse(iso))
    .replace(' ', 'T')

/** The times until which tickets can be snoozed, as the server computes them in the account's time zone. */
export function SnoozeMenu({ onClose, onPick }: SnoozeMenuProps) {
  const { t } = useTranslation()
  const { data } = useQuery({
    queryKey: ['snooze-times'],
    queryFn: () => api.get<SnoozeTimes>('/api/inbox/snooze-times'),
    staleTime: 0,
  })
  const [picked, setPicked] = useState<string | null>(null)

  function choose(until: string) {
    onClose()
    onPick(until)
  }
  const confirm = () => picked && choose(picked)

  return (
    <Popover
      opened
      onDismiss={onClose}
      width={270}
      position="bottom-end"
      trapFocus
      returnFocus
      withRoles={false}
    >
      <Popover.Target>
        <span className={classes.anchor} />
      </Popover.Target>
      <Popover.Dropdown p={6} role="dialog" aria-label={t('inbox.snooze')}>
        {picked === null ? (
          <Stack gap={2}>
            {CHOICES.map((choice) => (
              <Button
                key={choice}
                variant="subtle"
                color="gray"
                fullWidth
                justify="space-between"
                className={classes.choice}
                onClick={() => choose(choice)}
                rightSection={
                  data && <span className={classes.time}>{shortTimeIn(data[choice], data.time_zone)}</span>
                }
              >
                {t(`desk.${choice}`)}
              </Button>
            ))}
            <Button
              variant="subtle"
              color="gray"
              fullWidth
              justify="space-between"
              className={classes.choice}
              disabled={!data}
              onClick={() => data && setPicked(localIso(data.tomorrow, data.time_zone))}
            >
              {t('desk.pick')}
            </Button>
          </Stack>
        ) : (
          <div className={classes.form}>
            <TextInput
              type="datetime-local"
              label={t('desk.pickLabel')}
              value={picked}
              onChange={(event) => setPicked(event.currentTarget.value)}
              onKeyDown={(event) => event.key === 'Enter' && confirm()}
              data-autofocus
            />
            <Button onClick={confirm} disabled={!picked}>
              {t('desk.confirm')}
            </Button>
          </div>
        )}
        {data && (
          <Text className={classes.zone}>
            {t('desk.zone', { zone: data.time_zone.replaceAll('_', ' ') })}
          </Text>
        )}
      </Popover.Dropdown>
    </Popover>
  )
}
