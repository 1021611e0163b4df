/** Names: of visitors, who may have none, and of colleagues. */
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { ContactBrief } from '../generated/protocol'
import { api } from '../kernel/api'
import type { User } from '../kernel/contract'
import { oneLine } from '../kernel/text'
import i18n from 'i18next'

/** Never empty, always one line, cut (BAD_INPUTS W34). */
export function contactName(contact: Omit<ContactBrief, 'verified'>): string {
  return (
    oneLine(contact.name, 80) ||
    contact.email ||
    contact.phone_shown ||
    i18n.t('inbox.visitor', { number: contact.id })
  )
}

export function useUsers(): readonly User[] {
  const { data } = useQuery({
    queryKey: ['users'],
    queryFn: () => api.get<{ users: User[] }>('/api/users'),
    staleTime: 60_000,
  })
  return data?.users ?? []
}

export function useUser(id: number | null): User | null {
  return useUsers().find((user) => user.id === id) ?? null
}

export function useUserName(id: number | null): string {
  const { t } = useTranslation()
  const user = useUser(id)
  return user ? oneLine(user.name, 80) : t('inbox.someone')
}
