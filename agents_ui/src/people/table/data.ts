/** The pages of the table of contacts, and how many contacts it has. */
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query'
import type { CountBody, People, PeopleCount, TableBody } from '../../generated/people'
import { api } from '../../kernel/api'
import type { TableState } from '../address'

const LIMIT = 100

export function countBody({ q, hidden }: TableState): CountBody {
  return { search: q, hidden }
}

export function usePeople(state: TableState) {
  const body: TableBody = {
    ...countBody(state),
    sort: state.order,
    descending: state.descending,
    limit: LIMIT,
  }
  return useInfiniteQuery({
    queryKey: ['people', 'table', body],
    queryFn: ({ pageParam }) => api.post<People>('/api/people', { ...body, after: pageParam }),
    initialPageParam: '',
    getNextPageParam: (page) => page.after ?? undefined,
    staleTime: 10_000,
    placeholderData: keepPreviousData,
  })
}

export function usePeopleCount(state: TableState): number | undefined {
  const body = countBody(state)
  const { data } = useQuery({
    queryKey: ['people', 'count', body],
    queryFn: () => api.post<PeopleCount>('/api/people/count', body),
    staleTime: 30_000,
  })
  return data?.count
}
