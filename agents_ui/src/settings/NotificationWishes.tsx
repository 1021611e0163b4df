/** Which notices about tickets the signed-in user wants. Each change is saved at once. */
import { Select, Stack } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { NotificationWishes as Wishes } from '../generated/notifications'
import { api } from '../kernel/api'
import { toastError } from '../ui/toasts'
import { Section, SwitchRow } from './Section'

const PATH = '/api/notifications/wishes'
const KEY = ['notifications', 'wishes']
const MINUTES = [0, 15, 30, 60, 240]

export function NotificationWishes() {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { data } = useQuery({ queryKey: KEY, queryFn: () => api.get<Wishes>(PATH) })
  if (!data) return null

  async function change(next: Partial<Wishes>) {
    const { tickets, mail, reminder_minutes } = { ...data!, ...next }
    queries.setQueryData(KEY, { ...data!, ...next })
    try {
      queries.setQueryData(KEY, await api.put<Wishes>(PATH, { tickets, mail, reminder_minutes }))
    } catch (error) {
      toastError(error)
      await queries.invalidateQueries({ queryKey: KEY })
    }
  }

  const locked = !data.mail_possible
    ? t('notices.mailOff')
    : data.tickets === 'none' && !data.reminder_minutes
      ? t('notices.mailNone')
      : undefined
  return (
    <Section title={t('notices.title')} text={t('notices.everywhere')}>
      <Stack gap="lg">
        <Select
          maw={360}
          label={t('notices.tickets')}
          value={data.tickets}
          allowDeselect={false}
          onChange={(tickets) => tickets && void change({ tickets })}
          data={(['all', 'mine', 'none'] as const).map((value) => ({ value, label: t(`notices.${value}`) }))}
        />
        <Select
          maw={360}
          label={t('notices.reminder')}
          description={t('notices.reminderText')}
          value={String(data.reminder_minutes)}
          allowDeselect={false}
          onChange={(minutes) => minutes && void change({ reminder_minutes: Number(minutes) })}
          data={MINUTES.map((count) => ({
            value: String(count),
            label: count === 0 ? t('notices.never') : t('notices.after', { count }),
          }))}
        />
        <SwitchRow
          label={t('notices.mail')}
          text={t('notices.mailText', { email: data.email })}
          locked={data.mail ? undefined : locked}
          checked={data.mail}
          onChange={(mail) => void change({ mail })}
        />
      </Stack>
    </Section>
  )
}
