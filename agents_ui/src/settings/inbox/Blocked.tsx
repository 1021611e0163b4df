import { Button, Group, Stack, Text } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { BlockedPeople } from '../../generated/inbox'
import type { Done } from '../../generated/web'
import { api } from '../../kernel/api'
import { oneLine } from '../../kernel/text'
import { shortDay } from '../../kernel/time'
import { toastError } from '../../ui/toasts'
import { Section } from '../Section'

const PATH = '/api/blocked'

/** Blocked people, for those who may unblock them. */
export function Blocked() {
  const { t } = useTranslation()
  const client = useQueryClient()
  const { data } = useQuery({ queryKey: [PATH], queryFn: () => api.get<BlockedPeople>(PATH), staleTime: 0 })

  async function unblock(contact: number) {
    try {
      await api.post<Done>(`/api/contacts/${contact}/unblock`, {})
      await client.invalidateQueries({ queryKey: [PATH] })
    } catch (error) {
      toastError(error)
    }
  }

  return (
    <Section title={t('settings.inbox.blocked')} text={t('settings.inbox.blocked_text')}>
      {data?.people.length === 0 && <Text c="dimmed">{t('settings.inbox.blocked_none')}</Text>}
      <Stack gap="xs" role="list" aria-label={t('settings.inbox.blocked')}>
        {data?.people.map(({ contact, blocked_at: since }) => (
          <Group key={contact.id} justify="space-between" wrap="nowrap" role="listitem">
            <div>
              <Text dir="auto">
                {oneLine(contact.name, 80) || contact.phone_shown || contact.email || t('people.nameless')}
              </Text>
              <Text size="sm" c="dimmed">
                {[contact.name && contact.phone_shown, contact.name && contact.email, shortDay(since)]
                  .filter(Boolean)
                  .join(' · ')}
              </Text>
            </div>
            <Button size="compact-sm" variant="default" onClick={() => void unblock(contact.id)}>
              {t('settings.inbox.unblock')}
            </Button>
          </Group>
        ))}
      </Stack>
    </Section>
  )
}
