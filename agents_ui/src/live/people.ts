/** Names: of visitors, who may have none, and of colleagues. */
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { ContactBrief, TicketOut } from '../generated/protocol'
import { api } from '../kernel/api'
import type { User, Users } from '../generated/accounts'
import { oneLine } from '../kernel/text'
import { useLive } from './store'
import i18n from 'i18next'
import { useMemo } from 'react'

type Known = Pick<ContactBrief, 'name' | 'email' | 'phone_shown'>

const knownName = (contact: Known) => oneLine(contact.name, 80) || contact.email || contact.phone_shown

/** Never empty; one line of at most 80 characters (W34). */
export const contactName = (contact: Known): string => knownName(contact) || i18n.t('people.nameless')

/** As `contactName`; somebody without a name is called by the ticket's number, by which the ticket is found. */
export const ticketName = (ticket: Pick<TicketOut, 'id' | 'contact' | 'peer'>): string =>
  knownName(ticket.contact) || ticket.peer || i18n.t('people.visitor', { number: ticket.id })

/** The server query for a typed text: "Visitor 45" means ticket 45, and "Vis" begins the shown name of every nameless visitor. */
export function findQuery(text: string): { q: string; nameless?: '1' } {
  const [prefix = '', suffix = ''] = i18n
    .t('people.visitor', { number: '\n' })
    .toLocaleLowerCase()
    .split('\n')
  const typed = text.toLocaleLowerCase()
  const number =
    typed.startsWith(prefix) &&
    typed.endsWith(suffix) &&
    typed.slice(prefix.length, typed.length - suffix.length)
  if (number && /^\d+$/.test(number)) return { q: `#${number}` }
  return prefix.trim() && prefix.startsWith(typed) ? { q: text, nameless: '1' } : { q: text }
}

/** The colleagues; who is online comes from the live connection if it said so, else from the list. */
export function useUsers(): readonly User[] {
  const { data } = useQuery({
    queryKey: ['users'],
    queryFn: () => api.get<Users>('/api/users'),
    staleTime: 60_000,
  })
  const online = useLive((state) => state.users)
  return useMemo(
    () => (data?.users ?? []).map((user) => ({ ...user, online: online[user.id] ?? user.online })),
    [data, online],
  )
}

export function useUser(id: number | null): User | null {
  return useUsers().find((user) => user.id === id) ?? null
}

export function useUserName(id: number | null): string {
  const { t } = useTranslation()
  const user = useUser(id)
  return user ? oneLine(user.name, 80) : t('people.someone')
}
