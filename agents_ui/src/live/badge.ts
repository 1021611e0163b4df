import { useQuery } from '@tanstack/react-query'
import { useCan } from '../kernel/session'
import { api } from '../kernel/api'
import type { VersionedInbox } from '../generated/inbox'
import { useLive } from './store'

/** The number of unread tickets for menu and title; 0 also if the team switched the badge off (INB-34). */
export function useBadge(): number {
  const unread = useLive((state) => state.unread)
  const { data } = useQuery({
    queryKey: ['settings', '/api/inbox/settings'],
    queryFn: () => api.get<VersionedInbox>('/api/inbox/settings'),
    enabled: useCan('inbox'),
    staleTime: 60_000,
  })
  return data?.unread_badge === false ? 0 : unread
}
