import { useQuery } from '@tanstack/react-query'
import { useCan } from '../accounts/session'
import { api } from '../kernel/api'
import type { InboxSettings } from '../kernel/contract'
import { useLive } from '../live/store'

/** Unread tickets for menu and title; 0 as well where the team does not want to be told (INB-34). */
export function useBadge(): number {
  const unread = useLive((state) => state.unread)
  const { data } = useQuery({
    queryKey: ['settings', '/api/inbox/settings'],
    queryFn: () => api.get<InboxSettings>('/api/inbox/settings'),
    enabled: useCan('inbox'),
    staleTime: 60_000,
  })
  return data?.unread_badge === false ? 0 : unread
}
