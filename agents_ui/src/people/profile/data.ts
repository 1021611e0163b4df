/** What the page of one contact reads. */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import type { ContactConsents } from '../../generated/consent'
import type { Contacts } from '../../generated/contacts'
import type { PersonTimeline, Profile } from '../../generated/people'
import type { ContactOrders } from '../../generated/shop'
import { api, query } from '../../kernel/api'

export const profileKey = (contact: number) => ['people', 'profile', contact]

export const useProfile = (contact: number) =>
  useQuery({
    queryKey: profileKey(contact),
    queryFn: () => api.get<Profile>(`/api/people/${contact}`),
    staleTime: 10_000,
  })

/** The same key as the inbox uses, which live frames make stale. */
export const useConsents = (contact: number) =>
  useQuery({
    queryKey: ['consents', contact],
    queryFn: () => api.get<ContactConsents>(`/api/contacts/${contact}/consents`),
    staleTime: 10_000,
  })

export const useOrders = (contact: number) =>
  useQuery({
    queryKey: ['orders', contact],
    queryFn: () => api.get<ContactOrders>(`/api/contacts/${contact}/orders`),
    staleTime: 30_000,
  })

export const useDuplicates = (contact: number) =>
  useQuery({
    queryKey: ['people', 'duplicates', contact],
    queryFn: () => api.get<Contacts>(`/api/contacts/${contact}/duplicates`),
    staleTime: 30_000,
  })

/** `event`: the first page begins with this event instead of the newest. */
export const useTimeline = (contact: number, kind: string, event: number | null) =>
  useInfiniteQuery({
    queryKey: ['people', 'timeline', contact, kind, event],
    queryFn: ({ pageParam }) =>
      api.get<PersonTimeline>(
        `/api/people/${contact}/timeline${query({ kind, event: pageParam ? null : event, after: pageParam })}`,
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.after ?? undefined,
    staleTime: 10_000,
  })
